"""A reactor: gives events to a handler, writes what it answers, and remembers how far it has come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from batpak._consuming.pending_reaction import PendingReaction
from batpak._errors import InvalidInput, KeyConflict, ReactionFailed, StoreError
from batpak._filters import number
from batpak._frontier import seconds_of
from batpak._reports import Report

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from batpak._batpak import Event
    from batpak._consuming.cursor import Cursor
    from batpak._writing import Writing

    Handler = Callable[[Event, PendingReaction], object]

OnFailure = Literal["stop", "skip"]
ATTEMPTS_MAX: Final = 1_000_000
BACKOFF_S_MAX: Final = 30.0
"""Pauses between attempts do not double beyond this."""


@dataclass(frozen=True, slots=True)
class ReactReport(Report):
    """What a reactor did until it ended.

    Attributes:
        cursor: the name of its cursor.
        handled: events whose handler returned.
        written: events written in answer.
        repeated: of the events handled, those whose answer was in the journal before, from a run that did not live to
            remember it; it stands, and nothing was written. An event that the handler answers with nothing is not
            among them, whatever it answered before.
        retried: attempts beyond the first, over all events.
        skipped: events that were given up, with ``on_failure="skip"``.
        position: everything up to and including this sequence is committed; None if nothing is.
    """

    cursor: str
    handled: int
    written: int
    repeated: int
    retried: int
    skipped: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a reactor goes about it; ``Store.react`` says what each means."""

    retries: int
    backoff_s: float
    on_failure: OnFailure
    commit_every: int
    stop: threading.Event | None

    def __post_init__(self) -> None:
        if number(self.retries, "retries", ATTEMPTS_MAX) is None:
            raise TypeError("retries must be an int, not NoneType; 0 tries once")
        if isinstance(self.backoff_s, bool) or not isinstance(self.backoff_s, float | int):
            raise TypeError(f"backoff_s must be a number of seconds, not {type(self.backoff_s).__name__}")
        if not 0 <= self.backoff_s <= 86_400:
            raise InvalidInput(f"backoff_s is {self.backoff_s}; it must be 0 to 86,400 seconds")
        if self.on_failure not in ("stop", "skip"):
            raise InvalidInput(f'on_failure is {self.on_failure!r:.100}; it must be "stop" or "skip"')
        if number(self.commit_every, "commit_every", least=1) is None:
            raise TypeError("commit_every must be an int, not NoneType; 1 commits after each event")
        if self.stop is not None and not (hasattr(self.stop, "is_set") and hasattr(self.stop, "wait")):
            raise TypeError(f"stop must be a threading.Event, not {type(self.stop).__name__}")

    @property
    def stopped(self) -> bool:
        """Whether somebody wants the reactor to end."""
        return self.stop is not None and self.stop.is_set()

    def pause(self, failures: int) -> None:
        """Wait before the next attempt, each time twice as long."""
        seconds = max(self.backoff_s, min(self.backoff_s * 2.0 ** min(failures - 1, 60), BACKOFF_S_MAX))
        if self.stop is None:
            time.sleep(seconds)
        else:
            self.stop.wait(seconds)


class Reactor:
    """One run of a handler over the events of a cursor."""

    __slots__ = (
        "_cursor", "_done", "_handled", "_handler", "_policy", "_repeated", "_retried", "_skipped", "_store",
        "_uncommitted", "_written",
    )  # fmt: skip

    def __init__(self, store: Writing, handler: Handler, cursor: Cursor, policy: Policy) -> None:
        """Nothing done yet."""
        self._store = store
        self._handler = handler
        self._cursor = cursor
        self._policy = policy
        self._done: Event | None = None
        self._uncommitted = 0
        self._handled = self._written = self._repeated = self._retried = self._skipped = 0

    def run(self, timeout: float | None) -> ReactReport:
        """Handle events until none came for so many seconds, or somebody wants it to end."""
        seconds = seconds_of(timeout)
        try:
            while not self._policy.stopped and (event := self._next(seconds)) is not None:
                if not self._settled(event):
                    break
                self._done = event
                self._uncommitted += 1
                if self._uncommitted >= self._policy.commit_every:
                    self._commit()
        except BaseException as error:
            # What was handled before is done, whatever ends this: Ctrl-C, a failure, a full disk.
            try:
                self._commit()
            except StoreError as failure:
                error.add_note(f"the events handled last were not committed, and will be given again: {failure}")
            raise
        self._commit()
        return ReactReport(
            cursor=self._cursor.name,
            handled=self._handled,
            written=self._written,
            repeated=self._repeated,
            retried=self._retried,
            skipped=self._skipped,
            position=self._cursor.position,
        )

    def _next(self, seconds: float | None) -> Event | None:
        with self._cursor._alone():
            event = self._cursor._take(0)
        if event is not None or seconds == 0:
            return event
        # Nothing waits for an event of which nobody knows when it comes.
        self._commit()
        with self._cursor._alone():
            return self._cursor._take(seconds, self._policy.stop)

    def _settled(self, event: Event) -> bool:
        """Handle an event, as often as it takes. False if somebody wanted the reactor to end meanwhile."""
        failures = 0
        while (failure := self._attempt(event)) is not None:
            failures += 1
            if failures > self._policy.retries:
                self._give_up(event, failure, failures)
                return True
            self._commit()
            self._policy.pause(failures)
            if self._policy.stopped:
                return False
            self._retried += 1
        self._handled += 1
        return True

    def _attempt(self, event: Event) -> Exception | None:
        """Call the handler and write what it answered; the reason if that failed, and then nothing was written."""
        pending = PendingReaction(self._store, event, self._cursor.name)
        try:
            result = self._handler(event, pending)
        except Exception as failure:
            if self._store._core.closed:
                raise
            return failure
        finally:
            pending._end()
        _refuse_answer(result, len(pending))
        _, written, _, _ = self._store._core.marks()
        try:
            receipts = pending._write()
        except KeyConflict as conflict:
            self._repeated += 1
            self._warn_of_other_words(event, conflict)
        except StoreError:
            raise
        except Exception as failure:  # noqa: BLE001 - a gate may raise anything; it counts as the handler's failure
            return failure
        else:
            if receipts is not None and written is not None and receipts[0].sequence <= written[0]:
                self._repeated += 1
            elif receipts is not None:
                self._written += len(receipts)
        return None

    def _warn_of_other_words(self, event: Event, conflict: KeyConflict) -> None:
        """The keys are nobody else's, so the event was answered before; what is in the journal stands."""
        import logging

        logging.getLogger("batpak").warning(
            "%s: the handler of cursor %r answers event %d otherwise than before; the answer of then, event %s, stands",
            self._store._core.name,
            self._cursor.name,
            event.sequence,
            conflict.sequence,
        )

    def _give_up(self, event: Event, failure: Exception, attempts: int) -> None:
        name = self._cursor.name
        told = f"the handler of cursor {name!r} failed at event {event.sequence}, the last of {attempts} times"
        if self._policy.on_failure == "stop":
            raise ReactionFailed(
                f"{told} with {type(failure).__name__}: {failure}; the cursor stands before it, and gives it again",
                name=name,
                sequence=event.sequence,
                event_id=event.event_id,
                attempts=attempts,
            ) from failure
        import logging

        logging.getLogger("batpak").warning(
            "%s: %s; it was skipped (%s)", self._store._core.name, told, event.event_id, exc_info=failure
        )
        self._skipped += 1

    def _commit(self) -> None:
        if self._done is not None:
            self._cursor.commit(self._done)
            self._done = None
            self._uncommitted = 0


def _refuse_answer(result: object, added: int) -> None:
    """Refuse what a handler returned in place of adding it: it would be lost without a word."""
    if any(hasattr(result, name) for name in ("__await__", "send", "asend")):
        _close(result)
        raise TypeError("the handler returned a coroutine or a generator, which nobody runs; pass a plain function")
    # A lambda that only adds returns the number of what it added, and nothing is lost.
    if result is None or (type(result) is int and 0 <= result < added):
        return
    raise TypeError(
        f"the handler returned {type(result).__name__}, which nobody writes; add what is to be written with "
        "reaction.add(...), and return nothing"
    )


def _close(result: object) -> None:
    """Have Python not warn of what was never awaited."""
    close = getattr(result, "close", None)
    if callable(close):
        close()
