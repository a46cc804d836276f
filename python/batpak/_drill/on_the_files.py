"""Attacks on the directory as a whole and on the files beside the log."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Final

import batpak
from batpak._drill.attack import attack
from batpak._drill.codec import with_crc
from batpak._drill.forging import INDEX, note_entry, note_of, read_entries, write_entries, write_log
from batpak._drill.scene import DRILL, NotTriedError, coordinate
from batpak._evidence.verifier import blake3

if TYPE_CHECKING:
    from pathlib import Path

    from batpak._drill.judging import Catch
    from batpak._drill.scene import Scene

_BLOCK: Final = 65_536
_PIN: Final = "a pin, or a receipt or checkpoint that others hold"


def _go_on(scene: Scene, directory: Path, text: str, count: int, pins: Path | None = None) -> batpak.Checkpoint:
    """Write on in a copy, as its owner does."""
    with scene.writing(directory, pins=pins) as store:
        for number in range(count):
            store.append(coordinate("drill:a"), {"n": number, "text": text}, kind=DRILL)
        return store.checkpoint()


@attack(
    "restored old copy",
    "puts an older copy of the whole directory back",
    powers="write, copy",
    caught_by=("pin",),
    else_by=_PIN,
)
def _restore(scene: Scene) -> list[Catch]:
    scene.require_writing()
    current, pins = scene.copy("current"), scene.copy_pins()
    checkpoint = _go_on(scene, current, "what the old copy does not know", 2, pins)
    return scene.judged(scene.copy(), pins=pins, checkpoint=checkpoint)


@attack(
    "fork",
    "puts an older copy back on which was written since",
    powers="write, copy, key",
    caught_by=("pin",),
    else_by=_PIN,
)
def _fork(scene: Scene) -> list[Catch]:
    scene.require_writing()
    current, pins, forked = scene.copy("current"), scene.copy_pins(), scene.copy()
    checkpoint = _go_on(scene, current, "what happened", 2, pins)
    _go_on(scene, forked, "what did not happen", 4)
    return scene.judged(forked, pins=pins, checkpoint=checkpoint)


def _index(directory: Path) -> Path:
    indexes = sorted((directory / "segments").glob("*.idx"))
    if not indexes:
        raise NotTriedError("the journal has no index file")
    return indexes[0]


def _doctored(data: bytes) -> bytes:
    """An index file in which the ids of two events have changed places, its own digests made to fit."""
    journal_id, length = data[-24:-8], int.from_bytes(data[-8:], "little") >> 16
    content = bytearray(data[:length])
    count, fields = struct.unpack_from("<II", content, 16)
    names = sum(struct.unpack_from("<I", content, 24 + 16 * field)[0] for field in range(fields))
    ids = 24 + 16 * fields + names + 8 * count
    one, two = slice(ids, ids + 16), slice(ids + 16 * (count - 1), ids + 16 * count)
    content[one], content[two] = content[two], content[one]
    digests = b"".join(blake3(bytes(content[start : start + _BLOCK])) for start in range(0, length, _BLOCK))
    return bytes(content) + digests + b"batpakX1" + journal_id + data[-8:]


@attack(
    "doctored index",
    "has an index file name the wrong events",
    powers="write",
    caught_by=("journal",),
)
def _index_edit(scene: Scene) -> list[Catch]:
    directory = scene.copy()
    index = _index(directory)
    index.write_bytes(_doctored(index.read_bytes()))
    return scene.judged(directory)


@attack(
    "doctored index, digest made to fit",
    "has an index file name the wrong events, and the journal say that it must",
    powers="write, fit",
    caught_by=("journal",),
)
def _index_edit_digest(scene: Scene) -> list[Catch]:
    directory = scene.copy()
    index = _index(directory)
    before = index.read_bytes()
    after = _doctored(before)
    index.write_bytes(after)
    old, new = (blake3(data[int.from_bytes(data[-8:], "little") >> 16 :]) for data in (before, after))
    entries = [body.replace(old, new) if body[0] == INDEX else body for body in read_entries(directory)]
    write_entries(directory, scene.log.journal_id, entries)
    return scene.judged(directory)


def _earlier(scene: Scene) -> batpak.Checkpoint:
    """The newest checkpoint that is not the last one's size, over events of users or not."""
    last = scene.require_checkpoint()
    for checkpoint in reversed(scene.checkpoints):
        if 0 < checkpoint.size < min(last.size, scene.limit):
            return checkpoint
    raise NotTriedError("the journal keeps no two checkpoints of different sizes that are stated")


def _with_last_note(scene: Scene, text: str, *, keep: bool) -> list[Catch]:
    """Have another checkpoint be the last one of a copy, behind or in the place of the last."""
    directory = scene.copy()
    entries = read_entries(directory)
    last = max((place for place, body in enumerate(entries) if note_of(body) is not None), default=len(entries))
    if not keep:
        del entries[last]
    write_entries(directory, scene.log.journal_id, [*entries, note_entry(text)])
    return scene.judged(directory)


@attack(
    "stale checkpoint behind the last",
    "writes an earlier checkpoint once more, as the last one",
    powers="write, fit",
    caught_by=("journal",),
)
def _stale_behind(scene: Scene) -> list[Catch]:
    return _with_last_note(scene, str(_earlier(scene)), keep=True)


@attack(
    "stale checkpoint in the place of the last",
    "takes the last checkpoints away, so that an earlier one is the last, and leaves the log as it is",
    powers="write, fit",
    caught_by=(),
    else_by="nothing of the log is lost, and the verdict says that less of it is stated",
)
def _stale(scene: Scene) -> list[Catch]:
    earlier, directory = _earlier(scene), scene.copy()
    notes = [(body, note_of(body)) for body in read_entries(directory)]
    kept = [body for body, checkpoint in notes if checkpoint is None or checkpoint.size <= earlier.size]
    write_entries(directory, scene.log.journal_id, kept)
    return scene.judged(directory)


@attack(
    "log cut back to an earlier checkpoint",
    "cuts everything behind an earlier checkpoint off, and the later checkpoints with it",
    powers="write, fit",
    caught_by=("pin",),
    else_by=_PIN,
)
def _stale_and_cut(scene: Scene) -> list[Catch]:
    size = _earlier(scene).size
    if all(frame.records[0].sequence != size for frame in scene.log.frames()):
        raise NotTriedError("the earlier checkpoint does not end with a frame")
    directory, log = scene.copy(), scene.log.copy()
    log.cut(size)
    write_log(directory, log)
    return scene.judged(directory)


@attack(
    "edited checkpoint",
    "has the last checkpoint state another root, under the old signature",
    powers="write, fit",
    caught_by=("journal",),
)
def _edited_note(scene: Scene) -> list[Catch]:
    last = scene.require_checkpoint()
    other = base64.b64encode(blake3(last.root)).decode()
    return _with_last_note(scene, last.replace(base64.b64encode(last.root).decode(), other), keep=False)


@attack(
    "unsigned checkpoint",
    "takes the signature off the last checkpoint",
    powers="write, fit",
    caught_by=("journal", "key"),
)
def _unsigned_note(scene: Scene) -> list[Catch]:
    scene.require_signed()
    return _with_last_note(scene, scene.require_checkpoint().partition("\n\n")[0] + "\n\n", keep=False)


@attack(
    "checkpoint of another journal",
    "puts the checkpoint of another journal in the place of the last one",
    powers="write, fit",
    caught_by=("journal",),
)
def _foreign_note(scene: Scene) -> list[Catch]:
    scene.require_checkpoint()
    with batpak.Store.open(scene.other_journal(key=scene.key), read_only=True, create=False) as store:
        foreign = str(store.checkpoints()[-1])
    return _with_last_note(scene, foreign, keep=False)


@attack(
    "promised events that are not there",
    "has the frontier tell of more events than there are",
    powers="write, fit",
    caught_by=("journal",),
)
def _frontier(scene: Scene) -> list[Catch]:
    directory = scene.copy()
    data = (directory / "frontier").read_bytes()
    told = struct.pack("<Q", int.from_bytes(data[36:44], "little") + 1)
    (directory / "frontier").write_bytes(with_crc(data[:36] + told + data[44:60]))
    return scene.judged(directory)
