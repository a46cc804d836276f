"""``batpak report``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from cli_support import NASTY, UNSAFE, batpak_command, drafts, fail, fill, succeed, succeed_json
from support import contents_and_times, log_of
from tampering import flip_payload

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filled(journal: Path) -> Path:
    """A closed journal of several segments."""
    with batpak.Store.open(journal, segment_bytes=4096) as store:
        store.append_batch(drafts(3))
        for each in drafts(60):
            store.append_batch([each])
    return journal


def by_api(directory: Path, report: str, *arguments: Any, **filters: Any) -> batpak.EvidenceReport:
    with batpak.Store.open(directory, read_only=True) as store:
        made: batpak.EvidenceReport = getattr(store, f"report_{report}")(*arguments, **filters)
    return made


def test_each_report_is_that_of_the_store(filled: Path, tmp_path: Path) -> None:
    before = contents_and_times(filled)
    event_id = event_id_of(filled, 5)
    asked: list[tuple[list[str], batpak.EvidenceReport]] = [
        (["chain", "5"], by_api(filled, "chain_walk", 5)),
        (["chain", event_id, "-n", "2"], by_api(filled, "chain_walk", event_id, 2)),
        (["read"], by_api(filled, "read_walk")),
        (
            ["read", "--entity", "player:alice", "--kind", "0xF001", "--until", "30", "--limit", "9", "--system"],
            by_api(filled, "read_walk", entity="player:alice", kind=0xF001, until=30, limit=9, system=True),
        ),
        (["resources"], by_api(filled, "resources")),
        (["resources", "--durable"], by_api(filled, "resources")),
    ]
    out = tmp_path / "report.json"
    for (report, *rest), expected in asked:
        (shown,) = succeed_json("report", report, filled, *rest)
        assert shown == expected.to_dict()
        text = succeed("report", report, filled, *rest, "--out", out)
        assert expected.body_hash.hex() in text
        assert "verdict: nothing that was looked at is wrong" in text
        written = out.read_text(encoding="ascii")
        assert batpak.EvidenceReport.from_json(written) == expected
        assert written.count("\n") == 1
    assert contents_and_times(filled) == before


def event_id_of(directory: Path, sequence: int) -> str:
    with batpak.Store.open(directory, read_only=True) as store:
        return str(store.get(sequence).event_id)


def test_findings_end_it_with_3(filled: Path, tmp_path: Path) -> None:
    flip_payload(filled, 5)
    for report, *rest in (["chain", "9"], ["read"]):
        done = batpak_command("report", report, filled, *rest, "--out", tmp_path / "out.json")
        assert (done.returncode, done.stderr) == (3, "")
        assert "finding: content: event_damaged: event 5 cannot be read" in done.stdout
        assert "verdict: 1 finding\n" in done.stdout
        assert not batpak.EvidenceReport.from_json((tmp_path / "out.json").read_text(encoding="ascii")).ok
        done = batpak_command("report", report, filled, *rest, "--json")
        assert done.returncode == 3
        assert json.loads(done.stdout)["ok"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ["chain"],
        ["chain", "x"],
        ["chain", "1", "--entity", "a"],
        ["chain", "1", "--limit", "0"],
        ["read", "1"],
        ["read", "--reverse"],
        ["resources", "1"],
        ["resources", "--limit", "1"],
        ["resources", "--metadata", "a=b"],
        ["everything"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together(journal: Path, arguments: list[str]) -> None:
    report, *rest = arguments
    fail(2, "report", report, journal, *rest)


def test_other_exits(journal: Path, tmp_path: Path) -> None:
    fail(10, "report", "read", tmp_path / "nothing")
    fail(1, "report", "chain", journal, "999")
    fail(2, "report", "read", journal, "--out", journal / "report.json")
    fail(1, "report", "read", journal, "--out", tmp_path / "no" / "directory" / "report.json")
    data = bytearray(log_of(journal).read_bytes())
    data[-1] ^= 1
    log_of(journal).write_bytes(data)
    # What keeps a journal from being opened is for verify.
    fail(3, "report", "read", journal)


def test_names_steer_no_terminal(journal: Path) -> None:
    fill(journal, drafts(1))
    with batpak.Store.open(journal) as store:
        batpak._batpak.keep(store._core, "cursors", NASTY, b"\x00")
    text = succeed("report", "resources", journal)
    assert "\\u001b" in text
    assert UNSAFE.search(text) is None
