"""Reads evidence bundles for the core to verify; whatever does not keep to the format is refused."""

from __future__ import annotations

import base64
import binascii
import json
import zipfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NoReturn

from batpak import _batpak
from batpak._errors import InvalidKey, InvalidProof
from batpak._evidence import members
from batpak._proofs import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

_SEQUENCE_MAX: Final = 2**64 - 1


def _refuse(reason: str) -> NoReturn:
    raise InvalidProof(f"not an evidence bundle: {reason}")


def _members(path: Path) -> dict[str, bytes]:
    if path.stat().st_size > members.BUNDLE_BYTES_MAX:
        _refuse("it is larger than 1 GiB")
    try:
        with zipfile.ZipFile(path) as bundle:
            infos = bundle.infolist()
            names = [info.filename for info in infos]
            if sorted(names) != sorted(members.MEMBERS):
                _refuse("its members are not those of a bundle")
            if bundle.comment or any(info.comment or info.extra or info.flag_bits & 0x1 for info in infos):
                _refuse("a member is encrypted, or says more than it may")
            if any(info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size for info in infos):
                _refuse("a member is compressed")
            return {info.filename: bundle.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, OverflowError) as error:
        raise InvalidProof(f"not an evidence bundle: {error}") from error


def _object(text: bytes, names: set[str]) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _refuse("a member of a JSON object is given twice")
        return found

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once, parse_constant=_refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidProof):
            raise
        raise InvalidProof("not an evidence bundle: a line is not JSON") from error
    if not isinstance(value, dict) or set(value) != names:
        _refuse("a JSON object has other members than it must have")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _SEQUENCE_MAX:
        _refuse("a number is none, or out of range")
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
    if not isinstance(value, list) or len(value) > 128:
        _refuse("a path is no list of hashes")
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


def read_bundle(path: Path) -> _batpak.Evidence:
    """Read a bundle.

    Raises:
        InvalidProof: it is none, or was changed.
        OSError: it cannot be read.
    """
    found = _members(path)
    manifest = _checked(found)
    try:
        checkpoint = Checkpoint(found[members.CHECKPOINT].decode("utf-8"))
        keys = [_batpak.parse_note_verifier_key(line.decode("ascii")) for line in _lines(found[members.KEYS])]
    except (UnicodeDecodeError, InvalidKey) as error:
        raise InvalidProof(f"not an evidence bundle: {error}") from error
    if checkpoint.size == 0 or str(checkpoint).partition("\n\n")[0].count("\n") != 2:
        _refuse("its checkpoint is of nothing, or says more than it may")
    if any(name != checkpoint.origin for name, _ in keys):
        _refuse("a key is named otherwise than the journal's are")
    items = [_item(line) for line in _lines(found[members.EVENTS])]
    earlier = []
    for line in _lines(found[members.CHECKPOINTS]):
        value = _object(line, {"checkpoint", "path"})
        earlier.append((str(Checkpoint(_string(value["checkpoint"]))), _path(value["path"])))
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
