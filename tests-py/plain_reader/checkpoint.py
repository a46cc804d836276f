"""Section 18.1: checkpoints, which are signed notes."""

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from . import ed25519
from .codec import DecodeError, Reader

CHECKPOINT = 4
"""The type of an entry."""
MAX_NOTE = 65_536
MAX_SIGNATURES = 64


@dataclass(frozen=True)
class Checkpoint:
    offset: int  # of the entry
    text: str  # what is signed
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes, bytes]]  # name of the key, its id, the signature


def origin_of(name: str, journal_id: bytes) -> str:
    return f"{name}/{UUID(bytes=journal_id)}"


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise DecodeError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise DecodeError("base64 that is not canonical")
    return data


def parse(note: str, offset: int) -> Checkpoint:
    text, blank, lines = note.rpartition("\n\n")
    if not blank or re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", note) or (lines and not lines.endswith("\n")):
        raise DecodeError("not a signed note")
    if len(note.encode()) > MAX_NOTE or lines.count("\n") > MAX_SIGNATURES:
        raise DecodeError("a note that is longer than any")
    origin, size, root, *more = text.split("\n") + [""] * (2 - text.count("\n"))
    if not re.fullmatch(r"[^\s+]+", origin) or not re.fullmatch("0|[1-9][0-9]{0,19}", size) or "" in more:
        raise DecodeError("not a checkpoint")
    if int(size) >= 2**64 or len(_base64(root)) != 32:
        raise DecodeError("not the size or the root of a checkpoint")
    signatures = []
    for line in lines.split("\n")[:-1]:
        match = re.fullmatch(r"\u2014 ([^\s+]+) ([^ ]+)", line)
        if match is None or len(_base64(match[2])) < 5:
            raise DecodeError("not a signature line")
        signatures.append((match[1], _base64(match[2])[:4], _base64(match[2])[4:]))
    return Checkpoint(offset, text + "\n", origin, int(size), _base64(root), signatures)


def decode_checkpoint(body: bytes, offset: int) -> Checkpoint:
    reader = Reader(body)
    if (kind := reader.u8()) != CHECKPOINT:
        raise DecodeError(f"unknown entry type {kind}")
    note = reader.text()
    reader.done()
    return parse(note, offset)


def signature_problem(checkpoint: Checkpoint, public_key: bytes | None) -> str | None:
    if public_key is None:
        return None
    key_id = sha256(checkpoint.origin.encode() + b"\n\x01" + public_key).digest()[:4]
    own = [line[2] for line in checkpoint.signatures if line[:2] == (checkpoint.origin, key_id)]
    if not own:
        return "not signed by the journal's key"
    message = checkpoint.text.encode()
    return None if all(ed25519.verify(public_key, each, message) for each in own) else "the signature is not valid"
