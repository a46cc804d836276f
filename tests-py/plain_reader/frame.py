"""Sections 5 and 6: frames, segment headers and the scan of a segment; section 8: the small files."""

import struct
from dataclasses import dataclass, field
from typing import Literal

from .codec import DecodeError, Reader
from .record import Record, read_record

Rest = Literal["end", "zeros", "other"]

FRAME_HEADER = struct.Struct("<IIIIQ")
MAX_BODY = 67_108_864
MAX_EVENTS = 65_536
SIGNED = 0x01
SEGMENT_HEADER_BYTES = 64
SEALED, CLOSED = 1, 2


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    table, crc = _CRC_TABLE, 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _check_start(reader: Reader, magic: bytes) -> None:
    if reader.take(8) != magic:
        raise DecodeError(f"magic is not {magic.decode()}")
    if (version := reader.fixed(2)) != 1:
        raise DecodeError(f"format_version is {version}, not 1")
    if reader.fixed(2) != 0:
        raise DecodeError("flags are not 0")


def _check_crc(data: bytes, end: int) -> None:
    """Compares the `u32le` at `end` with the crc32c of everything before it."""
    if Reader(data, end).fixed(4) != crc32c(data[:end]):
        raise DecodeError("crc does not fit")


@dataclass(frozen=True)
class SegmentHeader:
    journal_id: bytes
    nonce: bytes
    first_sequence: int


def decode_segment_header(data: bytes) -> SegmentHeader:
    if len(data) < SEGMENT_HEADER_BYTES:
        raise DecodeError("shorter than a segment header")
    reader = Reader(data[:SEGMENT_HEADER_BYTES])
    _check_start(reader, b"batpakL1")
    header = SegmentHeader(reader.take(16), reader.take(16), reader.fixed(8))
    if reader.take(8) != bytes(8):
        raise DecodeError("reserved bytes are not zero")
    _check_crc(data, 60)
    return header


@dataclass(frozen=True)
class Frame:
    offset: int
    end: int
    count: int
    signed: bool
    synced_through: int
    body: bytes
    after_damage: bool  # bytes that are no frame lie between this frame and the one before

    def split(self) -> tuple[bytes | None, bytes | None, list[Record]]:
        """`key_id`, `signature` and the records, all from one pass over the body."""
        reader = Reader(self.body)
        key_id = reader.take(32) if self.signed else None
        signature = reader.take(64) if self.signed else None
        records = []
        while reader.position < len(self.body):
            records.append(read_record(reader))
        if len(records) != self.count:
            raise DecodeError(f"the frame says {self.count} events and holds {len(records)}")
        return key_id, signature, records


def read_frame(data: bytes, offset: int, nonce: bytes, after_damage: bool = False) -> Frame:
    """The frame at an offset; a frame is valid here if its CRCs, count, flags and length are."""
    if len(data) - offset < FRAME_HEADER.size:
        raise DecodeError("fewer bytes than a frame header")
    length, header_crc, body_crc, count_and_flags, synced_through = FRAME_HEADER.unpack_from(data, offset)
    count, flags = count_and_flags & 0xFFFFFF, count_and_flags >> 24
    end = offset + FRAME_HEADER.size + length
    if not 1 <= length <= MAX_BODY or end > len(data):
        raise DecodeError(f"body_length {length} does not fit")
    if flags & ~SIGNED:
        raise DecodeError(f"unknown frame flags {flags:02x}")
    if not 1 <= count <= MAX_EVENTS:
        raise DecodeError(f"a count of {count} events")
    place = nonce + struct.pack("<QI", offset, length)
    if header_crc != crc32c(place + struct.pack("<IIQ", body_crc, count_and_flags, synced_through)):
        raise DecodeError("header_crc does not fit")
    body = data[end - length : end]
    if body_crc != crc32c(place + body):
        raise DecodeError("body_crc does not fit")
    return Frame(offset, end, count, bool(flags & SIGNED), synced_through, body, after_damage)


def _find_frame(data: bytes, start: int, nonce: bytes) -> int | None:
    """The next offset, of any alignment, at which a valid frame lies."""
    last = len(data.rstrip(b"\0"))  # no frame starts in the zeros that end a file
    for offset in range(start, last):
        # The high bytes of body_length and of the flags rule out most offsets without a CRC.
        if data[offset + 3 : offset + 4] <= b"\x04" and data[offset + 15 : offset + 16] <= b"\x01":
            try:
                read_frame(data, offset, nonce)
            except DecodeError:
                continue
            return offset
    return None


@dataclass
class Scan:
    """The frames of one segment and the ranges between them that are not frames."""

    frames: list[Frame] = field(default_factory=list)
    damage: list[tuple[int, int, str]] = field(default_factory=list)
    end: int = SEGMENT_HEADER_BYTES  # of the last frame before any damage
    rest: Rest = "end"  # what follows there

    def count(self) -> int:
        """Events before any damage."""
        return sum(frame.count for frame in self.frames if frame.offset < self.end)


def scan_segment(data: bytes, nonce: bytes) -> Scan:
    scan = Scan()
    position = SEGMENT_HEADER_BYTES
    while position < len(data):
        try:
            frame = read_frame(data, position, nonce, bool(scan.damage) and scan.damage[-1][1] == position)
        except DecodeError as error:
            if data.count(0, position) == len(data) - position:
                if not scan.damage:
                    scan.rest = "zeros"
                break
            scan.rest = "other"
            found = _find_frame(data, position + 1, nonce)
            scan.damage.append((position, len(data) if found is None else found, str(error)))
            if found is None:
                break
            position = found
        else:
            scan.frames.append(frame)
            position = frame.end
            if not scan.damage:
                scan.end = position
    return scan


@dataclass(frozen=True)
class Frontier:
    journal_id: bytes
    incarnation: int
    synced_through: int
    segment_first_sequence: int
    segment_offset: int


def is_newer_frontier(data: bytes) -> bool:
    """Whether a later version wrote it: everything fits but the version or the flags."""
    whole = len(data) == 64 and data[:8] == b"batpakF1" and data[60:] == struct.pack("<I", crc32c(data[:60]))
    return whole and data[8:12] != b"\1\0\0\0"


def decode_frontier(data: bytes) -> Frontier:
    reader = Reader(data)
    _check_start(reader, b"batpakF1")
    journal_id, incarnation = reader.take(16), reader.within(1, 2**64 - 1, reader.fixed(8), "incarnation")
    frontier = Frontier(journal_id, incarnation, reader.fixed(8), reader.fixed(8), reader.fixed(8))
    reader.take(4)
    reader.done()
    _check_crc(data, 60)
    return frontier


def decode_meta(data: bytes) -> Record:
    """Event 0's record, as `journal.meta` copies it."""
    reader = Reader(data)
    _check_start(reader, b"batpakM1")
    copy = reader.take(reader.fixed(4))
    _check_crc(data, reader.position)
    reader.take(4)
    reader.done()
    inner = Reader(copy)
    record = read_record(inner)
    inner.done()
    return record


@dataclass(frozen=True)
class Head:
    offset: int
    reason: int
    size: int
    last_event_hash: bytes
    root: bytes
    segment_first_sequence: int
    segment_length: int
    peaks: list[bytes]


def decode_checkpoints_header(data: bytes) -> bytes:
    """Checks the first 32 bytes and returns the journal_id."""
    reader = Reader(data[:32])
    _check_start(reader, b"batpakC1")
    journal_id = reader.take(16)
    _check_crc(data[:32], 28)
    return journal_id


def decode_head(body: bytes, offset: int) -> Head:
    reader = Reader(body)
    if (kind := reader.u8()) != 1:
        raise DecodeError(f"unknown entry type {kind}")
    reason = reader.within(SEALED, CLOSED, reader.u8(), "reason")
    size = reader.within(1, 2**64 - 1, reader.varint(), "size")
    head = Head(
        offset, reason, size, reader.take(32), reader.take(32), reader.varint(), reader.varint(), reader.hashes()
    )
    reader.done()
    return head


def read_entry(data: bytes, offset: int, journal_id: bytes) -> bytes:
    """The body of the entry at an offset."""
    if len(data) - offset < 8:
        raise DecodeError("fewer bytes than the start of an entry")
    length, crc = struct.unpack_from("<II", data, offset)
    body = data[offset + 8 : offset + 8 + length]
    if len(body) != length or crc != crc32c(journal_id + struct.pack("<QI", offset, length) + body):
        raise DecodeError("length or crc of the entry does not fit")
    return body
