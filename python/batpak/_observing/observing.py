"""The part of a store that is watched live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak._filters import pairs
from batpak._observing.subscription import Subscription
from batpak._reading import Reading
from batpak._schemas.typed import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from batpak._batpak import Events, Kind


class Observing(Reading):
    """What ``Store`` tells those who watch it. Not for users."""

    __slots__ = ()

    def subscribe(
        self,
        capacity: int = 1024,
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
        system: bool = False,
    ) -> Subscription:
        """Watch what is written from now on, by whatever process, without ever holding a writer up.

        A subscription loses events on purpose: of more than ``capacity`` that wait, the oldest are dropped and
        counted. It is for displays, caches and alarms, which want the newest. ``follow`` is for whoever must see every
        event. Any number of subscriptions may be open; one that nobody asks costs nothing.

        Args:
            capacity: how many matching events may wait, 1 to 1,048,576.
            entity, entity_prefix, scope, kind, category, correlation, causation, metadata, system: as for ``query``.
            after: begin behind this sequence; behind the newest event of this moment if None.

        Returns:
            The subscription. Close it, or use it as a context manager.

        Raises:
            InvalidInput: a number is out of range, or a name empty.
            UnregisteredType: ``kind`` is a class that is not registered.
            TypeError: an argument is of another type.
            JournalRewound: in a read-only store, if recovery cut events that it had seen; nobody was told of it yet.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     with store.subscribe(entity="order:1") as subscription:
        ...         receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
        ...         [event.payload for event in subscription.drain()], subscription.next(timeout=0)
        ([{'paid': True}], None)
        """
        given = None if metadata is None else dict(pairs(metadata) or ())
        wanted = kind_of(self._registry, kind)

        def events_between(behind: int | None, last: int | None) -> Events:
            return self.query(
                entity=entity,
                entity_prefix=entity_prefix,
                scope=scope,
                kind=wanted,
                category=category,
                correlation=correlation,
                causation=causation,
                metadata=given,
                after=behind,
                until=last,
                system=system,
            )

        return Subscription(self, events_between, capacity, after)
