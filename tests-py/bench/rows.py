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
CRATE: Final = "crate's default"

OURS_APPEND: Final = Subject("ours", "append", "batpak", INTERVAL, cpu_bound=True)
OURS_BATCH: Final = Subject("ours", "batch", "batpak batch", INTERVAL, cpu_bound=True)
ROCKS_APPEND: Final = Subject("rocksdict", "append", "rocksdict put, msgspec", UNSYNCED, cpu_bound=True)
ROCKS_BATCH: Final = Subject("rocksdict", "batch", "rocksdict batch, msgspec", UNSYNCED, cpu_bound=True)
# Its writer thread hands each receipt back to the caller and syncs now and then: waiting is part of its wall time.
RUST_APPEND: Final = Subject("rust", "append", "Rust crate", CRATE)


def _open_row(name: str, title: str, goal: str, setup: str) -> Row:
    return Row(
        name,
        title,
        Unit.MILLISECONDS,
        Subject("ours", "open", "batpak", INTERVAL, setup=setup),
        (
            Against(Subject("rust", "open", "Rust crate", CRATE, setup=setup)),
            Against(Subject("rocksdict", "open", "rocksdict", UNSYNCED, setup=setup)),
        ),
        goal=goal,
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
    _open_row("open-clean", "open after a clean close", "at most 30 ms at 200,000 events", "append"),
    _open_row("open-killed", "open after a kill", "at most 300 ms at 200,000 events", "append-killed"),
    Row(
        "get",
        "get a random event by id, decoded into a dict",
        Unit.EVENTS_PER_S,
        Subject("ours", "get", "batpak", setup="append", cpu_bound=True),
        (
            Against(Subject("rocksdict", "get", "rocksdict get, msgspec", setup="append", cpu_bound=True), "above 1x"),
            Against(Subject("rust", "get", "Rust crate", setup="append", cpu_bound=True)),
        ),
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
            Against(RUST_APPEND),
        ),
        goal="at most 450 bytes",
    ),
)
