"""What the tests of ``batpak audit`` share: a directory to run programs in, plainly and recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import batpak

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT_S = 60


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Workshop:
    """A directory to run programs in, plainly and recorded."""

    path: Path

    @property
    def journal(self) -> Path:
        return self.path / "batpak-audit"

    def write(self, name: str, source: str) -> str:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        return name

    def run(self, command: Sequence[str | bytes], stdin: bytes = b"") -> Ended:
        # Without byte code both runs find the same files.
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def plain(self, *program: str | bytes, stdin: bytes = b"") -> Ended:
        return self.run(program, stdin)

    def audited(self, *program: str | bytes, options: Sequence[str] = (), stdin: bytes = b"") -> Ended:
        return self.run(["-m", "batpak", "audit", *options, *program], stdin)

    def same(self, *program: str | bytes, stdin: bytes = b"") -> Ended:
        """The program ends the same in both ways; returns how."""
        plain = self.plain(*program, stdin=stdin)
        assert self.audited(*program, stdin=stdin) == plain
        return plain

    def payloads(self, cls: type | None = None) -> list[Any]:
        with batpak.Store.open(self.journal, create=False, read_only=True) as store:
            payloads = [event.payload for event in store.query()]
        return [payload for payload in payloads if cls is None or isinstance(payload, cls)]

    def tree(self) -> str:
        done = self.run(["-m", "batpak", "log", "--tree", str(self.journal)])
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()
