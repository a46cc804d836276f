"""Receipts as portable bytes: FORMAT.md sections 10 and 11."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from corpus import crypto
from corpus.cases import accept, reject
from evidence_bundles import OTHER_SEED, SEED, Fields, chain, public_key
from handmade import lengthed, naive_path, naive_root, sign
from plain_reader.codec import encode_varint
from plain_reader.receipt import decode_receipt, receipt_members, signed_message

if TYPE_CHECKING:
    from corpus.cases import Case

PUBLIC = public_key(SEED)
JOURNAL_ID = bytes(range(16))


@dataclass(frozen=True)
class Parts:
    """A receipt in its parts, each of which a case may exchange."""

    header: bytes
    first: int
    count: int
    path: list[bytes] = field(default_factory=list)
    key_id: bytes = sha256(PUBLIC).digest()
    signature: bytes = b""
    version: int = 1

    def encode(self) -> bytes:
        """The portable bytes."""
        proof = b"\x01" + self.key_id + self.signature if self.signature else b"\x00"
        path = encode_varint(len(self.path)) + b"".join(self.path)
        place = encode_varint(self.first) + encode_varint(self.count)
        return bytes([self.version]) + lengthed(self.header) + place + path + proof


def message_of(events: list[Fields]) -> bytes:
    """What the signature over a frame of these events covers."""
    root = naive_root([event.record.event_hash for event in events])
    return signed_message(JOURNAL_ID, events[0].sequence, len(events), root)


def receipt(events: list[Fields], index: int, seed: bytes | None = SEED) -> Parts:
    """The honest receipt of one event of a frame."""
    hashes = [event.record.event_hash for event in events]
    made = Parts(events[index].encode(), events[0].sequence, len(events), naive_path(index, hashes))
    if seed is None:
        return made
    public, signature = sign(seed, message_of(events))
    return replace(made, key_id=sha256(public).digest(), signature=signature)


def _with_path(honest: Parts, path: list[bytes]) -> bytes:
    return replace(honest, path=path).encode()


def _honest(events: list[Fields]) -> list[Case]:
    signed: dict[str, Any] = {"outcome": "signed", "public_key": PUBLIC.hex()}
    given: list[tuple[str, str, Parts]] = [
        ("single", "A signed event in a frame of its own: the path is empty.", receipt(events[:1], 0)),
        ("first-of-two", "The first of a frame of two.", receipt(events[:2], 0)),
        (
            "last-of-five",
            "The last of a frame of five is a leaf near the root: its path has one hash.",
            receipt(events, 4),
        ),
        ("third-of-five", "The third of a frame of five has a path of three hashes.", receipt(events, 2)),
        ("later-frame", "A frame that begins behind event 0.", receipt(events[2:5], 1)),
    ]
    cases = [
        accept(f"receipt-{name}", f"{says} Section 11.", bytes=made.encode().hex(), **signed)
        for name, says, made in given
    ]
    cases.append(
        accept(
            "receipt-unsigned",
            "A receipt without a signature is read; where no signature is expected it is accepted, and proves "
            "nothing by itself. Section 11.",
            outcome="unsigned_accepted",
            bytes=receipt(events, 2, None).encode().hex(),
            public_key=None,
        )
    )
    return cases


def _not_receipts(events: list[Fields]) -> list[Case]:
    honest = receipt(events, 2)
    encoded, single = honest.encode(), receipt(events[:1], 0)
    overlong = single.encode().replace(lengthed(single.header) + b"\x00\x01", lengthed(single.header) + b"\x80\x00\x01")
    other = bytes(32)
    bad: list[tuple[str, str, bytes]] = [
        ("empty", "No bytes.", b""),
        ("version", "The version of a receipt is 1.", replace(honest, version=2).encode()),
        ("trailing-byte", "A byte is left over (section 1).", encoded + b"\x00"),
        ("cut-off", "The last byte of the signature is missing.", encoded[:-1]),
        ("overlong-number", "The first sequence is a varint of two bytes that needs one (section 1).", overlong),
        (
            "option",
            "The option of the signature begins with 00 or 01 (section 1).",
            encoded[:-97] + b"\x02" + encoded[-96:],
        ),
        ("count-zero", "A frame has at least one event.", replace(single, count=0).encode()),
        (
            "count-too-large",
            "A frame has at most 65536 events.",
            replace(single, count=65_537, path=[other] * 17).encode(),
        ),
        (
            "sequence-before-the-frame",
            "The event's sequence is less than the frame's first.",
            replace(honest, first=3).encode(),
        ),
        (
            "sequence-behind-the-frame",
            "The event's sequence is the first behind the frame.",
            replace(receipt(events[:2], 1), header=events[2].encode()).encode(),
        ),
        (
            "first-sequence-largest",
            "A first sequence of 2^64 - 1 is above the event's; adding the count to it must not wrap around.",
            replace(honest, first=2**64 - 1).encode(),
        ),
        (
            "path-too-short",
            "The path has one hash less than this place in a frame of five needs.",
            _with_path(honest, honest.path[:-1]),
        ),
        (
            "path-too-long",
            "The path has one hash more than this place in a frame of five needs.",
            _with_path(honest, [*honest.path, other]),
        ),
        ("path-of-a-single", "A frame of one has an empty path.", _with_path(single, [other])),
        ("path-missing", "A frame of five has no empty path.", _with_path(honest, [])),
        (
            "path-huge-count",
            "A path of 2^60 hashes that are not there.",
            encoded[: 1 + len(lengthed(honest.header)) + 2] + encode_varint(2**60),
        ),
        (
            "header-not-canonical",
            "The header has a byte too many (section 3).",
            replace(single, header=single.header + b"\x00").encode(),
        ),
        ("header-empty", "The header has no bytes (section 3).", replace(single, header=b"").encode()),
    ]
    return [
        reject(f"receipt-{name}", f"{says} Section 11.", "invalid_receipt", bytes=data.hex(), public_key=PUBLIC.hex())
        for name, says, data in bad
    ]


def _flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def _not_signed(events: list[Fields]) -> list[Case]:
    honest = receipt(events, 2)
    message = message_of(events)
    signature, place = honest.signature, events[2]
    elsewhere = replace(place, journal_id=bytes(16)).encode()
    no_context = sign(SEED, message[1:])[1]
    bad: list[tuple[str, str, Parts]] = [
        ("r-bit", "A bit of R is flipped.", replace(honest, signature=_flipped(signature, 0))),
        ("s-bit", "A bit of S is flipped.", replace(honest, signature=_flipped(signature, 32))),
        (
            "s-not-canonical",
            "S + L in the place of S: the equation holds, and S is not canonical.",
            replace(honest, signature=crypto.with_large_s(signature)),
        ),
        (
            "r-small-order",
            "R is the neutral element and S fits it: R is of small order.",
            replace(honest, signature=crypto.with_small_r(SEED, PUBLIC, message, crypto.SMALL[0])),
        ),
        (
            "r-order-8",
            "R is of order 8, and S fits it where the cofactor is multiplied in.",
            replace(honest, signature=crypto.with_small_r(SEED, PUBLIC, message, crypto.SMALL[4])),
        ),
        (
            "r-not-canonical",
            "R is the neutral element written as 2^255 - 18, which is not its canonical encoding.",
            replace(honest, signature=crypto.with_small_r(SEED, PUBLIC, message, (2**255 - 18).to_bytes(32, "little"))),
        ),
        (
            "r-mixed-order",
            "R has a part of order 8: the equation holds only where the cofactor is multiplied in.",
            replace(honest, signature=crypto.with_mixed_r(SEED, PUBLIC, message)),
        ),
        ("signature-zero", "A signature of zero bytes.", replace(honest, signature=bytes(64))),
        (
            "by-another-key",
            "The signature is by another key than the key id says.",
            replace(honest, signature=sign(OTHER_SEED, message)[1]),
        ),
        (
            "statement-without-context",
            "The signature covers the statement without its first byte.",
            replace(honest, signature=no_context),
        ),
        (
            "header-edited",
            "The header has another journal id, which event hash and statement cover.",
            replace(honest, header=elsewhere),
        ),
        (
            "path-hash-edited",
            "A hash of the path is another, and so is the root that the statement covers.",
            replace(honest, path=[*honest.path[:-1], bytes(32)]),
        ),
        (
            "path-swapped",
            "Two hashes of the path have changed places.",
            replace(honest, path=[honest.path[1], honest.path[0], honest.path[2]]),
        ),
        (
            "first-sequence-edited",
            "The frame begins one event later; the length of the path still fits, and the statement does not.",
            replace(receipt(events[:2], 1), first=1),
        ),
        (
            "count-edited",
            (
                "A frame of three in the place of one of four: the length of the path still fits, and the statement "
                "does not."
            ),
            replace(receipt(events[:4], 1), count=3),
        ),
    ]
    cases = [
        reject(
            f"receipt-{name}",
            f"{says} Sections 10 and 11.",
            "invalid_signature",
            axis="signatures",
            bytes=made.encode().hex(),
            public_key=PUBLIC.hex(),
        )
        for name, says, made in bad
    ]
    others: list[tuple[str, str, Parts, str]] = [
        (
            "stripped",
            "The signature was taken off, and whoever verifies was given the journal's key.",
            receipt(events, 2, None),
            "missing_signature",
        ),
        (
            "other-signer",
            "Key id and signature are another key's than the one that was given.",
            receipt(events, 2, OTHER_SEED),
            "unknown_signing_key",
        ),
        (
            "zero-key-id",
            "The key id is zero, and so not the SHA-256 of the key.",
            replace(honest, key_id=bytes(32)),
            "zero_key_with_signature",
        ),
        (
            "key-id-bit",
            "A bit of the key id is flipped; the signature itself is right.",
            replace(honest, key_id=_flipped(honest.key_id, 31)),
            "unknown_signing_key",
        ),
    ]
    cases += [
        reject(
            f"receipt-{name}",
            f"{says} Sections 10 and 11.",
            code,
            axis="signatures",
            bytes=made.encode().hex(),
            public_key=PUBLIC.hex(),
        )
        for name, says, made, code in others
    ]
    return cases


def _keys(events: list[Fields]) -> list[Case]:
    """The public key itself is what is wrong, or strange."""
    message, honest = message_of(events[:1]), receipt(events[:1], 0)
    mixed = crypto.mixed_key(SEED)

    def signed_by(public: bytes, signature: bytes) -> str:
        return replace(honest, key_id=sha256(public).digest(), signature=signature).encode().hex()

    cases = [
        accept(
            "receipt-mixed-key-lucky",
            "A key with a part of order 8 is not of small order; here the challenge is a multiple of 8, and the equation "
            "holds without the cofactor. Section 10.",
            outcome="signed",
            bytes=signed_by(mixed, crypto.by_mixed_key(SEED, message, lambda k: k % 8 == 0)),
            public_key=mixed.hex(),
        ),
        reject(
            "receipt-mixed-key",
            "A key with a part of order 8: the equation holds only where the cofactor is multiplied in. Section 10.",
            "invalid_signature",
            axis="signatures",
            bytes=signed_by(mixed, crypto.by_mixed_key(SEED, message, lambda k: k % 8 != 0)),
            public_key=mixed.hex(),
        ),
    ]
    no_points = {
        "key-not-canonical": (
            "The key is written with y = 2^255 - 18, which is not the canonical encoding.",
            (2**255 - 18).to_bytes(32, "little"),
        ),
        "key-no-point": ("The key is no point of the curve.", b"\x02" + bytes(31)),
    }
    for index, small in enumerate(crypto.SMALL):
        says = f"The key is point {index + 1} of the 8 of small order, under which a signature without a secret fits."
        no_points[f"key-small-order-{index + 1}"] = (says, small)
    for name, (says, public) in no_points.items():
        signature = crypto.by_small_key(public, message) if "small" in name else honest.signature
        data = signed_by(public, signature)
        cases.append(
            reject(f"receipt-{name}", f"{says} Section 10.", "invalid_key", bytes=data, public_key=public.hex())
        )
    return cases


def _json(events: list[Fields]) -> list[Case]:
    """The JSON form."""
    honest = receipt(events, 2)
    members = receipt_members(decode_receipt(honest.encode()))
    unsigned = receipt_members(decode_receipt(receipt(events, 2, None).encode()))
    key = PUBLIC.hex()
    cases = [
        accept(
            "receipt-json",
            "The JSON form of a signed receipt. Section 11.",
            outcome="signed",
            json=json.dumps(members),
            public_key=key,
        ),
        accept(
            "receipt-json-unsigned",
            "In the JSON form of an unsigned receipt, key id and signature are null. Section 11.",
            outcome="unsigned_accepted",
            json=json.dumps(unsigned),
            public_key=None,
        ),
    ]
    single = receipt_members(decode_receipt(receipt(events[:1], 0).encode()))
    without = {name: value for name, value in members.items() if name != "clock"}
    bad: list[tuple[str, str, dict[str, object]]] = [
        ("contradiction", "The member sequence is not the header's.", {**members, "sequence": 3}),
        ("other-hash", "The member event_hash is not that of the header.", {**members, "event_hash": "00" * 32}),
        ("upper-case", "Byte strings are lower-case hex.", {**members, "header": honest.header.hex().upper()}),
        ("missing-member", "The member clock is missing.", without),
        ("more-members", "A member that section 11 does not list.", {**members, "note": ""}),
        ("version", "The member batpak_receipt is 1.", {**members, "batpak_receipt": 2}),
        ("count-text", "The member count is a number.", {**members, "count": str(members["count"])}),
        ("count-fraction", "The member count has no fraction.", {**members, "count": float(str(members["count"]))}),
        ("count-true", "The member count is a number, and true is none.", {**single, "count": True}),
        ("first-sequence-fraction", "The member first_sequence has no fraction.", {**members, "first_sequence": 0.0}),
        ("first-sequence-false", "The member first_sequence is a number.", {**members, "first_sequence": False}),
        ("clock-fraction", "The member clock has no fraction.", {**members, "clock": float(str(members["clock"]))}),
        ("version-true", "The member batpak_receipt is a number.", {**members, "batpak_receipt": True}),
        ("path-null", "The member path is a list.", {**members, "path": None}),
        ("header-number", "The member header is text.", {**members, "header": 1}),
        ("half-a-signature", "Key id and signature are null together.", {**members, "key_id": None}),
    ]
    whole = json.dumps(members)
    texts = [(name, says, json.dumps(changed)) for name, says, changed in bad]
    texts += [
        ("minus-zero", "Numbers have no sign.", whole.replace('"first_sequence": 0', '"first_sequence": -0')),
        ("member-twice", "A member is there twice.", whole.replace('"count"', '"count": 5, "count"')),
        ("empty", "No text.", ""),
        ("list", "The JSON form is an object.", f"[{whole}]"),
        ("text-behind", "Text stands behind the object.", whole + "{}"),
        ("nested", "Ten thousand lists inside one another; a reader must not run out of stack.", "[" * 10_000),
    ]
    for name, says, text in texts:
        cases.append(
            reject(f"receipt-json-{name}", f"{says} Section 11.", "invalid_receipt", json=text, public_key=key)
        )
    return cases


def cases() -> list[Case]:
    """All cases."""
    events = chain(5)
    return [
        *_honest(events),
        *_not_receipts(events),
        *_not_signed(events),
        *_keys(events),
        *_json(events),
    ]
