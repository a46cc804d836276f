"""What the tests of the plain reader make by hand: a journal byte by byte, signatures, and the tree by its definition."""

import struct
from hashlib import sha256, sha512
from pathlib import Path

from plain_reader import ed25519 as ed
from plain_reader import verify
from plain_reader.blake3 import derive_key
from plain_reader.codec import encode_varint
from plain_reader.frame import crc32c
from plain_reader.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash
from plain_reader.receipt import signed_message
from plain_reader.record import event_hash_of


def sign(secret: bytes, message: bytes) -> tuple[bytes, bytes]:
    """The public key and the signature, as RFC 8032 section 5.1.6 makes them."""
    digest = sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public_key = ed.compress(ed.multiply_base(scalar))
    nonce = int.from_bytes(sha512(digest[32:] + message).digest(), "little") % ed.L
    r = ed.compress(ed.multiply_base(nonce))
    k = int.from_bytes(sha512(r + public_key + message).digest(), "little")
    return public_key, r + ((nonce + k * scalar) % ed.L).to_bytes(32, "little")


def naive_root(hashes: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1."""
    if len(hashes) < 2:
        return leaf_hash(hashes[0]) if hashes else EMPTY_ROOT
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    if len(hashes) < 2:
        return []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return [*naive_path(index, hashes[:split]), naive_root(hashes[split:])]
    return [*naive_path(index - split, hashes[split:]), naive_root(hashes[:split])]


JOURNAL_ID = bytes(range(16))
SECRET = b"\x07" * 32
PUBLIC_KEY = sign(SECRET, b"")[0]
KEY_ID = sha256(PUBLIC_KEY).digest()


def lengthed(data: bytes) -> bytes:
    return encode_varint(len(data)) + data


def text_value(text: str) -> bytes:
    return b"\x06" + lengthed(text.encode())


def map_value(members: dict[str, bytes]) -> bytes:
    pairs = (lengthed(key.encode()) + value for key, value in sorted(members.items()))
    return b"\x09" + encode_varint(len(members)) + b"".join(pairs)


def created_payload(public_key: bytes | None) -> bytes:
    algorithms = {"content": "blake3", "tree": "rfc6962-sha256", "signature": "ed25519"}
    return map_value(
        {
            "algorithms": map_value({key: text_value(name) for key, name in algorithms.items()}),
            "format_version": b"\x03\x02",
            "journal_id": b"\x07" + lengthed(JOURNAL_ID),
            "key_policy": text_value("unsigned" if public_key is None else "signed"),
            "name": text_value("test"),
            "public_key": b"\x00" if public_key is None else b"\x07" + lengthed(public_key),
        }
    )


def with_crc(data: bytes) -> bytes:
    return data + struct.pack("<I", crc32c(data))


class Writer:
    """Writes what FORMAT.md says, as plainly as it can be written."""

    def __init__(self, path: Path, signed: bool = False) -> None:
        self.path = path
        self.signed = signed
        self.sequence = 0
        self.chains: dict[str, tuple[int, int, bytes]] = {}
        self.tree = Tree()
        self.last_hash = b""
        self.headers: list[bytes] = []
        self.heads = with_crc(b"batpakC1" + struct.pack("<HH", 1, 0) + JOURNAL_ID)
        (path / "segments").mkdir(parents=True)
        self.begin_segment()
        record = self.frame([("batpak", 1, created_payload(PUBLIC_KEY if signed else None))])[0]
        meta = b"batpakM1" + struct.pack("<HHI", 1, 0, len(record)) + record
        (path / "journal.meta").write_bytes(with_crc(meta))
        (path / "checkpoints").write_bytes(self.heads)
        self.sync()

    def begin_segment(self) -> None:
        self.first_sequence = self.sequence
        self.nonce = sha256(b"nonce %d" % self.sequence).digest()[:16]
        start = b"batpakL1" + struct.pack("<HH", 1, 0) + JOURNAL_ID + self.nonce
        self.segment = with_crc(start + struct.pack("<Q", self.sequence) + bytes(8))
        self.write()

    @property
    def segment_path(self) -> Path:
        return self.path / "segments" / f"{self.first_sequence:020}.log"

    def write(self) -> None:
        self.segment_path.write_bytes(self.segment)

    def record(self, entity: str, kind: int, payload: bytes) -> tuple[bytes, bytes]:
        salt, private = b"\x05" * 16, map_value({"secret": b"\x02"})
        clock, prev_sequence, prev_hash = self.chains.get(entity, (0, None, bytes(32)))
        wall_us = 1_700_000_000_000_000 + self.sequence // 2
        event_id = (wall_us // 1000 << 80 | 7 << 76 | 2 << 62 | self.sequence).to_bytes(16, "big")
        header = b"".join(
            [
                b"\x01",
                JOURNAL_ID,
                lengthed(entity.encode()),
                lengthed(b"batpak"),
                encode_varint(kind),
                b"\x00",
                b"\x01",
                b"\x00\x01" + b"\x09" * 16 + b"\x00",
                b"\x01" + lengthed(b"k") + lengthed(b"v"),
                b"\x00",
                derive_key("batpak 1 payload", salt + lengthed(private) + payload),
                b"\x02",
                encode_varint(self.sequence),
                event_id,
                encode_varint(clock),
                encode_varint(wall_us),
                encode_varint(self.sequence % 2),
                b"\x01",
                b"\x00" if prev_sequence is None else b"\x01" + encode_varint(prev_sequence),
                prev_hash,
            ]
        )
        event_hash = event_hash_of(header)
        self.chains[entity] = (clock + 1, self.sequence, event_hash)
        self.sequence += 1
        self.headers.append(header)
        return lengthed(header) + b"\x01" + salt + lengthed(private) + lengthed(payload), event_hash

    def frame(self, events: list[tuple[str, int, bytes]], synced: int = 0) -> list[bytes]:
        first = self.sequence
        records, hashes = zip(*(self.record(*event) for event in events), strict=True)
        body = b"".join(records)
        if self.signed:
            message = signed_message(JOURNAL_ID, first, len(events), Tree(hashes).root())
            self.signature = sign(SECRET, message)[1]
            body = KEY_ID + self.signature + body
        offset = len(self.segment)
        place = self.nonce + struct.pack("<QI", offset, len(body))
        rest = struct.pack("<IIQ", crc32c(place + body), len(events) | self.signed << 24, synced)
        self.segment += struct.pack("<II", len(body), crc32c(place + rest)) + rest + body
        for event_hash in hashes:
            self.tree.append(event_hash)
        self.last_hash = hashes[-1]
        self.write()
        return list(records)

    def sync(self) -> None:
        numbers = struct.pack("<QQQQ", 1, self.sequence, self.first_sequence, len(self.segment))
        (self.path / "frontier").write_bytes(with_crc(b"batpakF1" + struct.pack("<HH", 1, 0) + JOURNAL_ID + numbers))

    def head(self, reason: int) -> None:
        place = encode_varint(self.first_sequence) + encode_varint(len(self.segment))
        peaks = encode_varint(len(self.tree.peaks)) + b"".join(self.tree.peaks)
        body = bytes([1, reason]) + encode_varint(self.sequence) + self.last_hash + self.tree.root() + place + peaks
        crc = crc32c(JOURNAL_ID + struct.pack("<QI", len(self.heads), len(body)) + body)
        self.heads += struct.pack("<II", len(body), crc) + body
        (self.path / "checkpoints").write_bytes(self.heads)


def make_journal(path: Path, signed: bool = False) -> Writer:
    writer = Writer(path, signed)
    for number in range(3):
        writer.frame([(f"player:{name}", 0x1001, b"\x03" + encode_varint(number)) for name in "abc"], writer.sequence)
    writer.sync()
    writer.head(1)
    writer.begin_segment()
    writer.frame([("player:a", 0x1001, text_value("x" * 3000))])
    writer.frame([("player:b", 0x1001, text_value("last"))], writer.sequence)
    writer.sync()
    return writer


def axes(path: Path) -> set[str]:
    return {finding.axis for finding in verify(path)}
