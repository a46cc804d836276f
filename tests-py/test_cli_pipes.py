"""Readers that leave, streams that are closed or full, and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cli_support import COMMAND, TIMEOUT_S, drafts, fill, leave_after_a_line, line_of, succeed_json

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_reader_that_leaves_ends_the_command_quietly(journal: Path) -> None:
    fill(journal, drafts(3000))
    for options in ([], ["--json"], ["--tree"]):
        leave_after_a_line("log", journal, *options)


@contextmanager
def appending(journal: Path) -> Iterator[tuple[IO[bytes], IO[bytes], IO[bytes], subprocess.Popen[bytes]]]:
    """An ``append`` that has printed the receipt of its first line and waits for the next: its three streams and itself."""
    with subprocess.Popen(
        [*COMMAND, "append", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        yield process.stdin, process.stdout, process.stderr, process


def test_append_says_how_far_it_came_when_receipts_are_not_read(journal: Path) -> None:
    with appending(journal) as (stdin, stdout, stderr, process):
        stdout.close()
        stdin.write(line_of().encode() + b"\n")
        stdin.close()
        assert stderr.read() == b"batpak: stdout was closed; 2 events were appended\n"
        assert process.wait(TIMEOUT_S) == 1


def test_stdout_closed_from_the_start(journal: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "log", str(journal)],
        stderr=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_below_stdout_is_reported(journal: Path) -> None:
    fill(journal, drafts(1))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "log", str(journal)], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"batpak: ")


def test_interrupted(journal: Path) -> None:
    with appending(journal) as (stdin, _, stderr, process):
        process.send_signal(signal.SIGINT)
        # Should the signal have come just before the command began to wait, the end of stdin wakes it.
        stdin.close()
        assert process.wait(TIMEOUT_S) == 130
        assert b"Traceback" not in stderr.read()
    assert len(succeed_json("log", journal)) == 1
