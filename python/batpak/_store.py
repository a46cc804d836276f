"""The store: one open journal."""

from __future__ import annotations

import errno
import os
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from batpak import _batpak, _fork, _payloads
from batpak._aggregate import Aggregating
from batpak._consuming.consuming import Consuming
from batpak._errors import InvalidInput, StorageError
from batpak._filters import number
from batpak._gates import Gating
from batpak._observing.attesting import Attesting
from batpak._observing.observing import Observing
from batpak._projections.projecting import Projecting
from batpak._projections.views import Views
from batpak._proving.keys import ExternalSigner, SigningKey, signer_of
from batpak._reports import OpenReport, StoreStats
from batpak._schemas.registry import Registry, default_registry
from batpak._schemas.typed_reading import TypedReading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from uuid import UUID

    from batpak._gates import Gate, GateMode

    Path_ = str | os.PathLike[str]

Durability = Literal["always", "interval", "manual"]
Visibility = Literal["written", "durable"]

SEGMENT_BYTES = 64 * 1024 * 1024
IDEMPOTENCY_WINDOW = 1_000_000
DAY_MS = 86_400_000
CLOCK_AHEAD_US = 1_000_000
"""A wall clock that went back further than this is worth a warning."""


def absolute(path: Path_) -> str:
    """The directory that is meant now: a later chdir must not move a journal. Links are left as they are."""
    return str(Path(path).absolute())


def _directory(path: Path_) -> str:
    """The directory, which need not be there."""
    directory = absolute(path)
    if os.path.isfile(directory):  # noqa: PTH113 - unlike Path.is_file it never raises
        raise StorageError(
            f"{directory} is a file, and a journal is a directory; give a directory, which is made if it is missing",
            errno=errno.ENOTDIR,
            filename=directory,
            operation="open",
        )
    return directory


def _keys_of(keys: Iterable[str]) -> list[str]:
    if isinstance(keys, str):
        raise InvalidInput(f"index_metadata is a text; name the keys in a list, such as [{keys!r}]")
    named = list(keys)
    for key in named:
        if not isinstance(key, str):
            raise TypeError(f"index_metadata must name its keys as str, not {type(key).__name__}")
    return named


def _window(sequences: int) -> int:
    given = number(sequences, "idempotency_window")
    if given is None:
        raise TypeError("idempotency_window must be an int, not NoneType; 0 remembers no key")
    return given


def _durable_only(visibility: str) -> bool:
    if not isinstance(visibility, str):
        raise TypeError(f"visibility must be a str, not {type(visibility).__name__}")
    if visibility not in ("written", "durable"):
        raise InvalidInput(f'visibility is {visibility!r}; it must be "written" or "durable"')
    return visibility == "durable"


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let threads that are started meanwhile inherit a mask without any signal.

    The store's own thread must never be the one that takes a signal which the program blocks and waits for.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Store(Projecting, Consuming, TypedReading, Observing, Aggregating, Attesting):
    """One open journal: one directory, one writer. Use it as a context manager.

    Any number of threads may use one store at the same time. Waiting for the disk or for another writer happens
    without the interpreter lock. A forked
    child that touches it gets ``ForkedStore``. A store is not pickled.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     store.get(receipt.event_id).payload
    {'paid': True}
    """

    __slots__ = ("__weakref__", "_path", "_views")

    def __new__(cls, *given: object, **_: object) -> Self:
        """Refuse what is no open journal: ``Store("directory")`` is meant as ``Store.open("directory")``."""
        if not given or not isinstance(given[0], _batpak.CoreStore):
            raise TypeError(f"a {cls.__name__} is made by {cls.__name__}.open(path), which opens the journal there")
        return super().__new__(cls)

    def __init__(
        self, core: _batpak.CoreStore, path: Path, registry: Registry = default_registry, gating: Gating | None = None
    ) -> None:
        """Not for users: call ``Store.open``."""
        self._core = core
        self._path = path
        self._registry = registry
        self._gating = Gating() if gating is None else gating
        self._views = Views()

    @classmethod
    def open(
        cls,
        path: Path_,
        *,
        create: bool = True,
        read_only: bool = False,
        signing_key: SigningKey | ExternalSigner | Path_ | bytes | None = None,
        durability: Durability = "interval",
        interval_ms: int = 50,
        segment_bytes: int = SEGMENT_BYTES,
        name: str = "batpak.local",
        registry: Registry | None = None,
        allow_nonfinite: bool = False,
        rebuild_meta: bool = False,
        index_metadata: Iterable[str] | None = None,
        visibility: Visibility = "written",
        idempotency_window: int = IDEMPOTENCY_WINDOW,
        gates: Iterable[Gate] = (),
        gate_mode: GateMode = "first",
        record_denials: bool = True,
        pins: Path_ | None = None,
        checkpoint_events: int | None = None,
        checkpoint_interval_ms: int | None = None,
        adopt_key: bool = False,
    ) -> Self:
        """Open the journal in a directory; a missing or empty one becomes a journal.

        Opening for writing takes the journal's lock, settles what a crash may have left (never silently: see
        ``open_report``), and writes
        an ``opened`` event. Opening read-only takes no lock and changes nothing; it shows the journal as it is at
        that moment, and what came since after ``refresh`` or in ``follow``. Either costs the events since the last
        index was written, not the history.

        Args:
            path: the directory.
            create: make a journal if there is none.
            read_only: for looking only; other processes may write meanwhile.
            signing_key: an Ed25519 key, or the path of its PEM file. From then on every frame is signed.
            durability: what is promised to appends that do not say otherwise. "always": synced before the receipt.
                "interval":
                a sync starts at most ``interval_ms`` after the oldest unsynced write. "manual": synced by ``sync``
                and ``close``.
            interval_ms: 1 to 60,000 milliseconds.
            segment_bytes: a segment file is sealed before it grows beyond this, 4,096 bytes to 1 GiB.
            name: name of a new journal, 1 to 255 bytes without white space, control characters and "+".
            registry: classes of typed payloads; the process-wide one if None.
            allow_nonfinite: whether payloads may hold NaN and infinities.
            rebuild_meta: write ``journal.meta``, which is a copy of event 0, anew if it is missing or damaged.
            index_metadata: metadata keys by which ``query(metadata=)`` is to find events without scanning, at most 32.
                None keeps those of the newest index file. Other keys than before have every index file made again.
            visibility: "written" shows every complete frame; "durable" only what is known synced, which no crash takes
                back. Where only durable events are shown, a thread that reads what it wrote itself waits for its sync.
            idempotency_window: an event that was written under a ``key`` is not written again as long as it is among
                the journal's last so many events, of whatever entity, the journal's own included; 0 to 2**64 - 1.
                Retries that come later are written a second time. It may differ from open to open.
            gates: what decides about every append, asked in this order before anything is written (see ``Gate``).
            gate_mode: "first" stops at the first gate that refuses; "all" asks them all, for their verdicts.
            record_denials: whether a refusal is recorded in the journal, which gives a ``DenialReceipt``.
            pins: a directory outside the journal's, best where whoever can change the journal cannot. It remembers the
                highest checkpoint that was seen of each journal, and an open that finds less, or something else, is
                refused. It is made if it is missing.
            checkpoint_events: make a checkpoint by itself, in a thread of its own, when so many events follow the last
                one; 1 to 2**64 - 1. None makes them on demand, in a journal with a key or pins also at the close, and
                in one with a key after 10,000 events: each open verifies the signatures behind the last one.
            checkpoint_interval_ms: the same when an event that the last one does not cover is so old; 1 to
                86,400,000 milliseconds. What keeps it from being made is in ``stats().checkpoint_failure``.
            adopt_key: whether a journal that was written without a key may get ``signing_key`` as its first.
                Checkpoints then speak for what was written before, too: verify it first.

        Returns:
            The open store.

        Raises:
            NotAJournal: the directory holds something else, or nothing and ``create`` is false or ``read_only`` true.
            StoreLocked: another writer has it open.
            JournalDamaged: bytes that were synced are damaged, missing or were changed. Nothing was changed.
            CheckpointMismatch: the log is shorter than its last checkpoint says, or another one.
            RollbackDetected: the log is shorter than the pin says: an old copy was put in its place.
            ForkDetected: the log is not the one that the pin tells of.
            UnsupportedFormat: it was written by a newer version.
            KeyNotInJournal: a key was given, and the journal was written without one.
            KeyRequired, WrongKey, InvalidKey: the journal is signed by another key than the one given, or that is none.
            UpcasterMissing: a class of the registry has upcasters, and one is missing between version 1 and its own.
            InvalidInput: an argument is out of range.
            StorageError: the operating system refused; or ``path`` is a file.
        """
        signer = None if signing_key is None else signer_of(signing_key)
        if pins is not None and Path(pins).resolve().is_relative_to(Path(path).resolve()):
            raise InvalidInput(
                "pins names a directory inside the journal's: whoever changes the one can change the other"
            )
        known = default_registry if registry is None else registry
        known.check_upcasters()
        gating = Gating(gates, gate_mode, record_denials=record_denials)
        with _signals_held():
            core = _batpak.CoreStore.open(
                path if isinstance(path, _batpak.Place) else _directory(path),
                create=create,
                read_only=read_only,
                signing_key=signer,
                durability=durability,
                interval_ms=interval_ms,
                segment_bytes=segment_bytes,
                name=name,
                resolve=_payloads.resolver(known),
                restore=_payloads.restorer(known),
                allow_nonfinite=allow_nonfinite,
                rebuild_meta=rebuild_meta,
                index_metadata=None if index_metadata is None else _keys_of(index_metadata),
                durable_only=_durable_only(visibility),
                idempotency_window=_window(idempotency_window),
                pins=None if pins is None else absolute(pins),
                checkpoint_events=number(checkpoint_events, "checkpoint_events", least=1),
                adopt_key=adopt_key,
                checkpoint_interval_ms=number(checkpoint_interval_ms, "checkpoint_interval_ms", DAY_MS, least=1),
            )
        store = cls(core, Path(path), known, gating)
        _fork.watch(core)
        report = store.open_report
        if report.path_taken == "recovered":
            import logging

            logging.getLogger("batpak").warning(
                "%s: an unsynced tail of %d bytes was cut off before event %d and kept in recovered/%s",
                store.path,
                report.tail_bytes,
                report.first_cut_sequence,
                report.recovered_file,
            )
        if report.clock_ahead_us > CLOCK_AHEAD_US and not read_only:
            import logging

            logging.getLogger("batpak").warning(
                "%s: the wall clock is %.1f seconds behind the last event; events go on in order, ahead of it",
                store.path,
                report.clock_ahead_us / 1e6,
            )
        if report.indexes_rebuilt and not read_only:
            import logging

            logging.getLogger("batpak").info(
                "%s: the index files of %d sealed segments were made from the log", path, report.indexes_rebuilt
            )
        return store

    # About the store

    def stats(self) -> StoreStats:
        """Figures about the store. Raises StoreClosed or ForkedStore."""
        return StoreStats(**self._core.stats())

    @property
    def open_report(self) -> OpenReport:
        """How the open went."""
        return OpenReport(**self._core.open_report())

    @property
    def path(self) -> Path:
        """The directory, as it was given."""
        return self._path

    @property
    def journal_id(self) -> UUID:
        """The journal's id."""
        return self._core.journal_id

    @property
    def name(self) -> str:
        """The journal's name."""
        return self._core.name

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._core.closed

    def __len__(self) -> int:
        """Number of events, the journal's own included."""
        return self._core.events()

    def __bool__(self) -> bool:
        """Always true: an empty store is a store."""
        return True

    # Ending

    def close(self) -> None:
        """Make everything durable, write the head, give the lock back. A second call does nothing.

        Raises:
            StorePoisoned: an earlier failure ended writing; the store is closed, and events that were not durable are
                in doubt.
            StorageError: the operating system refused; the same.
        """
        self._core.close()

    def __enter__(self) -> Self:
        if self._core.closed or self._core.forked:
            # It raises what every use of such a store does.
            self._core.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None and not core.closed and not core.forked:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if self._core.forked:
            state = "forked"
        elif self._core.closed:
            state = "closed"
        else:
            state = f"{len(self)} events"
        return f"<batpak.Store {str(self._path)!r} {state}>"

    def _repr_html_(self) -> str:
        from batpak._html import table

        rows = {} if self.closed or self._core.forked else self.stats().to_dict()
        return table(repr(self), rows)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Store is not pickled; pass its path, and open it where it is needed")
