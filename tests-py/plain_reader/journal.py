"""Sections 7, 10, 12, 13 and 16: a whole journal directory, read and verified."""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from . import ed25519
from .blake3 import blake3
from .codec import DecodeError, Value, decode_value
from .frame import (
    SEALED,
    SEGMENT_HEADER_BYTES,
    Frame,
    Frontier,
    Head,
    Rest,
    Scan,
    SegmentHeader,
    decode_checkpoints_header,
    decode_frontier,
    decode_head,
    decode_meta,
    decode_segment_header,
    read_entry,
    scan_segment,
)
from .merkle import Tree, root_of_peaks
from .receipt import signed_message
from .record import VALUE, Header, Record, decode_header, event_hash_of
from .system import CREATED, KEY_ADDED, MEMBERS, RECOVERED, payload_problem

Axis = Literal["content", "order", "completeness", "signatures"]
Verdict = Literal["missing", "damage", "clean", "spare", "tail"]

SEGMENT_NAME = re.compile(r"[0-9]{20}\.log", re.ASCII)
INDEX_NAME = re.compile(r"[0-9]{20}\.idx", re.ASCII)
REGENERABLE = 2
"""The type of an entry of ``checkpoints`` that tells of index files: nothing that this reader needs."""
NO_HASH = bytes(32)


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
    frame_offset: int


@dataclass
class Journal:
    journal_id: bytes = b""
    name: str | None = None
    events: list[Event] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    frontier: Frontier | None = None
    keys: dict[bytes, bytes] = field(default_factory=dict)  # public keys by key_id, in the order they were named
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # worth knowing, and within what a crash may leave
    synced: int = 0  # D of section 13
    tail_bytes: int = 0  # an unsynced tail, which the next writable open cuts off
    spare_bytes: int = 0  # zero bytes written ahead


def recovery(rest: Rest, s: int, d: int) -> Verdict:
    """The table of section 13; "missing" and "damage" are its refusals."""
    if s < d:
        return "damage" if rest == "other" else "missing"
    match rest:
        case "end":
            return "clean"
        case "zeros":
            return "spare"
        case "other":
            return "tail"


@dataclass
class Segment:
    file: str
    first_sequence: int  # as the name has it
    header: SegmentHeader | None
    size: int
    scan: Scan

    def next_sequence(self) -> int:
        return self.first_sequence + self.scan.count()


@dataclass(frozen=True)
class Link:
    """Where the chain of an entity stands."""

    clock: int
    prev_sequence: int | None
    prev_hash: bytes


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


class _Verifier:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal()
        self.segments: list[Segment] = []
        self.expected = 0  # the sequence that the next event must have
        self.tree = Tree()
        self.tree_states: dict[int, tuple[list[bytes], bytes, tuple[int, int]]] = {}
        self.complete = True  # no event has been lost to damage so far
        self.last_event: Event | None = None
        self.last_hash = NO_HASH
        self.chains: dict[str, Link] = {}
        self.known_sequences: set[int] = set()
        self.public_key: bytes | None = None

    def report(self, axis: Axis, file: str, offset: int | None, sequence: int | None, message: str) -> None:
        self.journal.findings.append(Finding(axis, file, offset, sequence, message))

    def run(self) -> Journal:
        # The log is read last, because a running writer only ever makes it longer.
        frontier = _read(self.path / "frontier")
        checkpoints = _read(self.path / "checkpoints")
        self.read_segments()
        self.read_frontier(frontier)
        self.read_checkpoints(checkpoints)
        self.decide()
        for segment in self.segments:
            self.check_segment(segment)
        self.check_heads()
        self.check_meta()
        self.check_recovered()
        return self.journal

    # -- the files ---------------------------------------------------------------------------------------------------

    def read_segments(self) -> None:
        folder = self.path / "segments"
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            file = f"segments/{entry.name}"
            if entry.name.endswith(".tmp"):
                self.journal.notes.append(f"{file}: an unfinished file")
            elif INDEX_NAME.fullmatch(entry.name) and entry.is_file():
                continue
            elif not SEGMENT_NAME.fullmatch(entry.name) or not entry.is_file():
                self.report("content", file, None, None, "the name is not a segment's")
            else:
                self.read_segment(file, entry.read_bytes(), int(entry.stem))
        if not self.segments:
            self.report("completeness", "segments", None, 0, "there is no segment")

    def read_segment(self, file: str, data: bytes, first_sequence: int) -> None:
        header = None
        try:
            header = decode_segment_header(data)
        except DecodeError as error:
            self.report("content", file, 0, first_sequence, f"segment header: {error}")
        if header is not None and header.first_sequence != first_sequence:
            self.report("order", file, 44, first_sequence, f"the header says first_sequence {header.first_sequence}")
        if header is not None and not self.journal.journal_id:
            self.journal.journal_id = header.journal_id
        # Under a damaged header the nonce may still be whole, and the frames' CRCs tell.
        scan = scan_segment(data, data[28:44]) if len(data) >= SEGMENT_HEADER_BYTES else Scan()
        self.segments.append(Segment(file, first_sequence, header, len(data), scan))

    def read_frontier(self, data: bytes | None) -> None:
        if data is None:
            self.journal.notes.append("frontier: missing")
            return
        try:
            frontier = decode_frontier(data)
        except DecodeError as error:
            self.journal.notes.append(f"frontier: {error}")  # it is rewritten in place, so a crash may tear it
            return
        if frontier.journal_id == self.journal.journal_id:
            self.journal.frontier = frontier
        else:
            self.report("order", "frontier", 12, None, "journal_id is another journal's")

    def read_checkpoints(self, data: bytes | None) -> None:
        if data is None:
            self.journal.notes.append("checkpoints: missing")
            return
        try:
            if decode_checkpoints_header(data) != self.journal.journal_id:
                self.report("order", "checkpoints", 12, None, "journal_id is another journal's")
        except DecodeError as error:
            self.report("content", "checkpoints", 0, None, f"header: {error}")
        journal_id, offset, invalid = data[12:28], 32, None
        while offset < len(data):
            try:
                body = read_entry(data, offset, journal_id)
            except DecodeError as error:
                # An entry's CRC covers its offset, so the next valid one can be looked for at every byte.
                invalid = (offset, str(error)) if invalid is None else invalid
                offset += 1
                continue
            if invalid is not None:
                self.report("content", "checkpoints", invalid[0], None, f"an invalid entry in the middle: {invalid[1]}")
                invalid = None
            try:
                if body[0] != REGENERABLE:
                    self.journal.heads.append(decode_head(body, offset))
            except DecodeError as error:
                self.report("content", "checkpoints", offset, None, f"entry: {error}")
            offset += 8 + len(body)
        if invalid is not None:
            self.journal.notes.append(f"checkpoints: the last entry, at {invalid[0]}, is torn: {invalid[1]}")

    # -- recovery (section 13) ---------------------------------------------------------------------------------------

    def first_unreadable(self) -> tuple[Segment, int]:
        """The segment and the sequence (S) at the first byte that is not a valid frame."""
        expected = 0
        for segment, following in zip(self.segments, [*self.segments[1:], None], strict=True):
            if segment.first_sequence != expected:
                return segment, expected
            expected = segment.next_sequence()
            if following is None or segment.scan.rest != "end" or segment.header is None:
                return segment, expected
        raise AssertionError("there is no segment")

    def decide(self) -> None:
        journal = self.journal
        claims = [head.size for head in journal.heads] + [segment.first_sequence for segment in self.segments[1:]]
        claims += [frame.synced_through for segment in self.segments for frame in segment.scan.frames]
        if journal.frontier is not None:
            claims.append(journal.frontier.synced_through)
        journal.synced = d = max(claims, default=0)
        if not self.segments:
            return
        broken, s = self.first_unreadable()
        if s < d:
            message = f"the log holds {s} events of {d} that were synced"
            self.report("completeness", broken.file, broken.scan.end, s, message)
        last = self.segments[-1]
        rest_bytes = last.size - last.scan.end
        match recovery(last.scan.rest, last.next_sequence(), d):
            case "tail" if last.header is not None:
                journal.tail_bytes = rest_bytes
                last.scan.frames = [frame for frame in last.scan.frames if frame.offset < last.scan.end]
                last.scan.damage = []
            case "spare":
                journal.spare_bytes = rest_bytes

    # -- the log -----------------------------------------------------------------------------------------------------

    def check_segment(self, segment: Segment) -> None:
        if segment.header is not None and segment.header.journal_id != self.journal.journal_id:
            self.report("order", segment.file, 12, segment.first_sequence, "journal_id is another journal's")
        if segment.first_sequence != self.expected:
            axis: Axis = "completeness" if segment.first_sequence > self.expected else "order"
            message = f"the segment begins at {segment.first_sequence}, and {self.expected} comes next"
            self.report(axis, segment.file, 44, self.expected, message)
            self.complete = False
            self.expected = segment.first_sequence
        for start, end, reason in segment.scan.damage:
            self.report("content", segment.file, start, None, f"bytes {start}..{end} are no valid frame: {reason}")
        if segment.scan.rest == "zeros" and segment is not self.segments[-1]:
            self.report("content", segment.file, segment.scan.end, None, "zero bytes at the end of a sealed segment")
        for frame in segment.scan.frames:
            self.check_frame(segment, frame)
            if self.complete:
                state = (list(self.tree.peaks), self.last_hash, (segment.first_sequence, frame.end))
                self.tree_states[self.tree.size] = state
        if segment.scan.rest == "other":
            self.complete = self.complete and not segment.scan.damage

    def check_frame(self, segment: Segment, frame: Frame) -> None:
        if frame.after_damage:
            self.complete = False
        try:
            key_id, signature, records = frame.split()
        except DecodeError as error:
            self.report("content", segment.file, frame.offset, self.expected, f"frame body: {error}")
            self.complete = False
            self.expected += frame.count
            return
        hashes = []
        first_sequence = None
        for index, record in enumerate(records):
            event_hash = event_hash_of(record.header)
            hashes.append(event_hash)
            event = self.read_event(segment, frame, record, event_hash)
            if event is None:
                self.complete = False  # whether the hash belongs at this place of the tree is not known
                self.expected += 1
                continue
            if index == 0:
                first_sequence = event.sequence
                if frame.after_damage:
                    self.expected = event.sequence  # the damage is reported, and the gap follows from it
            self.check_order(event)
            self.check_system_event(event)
            self.journal.events.append(event)
            self.last_event = event
            self.last_hash = event_hash
            if self.complete:
                self.tree.append(event_hash)
        if first_sequence is None:
            first_sequence = self.expected - len(records)
        self.check_signature(segment, frame, first_sequence, hashes, key_id, signature)

    def read_event(self, segment: Segment, frame: Frame, record: Record, event_hash: bytes) -> Event | None:
        offset = frame.end - len(frame.body) + record.position

        def report(message: str) -> None:
            self.report("content", segment.file, offset, self.expected, message)

        try:
            header = decode_header(record.header)
        except DecodeError as error:
            report(f"header: {error}")
            return None
        if record.commitment() != header.payload_commitment:
            report("payload_commitment does not fit salt, private metadata and payload")
        private: Value = {}
        value: Value = record.payload
        try:
            if record.private:
                private = decode_value(record.private)
        except DecodeError as error:
            report(f"private metadata: {error}")
        if not isinstance(private, dict):
            report("private metadata is not a map")
            private = {}
        try:
            if header.encoding == VALUE:
                value = decode_value(record.payload)
        except DecodeError as error:
            report(f"payload: {error}")
        return Event(
            **vars(header),
            event_hash=event_hash,
            salt=record.salt,
            private=private,
            payload=record.payload,
            value=value,
            file=segment.file,
            offset=offset,
            frame_offset=frame.offset,
        )

    def check_order(self, event: Event) -> None:
        def report(message: str) -> None:
            self.report("order", event.file, event.offset, event.sequence, message)

        if event.sequence != self.expected:
            report(f"sequence {self.expected} comes next")
            self.complete = False
        self.expected = event.sequence + 1
        if event.journal_id != self.journal.journal_id:
            report("journal_id is another journal's")
        last = self.last_event
        if last is not None and event.event_id.bytes <= last.event_id.bytes:
            report("event_id does not ascend")
        if last is not None and (event.hlc_wall_us, event.hlc_counter) <= (last.hlc_wall_us, last.hlc_counter):
            report("the HLC does not ascend")
        if event.event_id.version != 7:
            report("event_id is not a UUID of version 7")
        if int.from_bytes(event.event_id.bytes[:6], "big") != event.hlc_wall_us // 1000:
            report("the milliseconds of event_id are not the HLC's")
        link = Link(event.clock, event.prev_sequence, event.prev_hash)
        # A link into events that were lost cannot be judged, and their loss is reported already.
        lost = not self.complete and event.prev_sequence is not None and event.prev_sequence not in self.known_sequences
        if link != self.chains.get(event.entity, Link(0, None, NO_HASH)) and not lost:
            report("clock, prev_sequence or prev_hash does not name the previous event of the entity")
        self.chains[event.entity] = Link(event.clock + 1, event.sequence, event.event_hash)
        self.known_sequences.add(event.sequence)
        if (event.kind == CREATED) != (event.sequence == 0):
            report("created is not, or not only, at sequence 0")

    def check_system_event(self, event: Event) -> None:
        if event.kind not in MEMBERS:
            return
        problem = payload_problem(event.kind, event.value)
        if problem is not None:
            self.report("content", event.file, event.offset, event.sequence, f"system event: {problem}")
            return
        assert isinstance(event.value, dict)
        if event.kind == CREATED:
            name = event.value["name"]
            assert isinstance(name, str)
            self.journal.name = name if self.journal.name is None else self.journal.name
            if event.value["journal_id"] != event.journal_id:
                message = "journal_id in the payload is not the header's"
                self.report("order", event.file, event.offset, event.sequence, message)
        if event.kind in (CREATED, KEY_ADDED):
            public_key = event.value["public_key"]
            if isinstance(public_key, bytes):
                self.public_key = public_key
                key_id = sha256(public_key).digest()
                self.journal.keys[key_id] = public_key
                if event.kind == KEY_ADDED and event.value["key_id"] != key_id:
                    message = "key_id is not the SHA-256 of public_key"
                    self.report("signatures", event.file, event.offset, event.sequence, message)

    def check_signature(
        self,
        segment: Segment,
        frame: Frame,
        first_sequence: int,
        hashes: list[bytes],
        key_id: bytes | None,
        signature: bytes | None,
    ) -> None:
        problem = None
        if self.public_key is None:
            if signature is not None:
                problem = "signed, and no event up to here names a key"
        elif signature is None or key_id is None:
            problem = "signature_missing"
        elif key_id != sha256(self.public_key).digest():
            problem = "signed by another key than the one last named"
        else:
            journal_id = self.journal.journal_id
            message = signed_message(journal_id, first_sequence, len(hashes), Tree(hashes).root())
            if not ed25519.verify(self.public_key, signature, message):
                problem = "the signature is not valid"
        if problem is not None:
            self.report("signatures", segment.file, frame.offset, first_sequence, problem)

    # -- heads and copies --------------------------------------------------------------------------------------------

    def check_heads(self) -> None:
        for head in self.journal.heads:
            state = self.tree_states.get(head.size)
            problem = None
            if root_of_peaks(head.peaks) != head.root or len(head.peaks) != head.size.bit_count():
                problem = "the peaks do not fold to the root"
            elif state is None:
                problem = "the log holds no readable frame that ends there"
            else:
                peaks, last_event_hash, place = state
                if head.last_event_hash != last_event_hash:
                    problem = "last_event_hash is another"
                elif head.peaks != peaks:
                    problem = "root or peaks are others"
                elif (head.segment_first_sequence, head.segment_length) != place:
                    problem = "segment or segment_length is another"
            if problem is not None:
                message = f"head of size {head.size}: {problem}"
                self.report("completeness", "checkpoints", head.offset, head.size - 1, message)
        frontier = self.journal.frontier
        if frontier is not None and frontier.synced_through in self.tree_states:
            place = self.tree_states[frontier.synced_through][2]
            if (frontier.segment_first_sequence, frontier.segment_offset) != place:
                self.journal.notes.append("frontier: segment or offset is not where its last event ends")
        sealed = {head.size for head in self.journal.heads if head.reason == SEALED}
        for segment in self.segments[1:]:
            if segment.first_sequence not in sealed:
                # The head of a sealed segment is synced before the next segment appears.
                message = f"no head of size {segment.first_sequence} for the segment sealed there"
                self.report("completeness", "checkpoints", None, segment.first_sequence, message)

    def check_meta(self) -> None:
        data = _read(self.path / "journal.meta")
        if data is None:
            self.journal.notes.append("journal.meta: missing")
            return
        try:
            record = decode_meta(data)
        except DecodeError as error:
            self.report("content", "journal.meta", 0, 0, str(error))
            return
        first = next((event for event in self.journal.events if event.sequence == 0), None)
        if first is not None and (
            event_hash_of(record.header) != first.event_hash
            or record.salt != first.salt
            or record.payload != first.payload
        ):
            self.report("content", "journal.meta", 0, 0, "not a copy of event 0")

    def check_recovered(self) -> None:
        """Only notes: the files are kept for people, and nothing depends on them."""
        for event in self.journal.events:
            value = event.value
            if event.kind != RECOVERED or not isinstance(value, dict) or not isinstance(value.get("file"), str):
                continue
            name = str(value["file"])
            data = _read(self.path / "recovered" / name) if "/" not in name and "\0" not in name else None
            if data is None or len(data) != value.get("bytes") or blake3(data) != value.get("digest"):
                self.journal.notes.append(f"recovered/{name}: missing, or not what event {event.sequence} says")


def read_journal(path: str | Path) -> Journal:
    """Reads all that can be read; damage becomes findings and never an exception."""
    path = Path(path)
    if not path.is_dir():
        raise NotADirectoryError(path)
    return _Verifier(path).run()


def verify(path: str | Path) -> list[Finding]:
    return read_journal(path).findings
