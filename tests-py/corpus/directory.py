"""Journals with a file that does not fit the log, or is not there: FORMAT.md sections 6 to 8, 13 and 17."""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING

from batpak._drill.codec import varint, with_crc
from batpak._drill.forging import HEAD, INDEX, read_entries, write_entries
from batpak._drill.on_the_files import _doctored
from batpak._evidence.verifier import blake3
from corpus.forged import PUBLIC, Room, bad, edited, flipped, good, last_segment, log_of, make_small, reopened
from evidence_bundles import SEED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from corpus.cases import Case


def _entries(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    before = read_entries(path)
    after = change(before)
    assert after != before
    write_entries(path, log_of(path).journal_id, after)
    return path


def _head(change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    """Change the last head, whose size is a varint of one byte."""

    def changed(entries: list[bytes]) -> list[bytes]:
        place = max(place for place, body in enumerate(entries) if body[0] == HEAD)
        return [*entries[:place], change(entries[place]), *entries[place + 1 :]]

    return changed


def _index_of_less(entries: list[bytes]) -> list[bytes]:
    """The entry that tells of the first segment's index says one event less; both numbers are varints of one byte."""
    place = next(place for place, body in enumerate(entries) if body[:2] == bytes([INDEX, 0]))
    body = entries[place]
    return [*entries[:place], body[:2] + bytes([body[2] - 1]) + body[3:], *entries[place + 1 :]]


def _copied(path: Path, other: Path, name: str) -> Path:
    """Put a file of another journal in the place of this one's."""
    (path / name).write_bytes((other / name).read_bytes())
    return path


def _added(path: Path, name: str, content: bytes) -> Path:
    assert not (path / name).exists()
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_bytes(content)
    return path


def _told(path: Path) -> Path:
    """Doctor the first index file, and have ``checkpoints`` say that it must be so."""
    index = min((path / "segments").glob("*.idx"))
    before = index.read_bytes()
    after = _doctored(before)
    index.write_bytes(after)
    old, new = (blake3(data[int.from_bytes(data[-8:], "little") >> 16 :]) for data in (before, after))
    return _entries(path, lambda entries: [body.replace(old, new) if body[0] == INDEX else body for body in entries])


def _removed(path: Path, name: str) -> Path:
    (path / name).unlink()
    return path


def _renamed(path: Path, name: str, other: str) -> Path:
    (path / name).rename(path / other)
    return path


def _recovered(room: Room) -> Path:
    """A journal whose torn tail the next writer cut off."""
    path = room.small()
    with last_segment(path).open("ab") as file:
        file.write(b"\x80\x00\x00\x00" + b"half a frame" * 3)
    return reopened(path, 6)


def _without_tail(path: Path) -> Path:
    shutil.rmtree(path / "recovered")
    return path


def _of_no_open(data: bytes) -> bytes:
    """A frontier of open 0, with 99 events."""
    return with_crc(data[:28] + struct.pack("<QQ", 0, 99) + data[44:60])


def _promised(data: bytes) -> bytes:
    """The frontier with one event more."""
    told = struct.pack("<Q", int.from_bytes(data[36:44], "little") + 1)
    return with_crc(data[:36] + told + data[44:60])


def cases(room: Room) -> list[Case]:
    """All cases."""
    sealed = room.sealed()
    logs = sorted(file.relative_to(sealed).as_posix() for file in (sealed / "segments").glob("*.log"))
    assert len(logs) > 2
    index = min(file.relative_to(sealed).as_posix() for file in (sealed / "segments").glob("*.idx"))
    run = min(file.relative_to(sealed).as_posix() for file in (sealed / "heads").glob("*.run"))
    unknown = b"\x05" + varint(3)
    other, recovered = room.place(), _recovered(room)
    make_small(other, SEED)
    tail = next((recovered / "recovered").iterdir()).relative_to(recovered).as_posix()
    return [
        good(
            "recovered-by-nobody",
            "A file in recovered that no event names gets its event from the next writer. Section 13.",
            _added(room.small(), f"recovered/{7:020}-0123456789abcdef.tail", b"x"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "name-in-the-journal",
            "Another name beside the journal's files means nothing. Section 7.",
            _added(room.small(), "notes.txt", b"x"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "frontier-of-another-journal",
            "A frontier of another journal is passed over. Section 8.",
            _copied(room.small(), other, "frontier"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "frontier-cut-off",
            "A frontier of 63 bytes is passed over. Section 8.",
            edited(room.small(), "frontier", lambda data: data[:-1]),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "frontier-of-no-open",
            "A frontier of open 0, which there is not, is invalid and passed over, also what it says was synced. Section 8.",
            edited(room.small(), "frontier", _of_no_open),
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "frontier-version",
            "A frontier of format version 2, whose checksum fits: a newer version wrote it. Section 8.",
            edited(room.small(), "frontier", lambda data: with_crc(data[:8] + b"\2" + data[9:60])),
            "completeness",
            "unsupported_format",
            key=PUBLIC,
        ),
        bad(
            "frontier-flags",
            "A frontier with a flag, whose checksum fits: a newer version wrote it. Section 8.",
            edited(room.small(), "frontier", lambda data: with_crc(data[:10] + b"\1" + data[11:60])),
            "completeness",
            "unsupported_format",
            key=PUBLIC,
        ),
        bad(
            "meta-missing",
            "journal.meta is missing. Section 8.",
            _removed(room.small(), "journal.meta"),
            "content",
            "meta_mismatch",
            key=PUBLIC,
        ),
        bad(
            "checkpoints-missing",
            "The file checkpoints is missing. Section 8.",
            _removed(room.small(), "checkpoints"),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "recovered-changed",
            "A file of bytes that recovery cut off was changed. Section 16.",
            edited(recovered, tail, lambda data: flipped(data, 0)),
            "content",
            "recovered_mismatch",
            key=PUBLIC,
        ),
        bad(
            "recovered-longer",
            "A byte stands behind the bytes that recovery cut off. Section 16.",
            edited(_recovered(room), tail, lambda data: data + b"x"),
            "content",
            "recovered_mismatch",
            key=PUBLIC,
        ),
        bad(
            "recovered-missing",
            "A file of bytes that recovery cut off is missing. Section 16.",
            _without_tail(_recovered(room)),
            "content",
            "recovered_mismatch",
            key=PUBLIC,
        ),
        bad(
            "segment-of-another-lineage",
            "The second segment's header names another journal, and its checksum fits. Section 6.",
            edited(room.sealed(), logs[1], lambda data: with_crc(data[:12] + bytes(16) + data[28:60]) + data[64:]),
            "order",
            "order_mismatch",
            key=PUBLIC,
        ),
        bad(
            "segment-of-another-journal",
            "The only segment is that of another journal of the same key. Section 8.",
            _copied(room.small(), other, logs[0]),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "meta-of-another-journal",
            "journal.meta is that of another journal. Section 8.",
            _copied(room.small(), other, "journal.meta"),
            "content",
            "meta_mismatch",
            key=PUBLIC,
        ),
        bad(
            "checkpoints-of-another-journal",
            "checkpoints are those of another journal of the same key. Section 8.",
            _copied(room.small(), other, "checkpoints"),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "meta-version",
            "journal.meta has format version 2, and a checksum that fits. Section 8.",
            edited(room.small(), "journal.meta", lambda data: with_crc(data[:8] + b"\2" + data[9:-4])),
            "content",
            "unsupported_format",
            key=PUBLIC,
        ),
        bad(
            "meta-trailing-byte",
            "A byte stands behind journal.meta. Section 8.",
            edited(room.small(), "journal.meta", lambda data: data + b"\0"),
            "content",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "checkpoints-empty",
            "checkpoints has no bytes, and so no header. Section 8.",
            edited(room.small(), "checkpoints", lambda _: b""),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "checkpoints-version",
            "checkpoints has format version 2, and a checksum that fits. Section 8.",
            edited(room.small(), "checkpoints", lambda data: with_crc(data[:8] + b"\2" + data[9:28]) + data[32:]),
            "anchors",
            "unsupported_format",
            key=PUBLIC,
        ),
        bad(
            "head-reason",
            "The last head has a reason that there is not. Section 8.",
            _entries(room.small(), _head(lambda body: body[:1] + b"\3" + body[2:])),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "head-of-nothing",
            "The last head is of no events. Section 8.",
            _entries(room.small(), _head(lambda body: body[:2] + b"\0" + body[3:])),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "head-segment-length",
            "The last head says another length of its segment. Section 8.",
            _entries(room.small(), _head(lambda body: body[:68] + bytes([body[68] ^ 1]) + body[69:])),
            "anchors",
            "head_mismatch",
            key=PUBLIC,
        ),
        bad(
            "head-trailing-byte",
            "A byte stands behind the last head, within its entry. Section 8.",
            _entries(room.small(), _head(lambda body: body + b"\0")),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "promised-events",
            "The frontier tells of one event more than there are. Section 13.",
            edited(room.small(), "frontier", _promised),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "segment-missing",
            "A segment between two others is missing. Section 13.",
            _removed(room.sealed(), logs[1]),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "first-segment-missing",
            "The first segment is missing. Section 13.",
            _removed(room.sealed(), logs[0]),
            "content",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "last-segment-missing",
            "The last segment is missing. Section 13.",
            _removed(room.sealed(), logs[-1]),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "segment-renamed",
            "The last segment has another number in its name than in its header. Section 6.",
            _renamed(room.sealed(), logs[-1], f"segments/{99:020}.log"),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "name-in-segments",
            "A name in segments is neither a segment's nor an index's. Section 7.",
            _renamed(room.small(), "journal.meta", "segments/notes.txt"),
            "content",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "meta-edited",
            "journal.meta is not a copy of event 0, and its checksum fits. Section 8.",
            edited(room.small(), "journal.meta", lambda data: with_crc(flipped(data[:-4], -1))),
            "content",
            "meta_mismatch",
            key=PUBLIC,
        ),
        bad(
            "meta-bit",
            "A bit of journal.meta is flipped. Section 8.",
            edited(room.small(), "journal.meta", lambda data: flipped(data, 30)),
            "content",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "head-last-hash",
            "The last head names another last event. Section 8.",
            _entries(room.small(), _head(lambda body: flipped(body, 3))),
            "anchors",
            "head_mismatch",
            key=PUBLIC,
        ),
        bad(
            "head-root",
            "The last head has another root than its peaks make. Section 8.",
            _entries(room.small(), _head(lambda body: flipped(body, 35))),
            "anchors",
            "head_mismatch",
            key=PUBLIC,
        ),
        bad(
            "head-of-sealed-segment-missing",
            "A segment is followed by another, and no head says that it was sealed. Section 8.",
            _entries(room.sealed(), lambda entries: [body for body in entries if body[:2] != bytes([HEAD, 1])]),
            "anchors",
            "head_missing",
            key=PUBLIC,
        ),
        bad(
            "entry-of-unknown-type",
            "An entry of checkpoints has type 5, and its checksum fits. Section 8.",
            _entries(room.small(), lambda entries: [*entries, unknown]),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "entry-in-the-middle",
            "An entry of checkpoints is invalid, and a valid one stands behind it. Section 8.",
            edited(room.small(), "checkpoints", lambda data: flipped(data, 50)),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "checkpoints-header",
            "A bit of the journal id in checkpoints is flipped. Section 8.",
            edited(room.small(), "checkpoints", lambda data: flipped(data, 12)),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "index-doctored",
            "An index names the wrong events, and its own digests fit. Section 17.",
            edited(room.sealed(), index, _doctored),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
        bad(
            "index-doctored-and-told",
            "An index names the wrong events, and checkpoints say that it must. Section 17.",
            _told(room.sealed()),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
        bad(
            "index-cut-off",
            "The last byte of an index file is missing. Section 17.",
            edited(room.sealed(), index, lambda data: data[:-1]),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
        bad(
            "index-empty",
            "An index file has no bytes. Section 17.",
            edited(room.sealed(), index, lambda _: b""),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
        bad(
            "index-told-of-less",
            "checkpoints tell of an index of fewer events than the segment has. Section 17.",
            _entries(room.sealed(), _index_of_less),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
        bad(
            "run-edited",
            "A run of entity heads has a flipped bit. Section 17.",
            edited(room.sealed(), run, lambda data: flipped(data, 0)),
            "indexes",
            "index_mismatch",
            key=PUBLIC,
        ),
    ]
