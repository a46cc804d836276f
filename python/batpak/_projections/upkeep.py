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
from batpak._projections.classes import classes_digest
from batpak._projections.code import code_digest
from batpak._projections.selection import selection_digest
from batpak._projections.snapshot import CLASSES_CHANGED, Identity, Snapshot, Unusable, load, save
from batpak._projections.state import cannot_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak._projections.projecting import Projecting
    from batpak._projections.projection import Projection
    from batpak._projections.selection import Selection

State = TypeVar("State")

_threads = threading.local()
"""``folding``: the view whose handlers run in this thread. Two views that ask each other would wait for ever."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a view has made so far; replaced as a whole, so that whoever reads it needs no lock.

    ``state`` is handed out, and so is never folded on unless nothing can change it; ``data`` are its canonical bytes.
    ``identity`` is what it was made by.
    """

    state: Any
    data: bytes
    state_hash: bytes
    watermark: Mark | None
    events: int
    at: float | None
    rebuilt: str | None
    rewinds: int
    identity: Identity


class Upkeep(Generic[State]):
    """A projection with the state that was made of it so far; ``View`` is the rest of it. Not for users."""

    __slots__ = (
        "__weakref__",
        "_every",
        "_form",
        "_held",
        "_identity",
        "_lock",
        "_plan",
        "_revision",
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
        # Of the registry, read before the classes are: what is registered meanwhile is noticed later.
        self._revision = store._registry._revision
        self._identity = Identity(
            projection.name,
            projection.version,
            code_digest(projection),
            classes_digest(type(projection), store._registry),
            dict(selection),
            selection_digest(selection),
        )
        self._lock = threading.Lock()
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

    def _registered_since(self) -> bool:
        """Whether classes or upcasters were registered since the identity was made; they may be others."""
        return self._store._registry._revision != self._revision

    def _renew(self) -> None:
        """Have the identity be of the classes and upcasters that are registered now."""
        if self._registered_since():
            self._revision = self._store._registry._revision
            now = classes_digest(type(self._plan.projection), self._store._registry)
            self._identity = replace(self._identity, classes=now)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for other threads, but never for oneself or in a circle of views, nor in a forked child."""
        look(self._store)
        folding = getattr(_threads, "folding", None)
        if folding is not None:
            own = "its own view, which is waiting for the handler" if folding == self._identity.name else "another view"
            raise InvalidInput(
                f"a handler of {folding!r} asks {own}; its result must come from the state and the event alone, or "
                "it would be another in the next replay"
            )
        with self._lock:
            _threads.folding = self._identity.name
            try:
                yield
            finally:
                _threads.folding = None

    def _begin(self) -> Held | None:
        """The state that the view has, or that of a snapshot; None if there is none that will do."""
        with self._alone():
            self._renew()
            if self._held is not None and self._held.identity != self._identity:
                self._held = None
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
        watermark, events = snapshot.watermark, snapshot.events
        return Held(state, snapshot.state, digest, watermark, events, None, None, rewinds, self._identity), ""

    def _from_nothing(self, why: str, rewinds: int) -> Held:
        state = self._plan.initial()
        data = self._form.encoded(state)
        self._saved_events = 0
        return Held(state, data, report_hash(data), None, 0, None, why, rewinds, self._identity)

    def _caught_up(self) -> tuple[Held, int]:
        """Take in every event that readers see; the state, and how many were folded for it."""
        with self._alone():
            held, why, folded = self._held, "", 0
            while True:
                self._renew()
                if held is not None and held.identity != self._identity:
                    # The state of classes that are no more must not be given to anybody.
                    held, why = None, CLASSES_CHANGED
                    self._held = None
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
                if self._store._rewinds(rewinds)[1] is None and not self._registered_since():
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
        self._refuse_changed()
        save(self._store, held.identity, Snapshot(held.watermark, held.events, held.data))
        self._saved, self._saved_events, self._save_failure = held.watermark.sequence, held.events, None

    def _refuse_changed(self) -> None:
        """Nothing leaves the view under the name of code that did not make it."""
        if code_digest(self._plan.projection) != self._identity.code:
            raise InvalidInput(
                f"projection {self._identity.name!r} was changed after the view was made, and its state would be taken "
                "for that of another; make a new instance, and a new view of it"
            )

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
