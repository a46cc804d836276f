"""Sections 3, 4 and 5: the event header, the commitment, and the record that holds both."""

from dataclasses import dataclass
from uuid import UUID

from .blake3 import derive_key
from .codec import DecodeError, Reader, encode_varint

MAX_HEADER = 8192
MAX_METADATA = 4096
MAX_PRIVATE = 65_536
MAX_PAYLOAD = 16_777_216
RAW, VALUE = 0, 1
PAYLOAD_PRESENT = 0x01


@dataclass(frozen=True)
class Header:
    header_version: int
    journal_id: bytes
    entity: str
    scope: str
    kind: int
    payload_version: int
    encoding: int
    correlation_id: bytes | None
    causation_id: bytes | None
    idempotency_key: bytes | None
    metadata: dict[str, str]
    payload_commitment: bytes
    promise: int
    sequence: int
    event_id: UUID
    clock: int
    hlc_wall_us: int
    hlc_counter: int
    skew_us: int
    prev_sequence: int | None
    prev_hash: bytes


def _coordinate(reader: Reader, what: str) -> str:
    text = reader.text()
    reader.within(1, 1024, len(text.encode()), f"length of {what}")
    if ".." in text or any(c in "/|=" or c < " " or "\x7f" <= c <= "\x9f" for c in text):
        raise DecodeError(f"{what} holds a character or sequence that is not allowed")
    return text


def _metadata(reader: Reader) -> dict[str, str]:
    start = reader.position
    result: dict[str, str] = {}
    last: bytes | None = None
    for _ in range(reader.varint()):
        key = reader.text()
        if last is not None and key.encode() <= last:
            raise DecodeError("metadata keys do not ascend")
        last = key.encode()
        result[key] = reader.text()
    reader.within(0, MAX_METADATA, reader.position - start, "length of metadata")
    return result


def decode_header(data: bytes) -> Header:
    if len(data) > MAX_HEADER:
        raise DecodeError("header exceeds the limit")
    reader = Reader(data)
    header_version = reader.within(1, 1, reader.u8(), "header_version")
    journal_id = reader.take(16)
    entity = _coordinate(reader, "entity")
    scope = _coordinate(reader, "scope")
    kind = reader.within(0, 0xFFFF, reader.varint(), "kind")
    payload_version = reader.within(0, 0xFFFF, reader.varint(), "payload_version")
    encoding = reader.within(RAW, VALUE, reader.u8(), "encoding")
    correlation_id = reader.option_of(16)
    causation_id = reader.option_of(16)
    idempotency_key = reader.option_of(16)
    metadata = _metadata(reader)
    if reader.u8() != 0:
        raise DecodeError("sealing is not used in this version")
    payload_commitment = reader.take(32)
    promise = reader.within(0, 2, reader.u8(), "promise")
    sequence = reader.varint()
    event_id = UUID(bytes=reader.take(16))
    clock = reader.varint()
    hlc_wall_us = reader.within(0, 2**48 * 1000 - 1, reader.varint(), "hlc_wall_us")
    hlc_counter = reader.within(0, 2**32 - 1, reader.varint(), "hlc_counter")
    skew_us = reader.zigzag()
    prev_sequence = reader.option(reader.varint)
    prev_hash = reader.take(32)
    reader.done()
    if event_id.bytes[6] >> 4 != 7 or event_id.bytes[8] >> 6 != 2:
        raise DecodeError("event_id is not a UUID of version 7")
    if not (clock == 0) == (prev_sequence is None) == (prev_hash == bytes(32)):
        raise DecodeError("the previous event does not fit the clock")
    return Header(
        header_version, journal_id, entity, scope, kind, payload_version, encoding, correlation_id, causation_id,
        idempotency_key, metadata, payload_commitment, promise, sequence, event_id, clock, hlc_wall_us, hlc_counter,
        skew_us, prev_sequence, prev_hash,
    )  # fmt: skip


def event_hash_of(header: bytes) -> bytes:
    return derive_key("batpak 1 event", header)


@dataclass(frozen=True)
class Record:
    """A record cut into its fields, none of which is decoded yet."""

    position: int  # within the bytes it was read from
    length: int
    header: bytes
    salt: bytes
    private: bytes
    payload: bytes

    def commitment(self) -> bytes:
        return derive_key(
            "batpak 1 payload", self.salt + encode_varint(len(self.private)) + self.private + self.payload
        )


def read_record(reader: Reader) -> Record:
    position = reader.position
    header = reader.byte_string()
    if reader.u8() != PAYLOAD_PRESENT:
        raise DecodeError("record_flags are not 01")
    salt, private, payload = reader.take(16), reader.byte_string(), reader.byte_string()
    record = Record(position, reader.position - position, header, salt, private, payload)
    reader.within(0, MAX_PRIVATE, len(record.private), "length of private")
    reader.within(0, MAX_PAYLOAD, len(record.payload), "length of payload")
    return record
