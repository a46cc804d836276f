"""The files of a directory of frozen definitions: ``0xF001.v1.json`` for version 1 of the class of kind 0xF001.

Each is one object of tagged JSON, with sorted members, so that a review shows what changed:

| member | |
|---|---|
| ``batpak_schema`` | 1: the version of this form |
| ``kind``, ``version`` | of the events, as in the file's name |
| ``definition`` | what is stored of the class: see ``batpak._schemas.definition`` |
| ``samples`` | events that it could have written: ``value`` for people, ``bytes`` in base64 for the program |
| ``digest`` | SHA-256, in hexadecimal, of an object of the others without white space: the file is as it was frozen |
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from batpak import _json
from batpak._batpak import decode_value, encode_value
from batpak._errors import InvalidFixture, InvalidInput
from batpak._schemas.definition import Definition, Malformed, checked_definition

if TYPE_CHECKING:
    from pathlib import Path

FORM: Final = 1
_NAME: Final = re.compile(r"0x([0-9A-F]{4})\.v([1-9][0-9]{0,4})\.json")
_MEMBERS: Final = {"batpak_schema", "kind", "version", "definition", "samples", "digest"}


@dataclass(frozen=True, slots=True)
class Fixture:
    """One version of a class as it was frozen; ``samples`` are canonical bytes of plain values."""

    kind_code: int
    version: int
    definition: Definition
    samples: tuple[bytes, ...]

    @property
    def file_name(self) -> str:
        """What its file is called."""
        return f"0x{self.kind_code:04X}.v{self.version}.json"

    def text(self) -> str:
        """What is in its file."""
        samples = [
            {"value": decode_value(sample), "bytes": base64.b64encode(sample).decode("ascii")}
            for sample in self.samples
        ]
        members: dict[str, Any] = {
            "batpak_schema": FORM,
            "kind": f"0x{self.kind_code:04X}",
            "version": self.version,
            "definition": self.definition,
            "samples": samples,
        }
        members["digest"] = _digest_of(members)
        text = json.dumps(_json.to_tagged(members), indent=2, sort_keys=True, allow_nan=False)
        return text.replace("\x7f", "\\u007f") + "\n"


def write_fixture(directory: Path, fixture: Fixture) -> None:
    """Write its file, which appears whole or not at all. Raises ``OSError``."""
    target = directory / fixture.file_name
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("x", encoding="ascii", newline="\n") as stream:
            stream.write(fixture.text())
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def read_fixtures(directory: Path) -> list[Fixture]:
    """Return all of a directory, by kind and version. Raises ``InvalidFixture`` and ``OSError``."""
    found = [read_fixture(file) for file in directory.iterdir() if file.suffix == ".json" and file.name[0] != "."]
    return sorted(found, key=lambda each: (each.kind_code, each.version))


def read_fixture(file: Path) -> Fixture:
    """Return what is in a file. Raises ``InvalidFixture`` and ``OSError``."""
    named = _NAME.fullmatch(file.name)
    if named is None:
        raise _invalid(file, "its name is not that of a frozen definition, such as 0xF001.v1.json: keep others apart")
    if file.is_dir():
        raise _invalid(file, "it is a directory: keep others apart")
    try:
        members = _json.loads(file.read_text(encoding="utf-8"))
        return _fixture(members, int(named[1], 16), int(named[2]))
    except UnicodeDecodeError:
        raise _invalid(file, "it is not text in UTF-8") from None
    except Malformed as error:
        raise _invalid(file, str(error)) from None
    except InvalidInput as error:  # of the JSON, or of the bytes of a sample
        raise _invalid(file, error.message) from error


def _fixture(members: Any, kind_code: int, version: int) -> Fixture:
    if type(members) is not dict:
        raise Malformed("it holds no object")
    form = members.get("batpak_schema")
    if type(form) is int and form > FORM:
        raise Malformed(f"it has form {form}, and this batpak knows {FORM}: upgrade it")
    if members.keys() | {"digest"} != _MEMBERS or type(form) is not int or form != FORM:
        raise Malformed(f"it has not exactly the members {', '.join(sorted(_MEMBERS))}")
    if (members["kind"], members["version"]) != (f"0x{kind_code:04X}", version) or type(members["version"]) is not int:
        raise Malformed("kind and version are not those of its name")
    samples = members["samples"]
    if type(samples) is not list or not samples:
        raise Malformed("samples is a list of at least one sample")
    definition, contents = checked_definition(members["definition"]), tuple(map(_sample, samples))
    # Last, since whatever else is wrong says more.
    if members.pop("digest", None) != _digest_of(members):
        raise Malformed("it is not what was frozen, since its digest is not that of the other members")
    return Fixture(kind_code, version, definition, contents)


def _digest_of(members: dict[str, Any]) -> str:
    """The digest of the other members, whatever the spelling of the file."""
    text = json.dumps(_json.to_tagged(members), separators=(",", ":"), sort_keys=True, allow_nan=False)
    return sha256(text.encode("ascii")).hexdigest()


def _sample(sample: Any) -> bytes:
    if type(sample) is not dict or sample.keys() != {"value", "bytes"} or type(sample["bytes"]) is not str:
        raise Malformed("a sample is an object with the members bytes and value")
    try:
        content = base64.b64decode(sample["bytes"], validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the bytes of a sample are not base64") from None
    if encode_value(sample["value"], allow_nonfinite=True) != content:
        raise Malformed("a sample has a value that is not what its bytes say")
    return content


def _invalid(file: Path, problem: str) -> InvalidFixture:
    message = f"{file}: {problem}"
    if "upgrade" not in problem and "keep others" not in problem:
        message += "; restore it from version control, or remove it and freeze again if no journal has such events yet"
    return InvalidFixture(message, file=str(file))
