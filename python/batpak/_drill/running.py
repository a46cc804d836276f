"""Performs the threat table on a copy of a journal."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import batpak
from batpak._drill import on_proofs, on_the_files, on_the_keys, on_the_log
from batpak._drill.attack import ATTACKS, Attack
from batpak._drill.scene import NotTriedError, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batpak._drill.judging import Catch, Layer
    from batpak._proving.keys import PublicKey, SigningKey
    from batpak._verification import Verification

TABLES: Final = (on_the_log, on_the_keys, on_the_files, on_proofs)
"""The modules whose import fills ``ATTACKS``, in the order in which their attacks are performed."""

# Whoever reads beside a running writer reads these first.
_FIRST: Final = ("frontier", "checkpoints", "journal.meta")

Status = Literal["caught", "missed", "beyond", "not tried"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attack.

    Attributes:
        attack: the row of the table.
        status: "caught"; "missed", layers that are there had to see it, and none of them did; "beyond", no layer that
            is there can see it; or "not tried".
        catches: what saw it, of the layers that are there.
        missed_by: the layers that are there, had to see it, and did not.
        would: what saw it, of what others could hold.
        reason: why it was not tried.
    """

    attack: Attack
    status: Status
    catches: tuple[Catch, ...] = ()
    missed_by: tuple[Layer, ...] = ()
    would: tuple[Catch, ...] = ()
    reason: str | None = None


def copy_journal(directory: Path, target: Path) -> None:
    """Copy a journal that another process may be writing."""
    target.mkdir()
    for name in _FIRST:
        with suppress(FileNotFoundError):
            shutil.copyfile(directory / name, target / name)
    for folder in ("segments", "heads", "recovered"):
        if (directory / folder).is_dir():
            (target / folder).mkdir()
            for path in sorted((directory / folder).iterdir()):
                with suppress(FileNotFoundError):
                    if path.is_file() and path.suffix != ".tmp":
                        shutil.copyfile(path, target / folder / path.name)


def copy_pin(pins: Path, journal: Path, target: Path) -> Path | None:
    """Copy the pins of a journal into a directory of their own; None if there is none of it as it goes on now."""
    with batpak.Store.open(journal, create=False, read_only=True, registry=batpak.Registry()) as store:
        ids = [*(lineage.parent_id for lineage in store.lineages()), store.journal_id]
    names = [f"{each.hex}.checkpoint" for each in ids]
    if not (pins / names[-1]).is_file():
        return None
    target.mkdir()
    for name in names:
        if (pins / name).is_file():
            shutil.copyfile(pins / name, target / name)
    return target


def prepare(
    pristine: Path, room: Path, *, key: SigningKey | None, public_key: PublicKey | None, pins: Path | None
) -> Scene:
    """Make a scene of a copy, and append to it what the attacks need if that is possible."""
    scene = Scene(room, pristine, key, public_key, pins)
    if not scene.is_ready and scene.may_write:
        scene.make_ready()
    return scene


def baseline(scene: Scene) -> Verification:
    """The verdict about the copy before any attack."""
    return batpak.verify(scene.pristine, public_key=scene.public_key, pins=scene.pins)


def run(scene: Scene) -> Iterator[Outcome]:
    """Perform every attack."""
    there: set[Layer] = {"journal", "proof"}
    there |= {"key"} if scene.public_key is not None else set()
    there |= {"pin"} if scene.pins is not None else set()
    for each in table():
        yield _perform(each, scene, there)
        scene.clear()


def table() -> list[Attack]:
    """The threat table, in the order in which it is performed."""
    return [each for module in TABLES for each in ATTACKS if each.run.__module__ == module.__name__]


def _perform(each: Attack, scene: Scene, there: set[Layer]) -> Outcome:
    try:
        catches = each.run(scene)
    except NotTriedError as reason:
        return Outcome(each, "not tried", reason=str(reason))
    seen = {catch.layer for catch in catches}
    inside = tuple(catch for catch in catches if catch.layer in there)
    would = tuple(catch for catch in catches if catch.layer not in there)
    missed = tuple(sorted((each.caught_by & there) - seen))
    status: Status = "caught" if inside else "beyond"
    if missed and not each.caught_by & there & seen:
        status = "missed"
    return Outcome(each, status, inside, missed, would)
