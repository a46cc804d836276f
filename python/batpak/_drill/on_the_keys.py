"""Attacks on who may sign: keys that were revoked, keys and lineages that nobody with the key brought."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import batpak
from batpak import _batpak
from batpak._drill.attack import attack
from batpak._drill.codec import Record, Signer, Tree, lengthed, varint
from batpak._drill.forging import Frame, read_log, write_log
from batpak._drill.on_the_log import append_forged
from batpak._drill.scene import DRILL, coordinate
from batpak._proving.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batpak._drill.forging import Log
    from batpak._drill.judging import Catch
    from batpak._drill.scene import Scene

_KEY_ADDED: Final = 0x0003
_LINEAGE: Final = 0x0007
_WHY: Final = "drill"


def _rotate_and_revoke(scene: Scene, directory: Path, *, pins: Path | None = None) -> batpak.Checkpoint:
    """Have the owner exchange the key of a copy for another and revoke it; what is stated at the end."""
    old = scene.public_key
    if old is None:
        raise AssertionError("only a signed journal has a key to revoke")
    with scene.writing(directory, pins=pins) as store:
        store.rotate_key(SigningKey.generate())
        store.append(coordinate("drill:a"), {"key": "new"}, kind=DRILL)
        store.revoke_key(old, reason=_WHY)
        return store.checkpoint()


def _append_signed(scene: Scene, log: Log) -> None:
    """Write an event behind the end, signed by the key that was given."""
    append_forged(log, scene.target())
    added = log.segments[-1].frames[-1]
    added.proof = scene.signer.frame_proof(added.records)


def _append_system(
    log: Log, kind: int, entity: bytes, says: Mapping[str, object], signer: Signer, *, begins: bytes | None = None
) -> None:
    """Write an event as only the library would, in a frame of its own; ``begins`` is the id of a new lineage."""
    before = log.records()[-1].front[1:17]
    metadata = {} if begins is None else {"parent_id": before.hex()}
    texts = [text.encode() for pair in metadata.items() for text in pair]
    place = lengthed(entity) + lengthed(b"batpak") + varint(kind)
    told = varint(len(metadata)) + b"".join(map(lengthed, texts))
    # Payload version 0, a value, no correlation, cause and key; not sealed; a commitment and a promise of "always".
    front = b"\x01" + (begins or before) + place + b"\x00\x01\x00\x00\x00" + told + b"\x00" + bytes(32) + b"\x02"
    record = Record(front, entity, kind, 0, bytes(16), 0, 0, 0, 0, None, bytes(32), bytes(16), b"", b"")
    payload = _batpak.encode_value(says, allow_nonfinite=False)
    added = Frame([record.with_payload(payload, commit=True)], len(log.records()), b"")
    log.segments[-1].frames.append(added)
    log.relink()
    added.proof = signer.frame_proof(added.records)


@attack(
    "revoked key reuse",
    "writes on with a key that its owner exchanged for another one and revoked",
    powers="write, fit, key",
    caught_by=("journal", "key"),
)
def _reuse(scene: Scene) -> list[Catch]:
    scene.require_signed()
    directory = scene.copy()
    _rotate_and_revoke(scene, directory)
    log = read_log(directory, scene.log.origin)
    _append_signed(scene, log)
    write_log(directory, log)
    return scene.judged(directory)


@attack(
    "cut back to the time of a revoked key and written on with it",
    "takes the exchange and the revocation of a key away with all that came after, and writes on with that key",
    powers="write, fit, key",
    caught_by=("pin",),
    else_by="a pin, or a receipt or checkpoint that others hold",
)
def _cut_back(scene: Scene) -> list[Catch]:
    scene.require_signed()
    pins = scene.copy_pins()
    stated = _rotate_and_revoke(scene, scene.copy("revoked"), pins=pins)
    # What is left is the journal as it was before.
    directory, log = scene.copy(), scene.log.copy()
    _append_signed(scene, log)
    write_log(directory, log, signer=scene.signer, make_notes=True)
    return scene.judged(directory, pins=pins, checkpoint=stated)


@attack(
    "key added without the old key's word",
    "has the journal go over to a key of their own, and writes on with it",
    powers="write, fit, own key",
    caught_by=("journal", "key"),
)
def _add_key(scene: Scene) -> list[Catch]:
    scene.require_signed()
    directory, log, own = scene.copy(), scene.log.copy(), Signer(SigningKey.generate())
    journal_id = log.records()[-1].front[1:17]
    endorsement = own.sign(b"\x00batpak key v1" + journal_id + own.public)
    says = {"endorsement": endorsement, "key_id": sha256(own.public).digest(), "public_key": own.public}
    _append_system(log, _KEY_ADDED, b"batpak:keys", says, own)
    append_forged(log, scene.target())
    added = log.segments[-1].frames[-1]
    added.proof = own.frame_proof(added.records)
    write_log(directory, log)
    return scene.judged(directory)


@attack(
    "restore passed off as history",
    "cuts the log, and begins another lineage that says that its owner restored an old copy",
    powers="write, fit, own key",
    caught_by=("journal", "key"),
)
def _depart(scene: Scene) -> list[Catch]:
    scene.require_signed()
    directory, log, own = scene.copy(), scene.log.copy(), Signer(SigningKey.generate())
    given_up = Tree().extend(record.event_hash for record in log.records())
    log.cut(scene.place_to_cut())
    kept = Tree().extend(record.event_hash for record in log.records())
    parent, journal_id = log.records()[-1].front[1:17], sha256(own.public).digest()[:16]
    says = {
        "abandoned_root": given_up.root,
        "abandoned_size": given_up.size,
        "actor": _WHY,
        "cause": "restore",
        "journal_id": journal_id,
        "kept_root": kept.root,
        "kept_size": kept.size,
        "parent_id": parent,
        "reason": _WHY,
    }
    _append_system(log, _LINEAGE, b"batpak", says, own, begins=journal_id)
    write_log(directory, log)
    return scene.judged(directory)
