"""What an attacker needs to read and write the bytes of a journal: FORMAT.md sections 1, 3, 4, 9 and 10."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Final

from batpak._evidence import verifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batpak._proving.keys import SigningKey

SEED_PREFIX: Final = bytes.fromhex("04220420")
"""What stands before the 32 secret bytes of an Ed25519 key in PKCS#8."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        entry = byte
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC."""
    table, crc = _CRC_TABLE, 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def with_crc(data: bytes) -> bytes:
    """The data and its CRC behind it."""
    return data + struct.pack("<I", crc32c(data))


def varint(number: int) -> bytes:
    """Unsigned LEB128."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def lengthed(data: bytes) -> bytes:
    """Bytes behind their length."""
    return varint(len(data)) + data


class Reader:
    """Reads from the front of bytes that are known to be well-formed: they come from a journal that was verified."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        """The next number."""
        number = shift = 0
        while True:
            byte = self.data[self.position]
            self.position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def bytes(self) -> bytes:
        """The next bytes that stand behind their length."""
        return self.take(self.varint())

    def optional(self, count: int) -> None:
        """Pass over an optional field of fixed size."""
        if self.take(1) == b"\x01":
            self.position += count

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.data)


@dataclass(frozen=True)
class Record:
    """An event as it is stored, cut up where an attacker wants to change it.

    Attributes:
        front: the header up to and including the promise.
        entity: the entity's name.
        kind: the kind's code.
        skew: as encoded.
    """

    front: bytes
    entity: bytes
    kind: int
    sequence: int
    event_id: bytes
    clock: int
    wall: int
    counter: int
    skew: int
    prev_sequence: int | None
    prev_hash: bytes
    salt: bytes
    private: bytes
    payload: bytes

    @cached_property
    def header(self) -> bytes:
        """The encoded header."""
        prev = b"\x00" if self.prev_sequence is None else b"\x01" + varint(self.prev_sequence)
        stamps = varint(self.clock) + varint(self.wall) + varint(self.counter) + varint(self.skew)
        return self.front + varint(self.sequence) + self.event_id + stamps + prev + self.prev_hash

    @cached_property
    def event_hash(self) -> bytes:
        """The event's hash."""
        return verifier.derive_key("batpak 1 event", self.header)

    @property
    def encoded(self) -> bytes:
        """The record as in a frame."""
        return lengthed(self.header) + b"\x01" + self.salt + lengthed(self.private) + lengthed(self.payload)

    @property
    def is_users(self) -> bool:
        """Whether a user wrote it."""
        return self.kind >> 12 != 0 and self.entity.partition(b":")[0] != b"batpak"

    def with_payload(self, payload: bytes, *, commit: bool) -> Record:
        """Another payload, and if wanted the commitment that fits it."""
        front = self.front
        if commit:
            opening = self.salt + lengthed(self.private) + payload
            front = front[:-33] + verifier.derive_key("batpak 1 payload", opening) + front[-1:]
        return replace(self, front=front, payload=payload)


def read_record(reader: Reader) -> Record:
    """The next record of a frame."""
    header = Reader(reader.bytes())
    header.take(17)
    entity = header.bytes()
    header.bytes()
    kind = header.varint()
    header.varint()
    header.take(1)
    for _ in range(3):
        header.optional(16)
    for _ in range(2 * header.varint()):
        header.bytes()
    header.take(34)
    front = header.data[: header.position]
    sequence, event_id, clock = header.varint(), header.take(16), header.varint()
    wall, counter, skew = header.varint(), header.varint(), header.varint()
    prev_sequence = header.varint() if header.take(1) == b"\x01" else None
    prev_hash = header.take(32)
    reader.take(1)
    salt, private, payload = reader.take(16), reader.bytes(), reader.bytes()
    return Record(
        front, entity, kind, sequence, event_id, clock, wall, counter, skew, prev_sequence, prev_hash, salt, private,
        payload,
    )  # fmt: skip


@dataclass
class Tree:
    """The RFC 6962 tree over event hashes, of which only the peaks are kept."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def extend(self, event_hashes: Iterable[bytes]) -> Tree:
        """Append leaves."""
        for event_hash in event_hashes:
            node, digits = sha256(b"\x00" + event_hash).digest(), self.size
            while digits & 1:
                node = sha256(b"\x01" + self.peaks.pop() + node).digest()
                digits >>= 1
            self.peaks.append(node)
            self.size += 1
        return self

    @property
    def root(self) -> bytes:
        """The root."""
        if not self.peaks:
            return sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = sha256(b"\x01" + peak + root).digest()
        return root


class Signer:
    """An Ed25519 key in the attacker's hands: it signs whatever bytes are wanted, as the library would not."""

    def __init__(self, key: SigningKey) -> None:
        der = base64.b64decode("".join(key.to_pem().splitlines()[1:-1]))
        start = der.index(SEED_PREFIX) + len(SEED_PREFIX)
        digest = sha512(der[start : start + 32]).digest()
        self._scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
        self._prefix = digest[32:]
        self.public = key.public_key.to_bytes()
        self.key_id = sha256(self.public).digest()

    def sign(self, message: bytes) -> bytes:
        """A signature (RFC 8032 section 5.1.6)."""
        nonce = int.from_bytes(sha512(self._prefix + message).digest(), "little") % verifier._ORDER
        r = verifier._to_bytes(_times_base(nonce))
        k = int.from_bytes(sha512(r + self.public + message).digest(), "little")
        return r + ((nonce + k * self._scalar) % verifier._ORDER).to_bytes(32, "little")

    def frame_proof(self, records: list[Record]) -> bytes:
        """Key id and signature of a frame."""
        journal_id = records[0].front[1:17]
        root = Tree().extend(record.event_hash for record in records).root
        place = journal_id + struct.pack("<QI", records[0].sequence, len(records))
        return self.key_id + self.sign(b"\x00batpak frame v1" + place + root)

    def note_line(self, origin: str, text: str) -> str:
        """The signature line of a note."""
        key_id = sha256(origin.encode() + b"\n\x01" + self.public).digest()[:4]
        return f"\u2014 {origin} {base64.b64encode(key_id + self.sign(text.encode())).decode()}\n"


def _times_base(scalar: int) -> tuple[int, int, int, int]:
    result, power = verifier._NEUTRAL, verifier._BASE
    while scalar:
        if scalar & 1:
            result = verifier._add(result, power)
        power, scalar = verifier._double(power), scalar >> 1
    return result


def note(origin: str, size: int, root: bytes, signer: Signer | None) -> str:
    """A checkpoint, signed if there is a key."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return text + "\n" + ("" if signer is None else signer.note_line(origin, text))
