"""The consuming half of a store: cursors, which remember how far readers have come, and reactors on top of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak import _batpak
from batpak._consuming.cursor import Cursor, rewound
from batpak._consuming.cursor_names import names_of
from batpak._consuming.cursor_position import ROOM, CursorPosition, kept_position
from batpak._consuming.reactor import Policy, Reactor, ReactReport
from batpak._errors import InvalidInput, StoreReadOnly
from batpak._filters import number, pairs
from batpak._frontier import seconds_of
from batpak._schemas.typed import kind_of
from batpak._writing import Writing

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from typing import Literal, Unpack
    from uuid import UUID

    from batpak._batpak import Kind
    from batpak._consuming.reactor import Handler, OnFailure
    from batpak._filters import Conditions

    Start = Literal["beginning", "now"] | int


class Consuming(Writing):
    """What ``Store`` remembers for those who read it. Not for users."""

    __slots__ = ()

    def cursor(
        self,
        name: str,
        *,
        entity: str | None = None,
        entity_prefix: str | None = None,
        scope: str | None = None,
        kind: Kind | int | type[Any] | None = None,
        category: int | None = None,
        correlation: UUID | bytes | None = None,
        causation: UUID | bytes | None = None,
        metadata: Mapping[str, str] | None = None,
        system: bool = False,
        start: Start = "beginning",
        timeout: float | None = 0,
    ) -> Cursor:
        """Open a cursor: events in commit order, from where the last program that used this name had committed.

        The position is kept in the journal's directory, with the hash of the event there and the conditions. Delivery
        is at least once: what was not committed is given again.

        Args:
            name: 1 to 80 bytes of UTF-8.
            entity, entity_prefix, scope, kind, category, correlation, causation, metadata, system: as for ``query``. A
                cursor is bound to the conditions that it was begun with.
            start: where a new cursor begins: with the first event; behind the last one that there is ("now"); or with
                this sequence. It is kept at once. One that exists goes on from its position, whatever this is.
            timeout: iterating ends when no new event came for so many seconds, 0 or more; never if None.

        Returns:
            The cursor. While it is open, no other one of this name can be opened.

        Raises:
            CursorMismatch: it was begun with other conditions.
            CursorInUse: one of this name is open.
            CursorDisplaced: the event that it had come to is gone, or is another one: the journal was cut or restored.
            CursorDamaged: its file is damaged, or of another cursor or journal.
            InvalidInput: ``name``, ``start``, ``timeout`` or a condition is out of range.
            UnregisteredType: ``kind`` is a class that is not registered.
            StoreReadOnly: a cursor needs somewhere to keep its position; ``follow(after=)`` needs nothing.
            StorageError, StorePoisoned: a new cursor's position could not be kept.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=0xF001)
        ...     cursor = store.cursor("billing", entity_prefix="order")
        ...     for event in cursor:
        ...         cursor.commit(event)
        ...     cursor.position == receipt.sequence, cursor.lag()
        (True, 0)
        """
        self._require_writer()
        # What is wrong with a condition is said before anything is kept; what becomes of the caller's dict is ignored.
        given = None if metadata is None else dict(pairs(metadata) or ())
        filters: Conditions = {
            "entity": entity,
            "entity_prefix": entity_prefix,
            "scope": scope,
            "kind": kind_of(self._registry, kind),
            "category": category,
            "correlation": correlation,
            "causation": causation,
            "metadata": given,
            "system": system,
        }
        self.query(**filters)
        return Cursor(self, _checked_name(name), filters, start, seconds_of(timeout))

    def cursors(self) -> list[CursorPosition]:
        """How far every cursor has come, in the order of their names.

        Raises:
            CursorDamaged: the file of one of them, ``error.name``, is damaged; ``drop_cursor`` removes it.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     store.cursor("billing", scope="shop").close()
        ...     [(cursor.name, cursor.sequence, cursor.query) for cursor in store.cursors()]
        [('billing', None, {'scope': 'shop'})]
        """
        found = (kept_position(self._core, name) for name in _batpak.names_kept(self._core, ROOM))
        return [position for position in found if position is not None]

    def rewind_cursor(self, name: str, to_sequence: int) -> CursorPosition:
        """Have a cursor that is not open give events again, also one whose history was cut or restored.

        Args:
            name: the cursor's.
            to_sequence: the first sequence that is to be given again, at most the one behind its position.

        Returns:
            Its position now.

        Raises:
            CursorInUse: it is open; call its own ``rewind``.
            CursorDamaged: its file is damaged.
            InvalidInput: there is no such cursor, or it has not come so far.
            StoreReadOnly, StorageError, StorePoisoned, StoreClosed, ForkedStore: the position could not be kept.
        """
        first = number(to_sequence, "to_sequence")
        if first is None:
            raise TypeError("to_sequence must be an int, not NoneType")
        self._require_writer()
        named = _checked_name(name)
        names_of(self._core).require_free(named)
        kept = kept_position(self._core, named)
        if kept is None:
            raise InvalidInput(f"there is no cursor {named!r}; cursors() lists them")
        return rewound(self, kept, first)

    def drop_cursor(self, name: str) -> bool:
        """Forget how far a cursor has come; the next one of this name is a new one. The file may be damaged.

        Returns:
            Whether there was one.

        Raises:
            CursorInUse: it is open.
            InvalidInput: that is no name of a cursor.
            StoreReadOnly, StorageError, StoreClosed, ForkedStore: it could not be removed.
        """
        self._require_writer()
        named = _checked_name(name)
        names_of(self._core).require_free(named)
        return _batpak.forget(self._core, ROOM, named)

    def react(
        self,
        handler: Handler,
        cursor: str,
        *,
        retries: int = 3,
        backoff_s: float = 0.1,
        on_failure: OnFailure = "stop",
        commit_every: int = 1,
        timeout: float | None = 0,
        stop: threading.Event | None = None,
        start: Start = "beginning",
        **filters: Unpack[Conditions],
    ) -> ReactReport:
        """Give each event to a handler, write what it answers, and commit; in the calling thread.

        ``handler(event, reaction)`` adds to ``reaction`` (a ``PendingReaction``) what is to be written in answer. When
        it has returned, that is written as one frame, then the cursor is committed. Whenever the program is killed, the
        next run gives the event again unless it was committed, and its answer is written once: it has keys, which the
        store knows as long as the answer is within its ``idempotency_window``. If a handler answers otherwise the
        second time, the first answer stands, and a warning is logged; but not if it adds only the beginning of what it
        added then, or nothing, which nobody can tell from an event that it does not answer. What a handler does
        elsewhere, also what it appends to the store itself, is done again, and is not taken back if it raises. The
        filters decide whether a handler is given its own answers.

        Args:
            handler: takes the event and the reaction, and returns None, or what ``reaction.add`` returned: any other
                value would be an answer that nobody writes. Not a coroutine function.
            cursor: the name of the cursor; see ``cursor``.
            retries: how often an event is tried again whose handler raised, or whose answer was refused; 0 to
                1,000,000. Nothing of a failed attempt is written.
            backoff_s: seconds before the first of these, doubled each time up to 30; 0 to 86,400.
            on_failure: "stop" raises ``ReactionFailed`` then; "skip" logs a warning (logger ``batpak``) and goes on.
            commit_every: commit after so many events, 1 or more; and before waiting, and at the end. Up to so many are
                given again after a kill.
            timeout: end when no new event came for so many seconds, 0 or more; never if None. 0 handles what is there.
            stop: end between two events, or attempts, once this is set.
            start, filters: as for ``cursor``.

        Returns:
            What was done.

        Raises:
            ReactionFailed: a handler failed for good; the cursor stands before that event, its cause is the failure.
            TypeError: the handler returned something else, such as a coroutine or its answers, and nothing was written
                for this event; or an argument is of another type.
            StorageError, StorePoisoned: an answer or the position could not be written; the events that are not
                committed are given again.
            KeyboardInterrupt: what was handled before is committed.
            Whatever ``cursor`` raises.

        >>> import tempfile
        >>> def bill(event, reaction):
        ...     reaction.add(Coordinate("bill:1", "bills"), {"for": event.payload}, kind=0xF002)
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": 5}, kind=0xF001)
        ...     report = store.react(bill, "billing", scope="shop")
        ...     report.handled, report.written, store.react(bill, "billing", scope="shop").handled
        (1, 1, 0)
        """
        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")
        policy = Policy(retries, backoff_s, on_failure, commit_every, stop)
        seconds = seconds_of(timeout)
        opened = self.cursor(cursor, start=start, **filters)
        try:
            return Reactor(self, handler, opened, policy).run(seconds)
        finally:
            opened.close()

    def _require_writer(self) -> None:
        if self._core.closed or self._core.forked:
            self._core.refresh()
        if self._core.read_only:
            raise StoreReadOnly(
                "this store was opened with read_only=True, so a cursor's position cannot be kept; open the journal "
                "for writing, or use follow(after=) and keep the sequence yourself"
            )


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a cursor's name must be a str, not {type(name).__name__}")
    plain = str.__str__(name)
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"a cursor's name must be text that UTF-8 can hold, not {plain!r:.100}") from None
    return plain
