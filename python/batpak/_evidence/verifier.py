"""Verifies a batpak evidence bundle: FORMAT.md section 19, with nothing but Python's standard library.

    python3 BUNDLE [--key KEY]... [--json]
    python3 verifier.py BUNDLE [--key KEY]... [--json]

KEY is a verifier key (name+id+base64), or a file of such lines or of one Ed25519 public key as PEM. Without it the keys
that came with the bundle are used, which says only that the bundle agrees with itself.

Exit status: 0 nothing that was checked failed, 3 something failed, 4 a signature is there that could not be checked,
2 the command line or a file cannot be used. Runs on Python 3.9 and newer.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import struct
import sys
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_BUNDLE = 1 << 30
MAX_MANIFEST = 64 << 20
MAX_KEY_FILE = 1 << 20
MAX_FINDINGS = 100
LINEAGE = 0x0007
MAX_NUMBER = 2**64 - 1
MAX_NOTE = 65_536
MAX_SIGNATURES = 64
MAX_PATH = 64
AXES = ("content", "order", "completeness", "anchors", "signatures")
RUNGS = ("checksummed", "chained", "signed checkpoint")
EXIT_CODES = {"signed": 0, "unsigned_accepted": 0, "invalid": 3, "unverifiable": 4}
UNUSABLE = 2


class Finding(NamedTuple):
    """One thing that is wrong. All text is printable ASCII; ``axis`` is "bundle" for the bundle as such."""

    axis: str
    code: str
    message: str
    sequence: int | None


class Verdict(NamedTuple):
    """What was checked, what was found, and how far the proof reaches.

    ``key_ids`` are the SHA-256 of the keys whose signatures were valid; ``key_from_bundle`` says that nobody but the
    bundle itself vouches for them.
    """

    outcome: str
    reason_code: str | None
    rung: int
    axes: dict[str, str]
    events: int
    payloads: int
    checkpoint_size: int | None
    key_ids: list[str]
    key_from_bundle: bool
    findings: list[Finding]
    origin: str | None

    def to_dict(self) -> dict[str, Any]:
        """The verdict for JSON."""
        fields = {**self._asdict(), "findings": [finding._asdict() for finding in self.findings]}
        del fields["origin"]
        return fields


class Invalid(ValueError):
    """Bytes or text that are not what they have to be."""


# -- BLAKE3 ------------------------------------------------------------------------------------------------------------
#
# A word is an integer with one lane of 64 bits for each chunk that is worked on at the same time, 32 of them in use:
# one operation does the work of all lanes, and a single chunk is the case of one lane.

_IV = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT, _CONTEXT, _MATERIAL = 1, 2, 4, 8, 32, 64
_CHUNK, _BLOCK, _LANES = 1024, 64, 256


def _join(values: Sequence[int]) -> int:
    if len(values) == 1:
        return values[0]
    return int.from_bytes(struct.pack(f"<{len(values)}Q", *values), "little")


def _split(lanes: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}Q", lanes.to_bytes(8 * count, "little"))


@lru_cache(maxsize=_LANES)
def _each(count: int) -> int:
    return _join([1] * count)


def _mix(a: int, b: int, c: int, d: int, x: int, y: int, mask: int) -> tuple[int, int, int, int]:  # noqa: PLR0917 - as the specification has it
    a = a + b + x & mask
    d ^= a
    d = (d >> 16 | d << 16) & mask
    c = c + d & mask
    b ^= c
    b = (b >> 12 | b << 20) & mask
    a = a + b + y & mask
    d ^= a
    d = (d >> 8 | d << 24) & mask
    c = c + d & mask
    b ^= c
    return a, (b >> 7 | b << 25) & mask, c, d


def _compress(  # noqa: PLR0917 - as the specification has it
    value: Sequence[int], m: Sequence[int], counter: int, length: int, flags: int, each: int
) -> list[int]:
    mask = each * 0xFFFFFFFF
    v0, v1, v2, v3, v4, v5, v6, v7 = value
    v8, v9, v10, v11 = (word * each for word in _IV[:4])
    v12, v13, v14, v15 = counter, 0, length * each, flags * each
    for _ in range(7):
        v0, v4, v8, v12 = _mix(v0, v4, v8, v12, m[0], m[1], mask)
        v1, v5, v9, v13 = _mix(v1, v5, v9, v13, m[2], m[3], mask)
        v2, v6, v10, v14 = _mix(v2, v6, v10, v14, m[4], m[5], mask)
        v3, v7, v11, v15 = _mix(v3, v7, v11, v15, m[6], m[7], mask)
        v0, v5, v10, v15 = _mix(v0, v5, v10, v15, m[8], m[9], mask)
        v1, v6, v11, v12 = _mix(v1, v6, v11, v12, m[10], m[11], mask)
        v2, v7, v8, v13 = _mix(v2, v7, v8, v13, m[12], m[13], mask)
        v3, v4, v9, v14 = _mix(v3, v4, v9, v14, m[14], m[15], mask)
        m = [m[index] for index in _PERMUTATION]
    return [v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11, v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15]


def _transpose(words: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """The chaining values of ``count`` lanes, one by one."""
    columns = [_split(word, count) for word in words]
    return [tuple(column[lane] for column in columns) for lane in range(count)]


def _chunk_values(key: Sequence[int], data: bytes, first: int, flags: int, root: int) -> list[tuple[int, ...]]:
    """The chaining values of up to 256 whole chunks, or of one chunk of any length."""
    count = max(len(data) // _CHUNK, 1)
    each, length = _each(count), len(data) // count
    blocks = max(-(-length // _BLOCK), 1)
    words = struct.unpack(f"<{count * blocks * 16}I", data.ljust(count * blocks * _BLOCK, b"\0"))
    value, counter = [word * each for word in key], _join(range(first, first + count))
    for block in range(blocks):
        message = [_join(words[block * 16 + index :: blocks * 16]) for index in range(16)]
        own = flags | (_CHUNK_START if block == 0 else 0) | (_CHUNK_END | root if block == blocks - 1 else 0)
        value = _compress(value, message, counter, min(_BLOCK, length - block * _BLOCK), own, each)
    return _transpose(value, count)


def _tree(key: Sequence[int], data: bytes, flags: int) -> tuple[int, ...]:
    if len(data) <= _CHUNK:
        return _chunk_values(key, data, 0, flags, _ROOT)[0]
    values: list[tuple[int, ...]] = []
    whole = len(data) // _CHUNK * _CHUNK
    for start in range(0, whole, _LANES * _CHUNK):
        group = data[start : min(start + _LANES * _CHUNK, whole)]
        values += _chunk_values(key, group, start // _CHUNK, flags, 0)
    if whole < len(data):
        values += _chunk_values(key, data[whole:], whole // _CHUNK, flags, 0)
    while len(values) > 1:
        own = flags | _PARENT | (_ROOT if len(values) == 2 else 0)
        parents: list[tuple[int, ...]] = []
        for start in range(0, len(values) // 2 * 2, 2 * _LANES):
            left = values[start : min(start + 2 * _LANES, len(values) // 2 * 2) : 2]
            right = values[start + 1 : start + 2 * _LANES : 2]
            message = [_join([value[index] for value in side]) for side in (left, right) for index in range(8)]
            each = _each(len(left))
            parent = _compress([word * each for word in key], message, 0, _BLOCK, own, each)
            parents += _transpose(parent, len(left))
        values = parents + values[len(values) // 2 * 2 :]
    return values[0]


@lru_cache(maxsize=8)
def _context_key(context: str) -> tuple[int, ...]:
    return _tree(_IV, context.encode(), _CONTEXT)


def blake3(data: bytes) -> bytes:
    """BLAKE3 in plain mode."""
    return struct.pack("<8I", *_tree(_IV, data, 0))


def derive_key(context: str, data: bytes) -> bytes:
    """``BLAKE3(context; data)``: BLAKE3 in derive-key mode."""
    return struct.pack("<8I", *_tree(_context_key(context), data, _MATERIAL))


# -- Ed25519 -----------------------------------------------------------------------------------------------------------

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]  # X, Y, Z, T: x = X / Z, y = Y / Z, x * y = T / Z
_NEUTRAL = (0, 1, 1, 0)


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0])
    b = (p[1] + p[0]) * (q[1] + q[0])
    c = 2 * _D * p[3] * q[3] % _P
    d = 2 * p[2] * q[2]
    e, f, g, h = (b - a) % _P, (d - c) % _P, (d + c) % _P, (b + a) % _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: _Point) -> _Point:
    a, b = p[0] * p[0], p[1] * p[1]
    h = (a + b) % _P
    e = (h - (p[0] + p[1]) ** 2) % _P
    g = (a - b) % _P
    f = (2 * p[2] * p[2] + g) % _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _is_small(p: _Point) -> bool:
    x, y, z, _ = _double(_double(_double(p)))
    return x == 0 and y == z


def _to_point(encoded: bytes) -> _Point | None:
    """The point of a canonical encoding, or None."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if len(encoded) != 32 or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _to_bytes(p: _Point) -> bytes:
    inverse = pow(p[2], _P - 2, _P)
    return (p[1] * inverse % _P | (p[0] * inverse % _P & 1) << 255).to_bytes(32, "little")


_BASE = _to_point(bytes([0x58] + [0x66] * 31)) or _NEUTRAL


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Strict Ed25519: S, A and R canonical, neither A nor R of small order, no cofactor."""
    a, r, s = _to_point(public_key), signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or s >= _ORDER or _is_small(a):
        return False
    k = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % _ORDER
    minus_a = (_P - a[0], a[1], 1, _P - a[3])
    sums = (_NEUTRAL, _BASE, minus_a, _add(_BASE, minus_a))
    result: _Point = _NEUTRAL
    for bit in range(252, -1, -1):
        result = _double(result)
        if which := (s >> bit & 1) | (k >> bit & 1) << 1:
            result = _add(result, sums[which])
    # The computed point is compared as bytes: there is no second encoding of it.
    return _to_bytes(result) == r and not _is_small(result)


# -- the tree (RFC 9162) -----------------------------------------------------------------------------------------------


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(event_hash: bytes, sequence: int, path: Sequence[bytes], size: int, root: bytes) -> bool:
    """Whether an audit path leads from an event to a root: RFC 9162 section 2.1.3.2."""
    if sequence >= size:
        return False
    first, last, node = sequence, size - 1, hashlib.sha256(b"\x00" + event_hash).digest()
    for sibling in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = _node(sibling, node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = _node(node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a tree goes on from an older one: RFC 9162 section 2.1.4.2."""
    if old_size == 0 and old_root != hashlib.sha256(b"").digest():
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path
    if old_size > size or not path:
        return False
    nodes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old, new = _node(sibling, old), _node(sibling, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = _node(new, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old == old_root and new == root


# -- text --------------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text as printable ASCII, everything else escaped, cut where nobody reads on."""
    return ascii(text[:300])[1:-1]


def _base64(text: object) -> bytes:
    if type(text) is not str:
        raise Invalid("base64 that is not text")
    decoded = base64.b64decode(text, validate=True)
    if base64.b64encode(decoded) != text.encode():
        raise Invalid("base64 that is not canonical")
    return decoded


def _number(digits: str) -> int:
    if re.fullmatch("0|[1-9][0-9]{0,19}", digits) is None or int(digits) > MAX_NUMBER:
        raise Invalid("a number is negative, too large or not canonical")
    return int(digits)


def _no_number(text: str) -> None:
    raise Invalid(f"{text[:40]} is not a whole number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid("a JSON member is there twice")
    return members


def _json(text: bytes, *members: str) -> dict[str, Any]:
    """A JSON object of exactly these members."""
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_unique,
            parse_int=_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise Invalid("JSON is nested too deeply") from None
    _is_object(value, *members)
    return value  # type: ignore[no-any-return]


def _is_object(value: object, *members: str) -> None:
    if type(value) is not dict or set(value) != set(members):
        raise Invalid(f"expected a JSON object of exactly {', '.join(sorted(members))}")


def _lines(text: bytes) -> Iterator[bytes]:
    """The lines of a text whose every line ends with a newline, one by one."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start)
        if end < 0:
            raise Invalid("the last line has no end")
        yield text[start:end]
        start = end + 1


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"


def _is_name(name: str) -> bool:
    """Whether it is usable as a C2SP key name."""
    return name != "" and not any(each.isspace() or each == "+" or _is_control(each) for each in name)


# -- keys and checkpoints ----------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """An Ed25519 public key; without a name it is tried as the key of whatever journal is at hand."""

    name: str | None
    public: bytes

    def signs_as(self, name: str, note_id: bytes) -> bool:
        """Whether a signature line of this name and key id would be its."""
        return self.name in (None, name) and _note_id(name, self.public) == note_id


def _note_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def read_key(line: str) -> Key:
    """A key in the form ``name+id+base64``; raises ``ValueError``."""
    parts = line.split("+", 2)
    if len(parts) != 3 or not _is_name(parts[0]):
        raise Invalid("not a verifier key: name+id+base64")
    decoded = _base64(parts[2])
    if len(decoded) != 33 or decoded[:1] != b"\x01":
        raise Invalid("not an Ed25519 verifier key")
    if _note_id(parts[0], decoded[1:]).hex() != parts[1]:
        raise Invalid("the id of a verifier key does not fit the key")
    return Key(parts[0], decoded[1:])


def read_keys(text: str) -> list[Key]:
    """The keys of a file: an SPKI PEM, or verifier keys, one a line; raises ``ValueError``."""
    pem = re.fullmatch("-----BEGIN PUBLIC KEY-----(.*)-----END PUBLIC KEY-----", text.strip(), re.DOTALL)
    if pem is None:
        return [read_key(line.strip()) for line in text.split("\n") if line.strip()]
    der = _base64("".join(pem[1].split()))
    prefix = bytes.fromhex("302a300506032b6570032100")
    if len(der) != 44 or der[:12] != prefix:
        raise Invalid("not the PEM of an Ed25519 public key")
    return [Key(None, der[12:])]


class Checkpoint(NamedTuple):
    """A checkpoint: what it says, the bytes that are signed, and its signature lines (name, key id, signature)."""

    origin: str
    size: int
    root: bytes
    signed: bytes
    signatures: list[tuple[str, bytes, bytes]]

    @property
    def journal_id(self) -> bytes:
        """The id at the end of the origin."""
        return uuid.UUID(self.origin[-36:]).bytes


def read_checkpoint(note: bytes) -> Checkpoint:
    """A checkpoint from its note; raises ``ValueError``."""
    if len(note) > MAX_NOTE:
        raise Invalid("a checkpoint is longer than 65,536 bytes")
    lines = [line.decode() for line in _lines(note)]
    if "" not in lines or any(_is_control(each) for line in lines for each in line):
        raise Invalid("a checkpoint is three lines or more, an empty one, and signature lines")
    text, behind = lines[: lines.index("")], lines[lines.index("") + 1 :]
    if len(text) < 3 or len(behind) > MAX_SIGNATURES:
        raise Invalid("a checkpoint has less than three lines, or more than 64 signatures")
    origin, name = text[0], text[0][:-37]
    uuid_like = re.fullmatch("/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", origin[-37:])
    if uuid_like is None or not _is_name(name) or len(name.encode()) > 255:
        raise Invalid("the origin of a checkpoint is not name/journal id")
    size, root = _number(text[1]), _base64(text[2])
    if len(root) != 32:
        raise Invalid("the root of a checkpoint is none")
    signatures = []
    for line in behind:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not _is_name(parts[1]):
            raise Invalid("a signature line is not a dash, a name and base64")
        decoded = _base64(parts[2])
        if len(decoded) < 5:
            raise Invalid("a signature has not the length of one")
        signatures.append((parts[1], decoded[:4], decoded[4:]))
    return Checkpoint(origin, size, root, "".join(f"{line}\n" for line in text).encode(), signatures)


# -- the container -----------------------------------------------------------------------------------------------------

MEMBERS = ("__main__.py", "README.txt", "manifest.json", "checkpoint", "keys", "events.jsonl", "checkpoints.jsonl")
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


def _members(data: bytes) -> dict[str, bytes]:
    """The members of a ZIP file in which every byte belongs to one member or to the directory."""
    if len(data) > MAX_BUNDLE:
        raise Invalid("the bundle is larger than 1 GiB")
    if len(data) < _END.size:
        raise Invalid("not a ZIP file: too short")
    sign, disk, directory_disk, here, count, length, at, comment = _END.unpack(data[-_END.size :])
    if sign != b"PK\x05\x06" or (disk, directory_disk, here, comment) != (0, 0, count, 0):
        raise Invalid("not a ZIP file that ends with its directory, in one part and without comment")
    if at + length != len(data) - _END.size or count != len(MEMBERS):
        raise Invalid("the directory of the ZIP file is not where its end says, or not of as many members as a bundle")
    body, directory = memoryview(data)[:at], data[at : at + length]
    members: dict[str, bytes] = {}
    at = place = 0
    for _ in range(count):
        name, content, at, place = _member(body, directory, at, place)
        if name not in MEMBERS or name in members:
            raise Invalid(f"the member {name} has no place in a bundle, or is there twice")
        members[name] = content
    if (at, place) != (len(directory), len(body)):
        raise Invalid("the ZIP file holds bytes that belong to no member")
    return members


def _member(body: memoryview, directory: bytes, at: int, place: int) -> tuple[str, bytes, int, int]:
    """One member by its entry in the directory; it must begin where the one before it ends."""
    if len(directory) - at < _CENTRAL.size:
        raise Invalid("the directory of the ZIP file is too short")
    sign, _, _, *common, name_length, extra, comment, disk, _, _, offset = _CENTRAL.unpack_from(directory, at)
    at += _CENTRAL.size
    name = directory[at : at + name_length]
    if sign != b"PK\x01\x02" or len(name) != name_length or (extra, comment, disk) != (0, 0, 0):
        raise Invalid("an entry of the ZIP directory is damaged, or has what no bundle has")
    if offset != place or len(body) - place < _LOCAL.size:
        raise Invalid("the members of the ZIP file do not follow one another")
    local_sign, _, *here, local_name_length, local_extra = _LOCAL.unpack_from(body, place)
    place += _LOCAL.size
    # The version that is needed, and the time, mean nothing here.
    flags, method, _, _, crc, stored, length = common
    facts = (b"PK\x03\x04", flags, method, crc, stored, length, name_length, 0)
    if facts != (local_sign, here[0], here[1], *here[4:], local_name_length, local_extra):
        raise Invalid("a member of the ZIP file and its directory disagree")
    if body[place : place + name_length] != name:
        raise Invalid("a member of the ZIP file and its directory name different things")
    if (flags, method) != (0, 0) or stored != length:
        raise Invalid("a member of the ZIP file is packed or encrypted")
    place += name_length
    content = bytes(body[place : place + length])
    if len(content) != length or binascii.crc32(content) != crc:
        raise Invalid("a member of the ZIP file is cut off, or its checksum does not fit")
    return name.decode("ascii"), content, at + name_length, place + length


# -- what a bundle holds: step 1 of section 19 -------------------------------------------------------------------------


class Event(NamedTuple):
    """A line of ``events.jsonl``; ``opening`` is salt, private metadata and payload, or None without them."""

    sequence: int
    header: bytes
    opening: tuple[bytes, bytes, bytes] | None
    path: list[bytes]


def _path(hashes: object) -> list[bytes]:
    if type(hashes) is not list or len(hashes) > MAX_PATH:
        raise Invalid("a path is not a list of hashes")
    path = [_base64(each) for each in hashes]
    if any(len(each) != 32 for each in path):
        raise Invalid("a hash of a path has not 32 bytes")
    return path


def _event(line: bytes) -> Event:
    members = _json(line, "sequence", "header", "salt", "private", "payload", "path")
    if type(members["sequence"]) is not int:
        raise Invalid("a sequence is not a number")
    parts = [members["salt"], members["private"], members["payload"]]
    opening = None
    if parts != [None, None, None]:
        salt, private, payload = (_base64(part) for part in parts)
        if len(salt) != 16:
            raise Invalid("a salt has not 16 bytes")
        opening = (salt, private, payload)
    return Event(members["sequence"], _base64(members["header"]), opening, _path(members["path"]))


def _earlier(line: bytes) -> tuple[Checkpoint, list[bytes]]:
    members = _json(line, "checkpoint", "path")
    if type(members["checkpoint"]) is not str:
        raise Invalid("a checkpoint is not text")
    return read_checkpoint(members["checkpoint"].encode()), _path(members["path"])


class Bundle(NamedTuple):
    """A bundle whose members are what they have to be; nothing in it is proved yet.

    Events and earlier checkpoints are kept as text, and read anew by each step: there may be more than memory is for.
    """

    checkpoint: Checkpoint
    keys: list[Key]
    events: int
    payloads: int
    events_text: bytes
    checkpoints_text: bytes

    def each_event(self) -> Iterator[Event]:
        """The events, in the order of the bundle."""
        return map(_event, _lines(self.events_text))

    def each_earlier(self) -> Iterator[tuple[Checkpoint, list[bytes]]]:
        """The earlier checkpoints and their consistency proofs, in the order of the bundle."""
        return map(_earlier, _lines(self.checkpoints_text))


def _manifest(text: bytes, members: dict[str, bytes]) -> dict[str, Any]:
    """The manifest, if it is one of these other members."""
    if len(text) > MAX_MANIFEST:
        raise Invalid("the manifest is larger than 64 MiB")
    manifest = _json(text, "batpak_evidence", "origin", "size", "events", "payloads", "query", "files")
    numbers = [manifest[each] for each in ("batpak_evidence", "size", "events", "payloads")]
    if any(type(number) is not int for number in numbers) or type(manifest["origin"]) is not str:
        raise Invalid("a member of the manifest is not a number, or not text")
    if numbers[0] != 1:
        raise Invalid("the manifest is of a version that this verifier does not know")
    query = manifest["query"]
    if type(query) is not dict or not all(type(value) is str for value in query.values()):
        raise Invalid("the query of the manifest is not an object of text")
    _is_object(manifest["files"], *members)
    for name, content in members.items():
        file = manifest["files"][name]
        _is_object(file, "bytes", "sha256")
        if type(file["bytes"]) is not int or file["bytes"] != len(content):
            raise Invalid(f"{name} has not the bytes that the manifest says")
        if file["sha256"] != hashlib.sha256(content).hexdigest():
            raise Invalid(f"{name} has not the digest that the manifest says")
    return manifest


def read_bundle(data: bytes) -> Bundle:
    """The content of a bundle that is whole; raises ``ValueError``."""
    members = _members(data)
    manifest = _manifest(members.pop("manifest.json"), members)
    members["README.txt"].decode()
    checkpoint = read_checkpoint(members["checkpoint"])
    if checkpoint.size == 0:
        raise Invalid("the checkpoint is of nothing")
    if (checkpoint.origin, checkpoint.size) != (manifest["origin"], manifest["size"]):
        raise Invalid("the checkpoint has not the origin and the size that the manifest says")
    keys = [_key(line.decode()) for line in _lines(members["keys"])]
    if any(key.name != checkpoint.origin for key in keys):
        raise Invalid("a key is not of the journal")
    numbers = manifest["events"], manifest["payloads"]
    bundle = Bundle(checkpoint, keys, *numbers, members["events.jsonl"], members["checkpoints.jsonl"])
    events = payloads = 0
    for event in bundle.each_event():
        events, payloads = events + 1, payloads + (event.opening is not None)
    if (events, payloads) != numbers:
        raise Invalid("there are not as many events and payloads as the manifest says")
    for _ in bundle.each_earlier():
        pass
    return bundle


# -- the event header: section 3 ---------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What the checks need of an event's header."""

    journal_id: bytes
    entity: str
    commitment: bytes
    sequence: int
    event_id: bytes
    clock: int
    hlc: tuple[int, int]
    prev_sequence: int | None
    prev_hash: bytes
    ends: (
        str | None
    )  # the journal id of the events before it, in hex, if it is the last one that follows them under that id


class _Reader:
    """Takes fields off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise Invalid("it ends within a field")
        return self.data[self.at - count : self.at]

    def number(self, name: str, most: int = 2**64 - 1) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift == 70:
                raise Invalid(f"{name} is longer than a number can be")
        if (byte == 0 and shift > 7) or value > most:
            raise Invalid(f"{name} is out of range or longer than needed")
        return value

    def byte(self, name: str, most: int) -> int:
        value = self.take(1)[0]
        if value > most:
            raise Invalid(f"{name} is unknown")
        return value

    def text(self) -> str:
        return self.take(self.number("a length")).decode()

    def coordinate(self, name: str) -> str:
        text = self.text()
        if (
            not 1 <= len(text.encode()) <= 1024
            or ".." in text
            or any(each in "/|=" or _is_control(each) for each in text)
        ):
            raise Invalid(f"{name} is not the name of one")
        return text


def read_header(data: bytes) -> Header:
    """The header of an event from its one encoding; raises ``ValueError``."""
    reader = _Reader(data)
    if reader.take(1) != b"\x01":
        raise Invalid("its version is unknown")
    journal_id = reader.take(16)
    entity, _ = reader.coordinate("entity"), reader.coordinate("scope")
    kind = reader.number("kind", 0xFFFF)
    reader.number("payload version", 0xFFFF)
    reader.byte("encoding", 1)
    for name in ("correlation id", "causation id", "idempotency key"):
        reader.take(16 * reader.byte(name, 1))
    start, last, metadata = reader.at, b"", {}
    for index in range(reader.number("a count")):
        key = reader.text()
        metadata[key] = reader.text()
        if index and key.encode() <= last:
            raise Invalid("the keys of its metadata do not ascend")
        last = key.encode()
    if reader.at - start > 4096:
        raise Invalid("its metadata is too long")
    reader.byte("sealing", 0)
    commitment = reader.take(32)
    reader.byte("promise", 2)
    sequence, event_id, clock = reader.number("sequence"), reader.take(16), reader.number("clock")
    hlc = reader.number("clock", (2**48 * 1000) - 1), reader.number("counter", 2**32 - 1)
    reader.number("skew")
    prev_sequence = reader.number("previous sequence") if reader.byte("previous sequence", 1) else None
    prev_hash = reader.take(32)
    if reader.at != len(data):
        raise Invalid("bytes are left over")
    if event_id[6] >> 4 != 7 or event_id[8] >> 6 != 2:
        raise Invalid("its id is not a UUID of version 7")
    if (clock == 0) != (prev_sequence is None):
        raise Invalid("it names a previous event of its entity at clock 0, or none at a later clock")
    if (clock == 0) != (prev_hash == bytes(32)):
        raise Invalid("the hash of the previous event of its entity is zero at a later clock, or none at clock 0")
    parent = metadata.get("parent_id", "") if (kind, entity) == (LINEAGE, "batpak") else ""
    ends = parent if re.fullmatch("[0-9a-f]{32}", parent) else None
    return Header(journal_id, entity, commitment, sequence, event_id, clock, hlc, prev_sequence, prev_hash, ends)


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded, number = encoded + bytes([number & 127 | 128]), number >> 7
    return encoded + bytes([number])


# -- the checks: steps 2 to 6 of section 19 ----------------------------------------------------------------------------


class _Checks:
    """Collects what is found while the steps go by."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.failed: set[str] = set()
        self.unknown = False
        self.valid: set[str] = set()

    def find(self, axis: str, code: str, message: str, sequence: int | None = None) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(axis, code, _plain(message), sequence))
        if code == "unknown_signing_key":
            self.unknown = True
        else:
            self.failed.add(axis)

    def state(self, axis: str, otherwise: str) -> str:
        return "failed" if axis in self.failed else otherwise

    def signature(self, checkpoint: Checkpoint, keys: Sequence[Key]) -> None:
        known = invalid = False
        own = [(note_id, made) for name, note_id, made in checkpoint.signatures if name == checkpoint.origin]
        for note_id, made in own:
            fitting = [key for key in keys if key.signs_as(checkpoint.origin, note_id)]
            signers = [key for key in fitting if verify_signature(key.public, made, checkpoint.signed)]
            self.valid.update(hashlib.sha256(key.public).hexdigest() for key in signers)
            known = known or bool(fitting)
            invalid = invalid or (bool(fitting) and not signers)
        of = f"of the checkpoint of size {checkpoint.size}"
        if invalid:
            self.find("signatures", "invalid_signature", f"a signature {of} is not valid")
        elif own and not known:
            self.find("signatures", "unknown_signing_key", f"the signature {of} is by a key that was not given")
            if keys:
                self.failed.add("signatures")
        elif keys and not known:
            self.find("signatures", "missing_signature", f"the signature {of} is missing")

    def earlier(self, bundle: Bundle) -> None:
        now, before = bundle.checkpoint, 0
        for old, path in bundle.each_earlier():
            named = f"the earlier checkpoint of size {old.size}"
            if old.origin != now.origin:
                self.find("anchors", "checkpoint_mismatch", f"{named} is of another journal: {old.origin}")
            elif not before <= old.size <= now.size:
                self.find("anchors", "checkpoint_mismatch", f"{named} is larger than what comes after it")
            elif not consistent(old.size, old.root, now.size, now.root, path):
                self.find("anchors", "consistency_mismatch", f"history was changed since {named}")
            before = old.size

    def content(self, event: Event, ended: list[tuple[int, str]], journal_id: bytes) -> Header | None:
        at = event.sequence
        try:
            header = read_header(event.header)
        except ValueError as error:
            self.find("content", "invalid_encoding", f"the header is not canonical: {error}", at)
            return None
        lineage = next((each for end, each in ended if header.sequence < end), journal_id.hex())
        if header.journal_id.hex() != lineage:
            self.find("content", "journal_mismatch", "the event is of another journal", at)
        if header.sequence != at:
            self.find("content", "sequence_mismatch", f"the header has the sequence {header.sequence}", at)
        if event.opening is not None:
            salt, private, payload = event.opening
            opening = salt + _varint(len(private)) + private + payload
            if derive_key("batpak 1 payload", opening) != header.commitment:
                self.find("content", "commitment_mismatch", "the payload is not the one that the header names", at)
        return header

    def events(self, bundle: Bundle) -> tuple[bool, int]:
        """Anchors, content and order; whether every header was canonical, and how many events there are from 0 on."""
        now, order, all_read, in_a_row = bundle.checkpoint, _Order(self), True, 0
        ended = list(_ended_lineages(bundle))
        for event in bundle.each_event():
            event_hash = derive_key("batpak 1 event", event.header)
            if not included(event_hash, event.sequence, event.path, now.size, now.root):
                self.find("anchors", "inclusion_mismatch", "the event is not in the tree", event.sequence)
            header = self.content(event, ended, now.journal_id)
            order.line(event.sequence)
            if header:
                order.event(event.sequence, header, event_hash)
            all_read = all_read and header is not None
            in_a_row += event.sequence == in_a_row
        return all_read, in_a_row


def _ended_lineages(bundle: Bundle) -> Iterator[tuple[int, str]]:
    """Where an event went over to another journal id (an accepted restore, a fork), and the id before it."""
    for event in bundle.each_event():
        try:
            header = read_header(event.header)
        except ValueError:
            continue
        if header.ends is not None:
            yield event.sequence, header.ends


class _Order:
    """Goes along the events, and has each agree with those before it."""

    def __init__(self, checks: _Checks) -> None:
        self.checks = checks
        self.last: Header | None = None
        self.last_sequence = -1
        self.latest: dict[str, tuple[int, int]] = {}  # entity: clock, sequence
        self.hashes: dict[int, tuple[str, int, bytes]] = {}  # sequence: entity, clock, event hash

    def line(self, sequence: int) -> None:
        if sequence <= self.last_sequence:
            self.checks.find("order", "order_mismatch", "the sequences do not ascend", sequence)
        self.last_sequence = sequence

    def event(self, at: int, header: Header, event_hash: bytes) -> None:
        if int.from_bytes(header.event_id[:6], "big") != header.hlc[0] // 1000:
            self.checks.find("order", "order_mismatch", "the id and the clock disagree about the time", at)
        if self.last and (header.event_id <= self.last.event_id or header.hlc <= self.last.hlc):
            self.checks.find("order", "order_mismatch", "ids and clocks do not ascend", at)
        if not self.follows(header):
            self.checks.find("order", "chain_mismatch", "it does not follow the event of its entity before it", at)
        self.last = header
        self.latest[header.entity] = header.clock, header.sequence
        self.hashes[header.sequence] = header.entity, header.clock, event_hash

    def follows(self, header: Header) -> bool:
        """Whether it names the previous event of its entity, as far as that can be seen from the events before it."""
        clock, sequence = self.latest.get(header.entity, (-1, -1))
        if header.clock <= clock:
            return False
        if header.clock == 0:
            return True
        if header.prev_sequence is None or not sequence <= header.prev_sequence < header.sequence:
            return False
        named = self.hashes.get(header.prev_sequence)
        if named is None:
            return header.clock - 1 != clock
        return named == (header.entity, header.clock - 1, header.prev_hash)


def verify(data: bytes, keys: Sequence[Key | bytes | str] = ()) -> Verdict:
    """The verdict on a bundle.

    Args:
        data: the ZIP file.
        keys: whose signatures are believed: verifier keys, raw public keys, or what ``read_keys`` gives. Without any,
            the keys of the bundle itself are taken, and the verdict says so.

    Raises:
        ValueError: a key is none. Whatever is wrong with the bundle is in the verdict.
    """
    given = [_key(key) for key in keys]
    checks = _Checks()
    try:
        bundle = read_bundle(data)
    except ValueError as error:
        checks.find("bundle", "bundle_damaged", str(error))
        return Verdict(
            outcome="invalid",
            reason_code="bundle_damaged",
            rung=0,
            axes=dict.fromkeys(AXES, "not_checked"),
            events=0,
            payloads=0,
            checkpoint_size=None,
            key_ids=[],
            key_from_bundle=False,
            findings=checks.findings,
            origin=None,
        )
    now, believed = bundle.checkpoint, given or bundle.keys
    checks.signature(now, believed)
    for checkpoint, _ in bundle.each_earlier():
        checks.signature(checkpoint, believed)
    checks.earlier(bundle)
    all_read, in_a_row = checks.events(bundle)
    some = "passed" if bundle.events else "absent"
    signed = "not_checked" if checks.unknown else "passed" if believed else "absent"
    axes = {
        "content": checks.state("content", some),
        "order": checks.state("order", some if all_read else "not_checked"),
        "completeness": "passed" if in_a_row == bundle.events == now.size else "not_checked",
        "anchors": checks.state("anchors", "passed" if bundle.checkpoints_text else some),
        "signatures": checks.state("signatures", signed),
    }
    outcome = "unverifiable" if checks.unknown else "signed" if axes["signatures"] == "passed" else "unsigned_accepted"
    chained = axes["order"] == axes["content"] == "passed"
    return Verdict(
        outcome="invalid" if checks.failed else outcome,
        reason_code=checks.findings[0].code if checks.findings else None,
        rung=2 if axes["signatures"] == axes["anchors"] == "passed" and not checks.failed else int(chained),
        axes=axes,
        events=bundle.events,
        payloads=bundle.payloads,
        checkpoint_size=now.size,
        key_ids=sorted(checks.valid),
        key_from_bundle=bool(bundle.keys) and not given,
        findings=checks.findings,
        origin=_plain(now.origin),
    )


def _key(key: Key | bytes | str) -> Key:
    if isinstance(key, str):
        key = read_key(key)
    elif isinstance(key, bytes):
        key = Key(None, key)
    point = _to_point(key.public)
    if point is None or _is_small(point):
        raise Invalid("a public key is not a point that a signature could be checked with")
    return key


# -- the program -------------------------------------------------------------------------------------------------------

_MEANINGS = {
    "signed": "everything that was checked holds, under a signed checkpoint",
    "unsigned_accepted": "everything that was checked holds, and nobody signed it",
    "invalid": "something that was checked does not hold",
    "unverifiable": "a signature is there, and its key is not: give it with --key",
}


def _report(verdict: Verdict) -> Iterable[str]:
    yield f"{verdict.outcome}: {_MEANINGS[verdict.outcome]}"
    for axis, state in verdict.axes.items():
        yield f"  {axis:<13} {state.replace('_', ' ')}"
    yield f"rung: {verdict.rung} ({RUNGS[verdict.rung]})"
    yield f"events: {verdict.events}, {verdict.payloads} with payload"
    if verdict.checkpoint_size is not None:
        yield f"checkpoint: size {verdict.checkpoint_size}, of {verdict.origin}"
    for key_id in verdict.key_ids:
        yield f"signed by the key with the id {key_id}"
    if verdict.key_from_bundle:
        yield "  The key came with the bundle: compare its id with the one that you were given by other means."
    if verdict.findings:
        yield "findings:" if len(verdict.findings) < MAX_FINDINGS else f"findings, the first {MAX_FINDINGS}:"
    for finding in verdict.findings:
        where = "" if finding.sequence is None else f", event {finding.sequence}"
        yield f"  {finding.axis}{where}: {finding.message} [{finding.code}]"


def _given_keys(arguments: Iterable[str]) -> list[Key]:
    keys: list[Key] = []
    for argument in arguments:
        if re.fullmatch(r"[^+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", argument):
            found = [read_key(argument)]
        else:
            found = read_keys(_read(argument, MAX_KEY_FILE).decode())
        if not found:
            raise Invalid(f"{argument} holds no key")
        keys += [_key(key) for key in found]
    return keys


def _read(path: str, most: int) -> bytes:
    with Path(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Invalid(f"{path} is too large")
    return data


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit status."""
    inside = Path(__file__).name == "__main__.py" and Path(__file__).parent.is_file()
    parser = argparse.ArgumentParser(description="Verify a batpak evidence bundle.", allow_abbrev=False)
    if inside:
        parser.add_argument("bundle", nargs="?", default=str(Path(__file__).parent), help="another one than this")
    else:
        parser.add_argument("bundle", help="the ZIP file")
    parser.add_argument("--key", action="append", default=[], help="name+id+base64, or a file of keys")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        verdict = verify(_read(options.bundle, MAX_BUNDLE), _given_keys(options.key))
        text = json.dumps(verdict.to_dict(), indent=2) if options.json else "\n".join(_report(verdict))
    except (OSError, ValueError, MemoryError) as error:
        with suppress(OSError):
            os.write(2, f"error: {_plain(str(error) or 'out of memory')}\n".encode())
        return UNUSABLE
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads it. What is left in the buffer must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return UNUSABLE
    return EXIT_CODES[verdict.outcome]


if __name__ == "__main__":
    sys.exit(main())
