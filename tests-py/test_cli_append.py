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


def test_a_second_writer_is_told_who_writes(journal: Path) -> None:
    with batpak.Store.open(journal):
        fail(11, "append", journal, stdin=line_of())
    succeed("append", journal, stdin=line_of())
