"""Many events of one class, each with its payload as an instance of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from batpak._reading import Reading
from batpak._schemas.typed import payload_as, registered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from batpak._batpak import Event

T = TypeVar("T")


class TypedReading(Reading):
    """What reads the events of one class; ``Store`` is the rest of it."""

    __slots__ = ()

    def typed(
        self,
        cls: type[T],
        *,
        entity: str | None = None,
        entity_prefix: str | None = None,
        scope: str | None = None,
        correlation: UUID | bytes | None = None,
        causation: UUID | bytes | None = None,
        metadata: Mapping[str, str] | None = None,
        after: int | None = None,
        until: int | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[Event, T]]:
        """The events of the kind of ``cls`` in commit order, each with its payload as an instance of ``cls``.

        They are read lazily, as of now. Older versions are lifted by the upcasters of the class.

        Args:
            cls: a class that is registered in the store's registry.
            entity, entity_prefix, scope, correlation, causation, metadata, after, until, since, before, reverse, limit:
                as for ``query``.

        Returns:
            An iterator of pairs. After an event that cannot be typed, iterating again goes on with the next one. One
            thread at a time may iterate.

        Raises:
            UnregisteredType: ``cls`` is not registered.
            PayloadMismatch: while iterating, if what was stored under this kind does not fit the class, or was written
                without one.
            NewerVersion: while iterating, if an event was written by a newer version of the class.
            UpcasterMissing, UpcastFailed: while iterating, if one of an older version cannot be lifted. Like the two
                before, it has a note that names the event.
            Whatever ``query`` raises.

        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> registry = Registry()
        >>> @registry.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class Paid:
        ...     cents: int
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, registry=registry) as store:
        ...     receipts = store.append_batch([(Coordinate("order:1", "shop"), Paid(cents)) for cents in (995, 5)])
        ...     sum(paid.cents for event, paid in store.typed(Paid, entity="order:1"))
        1000
        """
        registry = self._registry
        known = registered(registry, cls)
        events = self.query(
            entity=entity,
            entity_prefix=entity_prefix,
            scope=scope,
            kind=known.kind_code,
            correlation=correlation,
            causation=causation,
            metadata=metadata,
            after=after,
            until=until,
            since=since,
            before=before,
            reverse=reverse,
            limit=limit,
        )

        def pair(event: Event) -> tuple[Event, T]:
            return event, cast("T", payload_as(registry, known, event))

        # Not a generator: that would end with the first event that cannot be typed.
        return map(pair, events)
