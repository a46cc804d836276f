"""What an attack works on: copies of one journal, in a directory that is removed at the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import batpak
from batpak._drill.codec import Signer
from batpak._drill.forging import read_log
from batpak._drill.judging import judge

if TYPE_CHECKING:
    from pathlib import Path

    from batpak._batpak import Coordinate
    from batpak._drill.codec import Record
    from batpak._drill.forging import Log
    from batpak._drill.judging import Catch

DRILL = batpak.Kind(0xF, 0xDD1)
"""The kind of the events that are appended to copies."""

_ROUNDS = 24
_FILL = "x" * 400


class NotTriedError(Exception):
    """An attack cannot be tried on this journal; the text says why."""


@dataclass
class Scene:
    """A journal under attack.

    Attributes:
        room: where copies go.
        pristine: a copy of the journal that nothing is done to.
        key: the signing key, if it was given.
        public_key: the journal's public key, if it is signed.
        pins: a copy of the pin directory, if one was given that knows this journal.
        added: how many events were appended to the copy first.
    """

    room: Path
    pristine: Path
    key: batpak.SigningKey | None
    public_key: batpak.PublicKey | None
    pins: Path | None
    added: int = 0
    log: Log = field(init=False)
    checkpoints: list[batpak.Checkpoint] = field(init=False)
    limit: int = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Read the pristine copy."""
        with batpak.Store.open(self.pristine, create=False, read_only=True, registry=batpak.Registry()) as store:
            self.checkpoints = store.checkpoints()
            self.log = read_log(self.pristine, f"{store.name}/{store.journal_id}")
            # Made by the compiled half, thousands of times faster; each is a plain attribute from here on.
            for record, event in zip(self.log.records(), store.query(system=True), strict=True):
                vars(record)["event_hash"] = event.event_hash
            stated = [len(store)] + [each.size for each in self.checkpoints[-1:]]
        if self.pins is not None:
            stated.append(batpak.Checkpoint(self.pin_in(self.pins).read_text(encoding="utf-8")).size)
        self.limit = min(stated)

    def pin_in(self, pins: Path) -> Path:
        """The file of this journal's pin."""
        return pins / f"{UUID(self.log.origin.rpartition('/')[2]).hex}.checkpoint"

    # What an attack needs.

    @property
    def may_write(self) -> bool:
        """Whether the library will append to a copy."""
        return self.public_key is None or self.key is not None

    def require_writing(self) -> None:
        """Say that an attack needs the key, if it does."""
        if not self.may_write:
            raise NotTriedError("needs the key (--key)")

    def require_signed(self) -> None:
        """Say that an attack is about signatures, if there are none."""
        if self.public_key is None:
            raise NotTriedError("the journal is not signed")

    @property
    def signer(self) -> Signer:
        """The key in the attacker's hands."""
        if self.key is None:
            raise NotTriedError("needs the key (--key)")
        return Signer(self.key)

    def targets(self) -> list[Record]:
        """Events of users that the last checkpoint, the pin and, in a signed journal, a signature speak of."""
        frames = (frame for frame in self.log.frames() if frame.proof or self.public_key is None)
        records = (record for frame in frames for record in frame.records)
        return [record for record in records if record.is_users and record.payload and record.sequence < self.limit]

    def target(self) -> Record:
        """An event with another behind it in its entity's chain, as late as possible: less is to be made again."""
        later: set[bytes] = set()
        for record in reversed(self.targets()):
            if record.entity in later:
                return record
            later.add(record.entity)
        raise NotTriedError("no entity has two events that are stated")

    def pair(self) -> tuple[Record, Record]:
        """Two events of different entities."""
        targets = self.targets()
        for record in reversed(targets[:-1]):
            if record.entity != targets[-1].entity:
                return record, targets[-1]
        raise NotTriedError("there are not two entities with events that are stated")

    def place_to_cut(self) -> int:
        """The end of a frame, with stated events behind it."""
        ends = [frame.records[0].sequence for frame in self.log.frames()]
        below = [end for end in ends if 0 < end < self.limit]
        if not below:
            raise NotTriedError("there is no event behind the first frame")
        return below[-1]

    def require_checkpoint(self) -> batpak.Checkpoint:
        """The last checkpoint."""
        if not self.checkpoints:
            raise NotTriedError("the journal keeps no checkpoint")
        return self.checkpoints[-1]

    @property
    def is_ready(self) -> bool:
        """Whether every attack finds what it needs."""
        try:
            self.target()
            self.pair()
        except NotTriedError:
            return False
        sizes = {checkpoint.size for checkpoint in self.checkpoints}
        return len(sizes) > 1 and any((self.pristine / "segments").glob("*.idx"))

    def make_ready(self) -> None:
        """Append events and make checkpoints in the pristine copy."""
        before = len(self.log.records())
        with self.writing(self.pristine, pins=self.pins) as store:
            for number in range(_ROUNDS):
                for entity in ("drill:a", "drill:b"):
                    store.append(coordinate(entity), {"n": number, "fill": _FILL}, kind=DRILL)
                if number in {_ROUNDS // 2, _ROUNDS - 1}:
                    store.checkpoint()
        self.look()
        self.added = len(self.log.records()) - before

    # Copies.

    def place(self, name: str) -> Path:
        """A path that is not there yet."""
        self._count += 1
        return self.room / f"{self._count:03}-{name}"

    def copy(self, name: str = "attacked") -> Path:
        """A copy to attack."""
        place = self.place(name)
        shutil.copytree(self.pristine, place)
        return place

    def clear(self) -> None:
        """Remove every copy."""
        for path in self.room.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def copy_pins(self) -> Path | None:
        """A copy of the pins, for an attack in which they move on."""
        return None if self.pins is None else shutil.copytree(self.pins, self.place("pins"))

    def writing(self, directory: Path, *, pins: Path | None = None) -> batpak.Store:
        """Open a copy as its owner does. Small segments, so that one is sealed and gets an index."""
        self.require_writing()
        return batpak.Store.open(
            directory, create=False, signing_key=self.key, segment_bytes=4096, registry=batpak.Registry(), pins=pins
        )

    def other_journal(self, *, key: batpak.SigningKey | None = None) -> Path:
        """Another journal, with events."""
        place = self.place("other")
        with batpak.Store.open(place, signing_key=key, name="other.example", registry=batpak.Registry()) as store:
            for number in range(3):
                store.append(coordinate("drill:other"), {"n": number}, kind=DRILL)
            store.checkpoint()
        return place

    def hold(self, checkpoint: batpak.Checkpoint | None) -> Path | None:
        """What somebody elsewhere could hold: a checkpoint, as a pin."""
        if checkpoint is None:
            return None
        place = self.place("held")
        place.mkdir()
        self.pin_in(place).write_text(str(checkpoint), encoding="utf-8")
        return place

    def judged(
        self, directory: Path, *, pins: Path | None = None, checkpoint: batpak.Checkpoint | None = None
    ) -> list[Catch]:
        """What the library makes of an attacked copy.

        Args:
            directory: the copy.
            pins: the pins as they are by now; those of the scene if None.
            checkpoint: what somebody elsewhere could hold; the last one of the pristine copy if None.
        """
        if checkpoint is None and self.checkpoints:
            checkpoint = self.checkpoints[-1]
        held = self.hold(checkpoint)
        return judge(directory, public_key=self.public_key, pins=self.pins if pins is None else pins, held=held)


def coordinate(entity: str) -> Coordinate:
    """Where the drill's own events are."""
    return batpak.Coordinate(entity, "drill")
