"""A materialised projection: a state that is kept up to date with the log, and kept beside it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from batpak._errors import InvalidInput, JournalRewound, StoreReadOnly
from batpak._folding import Stretch, look
from batpak._frontier import Mark, seconds_of
from batpak._projections.projected import Projected
from batpak._projections.snapshot import forget
from batpak._projections.upkeep import Held, Upkeep, sequence_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from batpak._observing.attestation import Attestation
    from batpak._projections.determinism import DeterminismReport
    from batpak._projections.projection import Projection
    from batpak._projections.run import ProjectionRun

    MaxStale = float | timedelta | Literal["any"] | None

State = TypeVar("State")

SNAPSHOT_EVERY: Final = 8192


class View(Upkeep[State]):
    """A projection whose state is kept up to date; made by ``Store.materialise``. Any thread may use it.

    Only one thread at a time brings it up to date, and the others wait for that. A handler may read and write the
    store, but no view. As a context manager it saves a snapshot at the end of the block, unless the block
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

    __slots__ = ()

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
                a view.
            InvalidValue: the state cannot be kept; ``path`` says where in it.
            UnregisteredType, UpcasterMissing, UpcastFailed, NewerVersion, PayloadMismatch: an event cannot be given to
                a handler that takes a class, as in ``Store.project``; the state before is kept as well.
            TypeError: ``max_stale`` is of another type.
            Whatever ``Store.query`` raises but JournalRewound: then the state is made anew, and ``rebuilt`` says so.
        """
        allowed = _allowed(max_stale)
        look(self._store)
        held = self._held
        if allowed is not None:
            held = held if held is not None or allowed != float("inf") else self._begin()
            if held is not None and _age(held) <= allowed and not (self._rewound(held) or self._registered_since()):
                visible = self._visible()
                return _projected(held, 0, max(0, sequence_of(visible) - sequence_of(held.watermark)))
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

        In a loop, give what the last call returned as ``since``: another thread that reads the view brings it up to
        date, and a change that came so is not waited for again.

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
            InvalidInput: the projection was changed after the view was made.
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
        """Check that replaying the log makes the same state again, and the one that the view keeps.

        The kept state is the one in memory, or that of the snapshot if nothing was read yet; it is compared as it is,
        with a replay up to the event that it takes in. A state that differs is the finding "kept_differs": it was made
        by something that is no longer there and that the snapshot could not tell, such as a helper outside the class.
        ``forget`` the snapshot, materialise anew, and raise ``version`` so that no other process uses it.

        Args:
            every: as for ``batpak.check_determinism``, which says what else is looked at.

        Returns:
            The report; no difference is an exception.

        Raises:
            What ``batpak.check_determinism`` raises.
        """
        from batpak._projections.determinism import Kept, check

        held = self._begin()
        kept = None
        if held is not None and not self._rewound(held):
            kept = Kept(Stretch(self._selection, sequence_of(held.watermark)), held.state_hash, held.events)
        return check(self._store, self.projection, self._store._stretch(None, self._selection), every=every, kept=kept)

    def run_report(self) -> ProjectionRun:
        """State what the projection makes of the log as it is now, in a form that can be compared and signed.

        The state is brought up to date and the events are synced first; a reader takes those known to be synced.

        Returns:
            The report.

        Raises:
            InvalidInput: the journal shows no event, a reader does not know all of them to be synced, or the projection
                was changed after the view was made.
            StorePoisoned, StorageError: the events cannot be synced or read.
            Whatever ``read`` raises.
        """
        from batpak._projections.run import report_of

        self._refuse_changed()
        while True:
            held, _ = self._caught_up()
            report = report_of(self._store, held.identity, held.watermark, held.events, held.state_hash)
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
        self._refuse_reader("signs")
        return self._store.attest(self.run_report())

    def __repr__(self) -> str:
        held = self._held
        name = self._identity.kept_as
        if held is None or held.watermark is None:
            return f"<View of {name!r} that has looked at no event yet>"
        return f"<View of {name!r} up to event {held.watermark.sequence}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a View is not pickled; materialise the projection where the store is open")

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
                self._store._core.wait_for("visible", sequence_of(projected.watermark) + 2, left)

    def _refuse_reader(self, does: str) -> None:
        if self._store._core.read_only:
            raise StoreReadOnly(f"this store was opened with read_only=True; only the writer {does}")


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
