"""The half of a store that derives states from the log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, overload

from batpak import _batpak
from batpak._errors import InvalidInput
from batpak._filters import number
from batpak._folding import Plan, Stretch, copied, fold_all, last_visible
from batpak._observing.attesting import Attesting
from batpak._projections.plain_function import is_plain
from batpak._projections.projection import Projection, instance_of
from batpak._projections.selection import bounded, selected
from batpak._projections.view import SNAPSHOT_EVERY, View
from batpak._schemas.typed import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Unpack

    from batpak._batpak import Event
    from batpak._frontier import Frontier
    from batpak._projections.selection import Selection, Until
    from batpak._projections.views import Views

State = TypeVar("State")

_NOT_GIVEN: Any = object()


class Projecting(Attesting):
    """What ``Store`` makes of the log. Not for users."""

    __slots__ = ()

    _views: Views

    @overload
    def project(
        self, fold: Projection[State] | type[Projection[State]], *, until: Until = None, **filters: Unpack[Selection]
    ) -> State: ...

    @overload
    def project(
        self,
        fold: Callable[[State, Event], State],
        *,
        initial: State,
        until: Until = None,
        **filters: Unpack[Selection],
    ) -> State: ...

    def project(
        self,
        fold: Projection[Any] | Callable[[Any, Event], Any],
        *,
        initial: Any = _NOT_GIVEN,
        until: Until = None,
        **filters: Unpack[Selection],
    ) -> Any:
        """Derive a state from the log: ``state = fold(state, event)`` for each event, in commit order.

        It is made of what readers see at the moment of the call: what ``fold`` itself appends is not in it.

        Args:
            fold: takes state and event, returns the next state; or a ``batpak.Projection``, as an instance or class.
            initial: the state before the first event; only for a callable, since a projection has its own. A dict,
                list, set or tuple is copied first, with those inside it, so that a fold that changes its state leaves
                the one that was given as it was; an object of any other class, subclasses of these included, is taken
                as it is. The same holds for what ``initial`` of a projection returns.
            until: as of this sequence, inclusive; as of this ``batpak.Checkpoint``; or as of this time, by the clock
                of the events, inclusive, an aware datetime.
            filters: only these events: ``entity``, ``entity_prefix``, ``scope``, ``kind``, ``category``,
                ``correlation``, ``causation``, ``metadata``, ``after``, ``since``, ``before`` and ``system``, as for
                ``query``.

        Returns:
            The state after the last event.

        Raises:
            InvalidInput: a filter is out of range, ``until`` is a checkpoint of another history, or ``fold`` returned
                None although it did not begin with None, which is mostly a forgotten ``return``.
            TypeError: an argument is of another type, ``initial`` is missing, ``fold`` is async or a generator, or
                there is no such filter.
            UnregisteredType: a handler takes a class that the store's registry does not have.
            UpcasterMissing, UpcastFailed, NewerVersion, PayloadMismatch: an event of a class that a handler takes
                cannot be read as an instance of it; with a note that names the event.
            Whatever ``fold`` raises, with a note that names the event; and what ``query`` raises.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     for paid in (3, 4):
        ...         receipt = store.append(Coordinate("order:1", "shop"), {"paid": paid}, kind=0xF001)
        ...     total = store.project(lambda total, event: total + event.payload["paid"], initial=0)
        ...     first = store.project(lambda total, event: total + event.payload["paid"], initial=0, until=1)
        ...     total, first
        (7, 3)
        """
        stretch = self._stretch(until, filters)
        if isinstance(fold, Projection) or (isinstance(fold, type) and issubclass(fold, Projection)):
            if initial is not _NOT_GIVEN:
                raise InvalidInput("a projection has an initial() of its own; leave initial= out")
            plan = Plan(instance_of(fold))
            state, _, _ = plan.fold(plan.initial(), plan.steps(self, stretch))
            return state
        if not callable(fold):
            raise TypeError(f"fold must be a callable or a batpak.Projection, not {type(fold).__name__}")
        if not is_plain(fold):
            raise TypeError(
                "fold returns the next state, so it is no async function and no generator; pass a plain one"
            )
        if initial is _NOT_GIVEN:
            raise TypeError("initial is missing: the state before the first event")
        begun = copied(initial)
        return begun if stretch.until < 0 else _batpak.fold(stretch.chosen(self), fold, begun)

    def project_all(
        self,
        projections: Iterable[Projection[Any] | type[Projection[Any]]],
        *,
        until: Until = None,
        **filters: Unpack[Selection],
    ) -> list[Any]:
        """Derive several states in one pass: each event is read once.

        Args:
            projections: instances or classes.
            until, filters: as for ``project``.

        Returns:
            The states, in the order of the projections.

        Raises:
            What ``project`` raises.
        """
        if isinstance(projections, type | Projection):
            raise TypeError("projections must be a list of projections; for one alone there is project()")
        wanted = [instance_of(each) for each in projections]
        return fold_all(self, wanted, self._stretch(until, filters))

    def _selected(self, filters: Selection) -> Selection:
        """The conditions in the form that is kept and compared; a class stands for its kind."""
        return selected({**filters, "kind": kind_of(self._registry, filters.get("kind"))})

    def _stretch(self, until: Until, filters: Selection) -> Stretch:
        """Which events are meant, as of now."""
        selection, last = bounded(self, self._selected(filters), until)
        visible = last_visible(self)
        return Stretch(selection, visible if last is None else min(last, visible))

    def materialise(
        self,
        projection: Projection[State] | type[Projection[State]],
        *,
        snapshot_every: int | None = SNAPSHOT_EVERY,
        **filters: Unpack[Selection],
    ) -> View[State]:
        """Keep the state of a projection up to date: each read folds only what is new.

        Snapshots lie in the journal's directory as a cache that may be deleted at any time. One that was made by
        another version, other code, other event classes or upcasters, with other filters, from another history, or that
        is damaged is not used, and ``Projected.rebuilt`` says why.

        Args:
            projection: an instance or a class.
            snapshot_every: keep a snapshot by itself after so many folded events, or a quarter of all if that is more,
                so that keeping a growing state stays in proportion; 1 to 2**64 - 1. None keeps one only
                when ``save`` is called, and at the end of a ``with`` block. A read-only store keeps none.
            filters: as for ``project``.

        Returns:
            The view. Nothing is read yet.

        Raises:
            InvalidInput: an argument is out of range, or a public attribute of the projection is no plain value.
            TypeError: an argument is of another type.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        every = number(snapshot_every, "snapshot_every", least=1)
        # Says so if the store is closed.
        self._core.events()
        chosen_view: View[State] = View(self, instance_of(projection), self._selected(filters), every)
        self._views.add(chosen_view)
        return chosen_view

    def frontier(self) -> Frontier:
        """How far events have come: accepted, written, durable, visible, and applied.

        Raises:
            StoreClosed, ForkedStore: this store cannot be used.
            JournalDamaged: the last event's bytes changed on disk.
        """
        # The lowest first: what is read later can only be further on.
        applied = self._views.applied()
        frontier = super().frontier()
        return frontier if applied is None else dataclasses.replace(frontier, applied=applied)
