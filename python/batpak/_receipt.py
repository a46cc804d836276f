"""Receipts: evidence of what was accepted, portable and verifiable without a store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._errors import InvalidReceipt

if TYPE_CHECKING:
    from uuid import UUID

_JSON_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Hlc:
    """A moment of the hybrid logical clock (Kulkarni et al., 2014). Ordered; later events compare greater.

    Attributes:
        wall_us: microseconds since 1970-01-01T00:00:00Z, never behind an earlier event's.
        counter: 0 to 2**32 - 1, orders events of one microsecond.
    """

    wall_us: int
    counter: int


@dataclass(frozen=True, slots=True)
class AppendReceipt:
    """Evidence that an event was accepted: what was stamped, what it hashes to, who signed it.

    It holds the event's header, not its payload. Immutable, hashable, comparable, picklable; any thread may use it.

    Attributes:
        journal_id: the journal.
        event_id: UUIDv7, ascending with the sequence.
        sequence: position in the journal, from 0.
        clock: position in the entity's chain, from 0.
        hlc: the hybrid logical clock.
        event_hash: 32 bytes, BLAKE3 over the header.
        key_id: 32 bytes, SHA-256 of the signing key's public half; None if unsigned.
        signature: 64 bytes, Ed25519 over the frame that the event was written in; None if unsigned.
    """

    journal_id: UUID
    event_id: UUID
    sequence: int
    clock: int
    hlc: Hlc
    event_hash: bytes
    key_id: bytes | None
    signature: bytes | None
    _source: _batpak.ReceiptSource = field(repr=False, compare=False)

    def to_bytes(self) -> bytes:
        """Portable bytes (FORMAT.md, section 11): the header, the place in its frame, the signature."""
        return self._source.to_bytes()

    @staticmethod
    def from_bytes(data: bytes) -> AppendReceipt:
        """Read portable bytes.

        Args:
            data: what ``to_bytes`` returned.

        Raises:
            InvalidReceipt: the bytes are anything else.
        """
        return _batpak.receipt_from_bytes(data)

    def to_json(self) -> str:
        """The JSON form (FORMAT.md, section 11), on one line."""
        import json

        parts = self._source.parts()
        return json.dumps(
            {
                "batpak_receipt": _JSON_VERSION,
                "journal_id": str(self.journal_id),
                "event_id": str(self.event_id),
                "sequence": self.sequence,
                "clock": self.clock,
                "hlc": [self.hlc.wall_us, self.hlc.counter],
                "event_hash": self.event_hash.hex(),
                "key_id": None if self.key_id is None else self.key_id.hex(),
                "signature": None if self.signature is None else self.signature.hex(),
                "first_sequence": parts["first_sequence"],
                "count": parts["count"],
                "path": [node.hex() for node in parts["path"]],
                "header": parts["header"].hex(),
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> AppendReceipt:
        """Read the JSON form.

        Args:
            text: what ``to_json`` returned.

        Raises:
            InvalidReceipt: the text is anything else, or its members contradict the header.
        """
        import json

        try:
            members = json.loads(text, object_pairs_hook=_once, parse_int=_whole)
            receipt = cls.from_bytes(_bytes_of(members))
            stated = json.loads(receipt.to_json())
        except InvalidReceipt:
            raise
        except KeyError as error:
            raise InvalidReceipt(f"not a receipt: the member {error} is missing") from error
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InvalidReceipt(f"not a receipt: {error!r}") from error
        if not _same(members, stated):
            raise InvalidReceipt("not a receipt: its members contradict its header")
        return receipt

    def __reduce__(self) -> tuple[object, ...]:
        return (AppendReceipt.from_bytes, (self.to_bytes(),))

    def _repr_html_(self) -> str:
        from batpak._html import table

        return table(
            "AppendReceipt",
            {
                "sequence": self.sequence,
                "event": self.event_id,
                "journal": self.journal_id,
                "clock": self.clock,
                "hash": self.event_hash.hex(),
                "signed by": "nobody" if self.key_id is None else self.key_id.hex(),
            },
        )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidReceipt("not a receipt: a member is there twice")
    return found


def _whole(digits: str) -> int:
    if digits.startswith("-"):
        raise InvalidReceipt("not a receipt: a number has a sign")
    return int(digits)


def _same(given: dict[str, object], stated: dict[str, object]) -> bool:
    """Equal member for member; True is not 1 here."""
    import json

    return given.keys() == stated.keys() and json.dumps(given, sort_keys=True) == json.dumps(stated, sort_keys=True)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes_of(members: object) -> bytes:
    """The portable bytes that the JSON form's own members spell; the decoder checks them."""
    if not isinstance(members, dict):
        raise InvalidReceipt("not a receipt: the JSON form is an object")
    if members["batpak_receipt"] != _JSON_VERSION:
        raise InvalidReceipt("not a receipt: an unknown version of its JSON form")
    header = bytes.fromhex(_text(members["header"]))
    path = members["path"]
    first, count = members["first_sequence"], members["count"]
    if not isinstance(path, list) or type(first) is not int or type(count) is not int or min(first, count) < 0:
        raise InvalidReceipt("not a receipt: a member is of the wrong type")
    nodes = [bytes.fromhex(_text(node)) for node in path]
    data = b"\x01" + _varint(len(header)) + header + _varint(first) + _varint(count)
    data += _varint(len(nodes)) + b"".join(nodes)
    if members["signature"] is None:
        return data + b"\x00"
    return data + b"\x01" + bytes.fromhex(_text(members["key_id"])) + bytes.fromhex(_text(members["signature"]))


def _text(member: object) -> str:
    if not isinstance(member, str):
        raise InvalidReceipt("not a receipt: a member is of the wrong type")
    return member
