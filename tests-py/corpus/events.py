"""Journals in which an event breaks a rule, with every checksum right: FORMAT.md sections 2 to 4, 10 and 12."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._drill.codec import Reader
from corpus.forged import OTHER_SIGNER, PUBLIC, SIGNER, Room, bad, good, log_of, with_last
from evidence_bundles import Fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batpak._drill.codec import Record, Signer
    from batpak._drill.forging import Log
    from corpus.cases import Case


def _front(at: int, content: bytes) -> Callable[[Record], Record]:
    """Put bytes into the front of the header: from its end if negative."""

    def change(record: Record) -> Record:
        front, place = bytearray(record.front), at % len(record.front)
        front[place : place + len(content)] = content
        return replace(record, front=bytes(front))

    return change


def _later(record: Record) -> bytes:
    """The id of one millisecond later."""
    return (int.from_bytes(record.event_id[:6], "big") + 1).to_bytes(6, "big") + record.event_id[6:]


def _private(record: Record) -> Record:
    """Private metadata that is no map, and is committed to."""
    return replace(record, private=b"\x03\x02").with_payload(record.payload, commit=True)


_EVENTS: list[tuple[str, str, str, str, Callable[[Record], Record]]] = [
    (
        "event-sequence-gap",
        "The last event has the sequence behind its own. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, sequence=record.sequence + 1),
    ),
    (
        "event-sequence-again",
        "The last event has the sequence of the one before. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, sequence=record.sequence - 1),
    ),
    (
        "event-clock-gap",
        "The last event has the clock behind its own. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, clock=record.clock + 1),
    ),
    (
        "event-previous-hash",
        "The last event names another hash as the previous one of its entity. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, prev_hash=bytes([1] * 32)),
    ),
    (
        "event-previous-sequence",
        "The last event names another sequence as the previous one of its entity. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, prev_sequence=(record.prev_sequence or 0) - 1),
    ),
    (
        "event-id-time",
        "The milliseconds of the last event's id are not those of its clock. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(record, event_id=_later(record)),
    ),
    (
        "event-id-version",
        "The last event's id is a UUID of version 4. Section 3.",
        "content",
        "invalid_encoding",
        lambda record: replace(
            record, event_id=record.event_id[:6] + bytes([record.event_id[6] & 15 | 64]) + record.event_id[7:]
        ),
    ),
    (
        "event-time-descends",
        "The last event's clock, and the time in its id, are a second before the previous event's. Section 3.",
        "order",
        "order_mismatch",
        lambda record: replace(
            record,
            wall=record.wall - 10_000_000,
            event_id=((record.wall - 10_000_000) // 1000).to_bytes(6, "big") + record.event_id[6:],
        ),
    ),
    (
        "event-time-too-large",
        "The last event's clock is 2^48 milliseconds later, which no id can name. Section 3.",
        "content",
        "invalid_encoding",
        lambda record: replace(record, wall=record.wall + 2**48 * 1000),
    ),
    (
        "event-header-promise",
        "The header of the last event has a durability that there is not. Section 3.",
        "content",
        "invalid_encoding",
        _front(-1, b"\x03"),
    ),
    (
        "event-header-sealed",
        "The header of the last event says that it is sealed, and nothing follows that. Section 3.",
        "content",
        "invalid_encoding",
        _front(-34, b"\x01"),
    ),
    (
        "event-header-version",
        "The header of the last event has version 2. Section 3.",
        "content",
        "invalid_encoding",
        _front(0, b"\x02"),
    ),
    (
        "event-payload-not-canonical",
        "The payload of the last event has an overlong varint, and is committed to. Section 2.",
        "content",
        "invalid_encoding",
        lambda record: record.with_payload(b"\x03\x80\x00", commit=True),
    ),
    (
        "event-payload-trailing",
        "The payload of the last event is two values, and is committed to. Section 2.",
        "content",
        "invalid_encoding",
        lambda record: record.with_payload(b"\x00\x00", commit=True),
    ),
    (
        "event-private-no-map",
        "The private metadata of the last event is a number, and is committed to. Section 4.",
        "content",
        "invalid_encoding",
        _private,
    ),
    (
        "event-private-not-canonical",
        "The private metadata of the last event is no value, and is committed to. Section 4.",
        "content",
        "invalid_encoding",
        lambda record: replace(record, private=b"\xff").with_payload(record.payload, commit=True),
    ),
    (
        "event-id-variant",
        "The variant of the last event's id is another. Section 3.",
        "content",
        "invalid_encoding",
        lambda record: replace(
            record, event_id=record.event_id[:8] + bytes([record.event_id[8] | 0xC0]) + record.event_id[9:]
        ),
    ),
    (
        "event-no-previous",
        "The last event names no previous one of its entity, and its clock is not 0. Section 3.",
        "content",
        "invalid_encoding",
        lambda record: replace(record, prev_sequence=None),
    ),
    (
        "event-previous-at-clock-0",
        "The last event names a previous one of its entity, and its clock is 0. Section 3.",
        "content",
        "invalid_encoding",
        lambda record: replace(record, clock=0),
    ),
    (
        "event-salt",
        "The salt of the last event is another. Section 4.",
        "content",
        "content_hash_mismatch",
        lambda record: replace(record, salt=bytes(16)),
    ),
]


def _created(change: Callable[[dict[str, object]], object]) -> Callable[[Record], Record]:
    """Event 0 with another payload."""

    def changed(record: Record) -> Record:
        says = _batpak.decode_value(record.payload)
        change(says)
        return record.with_payload(_batpak.encode_value(says, allow_nonfinite=False), commit=True)

    return changed


def _first(room: Room, change: Callable[[Record], Record]) -> Path:
    """A journal whose event 0 is another, with the rest linked anew."""

    def changed(log: Log) -> None:
        log.edit(0, change(log.records()[0]))
        log.relink()

    return room.tiny(changed)


def _system(room: Room) -> list[Case]:
    key_added = {"endorsement": None, "key_id": sha256(PUBLIC).digest(), "public_key": PUBLIC}
    short = {"key_id": sha256(PUBLIC[:31]).digest(), "public_key": PUBLIC[:31]}
    created = _batpak.decode_value(log_of(room.small(None)).records()[0].payload)
    spoilt = "invalid_encoding"
    wrong: list[tuple[str, str, dict[str, object]]] = [
        ("journal-id", "names another journal than its header", {"journal_id": bytes(16)}),
        ("policy", "says that the journal is signed, and names no key", {"key_policy": "signed"}),
        ("policy-unsigned", "names a key, and says that the journal is not signed", {"public_key": PUBLIC}),
        ("policy-unknown", "has a policy that there is not", {"key_policy": "sometimes"}),
        ("version", "is of format version 2", {"format_version": 2}),
        ("content", "names another algorithm", {"algorithms": {**created["algorithms"], "content": "md5"}}),
        ("no-algorithms", "names no algorithms", {"algorithms": None}),
        ("no-name", "names no name", {"name": ""}),
        ("long-name", "has a name of 256 bytes", {"name": "n" * 256}),
        ("name-with-plus", "has a name with a plus", {"name": "a+b"}),
        ("name-with-space", "has a name with white space", {"name": "a\u00a0b"}),
        ("name-with-control", "has a name with a control character", {"name": "a\x9bb"}),
        ("name-number", "has a number for a name", {"name": 1}),
    ]
    changed = [
        bad(
            f"created-{name}",
            f"Event 0 {says}. Section 12.",
            _first(room, _created(lambda before, given=given: before.update(given))),
            "content",
            spoilt,
        )
        for name, says, given in wrong
    ]
    return [
        *changed,
        bad(
            "created-no-map",
            "The payload of event 0 is no map. Section 12.",
            _first(room, lambda record: record.with_payload(b"\x00", commit=True)),
            "content",
            spoilt,
        ),
        bad(
            "created-key-of-31-bytes",
            "Event 0 names a key of 31 bytes. Section 12.",
            _first(room, _created(lambda says: says.update(key_policy="signed", public_key=bytes(31)))),
            "content",
            spoilt,
        ),
        bad(
            "created-twice",
            "The last event is created once more, which is in no other place than sequence 0. Section 12.",
            room.tiny(_with_kind(1, created)),
            "content",
            spoilt,
        ),
        bad(
            "key-added-unsigned",
            "The last frame holds a key_added and is not signed by that key. Section 10.",
            room.tiny(_with_kind(3, key_added)),
            "signatures",
            "signature_missing",
        ),
        bad(
            "key-added-by-another-key",
            "The last frame holds a key_added and is signed by another key. Section 10.",
            room.tiny(_with_kind(3, key_added, OTHER_SIGNER)),
            "signatures",
            "unknown_signing_key",
        ),
        bad(
            "key-added-of-31-bytes",
            "A key_added names a key of 31 bytes. Section 12.",
            room.tiny(_with_kind(3, short)),
            "content",
            spoilt,
        ),
        bad(
            "opened-without-members",
            "An opened event does not say which open it was. Section 12.",
            room.tiny(_with_kind(2, {"more": 1})),
            "content",
            spoilt,
        ),
        bad(
            "opened-negative",
            "An opened event says that it was open -1. Section 12.",
            room.tiny(_with_kind(2, {"incarnation": -1, "software": "x"})),
            "content",
            spoilt,
        ),
        bad(
            "recovered-without-members",
            "A recovered event does not say what was cut. Section 12.",
            room.tiny(_with_kind(6, {"more": 1})),
            "content",
            spoilt,
        ),
        good(
            "key-added",
            "The last frame holds a key_added and is signed by that key, and those before it are not. Section 10.",
            room.tiny(_with_kind(3, key_added, SIGNER)),
            "unsigned_accepted",
            1,
        ),
        good(
            "key-added-more-members",
            "Readers pass over members of a system event that they do not know. Section 12.",
            room.tiny(_with_kind(2, {"incarnation": 1, "software": "x", "more": 1})),
            "unsigned_accepted",
            1,
        ),
        good(
            "unknown-system-kind",
            "Readers pass over system kinds that they do not know. Section 12.",
            room.tiny(_with_kind(0x00FF, {"more": 1})),
            "unsigned_accepted",
            1,
        ),
    ]


def _with_kind(kind: int, says: object, signer: Signer | None = None) -> Callable[[Log], None]:
    """Have the last event be of another kind, with this payload, and its frame signed if there is a signer."""

    def changed(log: Log) -> None:
        last = log.records()[-1]
        fields = Fields(journal_id=log.journal_id, entity=last.entity, scope=b"shop", kind=kind, encoding=1)
        header = Reader(fields.encode())
        header.take(17)
        header.bytes()
        header.bytes()
        header.varint()
        header.take(1 + 1 + 3 + 1 + 1 + 32 + 1)
        made = replace(last, front=header.data[: header.position], kind=kind)
        log.edit(last.sequence, made.with_payload(_batpak.encode_value(says, allow_nonfinite=False), commit=True))
        if signer is not None:
            frame = list(log.frames())[-1]
            frame.proof = signer.frame_proof(frame.records)

    return changed


def cases(room: Room) -> list[Case]:
    """All cases."""
    last = [bad(name, says, room.tiny(with_last(change)), axis, code) for name, says, axis, code, change in _EVENTS]
    return [*last, *_system(room)]
