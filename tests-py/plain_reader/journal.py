"""Sections 7, 8, 13 and 16: a whole journal directory, read and verified."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Literal

from .blake3 import blake3
from .checkpoint import CHECKPOINT, decode_checkpoint, origin_of, signature_problem
from .codec import DecodeError
from .frame import (
    SEALED,
    SEGMENT_HEADER_BYTES,
    Rest,
    Scan,
    decode_checkpoints_header,
    decode_frontier,
    decode_head,
    decode_meta,
    decode_segment_header,
    is_newer_frontier,
    read_entry,
    scan_segment,
)
from .indexes import check_indexes
from .log import LogChecker
from .merkle import root_of_peaks
from .model import Axis, Finding, Journal, Segment
from .record import event_hash_of
from .system import RECOVERED
from .told import HEAD, decode_told

Verdict = Literal["missing", "damage", "clean", "spare", "tail"]

SEGMENT_NAME = re.compile(r"[0-9]{20}\.log", re.ASCII)
INDEX_NAME = re.compile(r"[0-9]{20}\.idx", re.ASCII)


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


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


class _Verifier:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal()
        self.segments: list[Segment] = []
        self.log = LogChecker(self.journal)
        self.report = self.journal.report
        self.begun = True  # and not an unfinished creation

    def run(self) -> Journal:
        # The log is read last, because a running writer only ever makes it longer.
        frontier = _read(self.path / "frontier")
        checkpoints = _read(self.path / "checkpoints")
        self.read_segments()
        events = sum(segment.scan.count() for segment in self.segments)
        self.begun = frontier is not None or (self.path / "journal.meta").exists() or events > 1
        if not self.begun:
            self.journal.notes.append("an unfinished creation")
        self.read_frontier(frontier)
        self.read_checkpoints(checkpoints)
        self.decide()
        for segment in self.segments:
            self.log.check_segment(segment, last=segment is self.segments[-1])
        self.check_heads()
        self.check_checkpoints()
        self.check_meta()
        self.check_recovered()
        self.check_indexes()
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
        if is_newer_frontier(data):
            self.report("completeness", "frontier", 8, None, "a later version wrote it")
            return
        try:
            frontier = decode_frontier(data)
        except DecodeError as error:
            self.journal.notes.append(f"frontier: {error}")  # it is rewritten in place, so a crash may tear it
            return
        if frontier.journal_id == self.journal.journal_id:
            self.journal.frontier = frontier
        else:
            self.journal.notes.append("frontier: of another journal")

    def read_checkpoints(self, data: bytes | None) -> None:
        if data is None:
            if self.begun:
                self.report("completeness", "checkpoints", None, None, "the file is missing")
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
                if body[:1] == bytes([HEAD]):
                    self.journal.heads.append(decode_head(body, offset))
                elif body[:1] == bytes([CHECKPOINT]):
                    self.journal.checkpoints.append(decode_checkpoint(body, offset))
                else:
                    self.journal.told.append(decode_told(body, offset))
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
        claims = [stated.size for stated in [*journal.heads, *journal.checkpoints]]
        claims += [segment.first_sequence for segment in self.segments[1:]]
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

    # -- heads and copies --------------------------------------------------------------------------------------------

    def check_heads(self) -> None:
        for head in self.journal.heads:
            state = self.log.tree_states.get(head.size)
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
        if frontier is not None and frontier.synced_through in self.log.tree_states:
            place = self.log.tree_states[frontier.synced_through][2]
            if (frontier.segment_first_sequence, frontier.segment_offset) != place:
                self.journal.notes.append("frontier: segment or offset is not where its last event ends")
        sealed = {head.size for head in self.journal.heads if head.reason == SEALED}
        for segment in self.segments[1:]:
            if segment.first_sequence not in sealed:
                # The head of a sealed segment is synced before the next segment appears.
                message = f"no head of size {segment.first_sequence} for the segment sealed there"
                self.report("completeness", "checkpoints", None, segment.first_sequence, message)

    def check_checkpoints(self) -> None:
        before = 0
        stated: list[int] = []
        for checkpoint in self.journal.checkpoints:
            state = self.log.tree_states.get(checkpoint.size)
            keys = [key for sequence, key in self.log.keys if sequence < checkpoint.size]
            problem = None
            axis: Axis = "completeness"
            # Without a whole segment header there is no id, which is reported already.
            lineage = (self.log.lineage_at(checkpoint.size - 1) or b"").rjust(16, b"\0")
            if checkpoint.origin != origin_of(self.journal.name or "", lineage):
                problem = "of another journal"
            elif checkpoint.size < before:
                problem = "smaller than the one before"
            elif state is None:
                problem = "the log holds no readable frame that ends there"
            elif root_of_peaks(state[0]) != checkpoint.root:
                problem = "the root is another"
            else:
                axis, problem = "signatures", signature_problem(checkpoint, keys[-1] if keys else None)
                if problem is None:
                    stated.append(checkpoint.size)
            if problem is not None:
                message = f"checkpoint of size {checkpoint.size}: {problem}"
                self.report(axis, "checkpoints", checkpoint.offset, checkpoint.size - 1, message)
            before = checkpoint.size
        self.check_revoked(stated)

    def check_revoked(self, stated: list[int]) -> None:
        """Section 10: what a revoked key signed needs a later key's checkpoint from before the revocation."""
        begins = [sequence for sequence, _ in self.log.keys]
        revoked = [self.log.revoked.get(sha256(key).digest()) for _, key in self.log.keys]
        counting: list[int] = []  # sizes of the checkpoints that count, descending
        for size in reversed(stated):
            at = [number for number, begin in enumerate(begins) if begin < size]
            limit = revoked[at[-1]] if at else None
            if limit is None or (counting and counting[-1] <= limit):
                counting.append(size)
        self.journal.counting = max(counting, default=0)
        self.journal.key_periods = self.log.keys
        self.journal.lineages = self.log.lineages
        for number, limit in enumerate(revoked):
            if limit is not None:
                covered = max((size for size in counting if size <= limit), default=0)
                if covered < begins[number + 1]:
                    message = "signed by a key that was revoked, and no checkpoint from before covers it"
                    self.report("signatures", "checkpoints", None, max(covered, begins[number]), message)

    def check_meta(self) -> None:
        data = _read(self.path / "journal.meta")
        if data is None:
            if self.begun:
                self.report("content", "journal.meta", None, 0, "the file is missing")
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
        """Section 16: bytes that recovery set aside are still those that the log tells of."""
        for event in self.journal.events:
            value = event.value
            if event.kind != RECOVERED or not isinstance(value, dict) or not isinstance(value.get("file"), str):
                continue
            name = str(value["file"])
            data = _read(self.path / "recovered" / name) if "/" not in name and "\0" not in name else None
            if data is None or len(data) != value.get("bytes") or blake3(data) != value.get("digest"):
                message = f"recovered/{name} is missing, or not what event {event.sequence} says"
                self.report("content", f"recovered/{name}", None, event.sequence, message)

    def check_indexes(self) -> None:
        bounds = {segment.first_sequence for segment in self.segments}
        bounds |= {head.size for head in self.journal.heads if head.reason == SEALED}
        check_indexes(self.journal, self.path, bounds)


def read_journal(path: str | Path) -> Journal:
    """Reads all that can be read; damage becomes findings and never an exception."""
    path = Path(path)
    if not path.is_dir():
        raise NotADirectoryError(path)
    return _Verifier(path).run()


def verify(path: str | Path) -> list[Finding]:
    return read_journal(path).findings
