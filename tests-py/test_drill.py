"""``batpak drill``: every attack is performed, what must notice it does, and the journal is only read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import Store
from batpak._cli import main
from batpak._drill import judging, running
from batpak._drill.codec import Signer, crc32c
from batpak._drill.forging import read_log, write_log
from batpak._evidence.verifier import verify_signature
from cli_support import batpak_command, fail
from support import KIND, contents, contents_and_times

APPENDED, STATED = "forged event behind the end", "forged event stated by the owner"
DOWNGRADED = "policy downgrade, the owner writes on"
CUT_BACK = "cut back to the time of a revoked key and written on with it"
ONLY_IF_SIGNED = {
    "rewritten and signed again",
    "stripped signatures",
    "policy downgrade",
    "foreign signature",
    "exchanged key",
    "unsigned checkpoint",
    DOWNGRADED,
    "revoked key reuse",
    CUT_BACK,
    "key added without the old key's word",
    "restore passed off as history",
}
BEYOND_A_SIGNATURE = {
    "cut tail, everything made to fit",
    "rewritten and signed again",
    "restored old copy",
    "fork",
    "stale checkpoint in the place of the last",
    "log cut back to an earlier checkpoint",
    CUT_BACK,
}
BEYOND_HASHES = BEYOND_A_SIGNATURE - ONLY_IF_SIGNED | {
    "payload edit, everything made to fit",
    "header edit, everything made to fit",
    "dropped event",
    "reordered events",
    "duplicated event",
    "deleted entity",
    "evidence laundered by a retry, the first receipt lost",
    "evidence laundered by a new checkpoint",
    APPENDED,
    STATED,
}
WITHOUT_A_SIGNATURE = {"evidence laundered by a retry, the first receipt lost", APPENDED, STATED}
BEYOND_A_PIN = {"stale checkpoint in the place of the last"}


def fill(path: Path, *, key: Path | None = None, pins: Path | None = None, events: int = 8) -> Path:
    with Store.open(path, signing_key=key, pins=pins) as store:
        for n in range(events):
            store.append(batpak.Coordinate(f"order:{n % 2}", "shop"), {"n": n}, kind=KIND)
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the drill works."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def drill(*arguments: str | Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    done = batpak_command("drill", *arguments, "--json")
    assert done.stderr == ""
    *attacks, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(attacks) == summary["attacks"] == len(running.table()) == sum(summary["counts"].values())
    assert done.returncode == (3 if summary["counts"]["missed"] else 0)
    return {each["attack"]: each for each in attacks}, summary


def of_status(attacks: dict[str, dict[str, Any]], status: str) -> set[str]:
    return {name for name, each in attacks.items() if each["status"] == status}


def layers(attack: dict[str, Any]) -> set[str]:
    return {catch["layer"] for catch in attack["caught_by"]}


def test_an_unsigned_journal(path: Path, temporary: Path) -> None:
    fill(path)
    before = contents_and_times(path)
    attacks, summary = drill(path)
    assert contents_and_times(path) == before
    assert list(temporary.iterdir()) == []
    assert of_status(attacks, "missed") == set()
    assert of_status(attacks, "not tried") == ONLY_IF_SIGNED
    assert of_status(attacks, "beyond") == BEYOND_HASHES
    assert all(each["missed_by"] == [] for each in attacks.values())
    assert (summary["signed"], summary["pinned"], summary["rung"]) == (False, False, 1)
    assert summary["events_added_to_the_copy"] > 0
    # What would have told is shown, not said.
    would = {name for name in BEYOND_HASHES if attacks[name]["others_would"]}
    assert would == BEYOND_HASHES - BEYOND_A_PIN - WITHOUT_A_SIGNATURE
    assert attacks["cut tail"]["caught_by"][-1]["what"].startswith("completeness: missing_events")
    assert attacks["erased payload guessed"]["caught_by"][0]["what"] == "content: commitment_mismatch"


def test_a_signed_journal(path: Path, key_file: Path, temporary: Path) -> None:
    fill(path, key=key_file)
    before = contents_and_times(path)
    attacks, summary = drill(path, "--key", key_file)
    assert contents_and_times(path) == before
    assert list(temporary.iterdir()) == []
    assert of_status(attacks, "missed") == set()
    assert of_status(attacks, "not tried") == set()
    assert of_status(attacks, "beyond") == BEYOND_A_SIGNATURE
    assert (summary["signed"], summary["pinned"], summary["rung"]) == (True, False, 2)
    for name in ("policy downgrade", "exchanged key"):
        assert layers(attacks[name]) == {"key"}
    for name in ("payload edit, everything made to fit", "dropped event", "deleted entity", "reordered events"):
        assert {catch["rung"] for catch in attacks[name]["caught_by"]} == {2}


@pytest.mark.parametrize("pinned", [False, True])
def test_what_others_wrote_is_not_signed_by_the_owner(
    path: Path, key_file: Path, tmp_path: Path, *, pinned: bool
) -> None:
    pins = ["--pins", tmp_path / "pins"] if pinned else []
    fill(path, key=key_file, pins=tmp_path / "pins" if pinned else None)
    attacks, _ = drill(path, "--key", key_file, *pins)
    assert {name for name, each in attacks.items() if each["missed_by"]} == set()


def test_a_signed_journal_without_its_key(path: Path, key_file: Path) -> None:
    fill(path, key=key_file)
    attacks, summary = drill(path)
    assert of_status(attacks, "missed") == set()
    assert summary["events_added_to_the_copy"] == 0
    not_tried = of_status(attacks, "not tried")
    assert {"rewritten and signed again", "fork", "split view"} <= not_tried
    needing = {name for name in not_tried if attacks[name]["reason"] == "needs the key (--key)"}
    assert {"rewritten and signed again", "fork", "split view"} <= needing
    assert {"policy downgrade", "dropped event", "deleted entity"} <= of_status(attacks, "caught")


def test_a_pinned_journal(path: Path, key_file: Path, tmp_path: Path, temporary: Path) -> None:
    pins = tmp_path / "pins"
    fill(path, key=key_file, pins=pins)
    before = contents_and_times(path), contents_and_times(pins)
    attacks, summary = drill(path, "--key", key_file, "--pins", pins)
    assert (contents_and_times(path), contents_and_times(pins)) == before
    assert list(temporary.iterdir()) == []
    assert (summary["pinned"], summary["rung"]) == (True, 3)
    assert of_status(attacks, "missed") <= {STATED}
    assert of_status(attacks, "not tried") == set()
    assert of_status(attacks, "beyond") == BEYOND_A_PIN
    for name in BEYOND_A_SIGNATURE - BEYOND_A_PIN:
        assert layers(attacks[name]) == {"pin"}
        assert [catch["rung"] for catch in attacks[name]["caught_by"]] == [3]
    assert {name for name, each in attacks.items() if each["missed_by"]} == set()


def test_an_unsigned_pinned_journal_and_an_old_pin(path: Path, tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    fill(path, pins=pins)
    fill(path)
    attacks, _ = drill(path, "--pins", pins)
    assert of_status(attacks, "missed") == set()
    assert of_status(attacks, "beyond") == BEYOND_A_PIN | WITHOUT_A_SIGNATURE


@pytest.mark.parametrize("signed", [False, True])
def test_a_tiny_journal(path: Path, key_file: Path, *, signed: bool) -> None:
    fill(path, key=key_file if signed else None, events=0)
    attacks, summary = drill(path)
    assert of_status(attacks, "missed") == set()
    assert (summary["events_added_to_the_copy"] > 0) != signed
    assert attacks["payload edit"]["status"] == ("not tried" if signed else "caught")


def test_a_large_enough_journal_is_attacked_as_it_is(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store:
        for n in range(40):
            store.append(batpak.Coordinate(f"order:{n % 3}", "shop"), {"n": n, "text": "x" * 300}, kind=KIND)
            if n in {20, 39}:
                store.checkpoint()
    attacks, summary = drill(path)
    assert summary["events_added_to_the_copy"] == 0
    assert of_status(attacks, "missed") == set()
    assert of_status(attacks, "beyond") == BEYOND_HASHES


def test_lines_for_people(path: Path) -> None:
    done = batpak_command("drill", fill(path))
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines, last = done.stdout.splitlines()
    assert first.startswith("unsigned journal, rung 1 (chained); ")
    assert len(lines) == len(running.table())
    assert last.endswith("0 missed")
    assert all(line.startswith(("caught ", "beyond ", "not tried ")) for line in lines)


def test_the_drill_can_fail(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fill(path)
    genuine = batpak.verify(path)
    monkeypatch.setattr(batpak, "verify", lambda *_, **__: genuine)
    assert main(["drill", str(path), "--json"]) == 3
    *told, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert summary["counts"]["missed"] > 0
    missed = {each["attack"]: each["missed_by"] for each in told if each["status"] == "missed"}
    assert missed["doctored index"] == ["journal"]
    assert missed["stale checkpoint behind the last"] == ["journal"]
    assert main(["drill", str(path)]) == 3
    assert "NOT noticed by: journal" in capsys.readouterr().out


def test_the_drill_can_fail_on_proofs(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    genuine = batpak.verify(path)
    monkeypatch.setattr(batpak, "verify_evidence", lambda *_, **__: genuine)
    monkeypatch.setattr(batpak.ConsistencyProof, "verify", lambda *_, **__: genuine)
    monkeypatch.setattr(batpak.InclusionProof, "verify", lambda *_, **__: genuine)
    assert main(["drill", str(path), "--json"]) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]
    assert {each["attack"] for each in told if each["status"] == "missed"} == {
        "split view",
        "proof shown for another event",
        "proof made to fit another event",
        "evidence with an event exchanged",
        "evidence with a payload exchanged",
        "erased payload guessed",
    }


def test_a_check_that_refuses_everything_catches_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    running.copy_journal(path, path.parent / "copy")
    (path.parent / "copy" / "journal.meta").write_bytes(b"damaged")
    refusal = batpak.verify(path.parent / "copy")
    assert not refusal.ok
    monkeypatch.setattr(batpak, "verify_evidence", lambda *_, **__: refusal)
    assert main(["drill", str(path), "--json"]) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]
    assert "erased payload guessed" in {each["attack"] for each in told if each["status"] == "missed"}


def test_refusals(path: Path, key_file: Path, tmp_path: Path) -> None:
    fail(10, "drill", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    fail(10, "drill", tmp_path / "empty")
    fail(10, "drill", key_file)
    fill(path)
    fail(2, "drill", path, "--key", key_file)
    fail(2, "drill", path, "--pins", tmp_path / "empty")
    fail(12, "drill", path, "--key", tmp_path / "nowhere")
    signed = fill(tmp_path / "signed", key=key_file)
    batpak.SigningKey.generate().save(tmp_path / "other.pem")
    fail(12, "drill", signed, "--key", tmp_path / "other.pem")
    (path / "journal.meta").write_bytes(b"damaged")
    before = contents(path)
    fail(3, "drill", path)
    assert contents(path) == before


def test_large_logs_need_a_word(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    monkeypatch.setattr("batpak._cli.drill.LOG_BYTES_MAX", 100)
    assert main(["drill", str(path)]) == 2
    assert "--large" in capsys.readouterr().err
    assert main(["drill", str(path), "--large"]) == 0


def test_beside_a_writer(path: Path) -> None:
    fill(path)
    with Store.open(path) as store:
        store.append(batpak.Coordinate("order:1", "shop"), {"n": 1}, kind=KIND)
        store.sync()
        attacks, _ = drill(path)
    assert of_status(attacks, "missed") == set()


# The attacker's tools: what they write must be what the library writes, or attacks fail for the wrong reason.


@pytest.mark.parametrize("signed", [False, True])
def test_a_log_that_is_not_changed_is_written_as_it_was(path: Path, key_file: Path, *, signed: bool) -> None:
    fill(path, key=key_file if signed else None)
    before = contents(path)
    with Store.open(path, read_only=True) as store:
        log = read_log(path, f"{store.name}/{store.journal_id}")
        assert [each.header for each in log.records()] == [each.header for each in store.query(system=True)]
        assert [each.event_hash for each in log.records()] == [each.event_hash for each in store.query(system=True)]
    log.relink()
    for frame in log.frames():
        frame.raw = b""
    write_log(path, log)
    assert set(contents(path)) == set(before)
    after = contents(path)
    assert [name for name in before if after[name] != before[name]] in ([], ["frontier"], ["checkpoints"])
    assert batpak.verify(path).ok


def test_what_is_forged_with_the_key_verifies(path: Path, key_file: Path) -> None:
    fill(path, key=key_file)
    key = batpak.SigningKey.load(key_file)
    signer = Signer(key)
    assert signer.public == key.public_key.to_bytes()
    assert verify_signature(signer.public, signer.sign(b"message"), b"message")
    with Store.open(path, read_only=True) as store:
        log = read_log(path, f"{store.name}/{store.journal_id}")
    record = next(each for each in log.records() if each.is_users)
    log.edit(record.sequence, record.with_payload(b"\x00", commit=True))
    log.relink()
    log.sign(signer)
    write_log(path, log, signer=signer, make_notes=True)
    verdict = batpak.verify(path, public_key=key.public_key)
    assert (verdict.outcome, verdict.rung, verdict.checkpoint_size) == ("signed", 2, len(log.records()))
    with Store.open(path, read_only=True) as store:
        assert store.get(record.sequence).payload is None


def test_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_catches_are_in_words_of_the_library(path: Path) -> None:
    fill(path)
    (path / "journal.meta").write_bytes(b"damaged")
    catches = judging.judge(path, public_key=None, pins=None, held=None)
    assert catches[-1].by == "verify"
    assert not any(catch.layer != "journal" for catch in catches)
