"""An outbox: events that are collected, and written all at once or not at all."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from batpak._batpak import Draft
from batpak._errors import GateDenied, InvalidInput
from batpak._frontier import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from batpak._batpak import Coordinate, Receipts
    from batpak._frontier import MarkName
    from batpak._gates import Bypass, Gate
    from batpak._store import Durability
    from batpak._writing import Proposing, Writing


class Outbox:
    """Collects events and writes them as one frame; made by ``Store.outbox``. One thread at a time may use it.

    A second one is refused with ``InvalidInput``, and so is a gate that would change what it is being asked about.

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

    __slots__ = ("_durability", "_link", "_lock", "_proposed", "_store")

    def __init__(
        self, store: Writing, link: Callable[[dict[str, Any]], dict[str, Any]], durability: Durability | None
    ) -> None:
        """Not for users: call ``Store.outbox``."""
        self._store = store
        self._link = link
        self._lock = threading.Lock()
        self._durability: Durability | None = durability
        self._proposed: Proposing | None = store._propose((), None, durability)

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
        with self._alone():
            draft = Draft(coordinate, payload, **self._link(options))
            if self._proposed is None:
                self._proposed = self._store._propose((), None, self._durability)
            self._proposed.push(draft)
            return len(self._proposed) - 1

    def __len__(self) -> int:
        """How many events are waiting."""
        return 0 if self._proposed is None else len(self._proposed)

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
            KeyboardInterrupt: if the events were written, the outbox is empty; see ``Store.last_receipt``.
            Whatever ``Store.append_batch`` raises; the events are still waiting then.
        """
        seconds = waiting(reach, timeout)
        with self._alone():
            if self._proposed is None or not len(self._proposed):
                return None
            receipts = self._written(self._proposed, gates, bypass)
        self._store._reach(receipts, reach, seconds)
        return receipts

    def _written(self, proposed: Proposing, gates: Iterable[Gate] | None, bypass: Bypass | None) -> Receipts:
        """Write what waits. Whatever is raised on the way: what is in the log does not wait any longer."""
        before = self._store.last_receipt()
        try:
            receipts = self._store._commit(proposed, gates, bypass)
        except GateDenied:
            raise
        except BaseException:
            # The wait for the sync comes after the write, and a signal may end it.
            if self._store.last_receipt() not in (None, before):
                self._proposed = None
            raise
        self._proposed = None
        return receipts

    def discard(self) -> None:
        """Drop all that was collected."""
        with self._alone():
            self._proposed = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Never waits: who would is the gate that is being asked, or another thread that has no business here."""
        if not self._lock.acquire(blocking=False):
            raise InvalidInput("this outbox is being used: by another thread, or it is being flushed")
        try:
            yield
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        else:
            self.discard()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an Outbox is not pickled or copied: what waits in it is to be written once")

    def __repr__(self) -> str:
        return f"<Outbox with {len(self)} events waiting>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)
