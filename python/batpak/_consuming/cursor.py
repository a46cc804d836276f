"""A cursor: goes through the events of a journal, and remembers durably how far it has come."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from batpak._batpak import Event
from batpak._consuming.cursor_names import names_of
from batpak._consuming.cursor_position import anchor, event_hash_at, keep_position, kept_position
from batpak._consuming.cursor_query import difference
from batpak._errors import CursorDisplaced, CursorMismatch, InvalidInput
from batpak._filters import in_one_form, number
from batpak._frontier import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from batpak._batpak import Events
    from batpak._consuming.cursor_position import CursorPosition
    from batpak._filters import Conditions
    from batpak._reading import Reading

SLICE_S: Final = 0.1
"""A wait for new events looks so often whether the cursor was closed or its worker told to stop."""


class Cursor:
    """Gives events and remembers how far it has come; made by ``Store.cursor``. One thread at a time may use it.

    As an iterator it gives the events behind its place, each once, and ends when no new one came for the ``timeout`` of
    ``Store.cursor``; iterating again goes on from there. Nothing is remembered before ``commit``: whatever ends the
    program, the next one is given again what was not committed, and nothing is left out.

    As a context manager it commits everything that was given, and closes; if the block raised, it only closes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     for number in range(3):
    ...         receipt = store.append(Coordinate("order:1", "shop"), number, kind=0xF001)
    ...     with store.cursor("billing", scope="shop") as cursor:
    ...         first = [event.payload for event in cursor.batch(2)]
    ...     with store.cursor("billing", scope="shop") as cursor:
    ...         rest = [event.payload for event in cursor]
    >>> first, rest
    ([0, 1], [2])
    """

    __slots__ = (
        "__weakref__",
        "_after",
        "_busy",
        "_closed",
        "_events",
        "_filters",
        "_given",
        "_kept",
        "_name",
        "_query",
        "_store",
        "_timeout",
        "_visible",
    )

    def __init__(self, store: Reading, name: str, filters: Conditions, start: str | int, timeout: float | None) -> None:
        """Not for users: call ``Store.cursor``."""
        self._store = store
        self._name = name
        self._filters = filters
        self._query = in_one_form(filters)
        self._timeout = timeout
        self._busy = threading.Lock()
        self._closed = False
        self._given: Event | None = None
        self._after: int | None = None
        self._visible = 0
        self._events: Events | None = None
        names_of(store._core).take(name, self)
        try:
            self._kept = self._found_or_begun(start)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The cursor's name."""
        return self._name

    @property
    def position(self) -> int | None:
        """Everything up to and including this sequence was committed; None if nothing was."""
        return self._kept.sequence

    @property
    def closed(self) -> bool:
        """Whether it was closed. That its store was closed does not count."""
        return self._closed

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        # As `_alone` does, without a generator for each event.
        self._take_turn()
        try:
            event = self._take(self._timeout)
        finally:
            self._end_turn()
        if event is None:
            raise StopIteration
        return event

    def batch(self, limit: int, timeout: float | None = 0) -> list[Event]:
        """The next events, as many as there are.

        Args:
            limit: at most so many, 1 or more.
            timeout: seconds to wait for the first of them, 0 or more; None for as long as it takes. Nothing waits for a
                second one.

        Returns:
            The events, in commit order; none if none came in time.

        Raises:
            InvalidInput: a number is out of range, the cursor is closed, or another thread is using it.
            TypeError: an argument is of another type.
            Whatever iterating raises; the events of this call are given again then.
        """
        # A batch of no events would never end a loop.
        most = number(limit, "limit", least=1)
        if most is None:
            raise TypeError("limit must be an int, not NoneType")
        seconds = seconds_of(timeout)
        with self._alone():
            before = self._given
            events: list[Event] = []
            try:
                while len(events) < most and (event := self._take(0 if events else seconds)) is not None:
                    events.append(event)
            except BaseException:
                self._go_back(before)
                raise
        return events

    def commit(self, through: Event | None = None) -> None:
        """Remember durably how far this has come. The events in question are synced first.

        Args:
            through: everything up to and including this event is done; everything that was given if None. An event that
                is behind the position already changes nothing.

        Raises:
            InvalidInput: ``through`` was not given by this cursor yet, or is of another journal; or the cursor is
                closed, or another thread is using it.
            StorageError, StorePoisoned: the position is what it was, or the new one: see ``Store.cursors``.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        if through is not None and not isinstance(through, Event):
            raise TypeError(f"commit takes an Event, not {type(through).__name__}")
        with self._alone():
            event = self._given if through is None else self._checked(through)
            if event is None or (self.position is not None and event.sequence <= self.position):
                return
            self._keep(event.sequence, event.event_hash)

    def rewind(self, to_sequence: int | None = None) -> None:
        """Have events given again.

        Args:
            to_sequence: the first sequence that is to be given again, at most the one behind the position; the position
                goes back durably. None keeps the position, and gives again what was given and not committed.

        Raises:
            InvalidInput: the position has not come so far: a rewind only goes back; or the cursor is closed, or another
                thread is using it.
            Whatever ``commit`` raises.
        """
        first = number(to_sequence, "to_sequence")
        with self._alone():
            if first is not None:
                self._kept = rewound(self._store, self._kept, first)
            self._go_back(None)

    def lag(self, limit: int | None = None) -> int:
        """How many matching events lie behind the position, committed ones not counted. It looks at each of them.

        Args:
            limit: stop counting there.

        Raises:
            InvalidInput: ``limit`` is out of range.
            Whatever ``Store.query`` raises.
        """
        return sum(1 for _ in self._store.query(**self._filters, after=self.position, limit=number(limit, "limit")))

    def close(self) -> None:
        """Let the name be opened again. Nothing is committed. A second call does nothing.

        Another thread that waits in this cursor gets InvalidInput soon.
        """
        self._closed = True
        if self._store._core.forked:
            # The name is taken in the process that opened the store.
            return
        # Whoever is using it gives the name back when it is done: until then it may still move the position.
        if self._busy.acquire(blocking=False):
            self._busy.release()
            names_of(self._store._core).give_back(self._name, self)

    def _take(self, seconds: float | None, stop: threading.Event | None = None) -> Event | None:
        """The next event, or None if none came in time; if it is interrupted, nothing counts as given."""
        before = self._given
        try:
            return self._awaited(None if seconds is None else time.monotonic() + seconds, stop)
        except BaseException:
            self._go_back(before)
            raise

    def _awaited(self, ends: float | None, stop: threading.Event | None) -> Event | None:
        core = self._store._core
        while True:
            if self._events is None:
                self._after = self.position if self._given is None else self._given.sequence
                self._begin(core.refresh())
            elif (event := next(self._events, None)) is not None:
                self._given, self._after = event, event.sequence
                return event
            elif (visible := core.refresh()) > self._visible:
                # Everything that was visible was looked at.
                self._after = max(self._visible - 1, -1 if self._after is None else self._after)
                self._begin(visible)
            else:
                left = SLICE_S if ends is None else min(SLICE_S, ends - time.monotonic())
                if left <= 0 or (stop is not None and stop.is_set()):
                    return None
                core.wait_for("visible", self._visible + 1, left)
                self._require_open()

    def _begin(self, visible: int) -> None:
        """Look at what lies behind the place; so many events at least are visible."""
        self._visible = visible
        self._events = self._store.query(**self._filters, after=self._after)

    def _go_back(self, given: Event | None) -> None:
        self._given = given
        self._events = None

    def _keep(self, sequence: int | None, event_hash: bytes | None) -> None:
        self._kept = keep_position(self._store._core, self._name, self._query, sequence, event_hash)

    def _checked(self, event: Event) -> Event:
        """An event that this cursor has given."""
        known = event == self._given or event_hash_at(self._store._core, event.sequence) == event.event_hash
        if not known:
            raise InvalidInput(f"event {event.sequence} is of another journal; commit what this cursor gave")
        last = self.position if self._given is None else self._given.sequence
        if last is None or event.sequence > last:
            raise InvalidInput(f"event {event.sequence} was not given by this cursor yet; commit it when it was")
        return event

    def _found_or_begun(self, start: str | int) -> CursorPosition:
        """The position that is kept, checked; or the one where a new cursor begins, which is kept before it is used."""
        core = self._store._core
        kept = kept_position(core, self._name)
        if kept is None:
            sequence, event_hash = anchor(core, _events_before(start, core.refresh()))
            return keep_position(core, self._name, self._query, sequence, event_hash)
        if kept.query != self._query:
            message = (
                f"cursor {self._name!r} was begun with other conditions ({difference(self._query, kept.query)}); "
                f"open it with those, take another name, or call drop_cursor({self._name!r}) first"
            )
            raise CursorMismatch(message, name=self._name, expected=kept.query, found=self._query)
        if kept.sequence is not None:
            _require_there(kept, event_hash_at(core, kept.sequence), core.refresh())
        return kept

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._take_turn()
        try:
            yield
        finally:
            self._end_turn()

    def _take_turn(self) -> None:
        """Never waits for another thread: it would get a part of the events, and commit those of the other."""
        core = self._store._core
        if core.closed or core.forked:
            core.refresh()
        if not self._busy.acquire(blocking=False):
            raise InvalidInput(f"cursor {self._name!r} is being used by another thread; give each thread its own")
        if self._closed:
            self._end_turn()
            self._require_open()

    def _end_turn(self) -> None:
        self._busy.release()
        if self._closed:
            names_of(self._store._core).give_back(self._name, self)

    def _require_open(self) -> None:
        if self._closed:
            raise InvalidInput(f"cursor {self._name!r} is closed; open it again with store.cursor(...)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._closed:
                self.commit()
        finally:
            self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Cursor is not pickled or copied; open it by its name where it is needed")

    def __repr__(self) -> str:
        place = "at the beginning" if self.position is None else f"behind event {self.position}"
        return f"<Cursor {self._name!r} {'closed' if self._closed else place}>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)


def rewound(store: Reading, kept: CursorPosition, first: int) -> CursorPosition:
    """Keep a position before ``first``, where the journal still has events."""
    core = store._core
    come = 0 if kept.sequence is None else kept.sequence + 1
    most = min(come, core.refresh())
    if first > most:
        raise InvalidInput(f"to_sequence is {first}; cursor {kept.name!r} can be rewound to 0 to {most}")
    return keep_position(core, kept.name, kept.query, *anchor(core, first))


def _events_before(start: str | int, visible: int) -> int:
    """How many events a new cursor passes over."""
    if start == "beginning":
        return 0
    if start == "now":
        return visible
    if isinstance(start, str):
        raise InvalidInput(f'start is {start!r:.100}; it must be "beginning", "now" or a sequence')
    first = number(start, "start")
    if first is None:
        raise TypeError('start must be "beginning", "now" or a sequence, not NoneType')
    if first > visible:
        raise InvalidInput(f'start is {first}, and the journal has {visible} events; "now" begins behind the last one')
    return first


def _require_there(kept: CursorPosition, found: bytes | None, events: int) -> None:
    """Refuse a position in a history that is not this one: going on would leave out what took its place."""
    if found == kept.event_hash or kept.event_hash is None:
        return
    there = f"the journal has {events} events" if found is None else f"the event there is {found.hex()} now"
    raise CursorDisplaced(
        f"cursor {kept.name!r} had come to event {kept.sequence}, {kept.event_hash.hex()}, and {there}: its history "
        f"was cut or restored; go on with rewind_cursor({kept.name!r}, to_sequence) from where both are the same",
        name=kept.name,
        sequence=kept.sequence,
        expected=kept.event_hash,
        found=found,
    )
