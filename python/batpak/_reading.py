"""The reading half of a store: one event, many, and those to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from batpak._causation import causation_tree
from batpak._filters import microseconds, number, pairs, text
from batpak._follow import Follow
from batpak._receipt import AppendReceipt
from batpak._schemas.typed import kind_of, payload_as, registered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from batpak import _batpak
    from batpak._batpak import Event, Events, Kind
    from batpak._causation import CausationTree
    from batpak._schemas.registry import Registry

    EventRef = UUID | bytes | str | int

T = TypeVar("T")


class Reading:
    """What every open journal can be asked; ``Store`` is the rest of it."""

    __slots__ = ("_core",)

    _core: _batpak.CoreStore
    _registry: Registry

    @overload
    def get(self, ref: EventRef | AppendReceipt) -> Event: ...
    @overload
    def get(self, ref: EventRef | AppendReceipt, *, as_: type[T]) -> T: ...
    def get(self, ref: EventRef | AppendReceipt, *, as_: type[T] | None = None) -> Event | T:
        """Read one event, or its payload as an instance of a class; its bytes are checked against its hash.

        Args:
            ref: event id (UUID, its text or its 16 bytes), sequence, or receipt; of a receipt, the event id counts.
            as_: a class that is registered in the store's registry; ``typed`` reads many events so.

        Returns:
            The event; with ``as_`` its payload, which is an instance of that class (a dict if it is a TypedDict).

        Raises:
            EventNotFound: there is none.
            UnregisteredType: ``as_`` is not registered.
            PayloadMismatch: the event is of another kind than ``as_``, or what was stored does not fit that class.
            NewerVersion: it was written by a newer version of the class.
            UpcasterMissing, UpcastFailed: it was written by an older version, and cannot be lifted to this one. Like
                the two before, it has a note that names the event.
            JournalDamaged: its bytes changed on disk.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> registry = Registry()
        >>> @registry.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class Paid:
        ...     cents: int
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, registry=registry) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), Paid(995))
        ...     store.get(receipt, as_=Paid).cents
        995
        """
        which = ref.event_id if isinstance(ref, AppendReceipt) else ref
        if as_ is None:
            return self._core.get(which)
        known = registered(self._registry, as_)
        return cast("T", payload_as(self._registry, known, self._core.get(which)))

    def query(
        self,
        *,
        entity: str | None = None,
        entity_prefix: str | None = None,
        scope: str | None = None,
        kind: Kind | int | type[Any] | None = None,
        category: int | None = None,
        correlation: UUID | bytes | None = None,
        causation: UUID | bytes | None = None,
        metadata: Mapping[str, str] | None = None,
        after: int | None = None,
        until: int | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        reverse: bool = False,
        limit: int | None = None,
        system: bool = False,
    ) -> Events:
        """Events in commit order, read lazily; as of now: what is appended later is not included.

        Every condition that is given must hold. The cost is that of the rarest of them in each segment, not of the
        history; ``metadata`` keys that were not declared with ``index_metadata=`` are looked for event by event.

        Args:
            entity: only this entity.
            entity_prefix: only this entity and those below it: "player" is "player" and "player:alice", not "players".
            scope: only this scope.
            kind: only this kind, or that of a class that is registered in the store's registry.
            category: only kinds of this category, 0 to 15.
            correlation: only events with this correlation id; a UUID or 16 bytes.
            causation: only events that name this event as their cause; its id as a UUID or 16 bytes.
            metadata: only events whose metadata has each of these pairs.
            after: only sequences greater than this.
            until: only sequences up to and including this.
            since: only events at or after this time, by their clock; aware.
            before: only events before this time; aware.
            reverse: newest first.
            limit: at most so many events.
            system: also the journal's own events.

        Returns:
            An iterator of events; its ``examined`` says how many events were looked at. One thread at a time may
            iterate.

        Raises:
            InvalidInput: a number is out of range, a name empty, or a time naive.
            UnregisteredType: ``kind`` is a class that is not registered.
            TypeError: an argument is of another type.
            StoreClosed, ForkedStore: this store cannot be used.
            JournalDamaged: while iterating, if an event's bytes changed on disk.
            JournalRewound: while iterating in a read-only store, if recovery cut what was to be read.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     for name in ("player:alice", "player:bob", "room:hall"):
        ...         receipt = store.append(Coordinate(name, "game"), {}, kind=0xF001)
        ...     [event.entity for event in store.query(entity_prefix="player", reverse=True)]
        ['player:bob', 'player:alice']
        """
        return self._core.query(
            entity=text(entity, "entity"),
            entity_prefix=text(entity_prefix, "entity_prefix"),
            scope=text(scope, "scope"),
            kind=kind_of(self._registry, kind),
            category=number(category, "category", 15),
            correlation=correlation,
            causation=causation,
            metadata=pairs(metadata),
            after=number(after, "after"),
            until=number(until, "until"),
            since_us=microseconds(since, "since"),
            before_us=microseconds(before, "before"),
            reverse=reverse,
            limit=number(limit, "limit"),
            system=system,
        )

    def entity(self, name: str) -> Events:
        """The events of one entity, in the order of its chain; raises as ``query`` does."""
        return self.query(entity=name, system=True)

    def refresh(self) -> int:
        """Have a read-only store see what was written since it was opened or refreshed.

        A store that is open for writing always sees everything, and this does nothing.

        Returns:
            How many events, from sequence 0 on, are visible.

        Raises:
            JournalRewound: recovery cut events that this reader had seen. Raised once; what still stands and what is
                new is visible then.
            JournalDamaged: what follows cannot be read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return self._core.refresh()

    def _rewinds(self, known: int) -> tuple[int, int | None]:
        """How often this reader was rewound; how many events still stand if it was more than ``known`` times."""
        return self._core.rewinds(known)

    def follow(
        self,
        *,
        entity: str | None = None,
        entity_prefix: str | None = None,
        scope: str | None = None,
        kind: Kind | int | type[Any] | None = None,
        category: int | None = None,
        correlation: UUID | bytes | None = None,
        causation: UUID | bytes | None = None,
        metadata: Mapping[str, str] | None = None,
        after: int | None = None,
        since: datetime | None = None,
        system: bool = False,
        timeout: float | None = None,
    ) -> Follow:
        """Events in commit order, then those that are written from now on, by whatever process.

        Args:
            entity, entity_prefix, scope, kind, category, correlation, causation, metadata, since, system: as for
                ``query``.
            after: begin behind this sequence; with the first event if None.
            timeout: end when no new event came for so many seconds, 0 or more; never if None.

        Returns:
            An iterator. It looks for new events a few times a second at least. One thread at a time may iterate.

        Raises:
            JournalRewound: while iterating, once, if recovery cut events that were given out; iterating again goes on
                with what took their place.
            Whatever ``query`` and ``refresh`` raise.
            InvalidInput: ``timeout`` is negative, or what ``query`` says.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
        ...     [event.payload for event in store.follow(timeout=0)]
        [{'paid': True}]
        """
        given = None if metadata is None else dict(pairs(metadata) or ())
        # Once: a class that is defined again in a notebook is another one.
        wanted = kind_of(self._registry, kind)

        def events_behind(sequence: int | None) -> Events:
            return self.query(
                entity=entity,
                entity_prefix=entity_prefix,
                scope=scope,
                kind=wanted,
                category=category,
                correlation=correlation,
                causation=causation,
                metadata=given,
                after=sequence,
                since=since,
                system=system,
            )

        return Follow(self, events_behind, after, timeout)

    def causation_tree(self, ref: EventRef, *, limit: int = 10_000) -> CausationTree:
        """An event, and all that it caused: the events that name it as their cause, what these caused, and so on.

        Args:
            ref: event id or sequence of the root.
            limit: at most so many events, 1 or more; the tree says if there were more.

        Returns:
            The tree; the children of an event are in commit order.

        Raises:
            EventNotFound: there is no such event.
            InvalidInput: ``limit`` is out of range.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     asked = store.append(Coordinate("order:1", "shop"), {"asked": True}, kind=0xF001)
        ...     paid = store.reacting_to(asked).append(Coordinate("order:1", "shop"), {"paid": True}, kind=0xF002)
        ...     [event.payload for event in store.causation_tree(asked.event_id).walk()]
        [{'asked': True}, {'paid': True}]
        """
        most = number(limit, "limit", least=1)
        if most is None:
            raise TypeError("limit must be an int, not NoneType")
        return causation_tree(self, self.get(ref), most)

    def walk_ancestors(self, ref: EventRef, limit: int | None = None) -> Iterator[Event]:
        """An event, then the one that it chains to, and so on to the first of its entity: newest first.

        Args:
            ref: event id or sequence to begin with.
            limit: at most so many events.

        Raises:
            EventNotFound: there is no such event.
            JournalDamaged: while iterating, if a link does not fit.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return self._core.walk_ancestors(ref, number(limit, "limit"))
