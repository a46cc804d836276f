"""What is measured against what, and what a row is meant to reach.

Nothing here passes or fails: the goals are printed beside the ratios, for people to read.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


class Unit(Enum):
    """What a figure counts."""

    EVENTS_PER_S = "events/s"
    MILLISECONDS = "ms"
    BYTES_PER_EVENT = "bytes/event"
    MICROSECONDS_PER_PAGE = "us/page"
    MEBIBYTES = "MiB resident"
    P99_MS = "ms, the 99th percentile"


@dataclass(frozen=True, slots=True)
class Subject:
    """One workload of one store; `durability` says when what it wrote is safe.

    `setup` is the workload, run before the measured one in the same directory, that fills the store. `cpu_bound` holds
    if the wall time of a quiet machine is CPU time, so that any more of it is another process's doing.
    """

    store: str
    workload: str
    label: str
    durability: str = "-"
    setup: str | None = None
    cpu_bound: bool = False


@dataclass(frozen=True, slots=True)
class Against:
    """A peer and, in words, how ours is meant to compare with it."""

    peer: Subject
    goal: str = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """Ours, its peers, and the goal of ours alone; `events_max` bounds what `--events` asks for."""

    name: str
    title: str
    unit: Unit
    ours: Subject
    peers: tuple[Against, ...] = ()
    goal: str = "-"
    events_max: int | None = None
    rounds_min: int = 1


INTERVAL: Final = "sync each 50 ms"
SYNCED: Final = "synced each"
UNSYNCED: Final = "log not synced"
CHECKPOINTS: Final = "WAL not synced"
CRATE: Final = "crate's default"

OURS_APPEND: Final = Subject("ours", "append", "batpak", INTERVAL, cpu_bound=True)
OURS_BATCH: Final = Subject("ours", "batch", "batpak batch", INTERVAL, cpu_bound=True)
ROCKS_APPEND: Final = Subject("rocksdict", "append", "rocksdict put, msgspec", UNSYNCED, cpu_bound=True)
ROCKS_BATCH: Final = Subject("rocksdict", "batch", "rocksdict batch, msgspec", UNSYNCED, cpu_bound=True)
# Its writer thread hands each receipt back to the caller and syncs now and then: waiting is part of its wall time.
RUST_APPEND: Final = Subject("rust", "append", "Rust crate", CRATE)


# Each of them keeps everything that a page is read by; `driver` says what that is.
INDEXED: Final = Subject("indexed", "", "batpak", INTERVAL)
DECLARED: Final = Subject("declared", "", "batpak, metadata declared", INTERVAL)
ROCKS_INDEXED: Final = Subject("rocksdict-indexed", "", "rocksdict, 3 further keys", UNSYNCED)
LMDB_INDEXED: Final = Subject("lmdb", "", "lmdb, 3 further keys", "not synced")
SQLITE: Final = Subject("sqlite3", "", "sqlite3, 3 SQL indexes, chain", CHECKPOINTS)
INDEXED_PEERS: Final = (ROCKS_INDEXED, LMDB_INDEXED, SQLITE)
LMDB_RAW: Final = Subject("lmdb", "", "lmdb put, msgspec", "not synced")


ROCKS_GET: Final = Against(
    Subject("rocksdict", "get", "rocksdict get, msgspec", setup="append", cpu_bound=True), "above 1x"
)


def _open_row(name: str, title: str, goal: str, end: str) -> Row:
    setup = f"append{end}"
    return Row(
        name,
        title,
        Unit.MILLISECONDS,
        Subject("ours", "open", "batpak", INTERVAL, setup=setup),
        (
            Against(Subject("rust", "open", "Rust crate", CRATE, setup=setup)),
            Against(Subject("rocksdict", "open", "rocksdict", UNSYNCED, setup=setup)),
            Against(replace(LMDB_RAW, workload="raw-open", label="lmdb", setup=f"raw-fill{end}")),
            Against(replace(SQLITE, workload="open", setup=f"fill{end}")),
        ),
        goal=goal,
    )


def _indexed_row(
    name: str,
    title: str,
    unit: Unit,
    ours: Subject,
    goal: str,
    *,
    workload: str,
    setup: str | None = "fill",
    cpu_bound: bool = True,
) -> Row:
    """Return a row of ours and the three peers that keep indexes, all at the same workload."""
    own, peers = ours, list(INDEXED_PEERS)
    if setup is not None:
        # What only reads promises nothing.
        own = replace(ours, setup="fill-each", durability="-")
        peers = [replace(peer, setup=setup, durability="-") for peer in INDEXED_PEERS]
    return Row(
        name,
        title,
        unit,
        replace(own, workload=workload, cpu_bound=cpu_bound),
        tuple(
            # sqlite3 syncs at a checkpoint, so that its appends wait for the disk now and then.
            Against(
                replace(
                    peer, workload=workload, cpu_bound=cpu_bound and (setup is not None or peer.store != SQLITE.store)
                )
            )
            for peer in peers
        ),
        goal=goal,
    )


def _threads_row(name: str, title: str, work: str, goal: str) -> Row:
    """Return the row of two threads of one program that do the same on one store, against one that does it alone."""
    return Row(
        name,
        f"{title}, two threads together",
        Unit.EVENTS_PER_S,
        Subject("ours", f"{work}-by-2", "batpak, two threads", setup="append"),
        (Against(Subject("ours", f"{work}-by-1", "one thread", setup="append"), goal),),
    )


def _page_rows(name: str, what: str, ours: Subject, goal: str) -> tuple[Row, Row]:
    """Return the rows of pages whose events are in hand, which is what the goal is for, and of decoded payloads."""
    title = f"page of 100 by {what}, from a random place"
    bare, unit = f"{name}-bare", Unit.MICROSECONDS_PER_PAGE
    return (
        _indexed_row(bare, f"{title}, payloads not decoded", unit, ours, goal, workload=bare),
        _indexed_row(name, f"{title}, decoded into dicts", unit, ours, "-", workload=name),
    )


ROWS: Final = (
    Row(
        "append",
        "append, buffered, one thread, dict payload",
        Unit.EVENTS_PER_S,
        OURS_APPEND,
        (
            Against(ROCKS_APPEND, "at least 1.5x"),
            Against(RUST_APPEND, "at least 4x"),
            Against(replace(ROCKS_APPEND, workload="append-json", label="rocksdict put, json")),
        ),
    ),
    Row(
        "append-sealing",
        "append, buffered, up to 100 ms after a segment of 8 MiB was sealed",
        Unit.P99_MS,
        replace(OURS_APPEND, workload="append-sealing", cpu_bound=False),
        goal="below 2 ms",
    ),
    Row(
        "append-synced",
        "append, one thread, a sync before each receipt",
        Unit.EVENTS_PER_S,
        Subject("ours", "append-synced", "batpak", SYNCED),
        (
            Against(Subject("bare", "write-synced", "bare write+fdatasync", SYNCED), "at least 0.85x"),
            Against(Subject("rust", "append-durable", "Rust crate, gated", SYNCED)),
            Against(Subject("rocksdict", "append-synced", "rocksdict put, msgspec", SYNCED)),
        ),
        events_max=2_000,
    ),
    Row(
        "threads-synced",
        "append, 16 threads, a sync before each receipt",
        Unit.EVENTS_PER_S,
        Subject("ours", "threads-synced", "batpak", SYNCED),
        (Against(Subject("rust", "threads-durable", "Rust crate, gated, group commit", SYNCED), "at least 1.5x"),),
        events_max=16_000,
    ),
    Row(
        "batch",
        "batches of 1,000 dicts",
        Unit.EVENTS_PER_S,
        OURS_BATCH,
        (
            Against(ROCKS_BATCH, "above 1x"),
            Against(Subject("rust", "batch", "Rust crate batch", CRATE)),
            Against(replace(ROCKS_BATCH, workload="batch-json", label="rocksdict batch, json")),
        ),
    ),
    Row(
        "append-signed",
        "append, buffered, signed",
        Unit.EVENTS_PER_S,
        Subject("ours", "append-signed", "batpak signed", INTERVAL, cpu_bound=True),
        (Against(Subject("bare", "sign", "bare Ed25519 of 80 bytes", cpu_bound=True), "at least 0.85x"),),
        events_max=20_000,
    ),
    Row(
        "batch-signed",
        "batches of 1,000 dicts, signed",
        Unit.EVENTS_PER_S,
        Subject("ours", "batch-signed", "batpak signed batch", INTERVAL, cpu_bound=True),
        (Against(OURS_BATCH, "at least 0.8x"),),
    ),
    Row(
        "tree",
        "append, buffered, and the root of the tree over all of it",
        Unit.EVENTS_PER_S,
        Subject("ours", "append-rooted", "batpak with the root", INTERVAL, cpu_bound=True),
        (Against(OURS_APPEND, "at least 0.85x"),),
    ),
    Row(
        "verify",
        "verify the whole journal: content, chains, tree, indexes",
        Unit.EVENTS_PER_S,
        Subject("ours", "verify", "batpak", setup="append"),
        goal="at least 1,000,000 events/s on two cores",
    ),
    _open_row("open-clean", "open after a clean close", "at most 30 ms at 200,000 events", ""),
    _open_row("open-killed", "open after a kill", "at most 300 ms at 200,000 events", "-killed"),
    Row(
        "get",
        "get a random event by its UUID, decoded into a dict",
        Unit.EVENTS_PER_S,
        Subject("ours", "get", "batpak", setup="append", cpu_bound=True),
        (
            ROCKS_GET,
            Against(
                Subject("lmdb", "raw-id-get", "lmdb get by UUID, json", setup="raw-id-fill", cpu_bound=True), "above 1x"
            ),
            Against(Subject("sqlite3", "get", "sqlite3 select, json", setup="fill", cpu_bound=True)),
            Against(Subject("rust", "get", "Rust crate", setup="append", cpu_bound=True)),
        ),
    ),
    Row(
        "get-sequence",
        "get a random event by sequence, which is what the key-value stores' keys are, decoded into a dict",
        Unit.EVENTS_PER_S,
        Subject("ours", "get-sequence", "batpak", setup="append", cpu_bound=True),
        (
            ROCKS_GET,
            Against(
                Subject("lmdb", "raw-json-get", "lmdb get by number, json", setup="raw-json-fill", cpu_bound=True),
                "above 1x",
            ),
            Against(Subject("lmdb", "raw-get", "lmdb get by number, msgspec", setup="raw-fill", cpu_bound=True)),
        ),
    ),
    Row(
        "replay",
        "replay through a Python function that reads the payload, decoded into a dict",
        Unit.EVENTS_PER_S,
        Subject("ours", "replay", "batpak", setup="append"),
        (
            Against(
                Subject("rocksdict", "replay-json", "rocksdict values, json", setup="append-json", cpu_bound=True),
                "above 1x",
            ),
            Against(Subject("rocksdict", "replay", "rocksdict values, msgspec", setup="append", cpu_bound=True)),
        ),
        goal="at least 500,000 events/s",
    ),
    Row(
        "scan",
        "count all events, each header checked against its hash, without Python",
        Unit.EVENTS_PER_S,
        Subject("ours", "scan", "batpak", setup="append"),
        goal="at least 6,000,000 events/s",
    ),
    Row(
        "aggregate",
        "sum a field of all payloads without Python",
        Unit.EVENTS_PER_S,
        Subject("ours", "aggregate", "batpak", setup="append"),
        goal="at least 3,000,000 events/s",
    ),
    Row(
        "aggregate-groups",
        "count all events by entity without Python",
        Unit.EVENTS_PER_S,
        Subject("ours", "aggregate-groups", "batpak", setup="append"),
        goal="at least 3,000,000 events/s",
    ),
    # One thread that folds or iterates has another read ahead: alone it uses more than one processor.
    _threads_row("threads-fold", "fold with a Python function that reads the payload", "fold", "at least 1x"),
    _threads_row("threads-iterate", "iterate without looking at payloads", "iterate", "-"),
    _threads_row("threads-count", "count all events without Python, by one thread", "count", "at least 1.7x"),
    _threads_row("threads-sum", "sum a field of all payloads without Python, by one thread", "sum", "at least 1.7x"),
    Row(
        "threads-verify",
        "verify the whole journal with all processors, against one",
        Unit.EVENTS_PER_S,
        Subject("ours", "verify", "batpak", setup="append"),
        (Against(Subject("ours", "verify-on-one", "one processor", setup="append"), "at least 1.7x"),),
    ),
    *_page_rows("page-entity", "entity", INDEXED, "at most 200 us"),
    *_page_rows("page-kind", "kind", INDEXED, "at most 200 us"),
    *_page_rows("page-metadata", "a metadata key", DECLARED, "at most 2,000 us"),
    _indexed_row(
        "append-indexed",
        "append, buffered, found by entity, kind and a metadata key",
        Unit.EVENTS_PER_S,
        DECLARED,
        "-",
        workload="fill-each",
        setup=None,
    ),
    _indexed_row(
        "memory",
        "memory of a process that opened the store and read one event",
        Unit.MEBIBYTES,
        INDEXED,
        "below 64 MiB at 5 million events",
        workload="memory",
        cpu_bound=False,
    ),
    Row(
        "import",
        "import batpak, beyond the start of Python",
        Unit.MILLISECONDS,
        Subject("program", "import", "batpak"),
        goal="at most 30 ms",
        events_max=1,
    ),
    Row(
        "audit",
        "python -m compileall under batpak audit",
        Unit.MILLISECONDS,
        Subject("program", "audit", "batpak audit", "its default"),
        (Against(Subject("bare", "compile", "compileall alone")),),
        events_max=1,
        rounds_min=5,
    ),
    Row(
        "disk",
        "disk after a clean close",
        Unit.BYTES_PER_EVENT,
        replace(OURS_APPEND, cpu_bound=False),
        (
            Against(replace(ROCKS_APPEND, label="rocksdict, compressed", cpu_bound=False)),
            Against(replace(LMDB_RAW, workload="raw-fill")),
            Against(RUST_APPEND),
        ),
        goal="at most 450 bytes",
    ),
    _indexed_row(
        "disk-indexed",
        "disk after a clean close, found by entity, kind and a metadata key",
        Unit.BYTES_PER_EVENT,
        DECLARED,
        "at most 450 bytes",
        workload="fill-each",
        setup=None,
        cpu_bound=False,
    ),
)
