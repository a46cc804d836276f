"""Journals in which a frame or a byte of the log breaks a rule: FORMAT.md sections 5, 6, 10 and 13."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batpak._drill.codec import with_crc
from corpus.forged import PUBLIC, Room, bad, edited, flipped, forged, frame_starts, good, last_segment, reframed

if TYPE_CHECKING:
    from collections.abc import Callable

    from batpak._drill.forging import Log
    from corpus.cases import Case
    from corpus.forged import Parts


def _set(**fields: int) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        for name, value in fields.items():
            setattr(parts, name, value)

    return change


def _body(change: Callable[[bytes], bytes]) -> Callable[[Parts], None]:
    def changed(parts: Parts) -> None:
        parts.body = change(parts.body)

    return changed


def _flags_of_record(body: bytes) -> bytes:
    """The last frame's only record with no flag; its header has a length of two bytes."""
    at = 2 + (body[0] & 127 | body[1] << 7)
    assert body[at] == 1
    return body[:at] + b"\x00" + body[at + 1 :]


def _frames(room: Room) -> list[Case]:
    newer, spoilt = "unsupported_format", "invalid_encoding"
    rules: list[tuple[str, str, str, Callable[[Parts], None]]] = [
        (
            "frame-unknown-flag",
            (
                "The last frame has a flag that this version does not know, and checksums that fit: a newer version "
                "wrote it. Section 13."
            ),
            newer,
            _set(flags=2),
        ),
        (
            "frame-of-nothing",
            "The last frame says that it has no events, and its checksums fit. Section 13.",
            newer,
            _set(count=0),
        ),
        (
            "frame-of-too-many",
            "The last frame says that it has 65537 events, and its checksums fit. Section 13.",
            newer,
            _set(count=65_537),
        ),
        ("frame-count", "The last frame says two events and has one. Section 5.", spoilt, _set(count=2)),
        (
            "frame-trailing-byte",
            "A byte stands behind the last record of a frame. Section 5.",
            spoilt,
            _body(lambda body: body + b"\0"),
        ),
        (
            "frame-record-cut-off",
            "The last byte of a record is missing, and the checksums fit. Section 5.",
            spoilt,
            _body(lambda body: body[:-1]),
        ),
        (
            "frame-promises-itself",
            "The last frame says that it was synced itself when it was written. Section 5.",
            spoilt,
            _set(synced=7),
        ),
        ("frame-record-flags", "A record says that it has no payload. Section 5.", spoilt, _body(_flags_of_record)),
        (
            "frame-signed-by-nobody",
            "The last frame says that it is signed and has no room for a signature. Section 5.",
            spoilt,
            _set(flags=1),
        ),
    ]
    cases = [bad(name, says, reframed(room.tiny(), change), "content", code) for name, says, code, change in rules]
    signed = reframed(room.tiny(), _signed_by_nobody)
    promised = reframed(room.tiny(), _set(synced=8))
    stripped = forged(room.small(), _strip_one)
    return [
        *cases,
        bad(
            "frame-signed-in-unsigned",
            "A frame is signed, and no event names a key. Section 10.",
            signed,
            "signatures",
            "unknown_signing_key",
        ),
        bad(
            "frame-promises-more",
            "The last frame says that more events were synced than there are. Section 13.",
            promised,
            "completeness",
            "missing_events",
        ),
        bad(
            "frame-stripped",
            "The signature was taken off one frame, and every other one has its own. Section 10.",
            stripped,
            "signatures",
            "signature_missing",
        ),
    ]


def _signed_by_nobody(parts: Parts) -> None:
    parts.body, parts.flags = bytes(96) + parts.body, 1


def _strip_one(log: Log) -> None:
    list(log.frames())[1].proof = b""


def _bytes(room: Room) -> list[Case]:
    """Bytes of the log were changed or cut."""
    path = room.small()
    starts, name = frame_starts(path), last_segment(path).relative_to(path).as_posix()
    first = f"segments/{0:020}.log"
    last, middle = starts[-1], starts[1]
    damaged = "journal_damaged"
    return [
        bad(
            "bit-in-the-middle",
            "A bit of a frame in the middle is flipped. Section 13.",
            edited(room.small(), name, lambda data: flipped(data, middle + 40)),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "bit-at-the-end",
            "A bit of the last byte is flipped, and the frontier says that it was synced. Section 13.",
            edited(room.small(), name, lambda data: flipped(data, -1)),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "bit-in-a-frame-header",
            "A bit of the number of events is flipped. Section 5.",
            edited(room.small(), name, lambda data: flipped(data, last + 12)),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "bit-in-synced-through",
            "A bit of synced_through is flipped, which the header's checksum covers. Section 5.",
            edited(room.small(), name, lambda data: flipped(data, last + 16)),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "zeros-for-the-last-frame",
            "The last frame is zero bytes, and was synced. Section 13.",
            edited(room.small(), name, lambda data: data[:last] + bytes(len(data) - last)),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "cut-at-a-frame",
            "The last frame is missing, and was synced. Section 13.",
            edited(room.small(), name, lambda data: data[:last]),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "cut-within-a-frame",
            "Half of the last frame is missing, and was synced. Section 13.",
            edited(room.small(), name, lambda data: data[: last + 100]),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "frames-swapped",
            "Two frames have changed places. Section 5.",
            edited(room.small(), name, lambda data: data[: starts[-2]] + data[last:] + data[starts[-2] : last]),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "sealed-segment-cut",
            "A segment that is followed by another lacks its last bytes. Section 13.",
            edited(room.sealed(), first, lambda data: data[:-10]),
            "content",
            damaged,
            key=PUBLIC,
        ),
        bad(
            "segment-header-bit",
            "A bit of the nonce in a segment's header is flipped. Section 6.",
            edited(room.small(), first, lambda data: flipped(data, 30)),
            "content",
            damaged,
        ),
        bad(
            "segment-short",
            "The last segment is shorter than its header. Section 13.",
            edited(room.small(), first, lambda data: data[:40]),
            "content",
            damaged,
        ),
        bad(
            "segment-flags",
            "A segment has a flag, and a checksum that fits. Section 6.",
            edited(room.small(), first, lambda data: with_crc(data[:10] + b"\1" + data[11:60]) + data[64:]),
            "content",
            "unsupported_format",
        ),
        bad(
            "segment-reserved",
            "Bytes of a segment's header that must be zero are not. Section 6.",
            edited(room.small(), first, lambda data: with_crc(data[:52] + b"\1" + data[53:60]) + data[64:]),
            "content",
            damaged,
        ),
        bad(
            "segment-first-sequence",
            "A segment's header says another first sequence than its name. Section 6.",
            edited(room.small(), first, lambda data: with_crc(data[:44] + b"\1" + data[45:60]) + data[64:]),
            "content",
            damaged,
        ),
        bad(
            "segment-magic",
            "The first byte of a segment is another, and the checksum fits. Section 6.",
            edited(room.small(), first, lambda data: with_crc(b"B" + data[1:60]) + data[64:]),
            "content",
            damaged,
        ),
        bad(
            "sealed-segment-with-zeros",
            "Zero bytes stand behind the last frame of a segment that is followed by another. Section 13.",
            edited(room.sealed(), first, lambda data: data + bytes(50)),
            "content",
            damaged,
            key=PUBLIC,
        ),
        good(
            "zeros-and-a-byte",
            "Zero bytes and another byte behind the last frame, none of which was synced: an unsynced tail. Section "
            "13.",
            edited(room.small(), name, lambda data: data + bytes(64) + b"x"),
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "segment-version",
            "A segment has format version 2, and a checksum that fits. Section 6.",
            edited(room.small(), first, lambda data: with_crc(data[:8] + b"\2" + data[9:60]) + data[64:]),
            "content",
            "unsupported_format",
        ),
    ]


def cases(room: Room) -> list[Case]:
    """All cases."""
    return [*_frames(room), *_bytes(room)]
