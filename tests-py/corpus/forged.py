"""Journals of the corpus: four real ones, and copies of them that were changed."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import batpak
from batpak._drill.codec import Record, Signer, crc32c, with_crc
from batpak._drill.forging import Log, note_of, read_entries, read_log, write_entries, write_log
from corpus.cases import Case, accept, reject
from evidence_bundles import OTHER_SEED, SEED, public_key, signing_key
from support import KIND, contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME: Final = "corpus"
PUBLIC: Final = public_key(SEED)
SIGNER: Final = Signer(signing_key(SEED))
OTHER_SIGNER: Final = Signer(signing_key(OTHER_SEED))


def append(store: batpak.Store, number: int, fill: int = 0) -> None:
    """Append an event of one of two entities."""
    store.append(batpak.Coordinate(f"order:{number % 2}", "shop"), {"n": number, "fill": "x" * fill}, kind=KIND)


def open_store(path: Path, seed: bytes | None, **options: Any) -> batpak.Store:
    """Open a journal for writing, as its owner does."""
    key = None if seed is None else signing_key(seed)
    return batpak.Store.open(
        path, signing_key=key, name=NAME, segment_bytes=4096, registry=batpak.Registry(), **options
    )


def make_sealed(path: Path, seed: bytes | None) -> None:
    """A journal of three segments or more, with batches, private metadata, index files and two checkpoints."""
    with open_store(path, seed) as store:
        coordinate = batpak.Coordinate("order:0", "shop")
        store.append(coordinate, b"raw", kind=KIND, metadata={"a": "1"}, private_metadata={"who": "someone"})
        store.append_batch([(batpak.Coordinate(f"order:{n % 2}", "shop"), {"n": n}) for n in range(3)], kind=KIND)
        store.checkpoint()
        for number in range(14):
            append(store, number, 300)
    with open_store(path, seed) as store:
        append(store, 14)
        append(store, 15)


def make_small(path: Path, seed: bytes | None) -> None:
    """A journal of one segment: event 0, one, a batch of three, a checkpoint, two events and another checkpoint."""
    with open_store(path, seed) as store:
        append(store, 0)
        store.append_batch([(batpak.Coordinate(f"order:{n % 2}", "shop"), {"n": n}) for n in range(3)], kind=KIND)
        store.checkpoint()
        append(store, 4)
        append(store, 5)
        store.checkpoint()


@dataclass
class Room:
    """Where journals are made and changed."""

    path: Path
    _count: int = 0
    _made: dict[tuple[str, bytes | None], Path] = field(default_factory=dict)

    def place(self) -> Path:
        """A path that is not there yet."""
        self._count += 1
        return self.path / f"{self._count:03}"

    def base(self, make: Callable[[Path, bytes | None], None], seed: bytes | None) -> Path:
        """A real journal, made once."""
        key = make.__name__, seed
        if key not in self._made:
            self._made[key] = self.place()
            make(self._made[key], seed)
        return self._made[key]

    def sealed(self, seed: bytes | None = SEED) -> Path:
        """A copy of the journal of several segments."""
        return shutil.copytree(self.base(make_sealed, seed), self.place())

    def small(self, seed: bytes | None = SEED) -> Path:
        """A copy of the journal of one segment."""
        return shutil.copytree(self.base(make_small, seed), self.place())

    def tiny(self, change: Callable[[Log], object] = lambda log: log) -> Path:
        """A copy of the unsigned journal of one segment, without heads and checkpoints."""
        return without_entries(forged(self.small(None), change))


def log_of(path: Path) -> Log:
    """The log of a journal."""
    log = read_log(path, "")
    log.origin = f"{NAME}/{UUID(bytes=log.journal_id)}"
    return log


def forged(path: Path, change: Callable[[Log], object], *, signer: Signer | None = None, notes: bool = False) -> Path:
    """Change the log of a copy and make everything else fit, with new signatures if there is a signer."""
    before = log_of(path)
    log = before.copy()
    change(log)
    if signer is not None:
        log.sign(signer, before=before)
    write_log(path, log, signer=signer, make_notes=notes)
    return path


def without_entries(path: Path) -> Path:
    """Take every entry out of ``checkpoints``."""
    write_entries(path, log_of(path).journal_id, [])
    return path


def last_of(log: Log) -> Record:
    """The last event."""
    return log.records()[-1]


def with_last(change: Callable[[Record], Record]) -> Callable[[Log], None]:
    """Have the last event be another; nothing follows that would have to fit."""

    def changed(log: Log) -> None:
        last = last_of(log)
        log.edit(last.sequence, change(last))

    return changed


def checkpoints_of(path: Path) -> list[str]:
    """The checkpoints of a journal, oldest first."""
    notes = [note_of(body) for body in read_entries(path)]
    return [str(each) for each in notes if each is not None]


def reopened(path: Path, number: int) -> Path:
    """A signed journal that its owner opened once more, to append one event."""
    with open_store(path, SEED) as store:
        append(store, number)
    return path


# -- frames and files --------------------------------------------------------------------------------------------------


@dataclass
class Parts:
    """What a frame says, each of which may be changed."""

    body: bytes
    count: int
    flags: int
    synced: int


def last_segment(path: Path) -> Path:
    """The last segment of a journal."""
    return max((path / "segments").glob("*.log"))


def frame_starts(path: Path) -> list[int]:
    """Where the frames of the last segment begin."""
    data, starts, position = last_segment(path).read_bytes(), [], 64
    while position + 24 <= len(data) and data[position : position + 4] != bytes(4):
        starts.append(position)
        position += 24 + int.from_bytes(data[position : position + 4], "little")
    return starts


def reframed(path: Path, change: Callable[[Parts], object]) -> Path:
    """Change the last frame of a journal, with checksums that fit and a frontier that ends where it ends."""
    file, at = last_segment(path), frame_starts(path)[-1]
    data = file.read_bytes()
    length, _, _, count, synced = struct.unpack_from("<IIIIQ", data, at)
    parts = Parts(data[at + 24 : at + 24 + length], count & 0xFFFFFF, count >> 24, synced)
    change(parts)
    nonce = data[28:44]
    place = nonce + struct.pack("<QI", at, len(parts.body))
    rest = struct.pack("<IIQ", crc32c(place + parts.body), parts.count | parts.flags << 24, parts.synced)
    frame = struct.pack("<II", len(parts.body), crc32c(place + rest)) + rest + parts.body
    file.write_bytes(data[:at] + frame)
    told = (path / "frontier").read_bytes()
    (path / "frontier").write_bytes(with_crc(told[:52] + struct.pack("<Q", at + len(frame))))
    return path


def edited(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """Change a file of a journal."""
    file = path / name
    before = file.read_bytes()
    after = change(before)
    assert after != before, name
    file.write_bytes(after)
    return path


def flipped(data: bytes, position: int) -> bytes:
    """Flip a bit."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


# -- cases -------------------------------------------------------------------------------------------------------------


def files_of(name: str, path: Path) -> dict[str, bytes]:
    """The files of a journal, by their place in the corpus. ``LOCK`` is a writer's business."""
    return {f"journals/{name}/{file}": data for file, data in contents(path).items() if file != "LOCK"}


def _given(name: str, key: bytes | None, pin: str | None) -> dict[str, Any]:
    return {"journal": f"journals/{name}", "public_key": None if key is None else key.hex(), "pin": pin}


def good(
    name: str,
    says: str,
    path: Path | None,
    outcome: str,
    rung: int,
    *,
    key: bytes | None = None,
    pin: str | None = None,
    of: str | None = None,
) -> Case:
    """A journal that must be accepted; ``of`` is the case whose directory it is."""
    files = {} if path is None else files_of(name, path)
    return accept(f"journal-{name}", says, outcome=outcome, rung=rung, files=files, **_given(of or name, key, pin))


def bad(
    name: str,
    says: str,
    path: Path | None,
    axis: str,
    code: str,
    *,
    key: bytes | None = None,
    pin: str | None = None,
    of: str | None = None,
) -> Case:
    """A journal that must be refused; ``of`` is the case whose directory it is."""
    files = {} if path is None else files_of(name, path)
    return reject(f"journal-{name}", says, code, axis=axis, files=files, **_given(of or name, key, pin))
