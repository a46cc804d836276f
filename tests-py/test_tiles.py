"""The tree as C2SP tlog-tiles: what is published is all that a stranger needs."""

from __future__ import annotations

from pathlib import Path

import pytest

import batpak
from batpak import Checkpoint, Coordinate, Kind, Store
from batpak._proving.publishing import numbered, tiles_of
from plain_reader.merkle import Tree, leaf_hash, node_hash


def grow(store: Store, count: int) -> None:
    store.append_batch([(Coordinate("e", "s"), n) for n in range(count)], kind=Kind(0xF, 1))


def folded(hashes: list[bytes]) -> bytes:
    """The root over perfect subtrees of one size, 256 of them."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def read(directory: Path, kind: str, number: int, width: int) -> bytes:
    return (directory / "tile" / kind / (numbered(number) + ("" if width == 256 else f".p/{width}"))).read_bytes()


def test_numbers_are_paths() -> None:
    """The example of the specification, and the edges."""
    assert numbered(1234067) == "x001/x234/067"
    assert [numbered(number) for number in (0, 999, 1000)] == ["000", "999", "x001/000"]


def test_tiles_of_a_size() -> None:
    """The example of the specification: a tree of 70,000."""
    tiles = list(tiles_of(70_000))
    assert tiles[272:] == [(0, 272, 256), (0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []


@pytest.mark.parametrize("segment_bytes", [65_536, 64 * 1024 * 1024])
def test_the_tree_can_be_made_from_its_tiles(tmp_path: Path, segment_bytes: int) -> None:
    out = tmp_path / "out"
    with Store.open(tmp_path / "journal", segment_bytes=segment_bytes) as store:
        for more in (5, 250, 1, 1000):
            grow(store, more)
            checkpoint = store.export_tiles(out)
            assert Checkpoint((out / "checkpoint").read_text()) == checkpoint == store.checkpoint()
            size = checkpoint.size
            hashes = [event.event_hash for event in store.query(system=True)]
            assert Tree(hashes).root() == checkpoint.root
            for number in range((size + 255) // 256):
                here = hashes[number * 256 : number * 256 + 256]
                assert read(out, "0", number, len(here)) == b"".join(map(leaf_hash, here))
                assert read(out, "entries", number, len(here)) == b"".join(b"\x00\x20" + each for each in here)
            for level, number, width in tiles_of(size):
                data = read(out, str(level), number, width)
                assert len(data) == 32 * width
                if width == 256:
                    above = next(each for each in tiles_of(size) if each[0] == level + 1 and each[1] == number // 256)
                    at = number % 256 * 32
                    parts = [data[start : start + 32] for start in range(0, len(data), 32)]
                    assert read(out, str(level + 1), above[1], above[2])[at : at + 32] == folded(parts)
        before = {
            file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file() and file.name != "checkpoint"
        }
        store.export_tiles(out)
        assert all(file.stat().st_mtime_ns == then for file, then in before.items())


def test_other_tiles_are_never_mixed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "two") as two:
        old = one.checkpoint()
        grow(one, 3)
        one.export_tiles(tmp_path / "out")
        for work in (
            lambda: two.export_tiles(tmp_path / "out"),
            lambda: one.export_tiles(tmp_path / "out", checkpoint=old),
        ):
            with pytest.raises(batpak.InvalidInput):
                work()
        (tmp_path / "out" / "checkpoint").write_text("nonsense")
        with pytest.raises(batpak.InvalidProof):
            one.export_tiles(tmp_path / "out")
        for level, number, size in ((0, 1, 3), (1, 0, 3), (99, 0, 3), (0, 2**60, 3), (0, 0, 10**6)):
            with pytest.raises(batpak.InvalidInput):
                one._core.tile(level, number, size)
