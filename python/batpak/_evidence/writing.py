"""Writes evidence bundles."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from batpak import _batpak
from batpak._evidence import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batpak._batpak import Event
    from batpak._proving.keys import PublicKey
    from batpak._proving.proofs import Checkpoint, ConsistencyProof, InclusionProof

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def event_line(event: Event, proof: InclusionProof, *, payload: bool) -> bytes:
    """An event as a line of ``events.jsonl``."""
    parts: dict[str, str | None] = {"salt": None, "private": None, "payload": None}
    if payload:
        parts = {
            "salt": _text(event.salt),
            "private": _text(event.raw_private_metadata),
            "payload": _text(event.raw_payload),
        }
    path = [_text(each) for each in proof.path]
    return _line({"sequence": event.sequence, "header": _text(event.header), **parts, "path": path})


def checkpoint_line(checkpoint: Checkpoint, proof: ConsistencyProof) -> bytes:
    """An earlier checkpoint as a line of ``checkpoints.jsonl``."""
    return _line({"checkpoint": str(checkpoint), "path": [_text(each) for each in proof.path]})


class _Member:
    """A member that is being written: counted and digested."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = sha256()
        self.bytes = 0
        self.chunks = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)
        self.chunks += 1


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    return info


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle; the iterators are used up."""

    checkpoint: Checkpoint
    keys: list[PublicKey]
    events: Iterator[bytes]
    earlier: Iterator[bytes]
    query: Mapping[str, str]
    payloads: bool


def write_bundle(path: Path, contents: Contents) -> int:
    """Write a bundle, whole or not at all; an existing file is replaced. Returns the number of events."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".batpak-")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            count = _write(file, contents)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _write(file: IO[bytes], contents: Contents) -> int:
    checkpoint = contents.checkpoint
    files: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as bundle:

        def add(name: str, chunks: Iterable[bytes]) -> int:
            with bundle.open(_info(name), "w") as opened:
                member = _Member(opened)
                for chunk in chunks:
                    member.write(chunk)
            files[name] = {"bytes": member.bytes, "sha256": member.digest.hexdigest()}
            return member.chunks

        add(members.VERIFIER, [resources.files("batpak").joinpath("_evidence/verifier.py").read_bytes()])
        add(members.CHECKPOINT, [str(checkpoint).encode()])
        lines = [f"{_batpak.note_verifier_key(checkpoint.origin, key._core)}\n" for key in contents.keys]
        add(members.KEYS, [line.encode() for line in lines])
        count = add(members.EVENTS, contents.events)
        add(members.CHECKPOINTS, contents.earlier)
        add(members.README, [_readme(contents, count).encode()])
        manifest = {
            "batpak_evidence": members.VERSION,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "events": count,
            "payloads": count if contents.payloads else 0,
            "query": dict(contents.query),
            "files": files,
        }
        bundle.writestr(_info(members.MANIFEST), json.dumps(manifest, indent=2) + "\n")
    return count


def _readme(contents: Contents, events: int) -> str:
    checkpoint = contents.checkpoint
    chosen = ", ".join(f"{name}={value}" for name, value in contents.query.items()) or "everything"
    signed = ", ".join(signature.name for signature in checkpoint.signatures) or "nobody"
    return f"""\
Evidence from the journal {checkpoint.origin}

{events} events, {"with" if contents.payloads else "without"} their payloads, chosen by: {chosen}
Checkpoint over {checkpoint.size} events, root {checkpoint.root.hex()}, signed by {signed}.

To check it, run

    python3 THIS_FILE

which needs nothing but Python 3.9 or newer. It prints what is proved, axis by axis, and the id of the key that signed:
compare it with the one that the journal's owner gave you by another way, or pass that key with --key. If you do not
trust the program that came with this file, take a copy of the verifier from the batpak project and run

    python3 verifier.py THIS_FILE

What it proves: these events, with these contents and in this order, are in the journal that the checkpoint describes.
What it does not prove: that no other events would match the same choice.
"""
