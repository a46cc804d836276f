"""The parts of the plain reader, tested on known answers and on a journal written here byte by byte."""

import datetime
import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256, sha512
from pathlib import Path
from uuid import UUID

import pytest

from plain_reader import (
    DecodeError,
    decode_receipt,
    decode_receipt_json,
    decode_value,
    read_journal,
    recovery,
    to_tagged_json,
    verify,
    verify_receipt,
)
from plain_reader import ed25519 as ed
from plain_reader.blake3 import blake3, derive_key
from plain_reader.codec import Reader, encode_varint
from plain_reader.frame import crc32c
from plain_reader.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash, root_of_path
from plain_reader.receipt import receipt_members, signed_message
from plain_reader.record import decode_header, event_hash_of

# -- hashes and checksums --------------------------------------------------------------------------------------------

DERIVED = {
    0: "2ebd3769ef5c9eec87827299b91759b161b1823fcc961d3cb32a265cd8668c96",
    1: "6975d9b0f0044290f1716acf784abd20a36bfc84292cd6e7f13c188f9e3cff65",
    63: "0c0da2c8b93a162d19ed64b03b63f050f9243536362893b33a23ccd9250be8d0",
    64: "090587055250cdf08a8d4b1708703dbc5398d6faab0696607cdfdce7da6ca0b4",
    65: "6a2100e8d397ba40caff00eadf9c05a19fbeb069719a15ab19bff395b0980b9e",
    1023: "bb4caf59f818fbeb8fc34cc9cdb2a6c5806a4779af520cf79b8bb826b2a782c5",
    1024: "31c754a642d56209df34e86d5df254bc9fbc7ae8c762c1f2f8f7f79fccfa6915",
    1025: "7d32ef0105c29ca085e688cab5c4d1a273b0807dce3e88556e9afd2355cbfafe",
    2048: "b67fa4fdaf24172a8f905f93fabe23da0f13e3db892a3b6416e8a4433c529970",
    3073: "5786d72d09062d74618851f80754d07a884077ec709de73e277197ef2ce61488",
    10240: "e9da66f83aaa697e702ceaf4a234e88a6d98d7432b4f9e84c2b464f7c73e607d",
}


@pytest.mark.parametrize(("length", "digest"), DERIVED.items())
def test_blake3_derive_key_of_every_chunk_shape(length: int, digest: str) -> None:
    data = bytes(index % 251 for index in range(length))
    assert derive_key("batpak 1 event", data).hex() == digest


def test_blake3_official_vectors() -> None:
    assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert blake3(b"abc").hex() == "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
    context = "BLAKE3 2019-12-27 16:29:52 test vectors context"
    assert derive_key(context, b"").hex() == "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"


def test_blake3_contexts_differ() -> None:
    digest = "c463135037c3f5da147b977771fecb4d9fa6a9372fa2c3193b27614ad3256a17"
    assert derive_key("batpak 1 payload", b"abc").hex() == digest != derive_key("batpak 1 event", b"abc").hex()


def test_crc32c_check_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


# -- Ed25519 ---------------------------------------------------------------------------------------------------------

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd"
            "25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3"
            "87b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594"
            "a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def sign(secret: bytes, message: bytes) -> tuple[bytes, bytes]:
    """The public key and the signature, as RFC 8032 section 5.1.6 makes them."""
    digest = sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public_key = ed.compress(ed.multiply_base(scalar))
    nonce = int.from_bytes(sha512(digest[32:] + message).digest(), "little") % ed.L
    r = ed.compress(ed.multiply_base(nonce))
    k = int.from_bytes(sha512(r + public_key + message).digest(), "little")
    return public_key, r + ((nonce + k * scalar) % ed.L).to_bytes(32, "little")


@pytest.mark.parametrize(("public_key", "message", "signature"), RFC_8032)
def test_ed25519_rfc_8032_vectors(public_key: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed.verify(key, signed, text)
    assert not ed.verify(key, signed, text + b"!")
    for position in (0, 31, 32, 63):
        assert not ed.verify(key, signed[:position] + bytes([signed[position] ^ 1]) + signed[position + 1 :], text)
    not_reduced = int.from_bytes(signed[32:], "little") + ed.L
    assert not ed.verify(key, signed[:32] + not_reduced.to_bytes(32, "little"), text)
    assert not ed.verify(key[:31], signed, text)
    assert not ed.verify(key, signed[:63], text)


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_ed25519_points_of_small_order_are_refused(encoded: str) -> None:
    point_bytes = bytes.fromhex(encoded)
    point = ed.decompress(point_bytes)
    assert point is not None
    assert ed.is_small_order(point)
    neutral = bytes.fromhex(SMALL_ORDER[0])
    # With S = 0 and the neutral point as R the equation holds for such a key and some messages.
    for message in range(16):
        assert not ed.verify(point_bytes, neutral + bytes(32), bytes([message]))
    # R of small order under an honest key: S = k * a.
    secret = bytes(32)
    digest = sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public_key, _ = sign(secret, b"")
    k = int.from_bytes(sha512(point_bytes + public_key + b"m").digest(), "little")
    s = (k * scalar % ed.L).to_bytes(32, "little")
    assert not ed.verify(public_key, point_bytes + s, b"m")


def test_ed25519_encodings_that_are_not_canonical_are_refused() -> None:
    for y in range(19):
        assert ed.decompress((y + ed.P).to_bytes(32, "little")) is None
    assert ed.decompress(bytes.fromhex("01" + "00" * 30 + "80")) is None  # x is 0, so its sign cannot be set
    assert ed.decompress(bytes.fromhex("02" + "00" * 31)) is None  # not on the curve


# -- values ----------------------------------------------------------------------------------------------------------


def test_varint() -> None:
    for number in (0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1):
        reader = Reader(encode_varint(number))
        assert reader.varint() == number
        reader.done()


@pytest.mark.parametrize("encoded", ["8000", "808000", "ff00", "", "80", "ffffffffffffffffff02", "ff" * 10 + "01"])
def test_varint_that_is_overlong_too_large_or_cut(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(encoded)).varint()


def test_zigzag() -> None:
    numbers = [Reader(encode_varint(n)).zigzag() for n in (0, 1, 2, 3, 2**64 - 2, 2**64 - 1)]
    assert numbers == [0, -1, 1, -2, 2**63 - 1, -(2**63)]


CET = datetime.timezone(datetime.timedelta(hours=1))
VALUES = [
    ("00", None, "null"),
    ("01", False, "false"),
    ("02", True, "true"),
    ("0303", -2, "-2"),
    ("03feffffffffffffff1f", 2**60 - 1, '{"$int": "1152921504606846975"}'),
    ("0400088000000000000000", 2**63, '{"$int": "9223372036854775808"}'),
    ("0401088000000000000001", -(2**63) - 1, '{"$int": "-9223372036854775809"}'),
    ("05000000000000f03f", 1.0, "1.0"),
    ("050000000000000080", -0.0, "-0.0"),
    ("05000000000000f0ff", -math.inf, '{"$float": "-inf"}'),
    ("0602c3a9", "é", '"é"'),
    ("070200ff", b"\x00\xff", '{"$bytes": "00ff"}'),
    ("08020001", [None, False], "[null, false]"),
    ("090201610001620302", {"a": None, "b": 1}, '{"a": null, "b": 1}'),
    ("0901022478" + "00", {"$x": None}, '{"$map": [["$x", null]]}'),
    (
        "0aea0f0102" + "03040506" + "80909de91a",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6, CET),
        '{"$datetime": "2026-01-02T03:04:05.000006+01:00"}',
    ),
    ("0be80f021d", datetime.date(2024, 2, 29), '{"$date": "2024-02-29"}'),
    ("0c03040500", datetime.time(3, 4, 5), '{"$time": "03:04:05"}'),
    ("0d01010f", datetime.timedelta(-1, 1, 15), '{"$duration": [-1, 1, 15]}'),
    ("0e00030164", Decimal("1.00"), '{"$decimal": "1.00"}'),
    ("0e010000", Decimal("-0"), '{"$decimal": "-0"}'),
    ("0f" + "01" * 16, UUID(bytes=b"\x01" * 16), '{"$uuid": "01010101-0101-0101-0101-010101010101"}'),
]


@pytest.mark.parametrize(("encoded", "value", "tagged"), VALUES)
def test_values_and_their_tagged_json(encoded: str, value: object, tagged: str) -> None:
    decoded = decode_value(bytes.fromhex(encoded))
    assert type(decoded) is type(value)
    assert repr(decoded) == repr(value)  # repr tells -0.0 from 0.0 and 1.0 from 1.00
    assert to_tagged_json(decoded) == tagged
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded + "00"))
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded)[:-1])


def test_the_one_nan_and_a_very_long_integer() -> None:
    nan = decode_value(bytes.fromhex("05000000000000f87f"))
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert to_tagged_json(nan) == '{"$float": "nan"}'
    long = b"\x04\x00" + encode_varint(8192) + b"\xff" * 8192
    assert decode_value(long) == 256**8192 - 1
    assert len(to_tagged_json(decode_value(long))) == len('{"$int": ""}') + 19729
    assert isinstance(decode_value(b"\x0e\x00\x00" + encode_varint(8192) + b"\xff" * 8192), Decimal)
    with pytest.raises(DecodeError):
        decode_value(b"\x04\x00" + encode_varint(8193) + b"\xff" * 8193)


REJECTED = [
    "",
    "10",
    "ff",
    "038000",
    "040001ff",  # fits 64 bits
    "0401088000000000000000",  # -2^63 fits too
    "04000900" + "80" + "00" * 7,
    "040208" + "ff" * 8,
    "05010000000000f87f",
    "05000000000000f8ff",
    "0601ff",
    "0603eda080",  # a surrogate
    "0902016200016100",
    "0902016100016100",
    "09010000ff",
    "0aea0f0102" + "03040506" + "ffffbadd8305",  # -24 h
    "0a" + "ea0f0102" + "03040506" + "8080bbdd8305",  # +24 h
    "0be70f021d",
    "0b00" + "0101",
    "0b904e" + "0101",
    "0be80f000101",
    "0c180000" + "00",
    "0c003c00" + "00",
    "0c00003c" + "00",
    "0c000000" + "c0843d",
    "0d00" + "80a305" + "00",
    "0d0000" + "c0843d",
    "0d80a8d6b907" + "0000",
    "0e020000",
    "0e00000100",
    "0e00" + "feffffffffffffffff01" + "0101",
    "0f" + "00" * 15,
]


@pytest.mark.parametrize("encoded", REJECTED)
def test_values_that_are_not_canonical(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded))


def test_nesting() -> None:
    assert decode_value(b"\x08\x01" * 128 + b"\x00") is not None
    with pytest.raises(DecodeError):
        decode_value(b"\x08\x01" * 129 + b"\x00")
    with pytest.raises(DecodeError):
        decode_value(b"\x08\x01" * 100_000)


# -- the tree --------------------------------------------------------------------------------------------------------


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


def test_merkle_known_answers() -> None:
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert Tree(bytes.fromhex(leaf) for leaf in leaves[:size]).root().hex() == root


def test_merkle_peaks_and_paths_of_every_small_size() -> None:
    hashes = [bytes([index]) * 32 for index in range(20)]
    for size in range(1, 20):
        tree = Tree(hashes[:size])
        assert tree.root() == naive_root(hashes[:size])
        assert len(tree.peaks) == size.bit_count()
        for index in range(size):
            path = naive_path(index, hashes[:size])
            assert root_of_path(index, size, hashes[index], path) == tree.root()
            assert root_of_path(index, size, hashes[index], [*path, bytes(32)]) is None
            if path:
                assert root_of_path(index, size, hashes[index], path[:-1]) is None
        assert root_of_path(size, size, hashes[size], []) is None


# -- recovery --------------------------------------------------------------------------------------------------------


def test_recovery_table() -> None:
    assert [recovery(rest, 4, 5) for rest in ("end", "zeros", "other")] == ["missing", "missing", "damage"]
    for s in (5, 6):
        assert [recovery(rest, s, 5) for rest in ("end", "zeros", "other")] == ["clean", "spare", "tail"]


# -- a journal, byte by byte -----------------------------------------------------------------------------------------

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
        self.heads = b""
        (path / "segments").mkdir(parents=True)
        self.begin_segment()
        record = self.frame([("batpak", 1, created_payload(PUBLIC_KEY if signed else None))])[0]
        meta = b"batpakM1" + struct.pack("<HHI", 1, 0, len(record)) + record
        (path / "journal.meta").write_bytes(with_crc(meta))
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
        if not self.heads:
            self.heads = with_crc(b"batpakC1" + struct.pack("<HH", 1, 0) + JOURNAL_ID)
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


@pytest.mark.parametrize("signed", [False, True])
def test_a_whole_journal(tmp_path: Path, signed: bool) -> None:
    writer = make_journal(tmp_path / "j", signed)
    journal = read_journal(writer.path)
    assert journal.findings == []
    assert (journal.name, journal.journal_id, journal.synced) == ("test", JOURNAL_ID, 12)
    assert [event.sequence for event in journal.events] == list(range(12))
    assert [(event.entity, event.value) for event in journal.events[4:7]] == [(f"player:{name}", -1) for name in "abc"]
    assert journal.events[11].value == "last"
    assert journal.events[11].private == {"secret": True}
    assert journal.events[11].causation_id == b"\x09" * 16
    assert [head.size for head in journal.heads] == [10]
    assert journal.frontier is not None
    assert journal.notes == []
    assert journal.keys == ({KEY_ID: PUBLIC_KEY} if signed else {})


def test_what_a_killed_writer_leaves(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j", signed=True)
    whole = writer.segment
    writer.frame([("player:c", 0x1001, b"\x02")], 12)  # a last byte that zeros cannot complete
    for length in range(len(whole) + 1, len(writer.segment), 5):
        for spare in (b"", bytes(100)):
            writer.segment_path.write_bytes(writer.segment[:length] + spare)
            journal = read_journal(writer.path)
            assert journal.findings == []
            assert journal.tail_bytes == length - len(whole) + len(spare)
            assert len(journal.events) == 12
    writer.segment_path.write_bytes(whole + bytes(5000))
    journal = read_journal(writer.path)
    assert (journal.findings, journal.tail_bytes, journal.spare_bytes) == ([], 0, 5000)
    writer.segment_path.write_bytes(writer.segment)
    assert len(read_journal(writer.path).events) == 13
    checkpoints = writer.path / "checkpoints"
    checkpoints.write_bytes(checkpoints.read_bytes() + b"\x70\x00\x00\x00torn")
    assert verify(writer.path) == []
    assert any("torn" in note for note in read_journal(writer.path).notes)


def test_every_changed_byte_of_the_log_is_found(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j", signed=True)
    for segment in sorted((writer.path / "segments").iterdir()):
        data = segment.read_bytes()
        for position in range(0, len(data), 23):
            segment.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
            assert "content" in axes(writer.path), (segment.name, position)
        segment.write_bytes(data)
    for name in ("journal.meta", "checkpoints"):
        data = (writer.path / name).read_bytes()
        for position in range(0, len(data), 3):
            (writer.path / name).write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            assert axes(writer.path), (name, position)
        (writer.path / name).write_bytes(data)
    assert verify(writer.path) == []


def test_bytes_cut_off(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    first, second = sorted((writer.path / "segments").iterdir())
    data = second.read_bytes()
    for length in [*range(70), *range(70, len(data), 53)]:
        second.write_bytes(data[:length])
        assert "completeness" in axes(writer.path), length
    second.unlink()
    assert axes(writer.path) == {"completeness"}
    second.write_bytes(data)
    first.unlink()
    assert "completeness" in axes(writer.path)


def test_later_events_are_read_past_damage(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    first = min((writer.path / "segments").iterdir())
    journal = read_journal(writer.path)
    at = journal.events[4].frame_offset
    data = bytearray(first.read_bytes())
    data[at + 30] ^= 1
    first.write_bytes(data)
    damaged = read_journal(writer.path)
    assert [event.sequence for event in damaged.events] == [0, 1, 2, 3, 7, 8, 9, 10, 11]
    assert {finding.axis for finding in damaged.findings} == {"content", "completeness"}
    assert any(finding.offset == at and finding.axis == "content" for finding in damaged.findings)


def test_frames_rewritten_with_right_crcs(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "signed", signed=True)
    writer.signed = False
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"signatures"}

    writer = Writer(tmp_path / "gap")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.sequence += 1
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"order"}

    writer = Writer(tmp_path / "chain")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.chains["player:a"] = (1, 1, b"\x01" * 32)
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"order"}

    writer = Writer(tmp_path / "value")
    writer.frame([("player:a", 0x1001, b"\x00\x00")])
    assert axes(writer.path) == {"content"}

    writer = Writer(tmp_path / "head")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.tree.append(bytes(32))
    writer.head(2)
    assert axes(writer.path) == {"completeness"}


def test_names_and_small_files(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    (writer.path / "segments" / f"{12:020}.log.tmp").write_bytes(b"half")
    assert verify(writer.path) == []
    (writer.path / "segments" / "other").write_bytes(b"")
    assert axes(writer.path) == {"content"}
    (writer.path / "segments" / "other").unlink()
    (writer.path / "frontier").unlink()
    assert verify(writer.path) == []
    (writer.path / "checkpoints").unlink()
    assert axes(writer.path) == {"completeness"}
    (tmp_path / "empty").mkdir()
    assert axes(tmp_path / "empty") == {"completeness"}
    with pytest.raises(NotADirectoryError):
        verify(tmp_path / "nothing")


def test_receipts(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j", signed=True)
    writer.frame([(f"player:{name}", 0x1001, b"\x00") for name in "abcde"])
    hashes = [event_hash_of(header) for header in writer.headers[1:]]
    for index, header in enumerate(writer.headers[1:]):
        path = naive_path(index, hashes)
        start = b"\x01" + lengthed(header) + b"\x01\x05" + encode_varint(len(path)) + b"".join(path)
        receipt = decode_receipt(start + b"\x01" + KEY_ID + writer.signature)
        assert receipt.header == decode_header(header)
        assert verify_receipt(receipt, PUBLIC_KEY) is None
        assert verify_receipt(receipt, None) is not None
        assert verify_receipt(receipt, sign(b"\x08" * 32, b"")[0]) is not None
        text = json.dumps(receipt_members(receipt))
        assert decode_receipt_json(text) == receipt
        with pytest.raises(DecodeError):
            decode_receipt_json(text.replace('"clock": 0', '"clock": 1'))
        with pytest.raises(DecodeError):
            decode_receipt(start + b"\x01" + KEY_ID + writer.signature + b"\x00")
        unsigned = decode_receipt(start + b"\x00")
        assert verify_receipt(unsigned, None) is None
        assert verify_receipt(unsigned, PUBLIC_KEY) == "the signature is missing"
        for change in ({"first_sequence": 0}, {"count": 4}, {"path": path[1:]}):
            assert verify_receipt(replace(receipt, **change), PUBLIC_KEY) is not None


def test_command_line(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    command = [sys.executable, "-m", "plain_reader", str(writer.path)]
    here = Path(__file__).parent
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["sequence"] for event in events] == list(range(12))
    assert events[11]["value"] == "last"
    writer.segment_path.unlink()
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert json.loads(result.stdout.splitlines()[-1])["type"] == "finding"
