"""Going through events and making states of them: as little as possible for each event."""

from __future__ import annotations

import heapq
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batpak._errors import InvalidInput, JournalRewound, UnregisteredType
from batpak._projections.projection import Projection
from batpak._schemas.typed import payload_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from batpak._batpak import Event, Events
    from batpak._projections.selection import Selection
    from batpak._proving.proving import Proving
    from batpak._schemas.registry import EventType

    Taking = Callable[[Any, Event], Any]
    Step = tuple[int, "Told", Event]

State = TypeVar("State")
Told = TypeVar("Told")

MERGED_MAX: Final = 8
"""As many kinds are looked up each for itself; with more, every event is looked at."""


def noted(error: Exception, event: Event) -> None:
    """Have an exception say at which event it was raised."""
    error.add_note(f"while folding event {event.sequence} ({event.event_id})")


def forgotten(handler: str, event: Event) -> InvalidInput:
    """What is raised for None in place of a state."""
    return InvalidInput(
        f"{handler} returned None for event {event.sequence}: return the next state; if None is a state, begin with "
        "it, or write it as in batpak.Projection[int | None]"
    )


def look(store: Proving) -> None:
    """Have a reader see what was written since. Who keeps a state asks ``_rewinds`` whether it still stands."""
    with suppress(JournalRewound):
        store.refresh()


def last_visible(store: Proving) -> int:
    """The sequence of the last event that readers see, this thread's own included; -1 if they see none."""
    return store._core.events() - 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """The events that are wanted behind one sequence and up to another; -1 is before the first."""

    selection: Selection
    until: int
    after: int | None = None

    def chosen(self, store: Proving, kind: int | None = None) -> Events:
        """These events, or those of one kind; it must be one that is wanted."""
        wanted: Selection = {**self.selection}
        own = wanted.get("after")
        wanted["after"] = own if self.after is None else self.after if own is None else max(own, self.after)
        if kind is not None:
            wanted["kind"] = kind
        return store.query(**wanted, until=self.until)


class Plan:
    """Which method of a projection takes which kind of event."""

    __slots__ = ("handlers", "optional", "other", "projection", "typed")

    def __init__(self, projection: Projection[Any]) -> None:
        """Bind the methods once."""
        self.projection = projection
        self.handlers: dict[int, Taking] = {
            code: getattr(projection, name) for code, name in type(projection)._handlers.items()
        }
        overridden = type(projection).otherwise is not Projection.otherwise
        self.other: Taking | None = projection.otherwise if overridden else None
        self.optional = type(projection)._optional
        self.typed = type(projection)._typed

    def initial(self) -> Any:
        """The state before the first event, which nobody else has."""
        return copied(self.projection.initial())

    def steps(self, store: Proving, stretch: Stretch) -> Iterator[Step[Taking]]:
        """The events that are folded with what takes each, in commit order."""
        return steps(store, stretch, self.handlers, self.other, self.typed)

    def fold(self, state: Any, some: Iterable[Step[Taking]]) -> tuple[Any, int, Event | None]:
        """The state after these events, how many there were, and the last of them."""
        optional = self.optional or state is None
        event: Event | None = None
        count = 0
        for _, handler, event in some:
            try:
                following = handler(state, event)
            except Exception as error:
                noted(error, event)
                raise
            if following is None and not optional:
                raise forgotten(name_of(self.projection, handler), event)
            state = following
            count += 1
        return state, count, event


def name_of(projection: Projection[Any], handler: Taking) -> str:
    """What people call a handler."""
    return f"{type(projection).__qualname__}.{getattr(handler, '__name__', 'handler')}"


def copied(initial: Any) -> Any:
    """The state to begin with: folding on a dict, list, set or tuple must leave the one that was given as it was.

    Exactly these are copied, and those inside them; any other object is taken as it is.
    """
    return _copied(initial, {})


def _copied(value: Any, known: dict[int, Any]) -> Any:
    cls = type(value)
    if cls not in (dict, list, set, tuple):
        return value
    if id(value) in known:
        return known[id(value)]
    if cls is set:
        found: Any = set(value)
    elif cls is tuple:
        found = tuple(_copied(each, known) for each in value)
    else:
        # Known before what is inside, which may be itself.
        found = known[id(value)] = cls()
        if cls is dict:
            found.update((key, _copied(each, known)) for key, each in value.items())
        else:
            found.extend(_copied(each, known) for each in value)
    known[id(value)] = found
    return found


def steps(
    store: Proving,
    stretch: Stretch,
    told: Mapping[int, Told],
    other: Told | None,
    typed: Mapping[int, type],
) -> Iterator[Step[Told]]:
    """The events of the kinds in ``told``, or of any if there is something ``other`` for the rest, in commit order.

    Those of the kinds in ``typed`` are of the class that the store knows for the kind, or the iteration raises.
    """
    if stretch.until < 0:
        return iter(())
    kind, category = stretch.selection.get("kind"), stretch.selection.get("category")
    known = _classes(store, typed)
    codes = [code for code in told if (kind is None or code == kind) and (category is None or code >> 12 == category)]
    if other is None and len(codes) <= MERGED_MAX:
        streams = [
            _with(told[code], _only(stretch.chosen(store, code), store, known.get(code))) for code in sorted(codes)
        ]
        # Sequences differ, so nothing behind them is ever compared.
        return streams[0] if len(streams) == 1 else heapq.merge(*streams)
    sorted_out = _sorted_out(told, other, stretch.chosen(store))
    return _only_known(sorted_out, store, known) if known else sorted_out


def _classes(store: Proving, typed: Mapping[int, type]) -> dict[int, EventType]:
    """What the store's registry has for these kinds; UnregisteredType if there is nothing."""
    found: dict[int, EventType] = {}
    for code, cls in typed.items():
        known = store._registry.lookup_kind(code)
        if known is None:
            raise UnregisteredType(
                f"a handler takes {cls.__qualname__}, and nothing is registered for its kind, 0x{code:04X}, in this "
                "store's registry: open the store with the registry= of the projection",
                type_name=cls.__qualname__,
            )
        found[code] = known
    return found


def _only(events: Iterable[Event], store: Proving, known: EventType | None) -> Iterable[Event]:
    return events if known is None else _of_class(events, store, known)


def _of_class(events: Iterable[Event], store: Proving, known: EventType) -> Iterator[Event]:
    version = known.version
    for event in events:
        if event.payload_version != version or event.encoding != "value":
            payload_as(store._registry, known, event)
        yield event


def _only_known(some: Iterator[Step[Told]], store: Proving, known: Mapping[int, EventType]) -> Iterator[Step[Told]]:
    for step in some:
        event = step[2]
        wanted = known.get(event.kind.code)
        if wanted is not None and (event.payload_version != wanted.version or event.encoding != "value"):
            # It raises what keeps the event from being of its class; a handler that does not look must not count it.
            payload_as(store._registry, wanted, event)
        yield step


def _with(told: Told, events: Iterable[Event]) -> Iterator[Step[Told]]:
    return ((event.sequence, told, event) for event in events)


def _sorted_out(told: Mapping[int, Told], other: Told | None, events: Events) -> Iterator[Step[Told]]:
    get = told.get
    return ((event.sequence, taken, event) for event in events if (taken := get(event.kind.code, other)) is not None)


def fold_all(store: Proving, projections: Sequence[Projection[Any]], stretch: Stretch) -> list[Any]:
    """The states of several projections, each event read once."""
    plans = [Plan(projection) for projection in projections]
    states = [plan.initial() for plan in plans]
    optional = [plan.optional or state is None for plan, state in zip(plans, states, strict=True)]
    told: dict[int, list[tuple[int, Taking]]] = {
        code: [
            (place, taking)
            for place, plan in enumerate(plans)
            if (taking := plan.handlers.get(code, plan.other)) is not None
        ]
        for code in {code for plan in plans for code in plan.handlers}
    }
    others = [(place, plan.other) for place, plan in enumerate(plans) if plan.other is not None]
    typed = {code: cls for plan in plans for code, cls in plan.typed.items()}
    for _, takers, event in steps(store, stretch, told, others or None, typed):
        for place, taking in takers:
            try:
                following = taking(states[place], event)
            except Exception as error:
                noted(error, event)
                raise
            if following is None and not optional[place]:
                raise forgotten(name_of(plans[place].projection, taking), event)
            states[place] = following
    return states
