"""What the tests of the command line share: the command as a real process, and what it is fed with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import batpak
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "batpak"]
TIMEOUT_S = 60

# A clear screen, a right-to-left override, DEL, a C1 control, a line separator, a tag: nothing for a terminal.
NASTY = "\x1b[2J\u202e\x7f\x9b\u2028\U000e0041"
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


def batpak_command(
    *arguments: str | Path, stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
    )


def succeed(*arguments: str | Path, stdin: str = "") -> str:
    done = batpak_command(*arguments, stdin=stdin)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def succeed_json(*arguments: str | Path, stdin: str = "") -> list[Any]:
    lines = succeed(*arguments, "--json", stdin=stdin).splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def fail(exit_code: int, *arguments: str | Path, stdin: str = "") -> str:
    done = batpak_command(*arguments, stdin=stdin)
    assert "Traceback" not in done.stderr
    assert done.returncode == exit_code, done.stderr
    assert done.stderr
    return done.stderr


def leave_after_a_line(*arguments: str | Path) -> None:
    """Read one line of what the command prints, and no more: it must end, quietly and well."""
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(TIMEOUT_S) == 0


def line_of(**members: object) -> str:
    return json.dumps({"entity": "player:alice", "scope": "room", "kind": "0xF001", "payload": {"x": 1}, **members})


def fill(directory: Path, drafts: list[batpak.Draft]) -> None:
    with batpak.Store.open(directory) as store:
        store.append_batch(drafts)


def drafts(count: int, payload: object = None) -> list[batpak.Draft]:
    coordinate = batpak.Coordinate("player:alice", "room")
    return [batpak.Draft(coordinate, {"n": n} if payload is None else payload, kind=KIND) for n in range(count)]


# What an export must keep.

DEEP: Any = 0
for _ in range(128):
    DEEP = [DEEP]

VALUES = [
    None,
    True,
    0,
    1,
    2**63,
    -(2**2000),
    1.0,
    -0.0,
    float("inf"),
    NASTY,
    b"\x00\xff",
    {"$bytes": "00", "": {"$": 1}},
    {"nested": [b"", {"price": Decimal("1.00")}]},
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-3, seconds=1))),
    [date(1, 1, 1), time(23, 59, 59, 999999), timedelta(days=-1, microseconds=1)],
    UUID(int=1),
    DEEP,
]


def exported(directory: Path, *options: str | Path) -> list[dict[str, Any]]:
    lines = succeed("export", directory, *options).splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def fill_with_everything(directory: Path) -> None:
    """Events that use every member, with payloads that JSON alone cannot hold."""
    with batpak.Store.open(directory, allow_nonfinite=True) as store:
        for number, value in enumerate(VALUES):
            store.append(
                batpak.Coordinate(f"player:{number}", "räume:1"),
                value,
                kind=batpak.Kind(0xF, number),
                version=number,
                correlation_id=UUID(int=number) if number % 2 else None,
                causation_id=UUID(int=2**128 - 1 - number) if number % 3 else None,
                metadata={"trace": f"t{number}", "b": NASTY} if number % 2 else None,
                private_metadata={"why": value, "$": 1} if 0 < number < len(VALUES) - 1 else None,
            )
