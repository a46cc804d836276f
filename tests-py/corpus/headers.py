"""Event headers: FORMAT.md section 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus.cases import accept, reject
from evidence_bundles import Fields, make_id
from plain_reader.codec import encode_varint

if TYPE_CHECKING:
    from corpus.cases import Case

LATER: dict[str, Any] = {"sequence": 9, "clock": 1, "prev": b"\x01\x03", "prev_hash": bytes([7] * 32)}

GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("plain", "The first event of an entity, with no optional field.", {}),
    ("later", "The second event of an entity names the first one's sequence and hash.", LATER),
    (
        "longest-names",
        "Names of entity and scope may have 1024 bytes.",
        {"entity": b"e" * 1024, "scope": "é".encode() * 512},
    ),
    ("dot", "One dot is allowed in a name, and so are colons and spaces.", {"entity": b"a.b:c d"}),
    ("not-nfc", "Readers do not check the normal form of a name.", {"entity": "e\u0301".encode()}),
    ("system", "A reader accepts every kind, also one of category D.", {"kind": 0xD001}),
    (
        "all-options",
        "Correlation, cause and idempotency key are there.",
        {"options": b"\x01" + bytes(16) + b"\x01" + b"\xff" * 16 + b"\x01" + bytes(16)},
    ),
    ("metadata", "Metadata with ascending keys, the first of which is empty.", {"metadata": b"\x02\x00\x00\x01a\x01b"}),
    (
        "metadata-longest",
        "The encoded metadata has 4096 bytes, as many as may be.",
        {"metadata": b"\x01" + encode_varint(4092) + b"k" * 4092 + b"\x00"},
    ),
    ("promise", "A durability of manual is 0.", {"promise": 0}),
    ("counter-largest", "The counter of the clock goes to 2^32 - 1.", {"counter": 2**32 - 1}),
    ("wall-largest", "The last microsecond that 48 bits of milliseconds can name.", {"wall_us": 2**48 * 1000 - 1}),
]

BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("version", "The version of the header is 1.", {"version": 2}),
    ("entity-empty", "A name has at least one byte.", {"entity": b""}),
    ("entity-too-long", "A name has at most 1024 bytes.", {"entity": b"e" * 1025}),
    ("scope-not-utf8", "A name is UTF-8.", {"scope": b"\xff"}),
    ("entity-control", "A name has no control character.", {"entity": b"a\x1bb"}),
    ("entity-delete", "U+007F is a control character.", {"entity": b"a\x7f"}),
    ("scope-late-control", "U+0085 is a control character.", {"scope": "\x85".encode()}),
    ("entity-slash", "A name has no slash.", {"entity": b"a/b"}),
    ("entity-bar", "A name has no vertical bar.", {"entity": b"a|b"}),
    ("scope-equals", "A name has no equals sign.", {"scope": b"a=b"}),
    ("entity-dots", "A name has no two dots in a row.", {"entity": b"a..b"}),
    ("kind", "A kind is at most 65535.", {"kind": 0x10000}),
    ("encoding", "The encoding is 0 or 1.", {"encoding": 2}),
    ("option", "An option begins with 00 or 01.", {"options": b"\x02\x00\x00"}),
    ("metadata-order", "The keys of the metadata ascend.", {"metadata": b"\x02\x01b\x00\x01a\x00"}),
    ("metadata-twice", "The keys of the metadata ascend strictly.", {"metadata": b"\x02\x01a\x00\x01a\x00"}),
    (
        "metadata-too-long",
        "The encoded metadata has 4097 bytes, one too many.",
        {"metadata": b"\x01" + encode_varint(4093) + b"k" * 4093 + b"\x00"},
    ),
    ("metadata-not-utf8", "A value of the metadata is text.", {"metadata": b"\x01\x01a\x01\xff"}),
    ("overlong-number", "The count of the metadata is not minimal (section 1).", {"metadata": b"\x80\x00"}),
    ("sealing", "Sealing is not of this version.", {"sealing": 1}),
    ("promise-unknown", "There is no durability 3.", {"promise": 3}),
    ("counter", "The counter of the clock is at most 2^32 - 1.", {"counter": 2**32}),
    ("previous-option", "The option of the previous sequence begins with 00 or 01.", {"prev": b"\x02"}),
    (
        "id-version",
        "The id is a UUID of version 7.",
        {"event_id": make_id(1_700_000_000_000, 0)[:6] + b"\x40" + bytes(9)},
    ),
    (
        "id-variant",
        "The id is a UUID of variant 10.",
        {"event_id": make_id(1_700_000_000_000, 0)[:8] + b"\xc0" + bytes(7)},
    ),
    (
        "wall-too-large",
        "The clock names less than 2^48 milliseconds.",
        {"wall_us": 2**48 * 1000, "event_id": make_id(0, 0)},
    ),
    ("previous-at-clock-0", "The first event of an entity names none before it.", {"prev": b"\x01\x00"}),
    (
        "previous-hash-at-clock-0",
        "The first event of an entity has a previous hash of zero.",
        {"prev_hash": bytes([7] * 32)},
    ),
    (
        "previous-hash-zero",
        "Only the first event of an entity has a previous hash of zero.",
        {**LATER, "prev_hash": bytes(32)},
    ),
    ("no-previous", "A later event of an entity names the one before it.", {**LATER, "prev": b"\x00"}),
    ("trailing-byte", "A byte is left over.", {"rest": b"\x00"}),
    ("cut-off", "The last byte is missing.", {"prev_hash": bytes(31)}),
]


def cases() -> list[Case]:
    """All cases."""
    return [
        *(accept(f"header-{name}", f"{says} Section 3.", **given(fields)) for name, says, fields in GOOD),
        *(
            reject(f"header-{name}", f"{says} Section 3.", "invalid_receipt", **given(fields))
            for name, says, fields in BAD
        ),
    ]


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """The header, and the sequence that it says."""
    made = Fields(**fields)
    return {"bytes": made.encode().hex(), "sequence": made.sequence}
