"""Attacks on what others hold or are handed: receipts, proofs, checkpoints and evidence bundles."""

from __future__ import annotations

import base64
import json
import zipfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import batpak
from batpak import _batpak
from batpak._drill.attack import attack
from batpak._drill.forging import read_log, write_log
from batpak._drill.judging import Catch, error_catch, verdict_catch
from batpak._drill.on_the_log import append_forged, rekey
from batpak._drill.scene import DRILL, coordinate
from batpak._errors import BatpakError
from batpak._evidence import members
from batpak._evidence.writing import _info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batpak._batpak import Event
    from batpak._drill.codec import Record
    from batpak._drill.judging import Layer
    from batpak._drill.scene import Scene
    from batpak._receipt import AppendReceipt

_RETRY = b"drill: retried"
_TRUE, _ALTERED = {"paid": True}, {"paid": False}


def _launder(scene: Scene) -> tuple[AppendReceipt, AppendReceipt | BatpakError, Path]:
    """Append under a key, alter the event, and append under the key again: both receipts, and the journal."""
    directory = scene.copy()
    with scene.writing(directory) as store:
        first = store.append(coordinate("drill:a"), _TRUE, kind=DRILL, key=_RETRY)
        store.append(coordinate("drill:a"), {"later": True}, kind=DRILL)
    log = read_log(directory, scene.log.origin)
    altered = next(record for record in log.records() if record.event_id == first.event_id.bytes)
    log.edit(
        altered.sequence,
        altered.with_payload(_batpak.encode_value(_ALTERED, allow_nonfinite=False), commit=True),
    )
    log.relink()
    write_log(directory, log, make_notes=scene.public_key is None)
    try:
        with scene.writing(directory) as store:
            return first, store.append(coordinate("drill:a"), _ALTERED, kind=DRILL, key=_RETRY), directory
    except BatpakError as error:
        return first, error, directory


@attack(
    "evidence laundered by a retry",
    "alters an event, and has its append retried for a receipt over what it says now",
    powers="write, fit",
    caught_by=("proof",),
)
def _launder_first(scene: Scene) -> list[Catch]:
    first, _, directory = _launder(scene)
    try:
        with batpak.Store.open(directory, create=False, read_only=True, registry=batpak.Registry()) as store:
            return verdict_catch(store.verify_receipt(first), "proof", "the first receipt")
    except BatpakError as error:
        return [error_catch(error, "proof", "open")]


@attack(
    "evidence laundered by a retry, the first receipt lost",
    "does the same where nobody kept the first receipt",
    powers="write, fit",
    caught_by=("key",),
    else_by="a signature, or the first receipt",
)
def _launder_fresh(scene: Scene) -> list[Catch]:
    _, fresh, _ = _launder(scene)
    layer: Layer = "journal" if scene.public_key is None else "key"
    if isinstance(fresh, BatpakError):
        return [error_catch(fresh, layer, "retry")]
    return verdict_catch(batpak.verify_receipt(fresh, public_key=scene.public_key), layer, "the new receipt")


@attack(
    "evidence laundered by a new checkpoint",
    "alters an event, takes the checkpoints over it away, and has the owner state and prove the journal anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by="a signature, a pin, or a receipt or checkpoint that others hold",
)
def _launder_checkpoint(scene: Scene) -> list[Catch]:
    scene.require_writing()
    directory, log, target = scene.copy(), scene.log.copy(), scene.target()
    log.edit(target.sequence, target.with_payload(_batpak.encode_value(_ALTERED, allow_nonfinite=False), commit=True))
    log.relink()
    write_log(directory, log)
    return _stated_by_the_owner(scene, directory, target.sequence)


def _stated_by_the_owner(scene: Scene, directory: Path, sequence: int) -> list[Catch]:
    """Have the owner open an attacked copy, write on, and prove an event of it to others."""
    catches = [catch for catch in scene.judged(directory) if catch.layer == "others"]
    try:
        scene.writing(directory, pins=scene.copy_pins()).close()
    except BatpakError as error:
        catches.append(error_catch(error, "pin", "open with the pin"))
    layer: Layer = "journal" if scene.public_key is None else "key"
    bundle = scene.place("evidence.zip")
    try:
        with scene.writing(directory) as store:
            store.export_evidence(bundle, after=sequence - 1, until=sequence)
    except BatpakError as error:
        return [error_catch(error, layer, "open or evidence"), *catches]
    return verdict_catch(batpak.verify_evidence(bundle, public_key=scene.public_key), layer, "evidence") + catches


@attack(
    "forged event stated by the owner",
    "writes an event of their own behind the last one, and has the owner state and prove the journal anew",
    powers="write, fit",
    caught_by=("key",),
    else_by="a signature",
)
def _launder_append(scene: Scene) -> list[Catch]:
    scene.require_writing()
    directory, log = scene.copy(), scene.log.copy()
    forged = append_forged(log, scene.target())
    write_log(directory, log)
    return _stated_by_the_owner(scene, directory, forged.sequence)


@attack(
    "policy downgrade, the owner writes on",
    "alters an event of a journal that is made to say that it is not signed, and has the owner state and prove it anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by="a pin, or a receipt or checkpoint that others hold",
)
def _launder_downgrade(scene: Scene) -> list[Catch]:
    scene.require_signed()
    scene.require_writing()
    directory, log, target = scene.copy(), scene.log.copy(), scene.target()
    log.edit(target.sequence, target.with_payload(_batpak.encode_value(_ALTERED, allow_nonfinite=False), commit=True))
    rekey(log, None)
    log.strip()
    write_log(directory, log)
    altered = next(record for record in log.records() if record.event_id == target.event_id)
    return _stated_by_the_owner(scene, directory, altered.sequence)


@attack(
    "split view",
    "shows two journals of one id to two auditors, who compare their checkpoints",
    powers="write, key",
    caught_by=("proof",),
)
def _split_view(scene: Scene) -> list[Catch]:
    scene.require_writing()
    stated = []
    for view, count in (("one", 1), ("two", 3)):
        directory = scene.copy(view)
        with scene.writing(directory) as store:
            for number in range(count):
                store.append(coordinate("drill:a"), {"view": view, "n": number}, kind=DRILL)
            stated.append(store.checkpoint())
    with scene.writing(directory) as store:
        proof = store.prove_consistency(*(each.size for each in stated))
    verdict = proof.verify(stated[0], stated[1], public_key=scene.public_key)
    return verdict_catch(verdict, "proof", "consistency proof")


def _events(scene: Scene) -> tuple[Event, Event, batpak.Checkpoint, batpak.InclusionProof]:
    """An event, another one, the last checkpoint, and the proof that the first is under it."""
    one, two = scene.pair()
    checkpoint = scene.require_checkpoint()
    with batpak.Store.open(scene.pristine, create=False, read_only=True, registry=batpak.Registry()) as store:
        return store.get(one.sequence), store.get(two.sequence), checkpoint, store.prove(one.sequence, checkpoint)


@attack(
    "proof shown for another event", "shows the proof of one event for another", powers="send", caught_by=("proof",)
)
def _other_event(scene: Scene) -> list[Catch]:
    one, two, checkpoint, proof = _events(scene)
    right = proof.verify(checkpoint, public_key=scene.public_key, event=one)
    shown = proof.verify(checkpoint, public_key=scene.public_key, event=two)
    return _unless(right, verdict_catch(shown, "proof", "inclusion proof"))


@attack(
    "proof made to fit another event",
    "puts the hash and sequence of another event into a proof",
    powers="send",
    caught_by=("proof",),
)
def _fitted_proof(scene: Scene) -> list[Catch]:
    one, two, checkpoint, proof = _events(scene)
    fitted = batpak.InclusionProof(two.event_hash, two.sequence, proof.size, proof.path)
    right = proof.verify(checkpoint, public_key=scene.public_key, event=one)
    shown = fitted.verify(checkpoint, public_key=scene.public_key, event=two)
    return _unless(right, verdict_catch(shown, "proof", "inclusion proof"))


def _unless(right: batpak.Verification, catches: list[Catch]) -> list[Catch]:
    """What was caught, unless the genuine thing is refused as well: then it says nothing."""
    return catches if right.ok else []


def _bundle(scene: Scene, record: Record, *, payloads: bool) -> Path:
    path = scene.place("evidence.zip")
    checkpoint = scene.require_checkpoint()
    with batpak.Store.open(scene.pristine, create=False, read_only=True, registry=batpak.Registry()) as store:
        sequence = record.sequence
        after = sequence - 1 if sequence else None
        store.export_evidence(path, checkpoint=checkpoint, payloads=payloads, after=after, until=sequence)
    return path


def _with_line(
    scene: Scene, bundle: Path, record: Record, change: Callable[[dict[str, Any]], None]
) -> batpak.Verification:
    """The verdict about a bundle in which an event was changed, the manifest made to fit."""
    with zipfile.ZipFile(bundle) as opened:
        found = {info.filename: opened.read(info) for info in opened.infolist()}
    lines = [json.loads(line) for line in found[members.EVENTS].splitlines()]
    change(next(line for line in lines if line["sequence"] == record.sequence))
    found[members.EVENTS] = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    manifest = json.loads(found[members.MANIFEST])
    told = {"bytes": len(found[members.EVENTS]), "sha256": sha256(found[members.EVENTS]).hexdigest()}
    manifest["files"][members.EVENTS] = told
    manifest["payloads"] = sum(line["payload"] is not None for line in lines)
    found[members.MANIFEST] = json.dumps(manifest).encode()
    changed = scene.place("changed.zip")
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_STORED) as opened:
        for name, data in found.items():
            opened.writestr(_info(name), data)
    return batpak.verify_evidence(changed, public_key=scene.public_key)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _opened(salt: bytes, private: bytes, payload: bytes) -> dict[str, str]:
    return {"salt": _text(salt), "private": _text(private), "payload": _text(payload)}


@attack(
    "evidence with an event exchanged",
    "puts another event in the place of the one in a bundle",
    powers="send",
    caught_by=("proof",),
)
def _exchanged(scene: Scene) -> list[Catch]:
    one, two = scene.pair()
    bundle = _bundle(scene, one, payloads=True)

    def exchange(line: dict[str, Any]) -> None:
        line |= {"header": _text(two.header), **_opened(two.salt, two.private, two.payload)}

    right = _with_line(scene, bundle, one, lambda _: None)
    return _unless(right, verdict_catch(_with_line(scene, bundle, one, exchange), "proof", "evidence"))


@attack(
    "evidence with a payload exchanged",
    "puts another payload behind the header of the event in a bundle",
    powers="send",
    caught_by=("proof",),
)
def _exchanged_payload(scene: Scene) -> list[Catch]:
    record = scene.target()
    bundle = _bundle(scene, record, payloads=True)

    def exchange(line: dict[str, Any]) -> None:
        line["payload"] = _text(record.payload + b"\x00")

    right = _with_line(scene, bundle, record, lambda _: None)
    return _unless(right, verdict_catch(_with_line(scene, bundle, record, exchange), "proof", "evidence"))


@attack(
    "erased payload guessed",
    "has a header alone, and tries whether the right payload can be confirmed without its salt",
    powers="read",
    caught_by=("proof",),
)
def _guess(scene: Scene) -> list[Catch]:
    record = scene.target()
    bundle = _bundle(scene, record, payloads=False)

    def verdict(salt: bytes, payload: bytes) -> batpak.Verification:
        return _with_line(scene, bundle, record, lambda line: line.update(_opened(salt, record.private, payload)))

    right = verdict(record.salt, record.payload)
    commitment = record.front[-33:-1]
    salts = [bytes(16), record.event_id, commitment[:16], record.front[1:17]]
    candidates = [record.payload, b"\x00", b"\x02", _batpak.encode_value("guess", allow_nonfinite=False)]
    guesses = [verdict_catch(verdict(salt, payload), "proof", "evidence") for salt in salts for payload in candidates]
    return _unless(right, guesses[0]) if all(guesses) else []
