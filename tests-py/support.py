"""What several test files need: a place to write to, the bytes of a directory, and child processes that always end."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak
from batpak import _batpak

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = batpak.Kind(0xF, 1)
COORD = batpak.Coordinate("order:1", "shop")
FIRST_LOG = "segments/00000000000000000000.log"

# The machine may be busy with other work; nothing here is a measurement.
CHILD_TIMEOUT_S = 50


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below ``directory`` with its bytes."""
    files = (each for each in sorted(directory.rglob("*")) if each.is_file())
    return {str(each.relative_to(directory)): each.read_bytes() for each in files}


def contents_and_times(directory: Path, *, but: str = "") -> dict[str, tuple[bytes, int]]:
    """As ``contents``, with the times of modification; directories too, since a new name changes theirs. ``but`` is left out."""
    found: dict[str, tuple[bytes, int]] = {}
    for each in [directory, *sorted(directory.rglob("*"))]:
        if each.name == but:
            continue
        found[str(each.relative_to(directory))] = (
            each.read_bytes() if each.is_file() else b"",
            each.stat().st_mtime_ns,
        )
    return found


def copy_of_living(directory: Path, target: Path) -> None:
    """What a killed process leaves: the store is open, and one of its threads may put files in the place of others meanwhile."""

    def copy(source: str, to: str) -> None:
        with suppress(FileNotFoundError):
            shutil.copy2(source, to)

    shutil.copytree(directory, target, copy_function=copy)


def log_of(directory: Path) -> Path:
    """The last segment of a journal."""
    return max((directory / "segments").glob("*.log"))


def payloads(store: batpak.Store) -> list[Any]:
    """What users wrote, in order."""
    return [event.payload for event in store.query()]


def run_child(code: str, *arguments: object, as_user: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in another interpreter with ``arguments`` as ``sys.argv[1:]``; warnings are errors there too."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=CHILD_TIMEOUT_S,
        check=False,
        user=as_user,
        extra_groups=None if as_user is None else [],
    )


def child_says(code: str, *arguments: object) -> str:
    """What ``code`` prints in another interpreter, which must end well and silently."""
    done = run_child(code, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@contextmanager
def running_child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start ``code`` in another interpreter; whatever happens, it is gone afterwards."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)


def exit_of_fork(pid: int) -> int:
    """Wait for a forked child; return its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def encode(value: object, *, allow_nonfinite: bool = False) -> bytes:
    """The canonical bytes of a value."""
    encoded: bytes = _batpak.encode_value(value, allow_nonfinite=allow_nonfinite)
    return encoded


def decode(data: bytes) -> Any:
    """The value that canonical bytes are."""
    return _batpak.decode_value(data)


def same(left: object, right: object) -> bool:
    """Equal with the same types all the way down; -0.0 is not 0.0, 1.0 is not 1.00, NaN is NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return left.as_tuple() == right.as_tuple()
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left.replace(tzinfo=None), left.utcoffset()) == (right.replace(tzinfo=None), right.utcoffset())
    return left == right
