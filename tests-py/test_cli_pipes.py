"""Readers that leave, streams that are closed or full, and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from cli_support import COMMAND, TIMEOUT_S, drafts, fill, line_of, succeed_json


def test_a_reader_that_leaves_ends_the_command_quietly(journal: Path) -> None:
    fill(journal, drafts(3000))
    for options in ([], ["--json"], ["--tree"]):
        with subprocess.Popen(
            [*COMMAND, "log", str(journal), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(TIMEOUT_S) == 0


def test_append_says_how_far_it_came_when_receipts_are_not_read(journal: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "append", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.close()
        assert process.stderr.read() == b"batpak: stdout was closed; 2 events were appended\n"
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
    with subprocess.Popen(
        [*COMMAND, "append", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.flush()
        # The receipt says that the command is waiting for the next line.
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        # Should the signal have come just before the command began to wait, the end of stdin wakes it.
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 130
        assert b"Traceback" not in process.stderr.read()
    assert len(succeed_json("log", journal)) == 1
