"""What is read of a journal: its events, its findings, and what both are made from."""

from dataclasses import dataclass, field
from typing import Literal

from .checkpoint import Checkpoint
from .codec import Value
from .frame import Frontier, Head, Scan, SegmentHeader
from .record import Header
from .told import Told

Axis = Literal["content", "order", "completeness", "signatures", "indexes"]


@dataclass(frozen=True)
class Finding:
    axis: Axis
    file: str
    offset: int | None
    sequence: int | None
    message: str


@dataclass(frozen=True)
class Event(Header):
    event_hash: bytes
    salt: bytes
    private: dict[str, Value]
    payload: bytes
    value: Value  # the decoded payload; of a raw payload, its bytes
    file: str
    offset: int  # of the record in the file
    length: int  # of the record
    frame_offset: int


@dataclass
class Journal:
    journal_id: bytes = b""
    name: str | None = None
    events: list[Event] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)  # of regenerable files
    frontier: Frontier | None = None
    keys: dict[bytes, bytes] = field(default_factory=dict)  # public keys by key_id, in the order they were named
    key_periods: list[tuple[int, bytes]] = field(default_factory=list)  # each key with the sequence it signs from on
    lineages: list[tuple[int, bytes]] = field(default_factory=list)  # those behind the first, with where each begins
    counting: int = 0  # size of the greatest counting checkpoint (section 10)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # worth knowing, and within what a crash may leave
    synced: int = 0  # D of section 13
    tail_bytes: int = 0  # an unsynced tail, which the next writable open cuts off
    spare_bytes: int = 0  # zero bytes written ahead

    def report(self, axis: Axis, file: str, offset: int | None, sequence: int | None, message: str) -> None:
        self.findings.append(Finding(axis, file, offset, sequence, message))


@dataclass
class Segment:
    file: str
    first_sequence: int  # as the name has it
    header: SegmentHeader | None
    size: int
    scan: Scan

    def next_sequence(self) -> int:
        return self.first_sequence + self.scan.count()
