"""``batpak import``: exported and hand-written lines become events, a batch as a whole or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import _json
from batpak._cli.exported import checked
from cli_support import (
    COMMAND,
    TIMEOUT_S,
    VALUES,
    batpak_command,
    drafts,
    exported,
    fail,
    fill,
    fill_with_everything,
    line_of,
    succeed,
    succeed_json,
)

# What an event keeps when it is written again elsewhere.
KEPT = (
    "entity",
    "scope",
    "kind",
    "version",
    "correlation_id",
    "causation_id",
    "metadata",
    "private_metadata",
    "encoding",
    "payload",
)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another journal, to import into."""
    batpak.Store.open(tmp_path / "other").close()
    return tmp_path / "other"


def kept(directory: Path) -> list[str]:
    """What must be equal on both sides, as text: 1 is not 1.0 there."""
    return [json.dumps([line[name] for name in KEPT]) for line in exported(directory)]


def payloads(directory: Path) -> list[Any]:
    return [line["payload"] for line in exported(directory)]


def test_export_import_export(journal: Path, other: Path, tmp_path: Path) -> None:
    fill_with_everything(journal)
    file = tmp_path / "events.jsonl"
    succeed("export", journal, "-o", file)
    succeed("import", other, file, "--allow-nonfinite")
    assert kept(other) == kept(journal)
    assert len(kept(other)) == len(VALUES)
    before, after = exported(journal), exported(other)
    assert {line["journal_id"] for line in before}.isdisjoint(line["journal_id"] for line in after)
    assert {line["event_id"] for line in before}.isdisjoint(line["event_id"] for line in after)
    succeed("verify", other)


@pytest.mark.parametrize("place", [[], ["-"]])
def test_lines_written_by_hand(other: Path, place: list[str]) -> None:
    lines = [line_of(payload=1), "", line_of(payload={"$decimal": "1.00"}, kind=[15, 2], metadata={"a": "b"})]
    (done,) = succeed_json("import", other, *place, stdin="\n".join(lines))
    assert done == {
        "imported": 2,
        "passed_over": 0,
        "batches": 1,
        "lines": 3,
        "first_sequence": done["first_sequence"],
        "last_sequence": done["first_sequence"] + 1,
    }
    assert payloads(other) == [1, {"$decimal": "1.00"}]


def test_the_options_are_defaults(other: Path) -> None:
    succeed("import", other, "--entity", "e", "--scope", "s", "--kind", "0xF:7", stdin='{"payload": 1}\n')
    (line,) = exported(other)
    assert (line["entity"], line["scope"], line["kind"]) == ("e", "s", "0xF007")


def test_the_journals_own_events_are_passed_over(journal: Path, other: Path) -> None:
    fill(journal, drafts(2))
    everything = succeed("export", journal, "--system")
    own = len(everything.splitlines()) - 2
    (done,) = succeed_json("import", other, stdin=everything)
    assert (done["imported"], done["passed_over"]) == (2, own)
    assert "of the exported journal's own passed over" in succeed("import", other, stdin=everything)
    assert len(exported(other)) == 4


def test_a_system_event_written_by_hand_is_refused(other: Path) -> None:
    assert "line 1: " in fail(2, "import", other, stdin=line_of(kind=2))
    assert "line 1: " in fail(2, "import", other, stdin=line_of(entity="batpak"))


def test_nothing_to_import(other: Path) -> None:
    assert succeed("import", other, stdin="\n\n") == "0 events imported\n"
    (done,) = succeed_json("import", other, stdin="")
    assert (done["imported"], done["first_sequence"], done["last_sequence"]) == (0, None, None)


def test_a_bad_line_ends_the_import_and_its_whole_batch(other: Path) -> None:
    lines = [line_of(payload=n) for n in range(8)]
    lines[6] = line_of(payload=6, metdata={})
    done = batpak_command("import", other, "--batch", "3", stdin="\n".join(lines))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "batpak: line 7: unknown member 'metdata'; 6 events of lines 1 to 6 were imported, and no later ones\n"
    )
    assert payloads(other) == list(range(6))
    lines[7] = "{"
    lines[6] = line_of(payload=6)
    done = batpak_command("import", other, "--batch", "4", stdin="\n".join(lines))
    assert done.stderr.startswith("batpak: line 8: not JSON")
    assert done.stderr.endswith("; 4 events of lines 1 to 4 were imported, and no later ones\n")
    assert payloads(other) == [*range(6), *range(4)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON: "),
        ("[]", "not an object"),
        ("7", "not an object"),
        ('{"payload": 1, "payload": 2}', "the key 'payload' is there twice"),
        (line_of(payload={"a": 1}).replace('"a": 1', '"a": 1, "a": 2'), "payload: the key 'a' is there twice"),
        (line_of(payload=float("nan")), "payload: NaN, Infinity"),
        (line_of(payload={"$float": "nan"}), "--allow-nonfinite"),
        (line_of(sequence=5), "unknown member 'sequence'"),
        (line_of(entity=None), "no entity"),
        (line_of(entity=5), '"entity" is not text'),
        (line_of(entity={"$bytes": ""}), '"entity" is not text'),
        (line_of(entity="a/b"), "entity"),
        (line_of(kind=True), '"kind" is'),
        (line_of(version="1"), '"version" is not a number'),
        (line_of(version=-1), "version"),
        (line_of(correlation_id="nobody"), '"correlation_id" is not a UUID'),
        (line_of(metadata={"a": 1}), '"metadata" is not an object of texts'),
        (line_of(private_metadata=[1]), '"private_metadata" is not an object'),
        (line_of(private_metadata={"a": [{"$x": 1}]}), "private_metadata.a[0]: an unknown tag"),
        (line_of(payload={"nested": {"$bytes": "xyz"}}), "payload.nested: "),
        ('{"entity": "e", "scope": "s", "kind": 61441}', '"payload" is missing'),
        (line_of(batpak_event=1), "an exported line without "),
        (line_of(batpak_event=2), "a newer batpak"),
        (line_of(batpak_event=True), "a newer batpak"),
    ],
)
def test_bad_lines_are_refused(other: Path, bad: str, reason: str) -> None:
    done = batpak_command("import", other, stdin=f"\n{line_of()}\n{bad}\n{line_of()}\n")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("batpak: line 3: ")
    assert reason in done.stderr
    assert done.stderr.endswith("; nothing was imported\n")
    with batpak.Store.open(other, read_only=True) as store:
        assert list(store.query()) == []


def test_bytes_that_are_not_utf8(other: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "import", str(other)], input=b'{"\xff"}\n', capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 2
    assert b"line 1: not UTF-8: byte 3 of the line" in done.stderr


def test_an_exported_line_that_was_changed_is_refused(journal: Path, other: Path) -> None:
    fill_with_everything(journal)
    line = exported(journal)[3]
    succeed("import", other, stdin=json.dumps(line))
    for changed in ({**line, "entity": "somebody:else"}, {**line, "payload": 2}):
        message = fail(2, "import", other, stdin=json.dumps(changed))
        assert message.startswith("batpak: line 1: not what was exported: ")
        assert "leave no members but causation_id, correlation_id, entity" in message
    assert len(exported(other)) == 1


def test_every_member_of_an_exported_line_counts(journal: Path) -> None:
    fill_with_everything(journal)
    line = exported(journal)[3]
    assert checked(line).event_hash.hex() == line["event_hash"]
    others = {"int": 999, "str": "00", "dict": {"trace": "other"}, "NoneType": "x"}
    for name, value in line.items():
        with pytest.raises(ValueError, match=r"not what was exported|a newer batpak"):
            checked({**line, name: others[type(value).__name__]})
    for members in (
        {"payload": True},
        {"payload": 1.0},
        {"payload": {"$bytes": "00"}},
        {"private_metadata": {}},
        {"version": 3.0},
        {"extra": 1},
        {"header": line["header"][:-2] + "ff"},
        {"header": line["header"].upper()},
        {"salt": ""},
        {"salt": 5},
    ):
        with pytest.raises(ValueError, match="not what was exported"):
            checked({**line, **members})
    for name in line.keys() - {"batpak_event"}:
        with pytest.raises(ValueError, match=f"without '{name}'|not what was exported: '{name}'"):
            checked({key: value for key, value in line.items() if key != name})


def test_an_event_may_be_changed_once_it_is_no_export_any_more(journal: Path, other: Path) -> None:
    fill(journal, drafts(1))
    (line,) = exported(journal)
    mine = {name: line[name] for name in KEPT if name != "encoding"}
    succeed("import", other, stdin=json.dumps({**mine, "payload": "corrected"}))
    assert payloads(other) == ["corrected"]


def test_many_lines_in_batches_of_bounded_size(journal: Path, other: Path) -> None:
    fill(journal, drafts(2500))
    lines = succeed("export", journal)
    (done,) = succeed_json("import", other, stdin=lines)
    assert (done["imported"], done["batches"]) == (2500, 3)
    (done,) = succeed_json("import", other, "--batch", "65536", stdin=lines)
    assert (done["imported"], done["batches"]) == (2500, 1)
    # Nine megabytes of lines are two batches, whatever their number.
    large = line_of(payload="x" * 3_000_000) + "\n"
    (done,) = succeed_json("import", other, stdin=large * 4)
    assert (done["imported"], done["batches"]) == (4, 2)
    assert kept(other)[:2500] == kept(journal)


def test_importing_into_a_signed_journal_needs_its_key(tmp_path: Path, key_file: Path) -> None:
    succeed("init", tmp_path / "signed", "--key", key_file)
    assert "--key KEYFILE" in fail(12, "import", tmp_path / "signed", stdin=line_of())
    succeed("import", tmp_path / "signed", "--key", key_file, stdin=line_of())
    succeed("verify", tmp_path / "signed")


def test_files_that_are_not_there(tmp_path: Path, other: Path) -> None:
    assert "nothing.jsonl" in fail(1, "import", other, tmp_path / "nothing.jsonl")
    fail(10, "import", tmp_path / "nothing", stdin=line_of())
    fail(2, "import", other, "--batch", "0")


def test_a_second_writer_is_told_what_to_do(other: Path) -> None:
    with batpak.Store.open(other):
        fail(11, "import", other, stdin=line_of())


def test_interrupted(other: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "import", str(other), "--batch", "2"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for number in range(5):
            process.stdin.write(line_of(payload=number).encode() + b"\n")
        process.stdin.flush()
        wait_for_events(other, 4)
        process.send_signal(signal.SIGINT)
        # Should the signal have come just before the command began to wait, the end of stdin wakes it.
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 130
        assert b"4 events of lines 1 to 4 were imported" in process.stderr.read()
    assert payloads(other) == list(range(4))


def wait_for_events(directory: Path, count: int) -> None:
    """Until a reader sees ``count`` events; each look is an open, which takes its time."""
    while True:
        with batpak.Store.open(directory, read_only=True) as store:
            if len(list(store.query())) >= count:
                return


def test_the_tagged_form_is_what_the_library_reads(journal: Path) -> None:
    fill_with_everything(journal)
    with batpak.Store.open(journal, read_only=True) as store:
        values = [event.value for event in store.query()]
    lines = exported(journal)
    assert [_json.to_tagged(value) for value in values] == [line["payload"] for line in lines]
