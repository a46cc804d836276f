"""``batpak append``: a receipt for each line, and a bad line ends the command."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

import batpak
from cli_support import COMMAND, TIMEOUT_S, batpak_command, fail, line_of, succeed, succeed_json

if TYPE_CHECKING:
    from pathlib import Path


def test_append_prints_a_receipt_per_line(journal: Path) -> None:
    lines = succeed("append", journal, stdin=line_of() + "\n\n" + line_of(payload={"$bytes": "00ff"})).splitlines()
    assert len(lines) == 2
    with batpak.Store.open(journal, read_only=True) as store:
        events = list(store.query())
    assert [event.payload for event in events] == [{"x": 1}, b"\x00\xff"]
    for line, event in zip(lines, events, strict=True):
        assert line.split() == [str(event.sequence), str(event.event_id), event.event_hash.hex()]


def test_append_json_receipts(journal: Path) -> None:
    receipts = succeed_json("append", journal, stdin=f"{line_of()}\n{line_of()}\n")
    assert [receipt["batpak_receipt"] for receipt in receipts] == [1, 1]
    assert receipts[1]["sequence"] == receipts[0]["sequence"] + 1


def test_append_takes_every_member(journal: Path) -> None:
    (cause,) = succeed_json("append", journal, stdin=line_of())
    members = {
        "kind": [15, 2],
        "version": 3,
        "correlation_id": "00000000-0000-0000-0000-000000000001",
        "causation_id": cause["event_id"],
        "metadata": {"trace": "t1"},
        "private_metadata": {"why": {"$bytes": "01"}},
    }
    (receipt,) = succeed_json("append", journal, stdin=line_of(**members))
    (shown,) = succeed_json("show", journal, str(receipt["sequence"]))
    assert shown["kind"] == "0xF002"
    for name in ("version", "correlation_id", "causation_id", "metadata", "private_metadata"):
        assert shown[name] == members[name]


def test_append_options_are_defaults(journal: Path) -> None:
    defaults = ["--entity", "e", "--scope", "s", "--kind", "0xF:7", "--durability", "always"]
    succeed("append", journal, *defaults, stdin='{"payload": 1}\n{"payload": null, "scope": "other", "kind": 61448}')
    first, second = succeed_json("log", journal)
    assert (first["entity"], first["scope"], first["kind"], first["payload"]) == ("e", "s", "0xF007", 1)
    assert first["promise"] == "always"
    assert (second["entity"], second["scope"], second["kind"], second["payload"]) == ("e", "other", "0xF008", None)


def test_append_payload_only(journal: Path) -> None:
    payloads = ['{"entity": "is data here"}', "[1, 2.5]", '"text"', '{"$uuid": "00000000-0000-0000-0000-000000000001"}']
    defaults = ["--entity", "e", "--scope", "s", "--kind", "0xF001", "--payload-only"]
    succeed("append", journal, *defaults, stdin="\n".join(payloads))
    assert [event["payload"] for event in succeed_json("log", journal)] == [json.loads(text) for text in payloads]


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "7",
        '{"payload": NaN}',
        '{"payload": 1, "payload": 2}',
        line_of(metdata={}),
        line_of(entity=None),
        line_of(entity=5),
        line_of(entity="a/b"),
        line_of(scope="\ud800"),
        line_of(kind=None),
        line_of(kind="0x10000"),
        line_of(kind=[15]),
        line_of(kind=[15, 4096]),
        line_of(kind=[13, 1]),
        line_of(kind=True),
        line_of(kind=1),
        line_of(version="1"),
        line_of(version=True),
        line_of(causation_id="nobody"),
        line_of(correlation_id=5),
        line_of(metadata={"a": 1}),
        line_of(metadata=[]),
        line_of(private_metadata=[1]),
        line_of(payload={"$unknown": 1}),
        line_of(payload="\udc80"),
        line_of(payload={"nested": {"$bytes": "xyz"}}),
        '{"entity": "e", "scope": "s", "kind": 61441, "payload": ' + "[" * 1000 + "]" * 1000 + "}",
        '{"entity": "e", "scope": "s", "kind": 61441}',
    ],
)
def test_append_stops_at_a_bad_line(journal: Path, bad: str) -> None:
    done = batpak_command("append", journal, stdin=f"{line_of()}\n{bad}\n{line_of()}\n")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("batpak: line 2: ")
    assert "1 event was appended before it" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert len(succeed_json("log", journal)) == 1


def test_append_refuses_bytes_that_are_not_utf8(journal: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "append", str(journal)], input=b'{"\xff"}\n', capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 2
    assert b"line 1" in done.stderr


def test_append_to_a_signed_journal_needs_its_key(tmp_path: Path, key_file: Path) -> None:
    directory = tmp_path / "journal"
    succeed("init", directory, "--key", key_file)
    other = tmp_path / "other.pem"
    succeed("keygen", other)
    fail(12, "append", directory, stdin=line_of())
    fail(12, "append", directory, "--key", other, stdin=line_of())
    fail(12, "append", directory, "--key", tmp_path / "missing.pem", stdin=line_of())
    succeed("append", directory, "--key", key_file, stdin=line_of())


# -- on conditions ----------------------------------------------------------------------------------------------------


def test_append_expects(journal: Path) -> None:
    succeed("append", journal, "--expect", "new", stdin=line_of())
    said = fail(13, "append", journal, "--expect", "new", stdin=line_of())
    assert "line 1: player:alice: expected no event yet, and it is at clock 0" in said
    succeed("append", journal, "--expect", "0", stdin=line_of(payload=2))
    said = fail(13, "append", journal, "--expect", "0", stdin=line_of(payload=3))
    assert "0 events were appended before it" in said
    assert [event["payload"] for event in succeed_json("log", journal)] == [{"x": 1}, 2]


def test_a_line_says_what_it_expects(journal: Path) -> None:
    lines = [line_of(expect="new"), line_of(expect=0), line_of(entity="other"), line_of(expect=5)]
    said = fail(13, "append", journal, "--expect", "new", stdin="\n".join(lines))
    assert "line 4: " in said
    assert "3 events were appended before it" in said
    assert len(succeed_json("log", journal)) == 3


def test_append_under_a_key(journal: Path) -> None:
    """A command that is run again, because nobody knows whether it had done its work, prints the same receipt."""
    first = succeed("append", journal, "--idempotency-key", "run 5", "--expect", "new", stdin=line_of())
    assert succeed("append", journal, "--idempotency-key", "run 5", "--expect", "new", stdin=line_of()) == first
    said = fail(13, "append", journal, "--idempotency-key", "run 5", stdin=line_of(payload=2))
    assert "its payload or private metadata is another one" in said
    assert len(succeed_json("log", journal)) == 1


def test_lines_with_keys_may_be_appended_again(journal: Path) -> None:
    lines = "\n".join(line_of(payload=number, key=f"k{number}") for number in range(3))
    assert succeed_json("append", journal, stdin=lines) == succeed_json("append", journal, stdin=lines)
    assert [event["payload"] for event in succeed_json("log", journal)] == [0, 1, 2]


def test_the_key_of_the_command_is_for_one_line(journal: Path) -> None:
    said = fail(2, "append", journal, "--idempotency-key", "k", stdin=f"{line_of()}\n{line_of(key='own')}\n{line_of()}")
    assert "line 3: --idempotency-key is for one line" in said
    assert len(succeed_json("log", journal)) == 2


def test_conditions_with_payload_only(journal: Path) -> None:
    options = ["--entity", "e", "--scope", "s", "--kind", "0xF001", "--payload-only", "--expect", "new"]
    options += ["--idempotency-key", "k"]
    line = '{"key": "data here", "expect": 5}'
    assert succeed("append", journal, *options, stdin=line) == succeed("append", journal, *options, stdin=line)
    (event,) = succeed_json("log", journal)
    assert event["payload"] == json.loads(line)


@pytest.mark.parametrize("bad", [{"expect": "old"}, {"expect": -1}, {"expect": 1.0}, {"expect": True}, {"expect": 2**64}, {"expect": [0]},
                                 {"key": ""}, {"key": 5}, {"key": "k" * 1025}, {"key": ["k"]}, {"key": {"$bytes": "00"}}])  # fmt: skip
def test_conditions_that_are_none(journal: Path, bad: dict[str, object]) -> None:
    assert fail(2, "append", journal, stdin=line_of(**bad)).startswith("batpak: line 1: ")
    assert succeed_json("log", journal) == []


@pytest.mark.parametrize("expect", ["old", "-1", "1.5", "", "NEW", "18446744073709551616"])
def test_options_that_are_no_conditions(journal: Path, expect: str) -> None:
    assert "--expect" in fail(2, "append", journal, f"--expect={expect}", stdin=line_of())
    assert fail(2, "append", journal, "--idempotency-key", "", stdin=line_of())


def test_conditions_are_for_append(journal: Path) -> None:
    assert "unknown member 'expect', 'key'" in fail(2, "import", journal, stdin=line_of(expect=0, key="k"))


def test_a_second_writer_is_told_who_writes(journal: Path) -> None:
    with batpak.Store.open(journal):
        fail(11, "append", journal, stdin=line_of())
    succeed("append", journal, stdin=line_of())
