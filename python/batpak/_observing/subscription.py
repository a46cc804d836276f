"""Live subscriptions: what is written from now on, in a bounded number, with a count of what was left out.

There is no thread and no queue of events behind a subscription. The log is the buffer: what waits is a bounded list of
sequences, found when somebody asks, and the events themselves are read when they are given out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from batpak._errors import InvalidInput, JournalRewound, SubscriptionClosed
from batpak._filters import number
from batpak._frontier import seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from batpak._batpak import Event, Events
    from batpak._reading import Reading

CAPACITY_MAX: Final = 2**20
"""Waiting events are kept as numbers: this many are some tens of megabytes."""
SLICE: Final = 0.1
"""Seconds of waiting for a writer of this process, after which ``close`` is noticed."""
PAUSE_MIN: Final = 0.001
PAUSE_MAX: Final = 0.05
"""Seconds between two looks for what another process wrote, or for what is not synced yet."""


class Subscription:
    """Events that are written from now on; made by ``Store.subscribe``. One thread at a time may take events from it.

    It never slows a writer down and never grows: whoever takes events too slowly loses the oldest, and is told how
    many. ``Store.follow`` loses nothing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     with store.subscribe(capacity=2) as subscription:
    ...         for n in range(5):
    ...             receipt = store.append(Coordinate("meter:1", "house"), {"n": n}, kind=Kind(0xF, 1))
    ...         subscription.next(timeout=1).payload, subscription.gap, subscription.dropped
    ({'n': 3}, 3, 3)
    """

    __slots__ = (
        "_busy",
        "_capacity",
        "_dropped",
        "_ended",
        "_events_between",
        "_gap",
        "_horizon",
        "_rewinds",
        "_store",
        "_untold",
        "_visible",
        "_waiting",
    )

    def __init__(
        self,
        store: Reading,
        events_between: Callable[[int | None, int | None], Events],
        capacity: int,
        after: int | None,
    ) -> None:
        """Not for users: call ``Store.subscribe``.

        Args:
            store: what is subscribed to.
            events_between: asks the store for the events wanted behind a sequence (from the first if None) and up to
                and including another.
            capacity: how many may wait.
            after: where to begin; behind the newest event if None.
        """
        given = number(capacity, "capacity", CAPACITY_MAX, least=1)
        if given is None:
            raise TypeError("capacity must be an int, not NoneType")
        begin = number(after, "after")
        # What is wrong with the conditions is said now, and not when the first event comes.
        events_between(0, 0)
        visible = store.refresh()
        self._store = store
        self._visible = visible
        self._events_between = events_between
        self._capacity = given
        self._rewinds, _ = store._rewinds(0)
        # Every event before the horizon was looked at, or is not wanted.
        self._horizon = visible if begin is None else begin + 1
        self._waiting: deque[int] = deque(maxlen=given)
        self._dropped = 0
        self._untold = 0
        self._gap = 0
        self._ended = threading.Event()
        self._busy = threading.Lock()

    @property
    def capacity(self) -> int:
        """How many matching events may wait; of more than that, the oldest are dropped."""
        return self._capacity

    @property
    def dropped(self) -> int:
        """How many matching events were dropped so far; it has grown before the first event behind a gap is given."""
        return self._dropped

    @property
    def gap(self) -> int:
        """How many matching events were dropped directly before what the last call gave; 0 as a rule.

        For ``drain`` that is before the first event of the list: there are no gaps inside.
        """
        return self._gap

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._ended.is_set()

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; wait for it if there is none.

        What a call costs is what was written since the last one, each matching event being counted once.

        Args:
            timeout: seconds to wait, 0 or more; None for as long as it takes.

        Returns:
            The event, or None if none came in the time given. Look at ``gap`` to learn whether events were dropped
            before it.

        Raises:
            SubscriptionClosed: ``close`` was called, before or meanwhile.
            JournalRewound: in a read-only store, once, if recovery cut events that it had seen. The next call goes on
                with what took their place.
            InvalidInput: ``timeout`` is negative, or another thread takes events right now.
            JournalDamaged: an event's bytes changed on disk; so does every later call, nothing is passed over.
            StoreClosed, ForkedStore: the store cannot be used, or was closed meanwhile.
            StorageError: the operating system refused.
        """
        seconds = seconds_of(timeout)
        with self._alone():
            deadline = None if seconds is None else time.monotonic() + seconds
            pause = PAUSE_MIN
            while True:
                self._look()
                if self._waiting:
                    return self._given(self._read(1))[0]
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._gap = 0
                    return None
                pause = self._wait(pause, left)

    def drain(self) -> list[Event]:
        """All events that wait, without waiting for more: at most ``capacity``, in commit order.

        Raises:
            Whatever ``next`` raises; nothing is lost by it, the next call gives these events.
        """
        with self._alone():
            self._look()
            return self._given(self._read(len(self._waiting)))

    def close(self) -> None:
        """End the subscription; whoever waits in it is told within a fraction of a second. Any thread may call it.

        A second call does nothing. The store stays open.
        """
        self._ended.set()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            event = self.next()
        except SubscriptionClosed:
            raise StopIteration from None
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Never waited for: two threads that share a subscription would each see half of the events.
        if not self._busy.acquire(blocking=False):
            raise InvalidInput("another thread takes events from this subscription; give each thread its own")
        try:
            self._require_open()
            yield
        finally:
            self._busy.release()

    def _require_open(self) -> None:
        if self._ended.is_set():
            raise SubscriptionClosed("this subscription was closed; call subscribe() for another one")

    def _look(self) -> None:
        """Find what was written since the last look."""
        try:
            self._visible = self._store.refresh()
            self._require_unrewound()
            if self._visible > self._horizon:
                self._count(self._visible)
        except JournalRewound as rewound:
            self._go_back(rewound.to_events)
            raise

    def _count(self, visible: int) -> None:
        """Take in the sequences of what matches up to ``visible``, and count those that find no room."""
        found: deque[int] = deque(maxlen=self._capacity)
        count = 0
        for event in self._events_between(self._horizon - 1 if self._horizon else None, visible - 1):
            found.append(event.sequence)
            count += 1
            if count % 512 == 0:
                self._require_open()
        lost = max(0, len(self._waiting) + count - self._capacity)
        # No call stands between these lines, so that no signal handler can leave them half done.
        self._horizon = visible
        self._dropped += lost
        self._untold += lost
        self._waiting.extend(found)

    def _read(self, count: int) -> list[Event]:
        """The first events that wait. They go on waiting."""
        try:
            events = [self._store.get(sequence) for sequence in list(self._waiting)[:count]]
            # If recovery put other events in their places, they may be what was read.
            self._require_unrewound()
        except JournalRewound as rewound:
            self._go_back(rewound.to_events)
            raise
        return events

    def _given(self, events: list[Event]) -> list[Event]:
        for _ in events:
            self._waiting.popleft()
        self._gap = 0
        if events:
            self._gap, self._untold = self._untold, 0
        return events

    def _require_unrewound(self) -> None:
        """Raise if recovery cut what was looked at: somebody else of this store may have been told of it."""
        self._rewinds, still = self._store._rewinds(self._rewinds)
        if still is not None and still < self._horizon:
            raise JournalRewound(
                f"of the {self._horizon} events that this subscription had come to, the first {still} still stand",
                from_events=self._horizon,
                to_events=still,
            )

    def _go_back(self, events: int) -> None:
        """So many events still stand: what follows them is new."""
        self._rewinds, still = self._store._rewinds(self._rewinds)
        events = events if still is None else min(events, still)
        self._horizon = min(self._horizon, events)
        while self._waiting and self._waiting[-1] >= events:
            self._waiting.pop()

    def _wait(self, pause: float, left: float | None) -> float:
        """Wait until there may be something new, or a little; returns how long to wait the next time."""
        core = self._store._core
        if not core.read_only:
            slice_ = SLICE if left is None else min(SLICE, left)
            if not core.wait_for("written", self._visible + 1, slice_) or self._store.refresh() > self._visible:
                self._require_open()
                return PAUSE_MIN
        # Another process writes; or what is written is shown when it is synced, which watching must not bring about.
        self._ended.wait(pause if left is None else min(pause, left))
        self._require_open()
        return min(pause * 2, PAUSE_MAX)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._waiting)} of at most {self._capacity} waiting"
        return f"<batpak.Subscription {state}, {self._dropped} dropped>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)
