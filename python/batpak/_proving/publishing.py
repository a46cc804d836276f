"""The tree as files for others: C2SP tlog-tiles, which any static file server can publish."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batpak._proving.proofs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak import _batpak

TILE_HASHES: Final = 256


def numbered(number: int) -> str:
    """A number as path elements of three digits, all but the last with an ``x``."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03}")
    return "/".join(reversed(parts))


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of every tile of a tree, the leaves first."""
    level = 0
    while size:
        full, rest = divmod(size, TILE_HASHES)
        yield from ((level, number, TILE_HASHES) for number in range(full))
        if rest:
            yield level, full, rest
        level, size = level + 1, full


def published(directory: Path) -> Checkpoint | None:
    """The checkpoint of what a directory holds already.

    Raises:
        InvalidProof: its file ``checkpoint`` is none.
        OSError: it cannot be read.
    """
    try:
        return Checkpoint((directory / "checkpoint").read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        return None


def publish(core: _batpak.CoreStore, checkpoint: Checkpoint, directory: Path) -> int:
    """Write what is missing, the checkpoint last; returns how many files were written."""
    written = 0
    for level, number, width in tiles_of(checkpoint.size):
        partial = "" if width == TILE_HASHES else f".p/{width}"
        tile = directory / "tile" / str(level) / (numbered(number) + partial)
        missing = [tile] if not tile.exists() else []
        hashes = b""
        if level == 0:
            entries = directory / "tile" / "entries" / (numbered(number) + partial)
            missing += [entries] if not entries.exists() else []
        for path in missing:
            hashes = hashes or core.tile(level, number, checkpoint.size)
            content = hashes if path is tile else core.tile_entries(number, checkpoint.size)
            _replace(path, content)
            written += 1
    _replace(directory / "checkpoint", str(checkpoint).encode())
    return written + 1


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".batpak-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
