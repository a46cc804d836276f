"""An outbox: events that are collected, and written all at once or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from batpak._batpak import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from batpak._batpak import Coordinate, Receipts
    from batpak._frontier import MarkName
    from batpak._gates import Bypass, Gate
    from batpak._store import Durability
    from batpak._writing import Writing


class Outbox:
    """Collects events and writes them as one frame; made by ``Store.outbox``. One thread at a time may use it.

    As a context manager it is flushed at the end of the block, and dropped if the block raised. What is dropped leaves
    no trace in the journal.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     with store.outbox() as outbox:
    ...         first = outbox.add(Coordinate("order:1", "shop"), {"paid": True}, kind=0xF001)
    ...         second = outbox.add(Coordinate("stock:7", "shop"), {"left": 3}, kind=0xF002, causation_id=first)
    ...     [event.payload for event in store.query()]
    [{'paid': True}, {'left': 3}]
    """

    __slots__ = ("_durability", "_link", "_proposed", "_store")

    def __init__(
        self, store: Writing, link: Callable[[dict[str, Any]], dict[str, Any]], durability: Durability | None
    ) -> None:
        """Not for users: call ``Store.outbox``."""
        self._store = store
        self._link = link
        self._durability: Durability | None = durability
        self._proposed = store._propose((), None, durability)

    def add(self, coordinate: Coordinate, payload: object, **options: Any) -> int:
        """Collect an event. It is encoded now: what happens to the payload afterwards changes nothing.

        Args:
            coordinate: where it belongs.
            payload: as for ``Store.append``.
            options: ``kind``, ``version``, ``correlation_id``, ``causation_id`` (also the number of an earlier event of
                this outbox), ``metadata``, ``private_metadata``, ``expect`` and ``key``, as for ``Draft``.

        Returns:
            The number of the event in this outbox, from 0.

        Raises:
            What ``Store.append`` raises for its arguments; the outbox is as it was before.
        """
        self._proposed.push(Draft(coordinate, payload, **self._link(options)))
        return len(self._proposed) - 1

    def __len__(self) -> int:
        """How many events are waiting."""
        return len(self._proposed)

    def flush(
        self,
        *,
        reach: MarkName | None = None,
        timeout: float | None = None,
        gates: Iterable[Gate] | None = None,
        bypass: Bypass | None = None,
    ) -> Receipts | None:
        """Write all that was collected as one frame, and begin anew.

        Args:
            reach, timeout, gates, bypass: as for ``Store.append_batch``.

        Returns:
            The receipts in the order of ``add``; None if nothing was waiting, and nothing was written then.

        Raises:
            MarkTimeout: the events were written, but had not reached the mark in time; the outbox is empty.
            Whatever ``Store.append_batch`` raises; the events are still waiting then.
        """
        if not len(self):
            return None
        proposed = self._proposed
        receipts = self._store._commit(proposed, gates, bypass)
        self._proposed = self._store._propose((), None, self._durability)
        self._store._reach(receipts, reach, timeout)
        return receipts

    def discard(self) -> None:
        """Drop all that was collected."""
        self._proposed = self._store._propose((), None, self._durability)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        else:
            self.discard()

    def __repr__(self) -> str:
        return f"<Outbox with {len(self)} events waiting>"
