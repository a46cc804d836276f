"""Journals that are whole, whatever happened to them: FORMAT.md sections 7, 8, 10, 13, 16 and 17."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from corpus import attacks, checkpoints, damage, directory, events, keys, lineages
from corpus.forged import (
    PUBLIC,
    Room,
    append,
    checkpoints_of,
    edited,
    flipped,
    good,
    last_segment,
    log_of,
    open_store,
    reopened,
)
from evidence_bundles import SEED
from support import copy_of_living

if TYPE_CHECKING:
    from pathlib import Path

    from corpus.cases import Case


def _torn(room: Room) -> Path:
    """A journal whose last frame was never synced and is there in part."""
    path = room.small()
    with last_segment(path).open("ab") as file:
        file.write(b"\x80\x00\x00\x00" + b"half a frame" * 3)
    return path


def _living(room: Room) -> Path:
    """What a killed writer leaves: events behind the last head, and no clean end."""
    path, copy = room.small(), room.place()
    with open_store(path, SEED) as store:
        append(store, 6)
        store.sync()
        copy_of_living(path, copy)
    return copy


def _adopted(room: Room) -> Path:
    path = room.small(None)
    with open_store(path, SEED, adopt_key=True) as store:
        append(store, 6)
    return path


def _created(room: Room) -> Path:
    path = room.place()
    open_store(path, SEED).close()
    return path


def _recovered(room: Room) -> Path:
    return reopened(_torn(room), 6)


def _without(path: Path, *names: str) -> Path:
    for name in names:
        for file in path.glob(name):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return path


def _added(path: Path, name: str, content: bytes) -> Path:
    assert not (path / name).exists()
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_bytes(content)
    return path


def _whole(room: Room) -> list[Case]:
    sealed, small = room.sealed(), room.small()
    first, last = checkpoints_of(small)[0], checkpoints_of(small)[-1]
    spare = edited(room.small(), last_segment(small).relative_to(small).as_posix(), lambda data: data + bytes(200))
    copied = _frame_copied(room)
    return [
        good(
            "signed",
            "A signed journal of several segments with a batch, private metadata, index files and checkpoints; the "
            "key is given. Section 16.",
            sealed,
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "signed-own-key",
            "The same without a key: the one that the journal names counts, and proves one author. Section 10.",
            None,
            "signed",
            2,
            of="signed",
        ),
        good(
            "unsigned",
            "A journal without a key, of several segments. Section 10.",
            room.sealed(None),
            "unsigned_accepted",
            1,
        ),
        good("small", "A signed journal of one segment. Section 16.", small, "signed", 2, key=PUBLIC),
        good(
            "pinned",
            "The same with its last checkpoint as pin. Section 18.1.",
            None,
            "signed",
            3,
            key=PUBLIC,
            pin=last,
            of="small",
        ),
        good(
            "pinned-earlier",
            "The same with an earlier checkpoint as pin: the log goes on from it. Section 18.1.",
            None,
            "signed",
            3,
            key=PUBLIC,
            pin=first,
            of="small",
        ),
        good(
            "small-unsigned",
            "A journal without a key, of one segment. Section 16.",
            room.small(None),
            "unsigned_accepted",
            1,
        ),
        good("created", "A journal of nothing but event 0. Section 7.", _created(room), "signed", 2, key=PUBLIC),
        good(
            "unclean",
            "What a killed writer leaves: events behind the last head, and perhaps space written ahead. Section 13.",
            _living(room),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "torn-tail",
            "Part of a frame that was never synced lies behind the end: an unsynced tail, which is not damage. "
            "Section 13.",
            _torn(room),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "recovered",
            "The same after a writer cut the tail off, kept its bytes and wrote recovered. Section 13.",
            _recovered(room),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "space-ahead",
            "Zero bytes behind the last frame are space written ahead. Section 13.",
            spare,
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "frame-copied-behind",
            "A copy of a frame behind the end is no frame there, because checksums cover the place: an unsynced "
            "tail. Sections 5 and 13.",
            copied,
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "torn-entry",
            "The last entry of checkpoints is there in part: passed over. Section 8.",
            edited(room.small(), "checkpoints", lambda data: data + b"\x40\x00\x00\x00torn"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "without-indexes",
            "Index files and runs are missing; they can be made again, and that is no finding. Section 17.",
            _without(room.sealed(), "segments/*.idx", "heads"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "index-of-nothing",
            "An index file that nothing tells of is passed over. Section 17.",
            _added(room.small(None), f"segments/{0:020}.idx", b"not an index"),
            "unsigned_accepted",
            1,
        ),
        good(
            "name-in-heads",
            "Another name in heads is passed over. Section 17.",
            _added(room.small(), "heads/notes.txt", b"x"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "unfinished-file",
            "A name that ends in .tmp is an unfinished file of a crashed writer, and passed over. Section 7.",
            _added(room.small(), f"segments/{7:020}.log.tmp", b"x"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "without-frontier",
            "An absent frontier is passed over. Section 8.",
            _without(room.small(), "frontier"),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "torn-frontier",
            "An invalid frontier is passed over: it is rewritten in place, and a crash may tear it. Section 8.",
            edited(room.small(), "frontier", lambda data: flipped(data, 40)),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "adopted-key",
            "A journal that was given a key later: the frames before key_added are not signed, and those from it on "
            "are. Section 10.",
            _adopted(room),
            "unsigned_accepted",
            2,
        ),
    ]


def _frame_copied(room: Room) -> Path:
    path = room.small()
    frame = next(iter(reversed(list(log_of(path).frames())))).raw
    return edited(path, last_segment(path).relative_to(path).as_posix(), lambda data: data + frame)


def cases(path: Path) -> list[Case]:
    """All cases; journals are made and changed in this directory."""
    room = Room(path)
    others = (attacks, checkpoints, events, damage, directory, keys, lineages)
    return [*_whole(room), *(case for module in others for case in module.cases(room))]
