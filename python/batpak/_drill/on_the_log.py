"""Attacks on the log: events are changed, dropped, moved, added or cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batpak import _batpak
from batpak._drill.attack import attack
from batpak._drill.codec import Signer
from batpak._drill.forging import Frame, read_log, write_log
from batpak._proving.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from batpak._drill.codec import Record
    from batpak._drill.forging import Log
    from batpak._drill.judging import Catch
    from batpak._drill.scene import Scene

_OUTSIDE: Final = "a signature, a pin, or a receipt or checkpoint that others hold"
_PIN: Final = "a pin, or a receipt or checkpoint that others hold"
_EDITED: Final = _batpak.encode_value({"edited": True}, allow_nonfinite=False)


def _forged(scene: Scene, change: Callable[[Log], object], *, signer: Signer | None = None) -> list[Catch]:
    """Change the log of a copy, make everything fit as well as the attacker's key allows, and have it judged."""
    directory, log = scene.copy(), scene.log.copy()
    change(log)
    if signer is not None:
        log.sign(signer, before=scene.log)
    # Whoever cannot sign a checkpoint does better without one.
    write_log(directory, log, signer=signer, make_notes=signer is not None or scene.public_key is None)
    return scene.judged(directory)


def _edited(scene: Scene) -> Record:
    return scene.target().with_payload(_EDITED, commit=True)


def _edit_and_relink(scene: Scene) -> Callable[[Log], None]:
    edited = _edited(scene)

    def change(log: Log) -> None:
        log.edit(edited.sequence, edited)
        log.relink()

    return change


@attack("payload edit", "changes a byte of a payload", powers="write", caught_by=("journal",))
def _payload_edit(scene: Scene) -> list[Catch]:
    directory, target = scene.copy(), scene.target()
    for path in (directory / "segments").glob("*.log"):
        data = bytearray(path.read_bytes())
        found = data.find(target.encoded)
        if found >= 0:
            data[found + len(target.encoded) - 1] ^= 1
            path.write_bytes(data)
    return scene.judged(directory)


@attack(
    "payload edit, checksums made to fit",
    "changes a payload, and nothing of the event's header",
    powers="write, fit",
    caught_by=("journal",),
)
def _payload_edit_checksums(scene: Scene) -> list[Catch]:
    edited = scene.target().with_payload(_EDITED, commit=False)
    return _forged(scene, lambda log: log.edit(edited.sequence, edited))


@attack(
    "payload edit, commitment made to fit",
    "changes a payload and what its header commits to, and not the events that follow",
    powers="write, fit",
    caught_by=("journal",),
)
def _payload_edit_commitment(scene: Scene) -> list[Catch]:
    edited = _edited(scene)
    return _forged(scene, lambda log: log.edit(edited.sequence, edited))


@attack(
    "payload edit, everything made to fit",
    "changes a payload and every later event of the entity",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _payload_edit_relinked(scene: Scene) -> list[Catch]:
    return _forged(scene, _edit_and_relink(scene))


@attack(
    "header edit",
    "changes an event's time, and not the events that follow",
    powers="write, fit",
    caught_by=("journal",),
)
def _header_edit(scene: Scene) -> list[Catch]:
    target = scene.target()
    return _forged(scene, lambda log: log.edit(target.sequence, replace(target, skew=target.skew + 2)))


@attack(
    "header edit, everything made to fit",
    "changes an event's header and every later event of the entity",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _header_edit_relinked(scene: Scene) -> list[Catch]:
    target = scene.target()

    def change(log: Log) -> None:
        log.edit(target.sequence, replace(target, skew=target.skew + 2))
        log.relink()

    return _forged(scene, change)


@attack(
    "dropped event",
    "takes an event out and numbers and links the rest anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _drop(scene: Scene) -> list[Catch]:
    target = scene.target()

    def change(log: Log) -> None:
        log.change(lambda record: [] if record.sequence == target.sequence else [record])
        log.relink()

    return _forged(scene, change)


@attack(
    "reordered events",
    "has two events change places and links the rest anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _reorder(scene: Scene) -> list[Catch]:
    one, two = scene.pair()
    places = {one.sequence: two, two.sequence: one}

    def change(log: Log) -> None:
        log.change(lambda record: [places.get(record.sequence, record)])
        log.relink()

    return _forged(scene, change)


@attack(
    "duplicated event",
    "writes an event a second time and links the rest anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _duplicate(scene: Scene) -> list[Catch]:
    target = scene.target()

    def change(log: Log) -> None:
        log.change(lambda record: [record, record] if record.sequence == target.sequence else [record])
        log.relink()

    return _forged(scene, change)


@attack(
    "deleted entity",
    "takes every event of an entity out and links the rest anew",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by=_OUTSIDE,
)
def _delete_entity(scene: Scene) -> list[Catch]:
    entity = scene.pair()[0].entity

    def change(log: Log) -> None:
        log.change(lambda record: [] if record.entity == entity else [record])
        log.relink()

    return _forged(scene, change)


@attack("cut tail", "cuts the log at the end of a frame, and no other file", powers="write", caught_by=("journal",))
def _cut(scene: Scene) -> list[Catch]:
    directory, size = scene.copy(), scene.place_to_cut()
    for path, segment in zip(sorted((directory / "segments").glob("*.log")), scene.log.segments, strict=True):
        cut = [frame.offset for frame in segment.frames if frame.records[0].sequence >= size]
        if cut and cut[0] == segment.frames[0].offset:
            path.unlink()
        elif cut:
            path.write_bytes(path.read_bytes()[: cut[0]])
    return scene.judged(directory)


@attack(
    "cut tail, everything made to fit",
    "cuts the log at the end of a frame, and heads, checkpoints and frontier with it",
    powers="write, fit",
    caught_by=("pin",),
    else_by=_PIN,
)
def _cut_and_fit(scene: Scene) -> list[Catch]:
    directory, log = scene.copy(), scene.log.copy()
    log.cut(scene.place_to_cut())
    write_log(directory, log)
    return scene.judged(directory)


@attack(
    "rewritten and signed again",
    "changes an event, and signs every frame and the checkpoint again",
    powers="write, fit, key",
    caught_by=("pin",),
    else_by=_PIN,
)
def _resign(scene: Scene) -> list[Catch]:
    scene.require_signed()
    return _forged(scene, _edit_and_relink(scene), signer=scene.signer)


def append_forged(log: Log, model: Record) -> Record:
    """Write an event behind the end, like one that is there; in a signed journal with a signature that is not valid."""
    frame = next(each for each in log.frames() if model in each.records)
    forged = model.with_payload(_EDITED, commit=True)
    added = Frame([forged], frame.synced, frame.proof)
    log.segments[-1].frames.append(added)
    log.relink()
    if frame.proof:
        # Their own signature under the name of the right key.
        proof = Signer(SigningKey.generate()).frame_proof(added.records)
        added.proof = frame.proof[:32] + proof[32:]
    return added.records[0]


@attack(
    "forged event behind the end",
    "writes an event of their own behind the last one",
    powers="write, fit",
    caught_by=("key",),
    else_by="a signature",
)
def _append(scene: Scene) -> list[Catch]:
    target = scene.target()
    return _forged(scene, lambda log: append_forged(log, target))


@attack(
    "spliced event",
    "puts an event of another journal in the place of one",
    powers="write, fit",
    caught_by=("journal",),
)
def _splice(scene: Scene) -> list[Catch]:
    target = scene.target()
    foreign = read_log(scene.other_journal(), "").records()[-1]
    taken = replace(foreign, event_id=target.event_id, wall=target.wall, counter=target.counter)

    def change(log: Log) -> None:
        log.edit(target.sequence, taken)
        log.relink()

    return _forged(scene, change)


@attack(
    "stripped signatures",
    "takes the signatures off every frame and checkpoint",
    powers="write, fit",
    caught_by=("journal", "key"),
)
def _strip(scene: Scene) -> list[Catch]:
    scene.require_signed()
    directory, log = scene.copy(), scene.log.copy()
    log.strip()
    write_log(directory, log, make_notes=True)
    return scene.judged(directory)


@attack(
    "policy downgrade",
    "has the journal say that it is not signed, and takes every signature off",
    powers="write, fit",
    caught_by=("key", "pin"),
    else_by="the public key, given from outside",
)
def _downgrade(scene: Scene) -> list[Catch]:
    scene.require_signed()

    def change(log: Log) -> None:
        rekey(log, None)
        log.strip()

    directory, log = scene.copy(), scene.log.copy()
    change(log)
    write_log(directory, log, make_notes=True)
    return scene.judged(directory)


def rekey(log: Log, public_key: bytes | None) -> None:
    """Have the log name another key, or none."""
    created = log.records()[0]
    says = _batpak.decode_value(created.payload)
    says |= {"public_key": public_key, "key_policy": "unsigned" if public_key is None else "signed"}
    log.edit(0, created.with_payload(_batpak.encode_value(says, allow_nonfinite=False), commit=True))
    log.change(lambda record: [] if record.entity == b"batpak:keys" else [record])
    log.relink()


@attack(
    "foreign signature",
    "changes an event and signs what follows with another key",
    powers="write, fit, own key",
    caught_by=("journal", "key"),
)
def _foreign_key(scene: Scene) -> list[Catch]:
    scene.require_signed()
    return _forged(scene, _edit_and_relink(scene), signer=Signer(SigningKey.generate()))


@attack(
    "exchanged key",
    "has the journal name another key, and signs everything with that",
    powers="write, fit, own key",
    caught_by=("key", "pin"),
    else_by="the public key, given from outside",
)
def _exchange_key(scene: Scene) -> list[Catch]:
    scene.require_signed()
    signer = Signer(SigningKey.generate())

    def change(log: Log) -> None:
        rekey(log, signer.public)
        log.sign(signer)

    return _forged(scene, change, signer=signer)
