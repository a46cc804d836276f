"""The attacker's copy of a journal: read it, change what is wanted, write it back with everything else made to fit."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from batpak._drill.codec import Reader, Record, Signer, Tree, crc32c, note, read_record, varint, with_crc
from batpak._proving.proofs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SEGMENT_HEADER: Final = 64
_FRAME_HEADER: Final = struct.Struct("<IIIIQ")
_ENTRIES_HEADER: Final = 32
_VERSION: Final = struct.pack("<HH", 1, 0)
HEAD, INDEX, RUN, NOTE = 1, 2, 3, 4


@dataclass
class Frame:
    """A frame. ``proof`` is key id and signature, or nothing. ``raw`` is what was read, from ``offset``."""

    records: list[Record]
    synced: int
    proof: bytes
    raw: bytes = b""
    offset: int = 0

    def copy(self) -> Frame:
        """One that can be changed alone."""
        return Frame(list(self.records), self.synced, self.proof, self.raw, self.offset)

    def encoded(self, offset: int, nonce: bytes) -> bytes:
        """The frame at a place, with checksums that fit."""
        body = self.proof + b"".join(record.encoded for record in self.records)
        count = len(self.records) | (1 << 24 if self.proof else 0)
        synced = min(self.synced, self.records[0].sequence)
        stays = self.raw and self.offset == offset and self.raw[_FRAME_HEADER.size :] == body
        if stays and _FRAME_HEADER.unpack_from(self.raw)[3:] == (count, synced):
            return self.raw
        place = nonce + struct.pack("<QI", offset, len(body))
        rest = struct.pack("<IIQ", crc32c(place + body), count, synced)
        return struct.pack("<II", len(body), crc32c(place + rest)) + rest + body


@dataclass
class Segment:
    """A segment."""

    nonce: bytes
    frames: list[Frame]


@dataclass
class Log:
    """All segments of a journal."""

    journal_id: bytes
    origin: str
    segments: list[Segment]

    def copy(self) -> Log:
        """One that can be changed alone."""
        return replace(
            self,
            segments=[Segment(each.nonce, [frame.copy() for frame in each.frames]) for each in self.segments],
        )

    def frames(self) -> Iterator[Frame]:
        """All frames, in order."""
        return (frame for segment in self.segments for frame in segment.frames)

    def records(self) -> list[Record]:
        """All events, in order."""
        return [record for frame in self.frames() for record in frame.records]

    def change(self, change: Callable[[Record], list[Record]]) -> None:
        """Put what ``change`` makes of each event in its place; what is empty then is taken out."""
        for segment in self.segments:
            for frame in segment.frames:
                frame.records = [made for record in frame.records for made in change(record)]
            segment.frames = [frame for frame in segment.frames if frame.records]
        self.segments = [segment for segment in self.segments if segment.frames]

    def edit(self, sequence: int, edited: Record) -> None:
        """Put one event in the place of another."""
        self.change(lambda record: [edited if record.sequence == sequence else record])

    def cut(self, size: int) -> None:
        """Leave only the first events; ``size`` is the end of a frame."""
        self.change(lambda record: [record] if record.sequence < size else [])

    def relink(self) -> None:
        """Give every event the sequence, clock, predecessor and, where they do not ascend, the id and time that fit."""
        sequence = 0
        chains: dict[bytes, Record] = {}
        last: Record | None = None
        for frame in self.frames():
            for position, record in enumerate(frame.records):
                before = chains.get(record.entity)
                made = replace(
                    record,
                    sequence=sequence,
                    clock=0 if before is None else before.clock + 1,
                    prev_sequence=None if before is None else before.sequence,
                    prev_hash=bytes(32) if before is None else before.event_hash,
                )
                if last is not None and (made.event_id <= last.event_id or _time(made) <= _time(last)):
                    after = (int.from_bytes(last.event_id, "big") + 1).to_bytes(16, "big")
                    made = replace(made, event_id=after, wall=last.wall, counter=last.counter + 1)
                # An event that stayed as it was keeps its hash.
                frame.records[position] = last = chains[record.entity] = record if made == record else made
                sequence += 1

    def sign(self, signer: Signer, *, before: Log | None = None) -> None:
        """Sign every signed frame, but those that are as they were ``before``."""
        kept = set() if before is None else {(frame.proof, _hashes(frame)) for frame in before.frames()}
        for frame in self.frames():
            if frame.proof and (frame.proof, _hashes(frame)) not in kept:
                frame.proof = signer.frame_proof(frame.records)

    def strip(self) -> None:
        """Take every signature off."""
        for frame in self.frames():
            frame.proof = b""


def _time(record: Record) -> tuple[int, int]:
    return record.wall, record.counter


def _hashes(frame: Frame) -> tuple[bytes, ...]:
    return tuple(record.event_hash for record in frame.records)


def read_log(directory: Path, origin: str) -> Log:
    """Read the log of a journal that was verified."""
    segments = []
    journal_id = b""
    for path in sorted((directory / "segments").glob("*.log")):
        data = path.read_bytes()
        journal_id, nonce = data[12:28], data[28:44]
        frames, position = [], _SEGMENT_HEADER
        while position + _FRAME_HEADER.size <= len(data):
            length, _, _, count, synced = _FRAME_HEADER.unpack_from(data, position)
            if length == 0:
                break
            end = position + _FRAME_HEADER.size + length
            body = Reader(data[position + _FRAME_HEADER.size : end])
            proof = body.take(96) if count >> 24 else b""
            records = []
            while not body.done:
                records.append(read_record(body))
            frames.append(Frame(records, synced, proof, data[position:end], position))
            position = end
        if frames:
            segments.append(Segment(nonce, frames))
    return Log(journal_id, origin, segments)


def read_entries(directory: Path) -> list[bytes]:
    """The bodies of the entries of ``checkpoints``."""
    data = (directory / "checkpoints").read_bytes()
    bodies, position = [], _ENTRIES_HEADER
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position)
        if position + 8 + length > len(data):
            break
        bodies.append(data[position + 8 : position + 8 + length])
        position += 8 + length
    return bodies


def write_entries(directory: Path, journal_id: bytes, bodies: list[bytes]) -> None:
    """Write ``checkpoints``."""
    data = with_crc(b"batpakC1" + _VERSION + journal_id)
    for body in bodies:
        crc = crc32c(journal_id + struct.pack("<QI", len(data), len(body)) + body)
        data += struct.pack("<II", len(body), crc) + body
    (directory / "checkpoints").write_bytes(data)


def note_of(body: bytes) -> Checkpoint | None:
    """The checkpoint in an entry, if it is one."""
    return Checkpoint(Reader(body, 1).bytes().decode()) if body[0] == NOTE else None


def note_entry(text: str) -> bytes:
    """A checkpoint as an entry."""
    encoded = text.encode()
    return bytes([NOTE]) + varint(len(encoded)) + encoded


def write_log(directory: Path, log: Log, *, signer: Signer | None = None, make_notes: bool = False) -> None:
    """Put a log in the place of that of a journal, with every other file of the journal made to fit it.

    Args:
        directory: the copy of the journal.
        log: what is to be there.
        signer: who signs a new checkpoint.
        make_notes: whether to make a checkpoint over everything; those of before that fit the log stay.
    """
    shutil.rmtree(directory / "segments")
    shutil.rmtree(directory / "heads", ignore_errors=True)
    (directory / "segments").mkdir()
    notes = [checkpoint for body in read_entries(directory) if (checkpoint := note_of(body)) is not None]
    roots = {checkpoint.size: checkpoint for checkpoint in notes}
    entries, tree = [], Tree()
    first = length = 0
    for position, segment in enumerate(log.segments):
        first = segment.frames[0].records[0].sequence
        start = b"batpakL1" + _VERSION + log.journal_id + segment.nonce + struct.pack("<Q", first) + bytes(8)
        data = bytearray(with_crc(start))
        for frame in segment.frames:
            data += frame.encoded(len(data), segment.nonce)
            for record in frame.records:
                tree.extend([record.event_hash])
                kept = roots.get(tree.size)
                if kept is not None and kept.root == tree.root:
                    entries.append(note_entry(str(kept)))
        (directory / "segments" / f"{first:020}.log").write_bytes(data)
        length = len(data)
        reason = 2 if position == len(log.segments) - 1 else 1
        entries.append(_head(tree, reason, segment.frames[-1].records[-1], (first, length)))
    if make_notes:
        entries.append(note_entry(note(log.origin, tree.size, tree.root, signer)))
    write_entries(directory, log.journal_id, entries)
    old = (directory / "frontier").read_bytes()
    numbers = struct.pack("<QQQ", tree.size, first, length)
    (directory / "frontier").write_bytes(with_crc(b"batpakF1" + _VERSION + log.journal_id + old[28:36] + numbers))
    created = log.segments[0].frames[0].records[0].encoded
    meta = b"batpakM1" + _VERSION + struct.pack("<I", len(created)) + created
    (directory / "journal.meta").write_bytes(with_crc(meta))


def _head(tree: Tree, reason: int, last: Record, place: tuple[int, int]) -> bytes:
    peaks = varint(len(tree.peaks)) + b"".join(tree.peaks)
    where = varint(place[0]) + varint(place[1])
    return bytes([HEAD, reason]) + varint(tree.size) + last.event_hash + tree.root + where + peaks
