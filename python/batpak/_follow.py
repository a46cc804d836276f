"""Following a journal: what is there, then what comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from batpak._errors import InvalidInput, JournalRewound

if TYPE_CHECKING:
    from collections.abc import Callable

    from batpak._batpak import Event, Events
    from batpak._reading import Reading

PAUSE_MIN: Final = 0.001
PAUSE_MAX: Final = 0.05
"""Seconds between two looks for new events: short after one came, longer the longer none does."""


class Follow:
    """Events of a journal as they come; made by ``Store.follow``. One thread at a time may iterate."""

    __slots__ = ("_after", "_events", "_events_behind", "_rewinds", "_store", "_timeout", "_visible")

    def __init__(
        self,
        store: Reading,
        events_behind: Callable[[int | None], Events],
        after: int | None,
        timeout: float | None,
    ) -> None:
        """Not for users: call ``Store.follow``.

        Args:
            store: what is followed.
            events_behind: asks the store for the events wanted behind a sequence, or from the first if None.
            after: where to begin.
            timeout: seconds without a new event, after which it ends; None for never.
        """
        if isinstance(timeout, bool) or not isinstance(timeout, float | int | None):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        if timeout is not None and not timeout >= 0:
            raise InvalidInput(f"timeout is {timeout} seconds; it must be 0 or more, or None")
        self._store = store
        self._events_behind = events_behind
        self._timeout = timeout
        self._visible = store.refresh()
        self._rewinds, _ = store._rewinds(0)
        self._after = after
        self._events = events_behind(after)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        waited_since = time.monotonic()
        pause = PAUSE_MIN
        while True:
            try:
                event = self._next_ready()
                if event is not None:
                    self._after = event.sequence
                    return event
                if self._look():
                    continue
            except JournalRewound as rewound:
                self._go_back(rewound.to_events)
                raise
            left = None if self._timeout is None else self._timeout - (time.monotonic() - waited_since)
            if left is not None and left <= 0:
                raise StopIteration
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * 2, PAUSE_MAX)

    def _next_ready(self) -> Event | None:
        """The next event of those that were visible at the last look."""
        try:
            return next(self._events, None)
        except JournalRewound as rewound:
            if self._after is not None and self._after >= rewound.to_events:
                raise
            # The reader was told of it already, and nothing was given out here that is gone.
            self._go_back(rewound.to_events)
            return next(self._events, None)

    def _look(self) -> bool:
        """Whether there is something new to go through."""
        visible = self._store.refresh()
        # Somebody else may have been told of a rewind.
        self._rewinds, still = self._store._rewinds(self._rewinds)
        if still is not None and still < self._visible:
            raise JournalRewound(
                f"of the {self._visible} events that this reader had seen, the first {still} still stand",
                from_events=self._visible,
                to_events=still,
            )
        if visible <= self._visible:
            return False
        # Everything that was visible was looked at.
        if self._visible and (self._after is None or self._after < self._visible - 1):
            self._after = self._visible - 1
        self._visible = visible
        self._events = self._events_behind(self._after)
        return True

    def _go_back(self, events: int) -> None:
        """So many events still stand: what follows them is new."""
        self._rewinds, still = self._store._rewinds(self._rewinds)
        events = events if still is None else min(events, still)
        self._visible = min(self._visible, events)
        if self._after is not None and self._after >= events:
            self._after = events - 1 if events else None
        self._events = self._events_behind(self._after)

    def __repr__(self) -> str:
        return f"<Follow behind event {self._after}>" if self._after is not None else "<Follow from the first event>"
