"""Section 11: receipts, as bytes and as JSON."""

import json
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from . import ed25519
from .codec import DecodeError, Reader
from .frame import MAX_EVENTS
from .merkle import root_of_path
from .record import Header, decode_header, event_hash_of


@dataclass(frozen=True)
class Receipt:
    header_bytes: bytes
    header: Header
    event_hash: bytes
    first_sequence: int
    count: int
    path: list[bytes]
    key_id: bytes | None
    signature: bytes | None


def signed_message(journal_id: bytes, first_sequence: int, count: int, root: bytes) -> bytes:
    """What one signature covers (section 10)."""
    place = first_sequence.to_bytes(8, "little") + count.to_bytes(4, "little")
    return b"\x00batpak frame v1" + journal_id + place + root


def _make(
    header_bytes: bytes, first_sequence: int, count: int, path: list[bytes], key_and_signature: bytes | None
) -> Receipt:
    key_id = signature = None
    if key_and_signature is not None:
        key_id, signature = key_and_signature[:32], key_and_signature[32:]
    event_hash = event_hash_of(header_bytes)
    return Receipt(
        header_bytes, decode_header(header_bytes), event_hash, first_sequence, count, path, key_id, signature
    )


def decode_receipt(data: bytes) -> Receipt:
    reader = Reader(data)
    reader.within(1, 1, reader.u8(), "receipt_version")
    header_bytes = reader.byte_string()
    receipt = _make(header_bytes, reader.varint(), reader.varint(), reader.hashes(), reader.option_of(96))
    reader.done()
    return receipt


def decode_receipt_json(text: str) -> Receipt:
    def hexadecimal(value: object, size: int) -> bytes:
        if not isinstance(value, str) or len(value) != 2 * size or set(value) - set("0123456789abcdef"):
            raise DecodeError(f"not {size} bytes in lower-case hex")
        return bytes.fromhex(value)

    def whole(digits: str) -> int:
        if not digits.isdigit():
            raise DecodeError("a number is negative, or no whole one")
        return int(digits)

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise DecodeError("a member is there twice")
        return dict(pairs)

    try:
        members = json.loads(text, parse_int=whole, parse_float=whole, parse_constant=whole, object_pairs_hook=once)
        if not all(type(members[name]) is int for name in ("first_sequence", "count")):
            raise DecodeError("a place is no number")
        header_bytes = hexadecimal(members["header"], len(members["header"]) // 2)
        path = [hexadecimal(sibling, 32) for sibling in members["path"]]
        pair = None
        if members["signature"] is not None or members["key_id"] is not None:
            pair = hexadecimal(members["key_id"], 32) + hexadecimal(members["signature"], 64)
        receipt = _make(header_bytes, members["first_sequence"], members["count"], path, pair)
        # As text, because to Python 1, 1.0 and True are equal.
        if json.dumps(receipt_members(receipt), sort_keys=True) != json.dumps(members, sort_keys=True):
            raise DecodeError("members contradict the header")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(f"not a receipt: {error}") from None
    return receipt


def receipt_members(receipt: Receipt) -> dict[str, object]:
    header = receipt.header
    return {
        "batpak_receipt": 1,
        "journal_id": str(UUID(bytes=header.journal_id)),
        "event_id": str(header.event_id),
        "sequence": header.sequence,
        "clock": header.clock,
        "hlc": [header.hlc_wall_us, header.hlc_counter],
        "event_hash": receipt.event_hash.hex(),
        "key_id": None if receipt.key_id is None else receipt.key_id.hex(),
        "signature": None if receipt.signature is None else receipt.signature.hex(),
        "first_sequence": receipt.first_sequence,
        "count": receipt.count,
        "path": [sibling.hex() for sibling in receipt.path],
        "header": receipt.header_bytes.hex(),
    }


def verify_receipt(receipt: Receipt, public_key: bytes | None) -> str | None:
    """Why the receipt proves nothing under this key (None: an unsigned journal is expected), or None if it does."""
    if not 1 <= receipt.count <= MAX_EVENTS or not 0 <= receipt.first_sequence < 2**64:
        return "the frame's place is out of range"
    index = receipt.header.sequence - receipt.first_sequence
    root = root_of_path(index, receipt.count, receipt.event_hash, receipt.path)
    if root is None:
        return "the path does not fit the event's place in its frame"
    if public_key is None:
        return None if receipt.signature is None else "a signature without a key to check it by"
    if receipt.signature is None:
        return "the signature is missing"
    if receipt.key_id != sha256(public_key).digest():
        return "the signature is by another key"
    message = signed_message(receipt.header.journal_id, receipt.first_sequence, receipt.count, root)
    return None if ed25519.verify(public_key, receipt.signature, message) else "the signature is not valid"
