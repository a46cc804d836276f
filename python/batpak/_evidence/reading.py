"""Reads evidence bundles for the core to verify; whatever does not keep to the format is refused."""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
import unicodedata
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NoReturn

from batpak import _batpak
from batpak._errors import InvalidKey, InvalidProof
from batpak._evidence import members
from batpak._proving.proofs import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

_SEQUENCE_MAX: Final = 2**64 - 1
_DIGITS_MAX: Final = 20
_PATH_MAX: Final = 64
_NAME_BYTES_MAX: Final = 255
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Versions, times and attributes, which mean nothing here, are passed over.
_LOCAL: Final = struct.Struct("<4s2xHH4xIIIHH")
_ENTRY: Final = struct.Struct("<4s4xHH4xIIIHHHH6xI")
_END: Final = struct.Struct("<4sHHHHIIH")


def _refuse(reason: str) -> NoReturn:
    raise InvalidProof(f"not an evidence bundle: {reason}")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        _refuse(reason)


def _members(path: Path) -> dict[str, bytes]:
    """The members of a ZIP file that holds nothing else."""
    _require(path.stat().st_size <= members.BUNDLE_BYTES_MAX, "it is larger than 1 GiB")
    data = path.read_bytes()
    entries_end = len(data) - _END.size
    _require(entries_end >= 0, "it is no ZIP file: too short")
    sign, *disks, here, count, length, directory, remark = _END.unpack_from(data, entries_end)
    _require(sign == b"PK\x05\x06" and remark == 0, "it does not end as a ZIP file without a comment does")
    _require(disks == [0, 0] and here == count, "it is a part of a ZIP file")
    _require(directory + length == entries_end, "its directory is not where its end says")
    found: dict[str, bytes] = {}
    at, place = directory, 0
    for _ in range(count):
        name, facts, offset, at = _entry(data, at, entries_end)
        _require(offset == place, "its members do not follow one another")
        content, place = _content(data, place, directory, name, facts)
        text = name.decode("latin-1")
        _require(text in members.MEMBERS and text not in found, "its members are not those of a bundle")
        found[text] = content
    _require((at, place) == (entries_end, directory), "bytes of it belong to no member")
    _require(len(found) == len(members.MEMBERS), "its members are not those of a bundle")
    return found


def _entry(data: bytes, at: int, end: int) -> tuple[bytes, tuple[int, ...], int, int]:
    """An entry of the directory: the name, what the member itself must say, where the member is, and the next entry."""
    _require(end - at >= _ENTRY.size, "its directory is too short")
    sign, flags, method, *facts, name_length, extra, remark, disk, offset = _ENTRY.unpack_from(data, at)
    at += _ENTRY.size
    _require(sign == b"PK\x01\x02" and end - at >= name_length, "its directory is damaged")
    _require((flags, method) == (0, 0), "a member is packed, encrypted or otherwise special")
    _require((extra, remark, disk) == (0, 0, 0), "a member says more than it may")
    name = data[at : at + name_length]
    return name, (flags, method, *facts, name_length), offset, at + name_length


def _content(data: bytes, at: int, end: int, name: bytes, facts: tuple[int, ...]) -> tuple[bytes, int]:
    """What a member holds, and where it ends."""
    _require(end - at >= _LOCAL.size, "a member is cut off")
    sign, *here, extra = _LOCAL.unpack_from(data, at)
    at += _LOCAL.size
    _require(sign == b"PK\x03\x04" and tuple(here) == facts and extra == 0, "a member is not what the directory says")
    _, _, crc, stored, length, name_length = facts
    _require(data[at : at + name_length] == name, "a member has another name than in the directory")
    at += name_length
    _require(stored == length and end - at >= length, "a member is cut off")
    content = data[at : at + length]
    _require(zlib.crc32(content) == crc, "the checksum of a member does not fit")
    return content, at + length


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or not digits.isdigit() or int(digits) > _SEQUENCE_MAX:
        _refuse("a number is negative, or out of range")
    return int(digits)


def _object(text: bytes, names: set[str]) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _refuse("a member of a JSON object is given twice")
        return found

    def none(_: str) -> NoReturn:
        _refuse("a number is no whole one")

    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=once, parse_int=_whole, parse_float=none, parse_constant=none
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidProof):
            raise
        raise InvalidProof("not an evidence bundle: a line is not JSON") from error
    if not isinstance(value, dict) or set(value) != names:
        _refuse("a JSON object has other members than it must have")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse("a number is none")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        _refuse("a text is none")
    return value


def _bytes(value: object, length: int | None = None) -> bytes:
    text = _string(value)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidProof("not an evidence bundle: a text is not base64") from error
    if base64.b64encode(data).decode("ascii") != text or length not in (None, len(data)):
        _refuse("a text is not base64 as it must be")
    return data


def _path(value: object) -> list[bytes]:
    if not isinstance(value, list) or len(value) > _PATH_MAX:
        _refuse("a path is no list of hashes, or longer than any")
    return [_bytes(each, 32) for each in value]


def _lines(data: bytes) -> list[bytes]:
    if data and not data.endswith(b"\n"):
        _refuse("a last line does not end")
    return data.split(b"\n")[:-1]


def _checked(found: dict[str, bytes]) -> dict[str, Any]:
    if len(found[members.MANIFEST]) > members.MANIFEST_BYTES_MAX:
        _refuse("its manifest is larger than 64 MiB")
    names = {"batpak_evidence", "origin", "size", "events", "payloads", "query", "files"}
    manifest = _object(found[members.MANIFEST], names)
    if _number(manifest["batpak_evidence"]) != members.VERSION:
        _refuse("its version is unknown; upgrade batpak")
    query, files = manifest["query"], manifest["files"]
    if not isinstance(query, dict) or not all(isinstance(each, str) for each in query.values()):
        _refuse("the query is no object of texts")
    if not isinstance(files, dict) or set(files) != set(members.MEMBERS) - {members.MANIFEST}:
        _refuse("the manifest tells of other members than there are")
    for name, told in files.items():
        if not isinstance(told, dict) or set(told) != {"bytes", "sha256"}:
            _refuse("the manifest does not describe a member as it must")
        digest = sha256(found[name]).hexdigest()
        if (_number(told["bytes"]), _string(told["sha256"])) != (len(found[name]), digest):
            _refuse(f"{name} is not what the manifest says")
    return manifest


def _checkpoint(text: str) -> Checkpoint:
    """A checkpoint whose origin is a journal's."""
    checkpoint = Checkpoint(text)
    name, _, journal_id = checkpoint.origin.rpartition("/")
    usable = not any(each.isspace() or each == "+" or unicodedata.category(each) == "Cc" for each in name)
    if not usable or not 1 <= len(name.encode()) <= _NAME_BYTES_MAX or _UUID.fullmatch(journal_id) is None:
        _refuse("the origin of a checkpoint is not a journal's")
    return checkpoint


def _key(line: bytes) -> tuple[str, _batpak.PublicKey]:
    text = line.decode("utf-8")
    name, key = _batpak.parse_note_verifier_key(text)
    if _batpak.note_verifier_key(name, key) != text:
        _refuse("a key is not written as it must be")
    return name, key


def read_bundle(path: Path) -> _batpak.Evidence:
    """Read a bundle.

    Raises:
        InvalidProof: it is none, or was changed.
        OSError: it cannot be read.
    """
    found = _members(path)
    manifest = _checked(found)
    try:
        found[members.README].decode("utf-8")
        checkpoint = _checkpoint(found[members.CHECKPOINT].decode("utf-8"))
        keys = [_key(line) for line in _lines(found[members.KEYS])]
    except (UnicodeDecodeError, InvalidKey) as error:
        raise InvalidProof(f"not an evidence bundle: {error}") from error
    if checkpoint.size == 0:
        _refuse("its checkpoint is of nothing")
    if any(name != checkpoint.origin for name, _ in keys):
        _refuse("a key is named otherwise than the journal's are")
    items = [_item(line) for line in _lines(found[members.EVENTS])]
    earlier = []
    for line in _lines(found[members.CHECKPOINTS]):
        value = _object(line, {"checkpoint", "path"})
        earlier.append((str(_checkpoint(_string(value["checkpoint"]))), _path(value["path"])))
    told = (_string(manifest["origin"]), _number(manifest["size"]))
    counts = (_number(manifest["events"]), _number(manifest["payloads"]))
    payloads = sum(1 for item in items if item[2] is not None)
    if told != (checkpoint.origin, checkpoint.size) or counts != (len(items), payloads):
        _refuse("the manifest is not about these events and this checkpoint")
    return _batpak.Evidence(str(checkpoint), keys, items, earlier)


def _item(line: bytes) -> tuple[int, bytes, tuple[bytes, bytes, bytes] | None, list[bytes]]:
    value = _object(line, {"sequence", "header", "salt", "private", "payload", "path"})
    parts = [value["salt"], value["private"], value["payload"]]
    detached = None
    if parts != [None, None, None]:
        detached = (_bytes(parts[0], 16), _bytes(parts[1]), _bytes(parts[2]))
    return _number(value["sequence"]), _bytes(value["header"]), detached, _path(value["path"])
