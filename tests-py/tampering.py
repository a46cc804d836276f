"""A journal's log changed behind its back, as somebody does who can write files and knows the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._drill.forging import read_entries, read_log, write_entries
from plain_reader.blake3 import blake3
from plain_reader.indexes import BLOCK

if TYPE_CHECKING:
    from pathlib import Path


def flip_payload(directory: Path, sequence: int) -> None:
    """Change one bit of an event's payload, and nothing else."""
    (record,) = (each for each in read_log(directory, "").records() if each.sequence == sequence)
    for log in (directory / "segments").glob("*.log"):
        data = bytearray(log.read_bytes())
        found = data.find(record.encoded)
        if found >= 0:
            data[found + len(record.encoded) - 1] ^= 1
            log.write_bytes(data)
            return
    raise AssertionError(sequence)


def exchange(directory: Path, sequence: int, payload: object) -> None:
    """Put an event with another payload of the same length in an event's place: commitment, checksums and index fit.

    Only the links of the events that follow do not.
    """
    log = read_log(directory, "")
    (record,) = (each for each in log.records() if each.sequence == sequence)
    edited = record.with_payload(_batpak.encode_value(payload, allow_nonfinite=False), commit=True)
    assert len(edited.encoded) == len(record.encoded)
    log.edit(sequence, edited)
    for segment in log.segments:
        first = segment.frames[0].records[0].sequence
        path = directory / "segments" / f"{first:020}.log"
        data = bytearray(path.read_bytes())
        for frame in segment.frames:
            encoded = frame.encoded(frame.offset, segment.nonce)
            data[frame.offset : frame.offset + len(encoded)] = encoded
        path.write_bytes(data)
    for index in [*(directory / "segments").glob("*.idx"), *(directory / "heads").glob("*.run")]:
        _have_it_name(directory, index, record.event_hash, edited.event_hash, log.journal_id)


def _have_it_name(directory: Path, index: Path, old: bytes, new: bytes, journal_id: bytes) -> None:
    before = index.read_bytes()
    length = int.from_bytes(before[-8:], "little") >> 16
    content = before[:length].replace(old, new)
    digests = b"".join(blake3(content[start : start + BLOCK]) for start in range(0, length, BLOCK))
    after = content + digests + before[-24 - 8 :][:8] + before[-24:]
    assert len(after) == len(before)
    index.write_bytes(after)
    was, is_ = blake3(before[length:]), blake3(after[length:])
    write_entries(directory, journal_id, [body.replace(was, is_) for body in read_entries(directory)])
