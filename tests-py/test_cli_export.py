"""``batpak export``: every line says everything about its event, and can be checked without the journal."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from uuid import UUID

import batpak
from batpak import _json
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
    leave_after_a_line,
    succeed,
)
from plain_reader.record import Record, decode_header, event_hash_of
from support import encode


def test_a_line_says_where_the_event_is_from(journal: Path) -> None:
    fill(journal, drafts(2))
    lines = exported(journal)
    with batpak.Store.open(journal, read_only=True) as store:
        events = list(store.query())
    assert [line["sequence"] for line in lines] == [event.sequence for event in events]
    for line, event in zip(lines, events, strict=True):
        assert line["batpak_event"] == 1
        assert UUID(line["journal_id"]) == event.journal_id
        assert UUID(line["event_id"]) == event.event_id
        assert line["event_hash"] == event.event_hash.hex()
        assert (line["entity"], line["scope"], line["kind"]) == (event.entity, event.scope, "0xF001")
        assert line["payload"] == event.payload


def test_a_line_can_be_checked_without_the_journal(journal: Path) -> None:
    fill_with_everything(journal)
    lines = exported(journal, "--system")
    assert len(lines) == len(VALUES) + 2
    for line in lines:
        header = bytes.fromhex(line["header"])
        assert event_hash_of(header).hex() == line["event_hash"]
        payload = _json.from_tagged(line["payload"])
        private = _json.from_tagged(line["private_metadata"])
        raw = payload if line["encoding"] == "raw" else encode(payload, allow_nonfinite=True)
        encoded_private = encode(private, allow_nonfinite=True) if private else b""
        record = Record(0, 0, header, bytes.fromhex(line["salt"]), encoded_private, raw)
        assert record.commitment() == decode_header(header).payload_commitment


def test_filters_select(journal: Path) -> None:
    fill(journal, [*drafts(3), batpak.Draft(batpak.Coordinate("other", "room"), 1, kind=batpak.Kind(0xE, 2))])
    everything = [line["sequence"] for line in exported(journal)]
    assert [line["sequence"] for line in exported(journal, "--entity", "other")] == everything[3:]
    assert [line["sequence"] for line in exported(journal, "--after", str(everything[0]), "-n", "2")] == everything[1:3]
    assert exported(journal, "--system")[0]["sequence"] == 0


def test_an_output_file_is_replaced_as_a_whole(journal: Path, tmp_path: Path) -> None:
    fill(journal, drafts(3))
    file, link = tmp_path / "events.jsonl", tmp_path / "link.jsonl"
    assert succeed("export", journal, "-o", file) == ""
    assert file.read_text(encoding="ascii") == succeed("export", journal)
    file.write_text("older", encoding="ascii")
    file.chmod(0o600)
    link.symlink_to(file)
    succeed("export", journal, "--output", link)
    assert file.read_text(encoding="ascii") == succeed("export", journal)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.jsonl", "journal", "link.jsonl"]


def test_an_export_that_fails_leaves_the_older_file(journal: Path, tmp_path: Path) -> None:
    fill(journal, drafts(1, "the original words"))
    (segment,) = (journal / "segments").glob("*.log")
    file = tmp_path / "events.jsonl"
    file.write_text("older", encoding="ascii")
    segment.write_bytes(segment.read_bytes().replace(b"original", b"patched!"))
    fail(3, "export", journal, "-o", file)
    assert file.read_text(encoding="ascii") == "older"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.jsonl", "journal"]


def test_a_device_is_written_to_and_not_replaced(journal: Path, tmp_path: Path) -> None:
    fill(journal, drafts(3))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, "export", str(journal), "-o", str(pipe)]) as process:
        assert pipe.read_text(encoding="ascii") == succeed("export", journal)
        assert process.wait(TIMEOUT_S) == 0
    assert pipe.is_fifo()


def test_nothing_is_written_into_the_journal(journal: Path) -> None:
    assert "inside the journal" in fail(2, "export", journal, "-o", journal / "segments" / "export.jsonl")
    assert "inside the journal" in fail(2, "export", journal, "-o", journal)
    succeed("verify", journal)


def test_a_full_disk_is_reported(journal: Path) -> None:
    fill(journal, drafts(1))
    done = batpak_command("export", journal, "-o", "/dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_a_reader_that_leaves_ends_the_export_quietly(journal: Path) -> None:
    fill(journal, drafts(3000))
    leave_after_a_line("export", journal)
