"""The progress line: on a terminal, while a command takes long, and gone at its end. Nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from batpak._cli.progress import DELAY_S, Progress
from cli_support import COMMAND, TIMEOUT_S, drafts, fill, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminal:
    """A pseudo-terminal; what was written to it is read from the other side."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing
        self.seen = b""

    def wait_for(self, text: bytes) -> None:
        """Until ``text`` was written. The test's own time limit is the only other end."""
        while text not in self.seen:
            self.seen += os.read(self.reading, 4096)

    def read_to_end(self) -> bytes:
        """What was written, to the end: no process has the terminal open any more."""
        while True:
            try:
                read = os.read(self.reading, 4096)
            except OSError:  # how Linux says that the other side is closed
                return self.seen
            if not read:
                return self.seen
            self.seen += read

    def hang_up(self) -> None:
        """This process's own use of the writing side ends."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal(*pty.openpty())
    yield opened
    opened.hang_up()
    os.close(opened.reading)


@contextmanager
def running(
    *arguments: str | Path, terminal: Terminal, stdout: int = subprocess.PIPE, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command with ``terminal`` as its stderr, killed at the end should it still run."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=terminal.writing,
        env={**os.environ, "TERM": "xterm", **(environment or {})},
    ) as process:
        terminal.hang_up()
        try:
            yield process
        finally:
            process.kill()


def screen(written: bytes) -> list[str]:
    """The lines that a terminal shows after ``written``, which uses no other control than these two."""
    assert b"\x1b" not in written
    lines = []
    for line in written.decode().replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def pipe_of(process: subprocess.Popen[bytes], name: str) -> IO[bytes]:
    stream: IO[bytes] | None = getattr(process, name)
    assert stream is not None
    return stream


def test_import_counts_on_a_terminal(journal: Path, terminal: Terminal) -> None:
    with running("import", journal, "--batch", "1", terminal=terminal) as process:
        stdin = pipe_of(process, "stdin")
        terminal.wait_for(b"import: reading, ")
        stdin.write(line_of().encode() + b"\n")
        stdin.flush()
        terminal.wait_for(b"import: 1 event, ")
        terminal.wait_for(b"/s, ")
        stdin.close()
        assert process.wait(TIMEOUT_S) == 0
    assert screen(terminal.read_to_end()) == [""]


def test_an_error_message_is_not_mixed_with_the_line(journal: Path, terminal: Terminal) -> None:
    with running("import", journal, terminal=terminal) as process:
        stdin = pipe_of(process, "stdin")
        terminal.wait_for(b"import: reading, ")
        stdin.write(b"{\n")
        stdin.close()
        assert process.wait(TIMEOUT_S) == 2
    (message, end) = screen(terminal.read_to_end())
    assert message.startswith("batpak: line 1: ")
    assert end == ""


@pytest.mark.parametrize("command", ["log", "export"])
def test_a_long_history_is_counted_while_it_is_printed(journal: Path, terminal: Terminal, command: str) -> None:
    fill(journal, drafts(3000))
    with running(command, journal, terminal=terminal) as process:
        # Nobody reads stdout: the command waits, in the middle of the history.
        terminal.wait_for(f"{command}: ".encode())
        terminal.wait_for(b" events, ")
        lines = pipe_of(process, "stdout").read().splitlines()
        assert process.wait(TIMEOUT_S) == 0
    assert len(lines) == 3000
    assert screen(terminal.read_to_end()) == [""]


def test_data_on_the_same_terminal_is_not_mixed_with_the_line(journal: Path, terminal: Terminal) -> None:
    fill(journal, drafts(2000))
    with running("log", journal, terminal=terminal, stdout=terminal.writing) as process:
        lines = screen(terminal.read_to_end())
        assert process.wait(TIMEOUT_S) == 0
    assert [line.split()[-1] for line in lines if line] == [f"{n}}}" for n in range(2000)]
    assert b"log: " not in terminal.seen.partition(b"player:alice")[2]


def test_verify_leaves_nothing_behind(journal: Path, terminal: Terminal) -> None:
    fill(journal, drafts(10))
    with running("verify", journal, terminal=terminal) as process:
        assert b"verdict: nothing failed" in pipe_of(process, "stdout").read()
        assert process.wait(TIMEOUT_S) == 0
    assert screen(terminal.read_to_end()) == [""]


def test_the_line_of_a_command_that_waits_for_one_long_call(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``verify`` uses it: nothing to count, and a thread draws while the caller is elsewhere."""
    with os.fdopen(os.dup(terminal.writing), "w", encoding="ascii") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        monkeypatch.setenv("TERM", "xterm")
        with Progress("verify", "checking 12.3 MB of log", quiet=False) as progress:
            terminal.wait_for(b"\rverify: checking 12.3 MB of log, 0 s")
            terminal.wait_for(b"\rverify: checking 12.3 MB of log, 1 s")
            progress.end()
            progress.end()
    terminal.hang_up()
    assert screen(terminal.read_to_end()) == [""]
    # Drawn when it changed, not at every look.
    assert terminal.seen.count(b" 0 s") == 1


@pytest.mark.parametrize("option", ["--quiet", "-q", "TERM=dumb"])
def test_no_line_when_none_is_wanted(journal: Path, terminal: Terminal, option: str) -> None:
    options, environment = ([], {"TERM": "dumb"}) if option == "TERM=dumb" else ([option], {})
    with running("import", journal, *options, terminal=terminal, environment=environment) as process:
        # As long as the line would have needed to appear.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(DELAY_S * 3)
        pipe_of(process, "stdin").close()
        assert process.wait(TIMEOUT_S) == 0
    assert terminal.read_to_end() == b""


def test_no_line_where_there_is_no_terminal(journal: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "import", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(DELAY_S * 3)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, errors) == (0, b"")
