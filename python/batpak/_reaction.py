"""Writing in answer to an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak import _payloads
from batpak._batpak import Draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batpak._batpak import Coordinate, Event, Receipts
    from batpak._outbox import Outbox
    from batpak._receipt import AppendReceipt
    from batpak._writing import Item, Writing

_LINKS = ("correlation_id", "causation_id")


class Reaction:
    """Appends what an event brought about; made by ``Store.reacting_to``. Any thread may use it.

    What it writes has the event's id as ``causation_id``, and the event's ``correlation_id``, or the event's id if it
    has none, unless the caller gives others.
    """

    __slots__ = ("_store", "event")

    def __init__(self, store: Writing, event: Event) -> None:
        """Not for users: call ``Store.reacting_to``."""
        self._store = store
        self.event = event

    def append(self, coordinate: Coordinate, payload: object, **options: Any) -> AppendReceipt:
        """Write one event; arguments, result and errors are those of ``Store.append``."""
        return self._store.append(coordinate, payload, **self._linked(options))

    def append_batch(self, items: Iterable[Item], **options: Any) -> Receipts:
        """Write many events as one frame; arguments, result and errors are those of ``Store.append_batch``."""
        return self._store.append_batch(self._linked_items(items), **options)

    def outbox(self, **options: Any) -> Outbox:
        """An outbox whose events are linked to this one; arguments are those of ``Store.outbox``."""
        return self._store._outbox(self._linked, **options)

    def _linked(self, options: dict[str, Any]) -> dict[str, Any]:
        linked = dict(options)
        if linked.get("causation_id") is None:
            linked["causation_id"] = self.event.event_id
        if linked.get("correlation_id") is None:
            linked["correlation_id"] = self.event.correlation_id or self.event.event_id
        return linked

    def _linked_items(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Draft):
                given = {name: getattr(item, name) for name in _LINKS}
                yield _payloads.draft_with(item, **self._linked(given))
            elif isinstance(item, tuple) and len(item) == 2:
                yield Draft(*item, **self._linked({}))
            else:
                # The store says what is wrong with it.
                yield item

    def __repr__(self) -> str:
        return f"<Reaction to {self.event!r}>"
