"""Bringing a materialised projection up to date: what a view does behind what it shows."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from batpak._batpak import report_hash
from batpak._errors import BatpakError, InvalidEncoding, InvalidInput, JournalRewound, PayloadMismatch
from batpak._folding import Plan, Stretch, last_visible, look
from batpak._frontier import Mark
from batpak._projections.code import code_digest
from batpak._projections.selection import selection_digest
from batpak._projections.snapshot import Identity, Snapshot, Unusable, load, save
from batpak._projections.state import cannot_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak._projections.projecting import Projecting
    from batpak._projections.projection import Projection
    from batpak._projections.selection import Selection

State = TypeVar("State")


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


class Upkeep(Generic[State]):
    """A projection with the state that was made of it so far; ``View`` is the rest of it. Not for users."""

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

    # Making the state

    def _visible(self) -> Mark | None:
        visible = self._store._core.marks()[3]
        return None if visible is None else Mark(*visible)

    def _rewound(self, held: Held) -> bool:
        """Whether recovery cut something of what a state was made of, in a reader."""
        _, still = self._store._rewinds(held.rewinds)
        return still is not None and sequence_of(held.watermark) >= still

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
                if held is not None and still is not None and sequence_of(held.watermark) >= still:
                    why = f"rewound: recovery cut all but the first {still} of {sequence_of(held.watermark) + 1} events"
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
        if visible is None or sequence_of(held.watermark) >= visible.sequence:
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
        return replace(before, state=state, data=data, state_hash=report_hash(data), events=events, watermark=watermark)

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


def _stage(every: int, held: Held) -> int:
    """After how many events the next snapshot is due: more for a long history, so that the cost stays in proportion."""
    return max(every, held.events // 4)


def _behind(held: Held) -> int | None:
    return None if held.watermark is None else held.watermark.sequence


def sequence_of(mark: Mark | None) -> int:
    """The sequence of a mark; what is before the first event is -1."""
    return -1 if mark is None else mark.sequence
