"""A materialised projection: a state that is kept up to date with the log, and kept beside it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar

from batpak._batpak import report_hash
from batpak._errors import (
    BatpakError,
    InvalidEncoding,
    InvalidInput,
    JournalRewound,
    PayloadMismatch,
    StoreReadOnly,
)
from batpak._folding import Plan, Stretch, last_visible, look
from batpak._frontier import Mark, seconds_of
from batpak._projected import Projected
from batpak._projection_code import code_digest
from batpak._projection_state import cannot_change
from batpak._selection import selection_digest
from batpak._snapshot import Identity, Snapshot, Unusable, forget, load, save

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from batpak._determinism import DeterminismReport
    from batpak._projecting import Projecting
    from batpak._projection import Projection
    from batpak._projection_run import Attestation, ProjectionRun
    from batpak._selection import Selection

    MaxStale = float | timedelta | Literal["any"] | None

State = TypeVar("State")

SNAPSHOT_EVERY: Final = 8192


@dataclass(frozen=True, slots=True)
class Held:
    """What a view has made so far; replaced as a whole, so that whoever reads it needs no lock.

    ``state`` is handed out, and so is never folded on unless nothing can change it; ``data`` are its canonical bytes.
    """

    state: Any
    data: bytes
    state_hash: bytes
    watermark: Mark | None
    events: int
    at: float | None
    rebuilt: str | None
    rewinds: int


class View(Generic[State]):
    """A projection whose state is kept up to date; made by ``Store.materialise``. Any thread may use it.

    Only one thread at a time brings it up to date, and the others wait for that. A handler may read and write the
    store, but not its own view. As a context manager it saves a snapshot at the end of the block, unless the block
    raised or the store is read-only.

    >>> import tempfile
    >>> class Total(batpak.Projection[int]):
    ...     name = "total"
    ...     def initial(self) -> int:
    ...         return 0
    ...     @batpak.on(0xF001)
    ...     def paid(self, state: int, event: batpak.Event) -> int:
    ...         return state + event.payload["amount"]
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     with store.materialise(Total) as view:
    ...         for amount in (3, 4):
    ...             receipt = store.append(Coordinate("order:1", "shop"), {"amount": amount}, kind=0xF001)
    ...             projected = view.read()
    ...             projected.state, projected.folded_now, projected.fresh
    (3, 1, True)
    (7, 1, True)
    """

    __slots__ = (
        "__weakref__",
        "_every",
        "_folding_in",
        "_form",
        "_held",
        "_identity",
        "_lock",
        "_plan",
        "_save_failure",
        "_saved",
        "_saved_events",
        "_selection",
        "_store",
    )

    def __init__(
        self, store: Projecting, projection: Projection[State], selection: Selection, snapshot_every: int | None
    ) -> None:
        """Not for users: call ``Store.materialise``."""
        self._store = store
        self._plan = Plan(projection)
        self._form = type(projection)._form
        self._selection = selection
        self._every = snapshot_every
        self._identity = Identity(
            projection.name, projection.version, code_digest(projection), dict(selection), selection_digest(selection)
        )
        self._lock = threading.Lock()
        # Set by the thread that holds the lock: a handler that asks its own view would wait for itself.
        self._folding_in: int | None = None
        self._held: Held | None = None
        # The watermark of the snapshot that is kept, and after how many events the next one is due.
        self._saved: int | None = None
        self._saved_events = 0
        self._save_failure: str | None = None

    # Reading

    def read(self, max_stale: MaxStale = None) -> Projected[State]:
        """Give the state, brought up to date first unless a stale one will do.

        Args:
            max_stale: None takes in every event that readers see. Seconds, 0 or more, or a timedelta: the kept state
                will do if it was brought up to date in this process so short a time ago. "any": a kept state will do
                whatever its age, that of a snapshot too.

        Returns:
            The state with what it was made of; how fresh it is always stands in it.

        Raises:
            Whatever a handler raises, with a note that names the event. The view keeps the state that it had, so the
            next read comes to the same event again, and ``read(max_stale="any")`` gives the state before.
            InvalidInput: ``max_stale`` is negative, a handler returned None in place of a state, or a handler asked
                its own view.
            InvalidValue: the state cannot be kept; ``path`` says where in it.
            TypeError: ``max_stale`` is of another type.
            Whatever ``Store.query`` raises but JournalRewound: then the state is made anew, and ``rebuilt`` says so.
        """
        allowed = _allowed(max_stale)
        look(self._store)
        held = self._held
        if allowed is not None:
            held = held if held is not None or allowed != float("inf") else self._begin()
            if held is not None and _age(held) <= allowed and not self._rewound(held):
                visible = self._visible()
                return _projected(held, 0, max(0, _sequence(visible) - _sequence(held.watermark)))
        held, folded = self._caught_up()
        return _projected(held, folded, 0)

    @property
    def applied(self) -> Mark | None:
        """The last event of the journal that was taken in, or looked at and passed over; None if there is none yet."""
        held = self._held
        return None if held is None else held.watermark

    @property
    def projection(self) -> Projection[State]:
        """The projection."""
        return self._plan.projection

    @property
    def save_failure(self) -> str | None:
        """Why the last snapshot that was due by itself could not be kept, or None; it is tried again."""
        return self._save_failure

    def watch(self, timeout: float | None = None, *, since: Projected[State] | None = None) -> Projected[State] | None:
        """Wait until the state is another one.

        Args:
            timeout: seconds, 0 or more; None for as long as it takes.
            since: other than this; other than what the view has at the moment of the call if None.

        Returns:
            The state as soon as it is another one; None if it is still the same after ``timeout``.

        Raises:
            StoreClosed, ForkedStore: this store cannot be used, or was closed meanwhile.
            KeyboardInterrupt: the wait was interrupted.
            Whatever ``read`` raises.
        """
        seconds = seconds_of(timeout)
        if since is not None and not isinstance(since, Projected):
            raise TypeError(f"since must be a batpak.Projected, not {type(since).__name__}")
        held = self._held
        known = since.state_hash if since is not None else held.state_hash if held is not None else None
        return self._changed(known, seconds)

    def changes(self, timeout: float | None = None) -> Generator[Projected[State], None, None]:
        """Give the state as it is now, and again each time it is another one.

        Changes that come in quick succession may be given as one.

        Args:
            timeout: end when it was the same for so many seconds, 0 or more; never if None.

        Returns:
            An iterator. One thread at a time may iterate.

        Raises:
            As ``watch``, while iterating.
        """
        seconds = seconds_of(timeout)

        def states() -> Generator[Projected[State], None, None]:
            given: Projected[State] | None = self.read()
            while given is not None:
                yield given
                given = self._changed(given.state_hash, seconds)

        return states()

    # Keeping

    def save(self) -> Mark | None:
        """Keep a snapshot of the state that the view has, so that another process need not fold it again.

        The events that it tells of are synced first. If the view has no state yet, it is brought up to date.

        Returns:
            The last event that the snapshot takes in; None if the journal shows no event, and nothing was kept.

        Raises:
            StoreReadOnly: only the writer keeps anything.
            LimitExceeded: the state is too large to be kept.
            StorePoisoned, StorageError: the events cannot be synced or the file not be written.
            Whatever ``read`` raises.
        """
        self._refuse_reader("keeps snapshots")
        held = self._held or self._caught_up()[0]
        with self._alone():
            held = self._held or held
            self._keep(held)
        return held.watermark

    def forget(self) -> bool:
        """Remove the kept snapshot; the state that the view has in memory stays.

        Returns:
            Whether there was one.

        Raises:
            StoreReadOnly, StorageError, StoreClosed, ForkedStore: it cannot be removed.
        """
        self._saved = None
        return forget(self._store, self._identity)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None or self._held is None or self._store._core.read_only:
            return
        with self._alone():
            if self._held.watermark is not None and self._saved != self._held.watermark.sequence:
                self._keep(self._held)

    # Proving

    def check(self, *, every: int = 16) -> DeterminismReport:
        """Check that replaying the log makes the same state again; see ``batpak.check_determinism``."""
        from batpak._determinism import check

        return check(self._store, self.projection, self._store._stretch(None, self._selection), every=every)

    def run_report(self) -> ProjectionRun:
        """State what the projection makes of the log as it is now, in a form that can be compared and signed.

        The state is brought up to date and the events are synced first; a reader takes those known to be synced.

        Returns:
            The report.

        Raises:
            InvalidInput: the journal shows no event, or a reader does not know all of them to be synced.
            StorePoisoned, StorageError: the events cannot be synced or read.
            Whatever ``read`` raises.
        """
        from batpak._projection_run import report_of

        while True:
            held, _ = self._caught_up()
            report = report_of(self._store, self._identity, held.watermark, held.events, held.state_hash)
            # A reader that was rewound in between would have a root of another history.
            if not self._rewound(held):
                return report

    def attest(self) -> Attestation:
        """Have the journal's key sign ``run_report()``; without a signature if the journal has no key.

        Raises:
            StoreReadOnly: only the writer signs.
            SignerFailed: the key is an ``ExternalSigner`` that did not sign.
            Whatever ``run_report`` raises.
        """
        from batpak._projection_run import attested

        self._refuse_reader("signs")
        return attested(self._store, self.run_report())

    def __repr__(self) -> str:
        held = self._held
        name = self._identity.kept_as
        if held is None or held.watermark is None:
            return f"<View of {name!r} that has looked at no event yet>"
        return f"<View of {name!r} up to event {held.watermark.sequence}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a View is not pickled; materialise the projection where the store is open")

    # Making the state

    def _refuse_reader(self, does: str) -> None:
        if self._store._core.read_only:
            raise StoreReadOnly(f"this store was opened with read_only=True; only the writer {does}")

    def _visible(self) -> Mark | None:
        visible = self._store._core.marks()[3]
        return None if visible is None else Mark(*visible)

    def _rewound(self, held: Held) -> bool:
        """Whether recovery cut something of what a state was made of, in a reader."""
        _, still = self._store._rewinds(held.rewinds)
        return still is not None and _sequence(held.watermark) >= still

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for other threads, but never for oneself, nor in a forked child."""
        look(self._store)
        if self._folding_in == threading.get_ident():
            raise InvalidInput(
                f"a handler of {self._identity.name!r} asks its own view, which is waiting for the handler; use the "
                "state that the handler is given"
            )
        with self._lock:
            self._folding_in = threading.get_ident()
            try:
                yield
            finally:
                self._folding_in = None

    def _begin(self) -> Held | None:
        """The state that the view has, or that of a snapshot; None if there is none that will do."""
        with self._alone():
            if self._held is None:
                self._held, _ = self._from_snapshot()
            return self._held

    def _from_snapshot(self) -> tuple[Held | None, str]:
        """What is kept, and if it cannot be used, why not."""
        rewinds, _ = self._store._rewinds(0)
        try:
            snapshot = load(self._store, self._identity)
            state = self._form.decoded(snapshot.state)
        except Unusable as why:
            return None, str(why)
        except (InvalidEncoding, PayloadMismatch) as error:
            return None, f"damaged: {error.message}"
        self._saved, self._saved_events = snapshot.watermark.sequence, snapshot.events
        digest = report_hash(snapshot.state)
        return Held(state, snapshot.state, digest, snapshot.watermark, snapshot.events, None, None, rewinds), ""

    def _from_nothing(self, why: str, rewinds: int) -> Held:
        state = self._plan.projection.initial()
        data = self._form.encoded(state)
        self._saved_events = 0
        return Held(state, data, report_hash(data), None, 0, None, why, rewinds)

    def _caught_up(self) -> tuple[Held, int]:
        """Take in every event that readers see; the state, and how many were folded for it."""
        with self._alone():
            held, why, folded = self._held, "", 0
            while True:
                if held is None and not why:
                    held, why = self._from_snapshot()
                rewinds, still = self._store._rewinds(0 if held is None else held.rewinds)
                if held is not None and still is not None and _sequence(held.watermark) >= still:
                    why = f"rewound: recovery cut all but the first {still} of {_sequence(held.watermark) + 1} events"
                    # The state of what is gone must not be given to anybody.
                    held = self._held = None
                begun = self._from_nothing(why, rewinds) if held is None else replace(held, rewinds=rewinds)
                try:
                    done, now = self._folded_on(begun)
                except JournalRewound as rewound:
                    held = self._held
                    why = f"rewound: recovery cut all but the first {rewound.to_events} events"
                    continue
                folded += now
                if self._store._rewinds(rewinds)[1] is None:
                    break
                held = done
            self._held = done
            if self._every is not None and done.events - self._saved_events >= _stage(self._every, done):
                self._keep_if_possible(done)
            return done, folded

    def _folded_on(self, held: Held) -> tuple[Held, int]:
        """Fold what comes behind a state, up to what readers see now; a long way is gone, and kept, in stages."""
        # What this thread wrote itself is waited for, as in every query.
        last_visible(self._store)
        visible = self._visible()
        if visible is None or _sequence(held.watermark) >= visible.sequence:
            return replace(held, at=time.monotonic()), 0
        some = self._plan.steps(self._store, Stretch(self._selection, visible.sequence, _behind(held)))
        before = held.events
        step = next(some, None)
        while step is not None:
            more = None if self._every is None else _stage(self._every, held) - 1
            state, count, last = self._plan.fold(self._own(held), chain((step,), islice(some, more)))
            step = next(some, None)
            if step is None or last is None:
                held = self._made(held, state, count, visible)
                break
            held = self._held = self._made(held, state, count, Mark(last.sequence, last.hlc))
            self._keep_if_possible(held)
        return replace(held, watermark=visible, at=time.monotonic()), held.events - before

    def _own(self, held: Held) -> Any:
        """The state to fold on, which nobody else has."""
        return held.state if cannot_change(held.state) else self._form.decoded(held.data)

    def _made(self, before: Held, state: Any, count: int, watermark: Mark) -> Held:
        data, events = self._form.encoded(state), before.events + count
        if data == before.data:
            return replace(before, events=events, watermark=watermark)
        return replace(before, state=state, data=data, state_hash=report_hash(data), events=events, watermark=watermark)

    def _changed(self, known: bytes | None, seconds: float | None) -> Projected[State] | None:
        """The state when it has another hash; than now, if none is known."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            projected = self.read()
            known = known or projected.state_hash
            if projected.state_hash != known:
                return projected
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            # A reader that was rewound is told here; the next read makes the state anew.
            with suppress(JournalRewound):
                self._store._core.wait_for("visible", _sequence(projected.watermark) + 2, left)

    # Keeping it

    def _keep(self, held: Held) -> None:
        if held.watermark is None:
            return
        save(self._store, self._identity, Snapshot(held.watermark, held.events, held.data))
        self._saved, self._saved_events, self._save_failure = held.watermark.sequence, held.events, None

    def _keep_if_possible(self, held: Held) -> None:
        """Keep a snapshot that nobody asked for: a read does not fail because a cache cannot be written."""
        if self._store._core.read_only:
            return
        try:
            self._keep(held)
        except BatpakError as error:
            self._save_failure = str(error)
            # It is tried again after as many events.
            self._saved_events = held.events


def _projected(held: Held, folded_now: int, behind: int) -> Projected[Any]:
    return Projected(
        state=held.state,
        watermark=held.watermark,
        events=held.events,
        folded_now=folded_now,
        behind=behind,
        fresh=behind == 0,
        age_s=None if held.at is None else time.monotonic() - held.at,
        rebuilt=held.rebuilt,
        state_hash=held.state_hash,
    )


def _stage(every: int, held: Held) -> int:
    """After how many events the next snapshot is due: more for a long history, so that the cost stays in proportion."""
    return max(every, held.events // 4)


def _behind(held: Held) -> int | None:
    return None if held.watermark is None else held.watermark.sequence


def _sequence(mark: Mark | None) -> int:
    """The sequence of a mark; what is before the first event is -1."""
    return -1 if mark is None else mark.sequence


def _age(held: Held) -> float:
    return float("inf") if held.at is None else time.monotonic() - held.at


def _allowed(max_stale: object) -> float | None:
    """How many seconds old the state may be; None if it may not be old at all."""
    if max_stale is None:
        return None
    if isinstance(max_stale, str):
        if max_stale != "any":
            raise InvalidInput(f'max_stale is {max_stale!r:.100}; it must be seconds, a timedelta, "any" or None')
        return float("inf")
    if isinstance(max_stale, timedelta):
        max_stale = max_stale.total_seconds()
    if isinstance(max_stale, bool) or not isinstance(max_stale, float | int):
        raise TypeError(f'max_stale must be seconds, a timedelta, "any" or None, not {type(max_stale).__name__}')
    if not max_stale >= 0:
        raise InvalidInput(f"max_stale is {max_stale} seconds; it must be 0 or more")
    # Finite, so that a snapshot of unknown age is only given to who asks for any.
    return float(min(max_stale, 1e12))
