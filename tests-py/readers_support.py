"""What the tests of readers share: a journal of many segments, all that can be asked of it, and its index files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import batpak
from batpak import Coordinate, Store
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path


def index_files(path: Path) -> list[Path]:
    return sorted([*path.glob("segments/*.idx"), *path.glob("heads/*.run")])


def put_in_place(file: Path, data: bytes) -> None:
    """As every program should that changes a file which others may have mapped."""
    temporary = file.with_name("new.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, file)


def filled(path: Path, count: int, **options: Any) -> list[batpak.Event]:
    """A closed journal of many small segments; its events."""
    with Store.open(path, segment_bytes=4096, index_metadata=["m"], durability="manual", **options) as store:
        for n in range(count):
            entity = Coordinate("rare" if n % 97 == 5 else f"e:{n % 5}", "s")
            store.append(entity, {"n": n}, kind=KIND, metadata={"m": str(n % 3)})
        return list(store.query(system=True))


def everything(store: Store) -> list[object]:
    """What the store answers in every way of asking, the identity of the events included."""
    ways: list[dict[str, Any]] = [
        {"system": True}, {"entity": "rare"}, {"entity_prefix": "e"}, {"metadata": {"m": "2"}}, {"kind": KIND, "reverse": True},
        {"entity": "e:1", "limit": 7}, {"scope": "s", "after": 50, "until": 90},
    ]  # fmt: skip
    answers: list[object] = [[event.event_hash for event in store.query(**way)] for way in ways]
    answers += [store.get(store.get(n).event_id).event_hash for n in range(0, len(store), 13)]
    answers += [[event.sequence for event in store.walk_ancestors(len(store) - 1 - n)] for n in range(6)]
    return answers
