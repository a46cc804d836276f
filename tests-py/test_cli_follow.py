"""``log --follow`` and ``tail``, beside a real process that writes."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

import batpak
from cli_support import COMMAND, TIMEOUT_S, drafts, fill, succeed, succeed_json
from support import log_of, running_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Appends each line that it is given, to the entity that the line begins with, and says when it has.
WRITER = """
import sys, batpak
with batpak.Store.open(sys.argv[1], durability="manual") as store:
    print("open", flush=True)
    for line in sys.stdin:
        entity, text = line.split()
        store.append(batpak.Coordinate(entity, "room"), text, kind=batpak.Kind(0xF, 1))
        print("written", flush=True)
"""


class Writer:
    """Another process that writes to the journal."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self.child = child
        self.stdin, self.stdout = child.stdin, child.stdout
        assert self.stdout.readline() == "open\n"

    def write(self, text: str, entity: str = "player:alice") -> None:
        self.stdin.write(f"{entity} {text}\n")
        self.stdin.flush()
        assert self.stdout.readline() == "written\n"

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(TIMEOUT_S)


@contextmanager
def writer_of(directory: Path) -> Iterator[Writer]:
    with running_child(WRITER, directory) as child:
        yield Writer(child)


@contextmanager
def following(command: str, directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command with ``--follow``, killed at the end should it still run."""
    with subprocess.Popen(
        [*COMMAND, command, str(directory), "--follow", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stream(process: subprocess.Popen[str], name: str) -> IO[str]:
    opened: IO[str] | None = getattr(process, name)
    assert opened is not None
    return opened


def payload(process: subprocess.Popen[str]) -> object:
    """The payload of the next event that the command prints."""
    line = stream(process, "stdout").readline()
    return json.loads(line)["payload"] if line.startswith("{") else json.loads(line.split()[-1])


def end_with_ctrl_c(process: subprocess.Popen[str]) -> str:
    """What the command still says on stderr."""
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT_S) == 130
    assert stream(process, "stdout").read() == ""
    return stream(process, "stderr").read()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_log_follows_another_process(journal: Path, options: list[str]) -> None:
    with writer_of(journal) as writer:
        writer.write("first")
        with following("log", journal, *options) as process:
            assert payload(process) == "first"
            for text in ("second", "third"):
                writer.write(text)
                assert payload(process) == text
            assert end_with_ctrl_c(process) == ""


def test_log_follows_the_next_writer_too(journal: Path) -> None:
    with following("log", journal, "--json") as process:
        for text in ("first", "second"):
            with writer_of(journal) as writer:
                writer.write(text)
                assert payload(process) == text
        assert end_with_ctrl_c(process) == ""


def test_following_with_filters_and_a_limit(journal: Path) -> None:
    with writer_of(journal) as writer:
        writer.write("before")
        filters = ["--after", "2", "--entity-prefix", "player:bob", "-n", "2"]
        with following("log", journal, "--json", *filters) as process:
            for text, entity in (("1", "player:bob"), ("2", "player:alice"), ("3", "player:bob:left")):
                writer.write(text, entity)
            assert [payload(process), payload(process)] == ["1", "3"]
            assert process.wait(TIMEOUT_S) == 0


def test_a_limit_of_nothing(journal: Path) -> None:
    assert succeed("log", journal, "--follow", "--limit", "0") == ""


@pytest.mark.parametrize("command", ["log", "tail"])
def test_a_reader_that_leaves_ends_a_follow_at_once(journal: Path, command: str) -> None:
    fill(journal, drafts(1, "first"))
    with following(command, journal) as process:
        assert payload(process) == "first"
        # Nothing is written any more that could fail.
        stream(process, "stdout").close()
        assert process.wait(TIMEOUT_S) == 0
        assert stream(process, "stderr").read() == ""


@pytest.mark.parametrize("command", ["log", "tail"])
def test_a_history_that_was_rewound(journal: Path, command: str) -> None:
    with following(command, journal, "--json") as process:
        with writer_of(journal) as writer:
            writer.write("kept")
            assert payload(process) == "kept"
            writer.write("unsynced")
            assert payload(process) == "unsynced"
            writer.kill()
        # What a power cut may do to bytes that were never synced.
        log = log_of(journal)
        with log.open("r+b") as file:
            # In place: the reader may look at any moment.
            file.seek(log.read_bytes().index(b"unsynced"))
            file.write(b"\x00" * 8)
        with writer_of(journal) as writer:
            said = stream(process, "stderr").readline()
            writer.write("after")
            assert payload(process) == "after"
        assert said.startswith("batpak: the journal was rewound: 4 events were visible")
        assert "kept the first 3" in said
        assert end_with_ctrl_c(process) == ""


# tail


def payloads(directory: Path, *options: str) -> list[object]:
    return [event["payload"]["n"] for event in succeed_json("tail", directory, *options)]


def test_tail(journal: Path) -> None:
    fill(journal, drafts(15))
    assert payloads(journal) == list(range(5, 15))
    assert payloads(journal, "-n", "3") == [12, 13, 14]
    assert payloads(journal, "-n", "100") == list(range(15))
    assert payloads(journal, "-n", "0") == []
    assert len(succeed("tail", journal).splitlines()) == 10
    with batpak.Store.open(journal, read_only=True) as store:
        first = next(iter(store.query())).sequence
    assert payloads(journal, "--after", str(first)) == list(range(1, 15))
    assert payloads(journal, "--after", str(first), "-n", "2") == [13, 14]
    assert payloads(journal, "--after", str(first + 20)) == []
    assert payloads(journal, "--entity", "nobody") == []


def test_tail_follows_behind_what_it_printed(journal: Path) -> None:
    with writer_of(journal) as writer:
        for text in ("1", "2", "3"):
            writer.write(text)
        with following("tail", journal, "-n", "2") as process:
            assert [payload(process), payload(process)] == ["2", "3"]
            writer.write("4")
            assert payload(process) == "4"
            assert end_with_ctrl_c(process) == ""


def test_tail_of_nothing_follows_new_events_only(journal: Path) -> None:
    with writer_of(journal) as writer:
        writer.write("old")
        with following("tail", journal, "-n", "0", "--json") as process:
            # Events that were written before it looked are none of its business: until it prints one, there are more.
            while not select.select([stream(process, "stdout")], [], [], 0.05)[0]:
                writer.write("new")
            assert payload(process) == "new"
            process.send_signal(signal.SIGINT)
            assert "old" not in stream(process, "stdout").read()
            assert process.wait(TIMEOUT_S) == 130


def test_tail_resumes_behind_a_sequence(journal: Path) -> None:
    with writer_of(journal) as writer:
        for text in ("1", "2", "3"):
            writer.write(text)
        with following("tail", journal, "--json", "--after", "2") as process:
            assert [payload(process), payload(process)] == ["2", "3"]
            writer.write("4")
            assert payload(process) == "4"
            assert end_with_ctrl_c(process) == ""
        # From where nothing is yet.
        with following("tail", journal, "--json", "--after", "6") as process:
            for text in ("5", "6"):
                writer.write(text)
            assert payload(process) == "6"
            assert end_with_ctrl_c(process) == ""
