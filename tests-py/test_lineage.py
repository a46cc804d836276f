"""Accepted restores and forks: a history that goes on as another one, and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import batpak
from batpak import Coordinate, SigningKey, Store
from batpak._evidence import verifier
from cli_support import fail, succeed, succeed_json
from plain_reader import read_journal
from support import KIND

COORD = Coordinate("note:1", "desk")
WHY = {"reason": "the disk died", "actor": "operator-7"}


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    return tmp_path / "pins"


def restored(
    path: Path, pins: Path | None, key: SigningKey | None
) -> tuple[list[batpak.AppendReceipt], batpak.Checkpoint]:
    """Yesterday's copy in the place of the journal; receipts of one event that is in it and one that is not."""
    backup = path.with_name("backup")
    with Store.open(path, signing_key=key, pins=pins) as store:
        receipts = [store.append(COORD, 1, kind=KIND)]
    shutil.copytree(path, backup)
    with Store.open(path, signing_key=key, pins=pins) as store:
        receipts.append(store.append(COORD, 2, kind=KIND))
        checkpoint = store.checkpoint()
    shutil.rmtree(path)
    shutil.copytree(backup, path)
    return receipts, checkpoint


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_accepted_restore(path: Path, tmp_path: Path, pins: Path, key: SigningKey, is_signed: bool) -> None:
    signing = key if is_signed else None
    (kept, lost), stated = restored(path, pins, signing)
    with pytest.raises(batpak.RollbackDetected):
        Store.open(path, signing_key=signing, pins=pins)
    receipt = batpak.accept_restore(path, signing_key=signing, pins=pins, **WHY)
    with Store.open(path, signing_key=signing, pins=pins) as store:
        (lineage,) = store.lineages()
        assert receipt.sequence == lineage.from_sequence
        assert store.get(receipt.sequence).kind == batpak.Kind(0, 7)
        assert (lineage.cause, lineage.actor, lineage.reason) == ("restore", WHY["actor"], WHY["reason"])
        assert lineage.parent_id == kept.journal_id
        assert store.journal_id == lineage.journal_id == receipt.journal_id != lineage.parent_id
        # The close after the lost event made the last checkpoint that the pin saw.
        assert lineage.abandoned_size is not None
        assert lineage.abandoned_size >= stated.size
        assert lineage.kept_root == store.root(lineage.from_sequence)
        assert lineage.to_dict()["journal_id"] == str(lineage.journal_id)
        assert "journal_id" in lineage._repr_html_()
        later = store.append(COORD, 3, kind=KIND)
        assert (later.journal_id, later.clock) == (lineage.journal_id, kept.clock + 1)
        assert [store.verify_receipt(each).ok for each in (kept, receipt, later)] == [True] * 3
        assert store.verify_receipt(lost).reason_code == "missing_committed_event"
        # A key that was used before the restore is still known, and its receipt is the old lineage's.
        assert store.checkpoint().origin.endswith(str(lineage.journal_id))
        for number, filters in enumerate([{}, {"entity": COORD.entity}, {"after": receipt.sequence, "system": True}]):
            bundle = tmp_path / f"{number}.zip"
            store.export_evidence(bundle, **filters)  # type: ignore[arg-type]
            assert batpak.verify_evidence(bundle).ok
            verdict = verifier.verify(bundle.read_bytes())
            assert verdict.outcome == ("signed" if is_signed else "unsigned_accepted"), verdict.findings
    verdict = batpak.verify(path, pins=pins)
    assert (verdict.ok, verdict.rung) == (True, 3), verdict
    assert read_journal(path).findings == []


def test_a_retry_over_a_restore_returns_the_receipt_of_its_lineage(path: Path) -> None:
    with Store.open(path) as store:
        receipt = store.append(COORD, 1, kind=KIND, key="once")
        batch = store.append_batch([batpak.Draft(COORD, n, kind=KIND, key=f"k{n}") for n in range(2)])
        receipts = list(batch)
    batpak.accept_restore(path, **WHY)
    with Store.open(path) as store:
        assert store.append(COORD, 1, kind=KIND, key="once") == receipt
        again = store.append_batch([batpak.Draft(COORD, n, kind=KIND, key=f"k{n}") for n in range(2)])
        assert list(again) == receipts
        assert store.verify_receipt(receipt).ok


def test_what_was_given_up_may_be_told_by_whoever_has_a_checkpoint(path: Path, tmp_path: Path, key: SigningKey) -> None:
    _, stated = restored(path, None, key)
    with Store.open(tmp_path / "other", signing_key=key) as other, pytest.raises(batpak.InvalidInput, match="another"):
        batpak.accept_restore(path, signing_key=key, abandoned=other.checkpoint(), **WHY)
    unsigned = batpak.Checkpoint("\n".join([*str(stated).splitlines()[:3], "", ""]))
    with pytest.raises(batpak.InvalidInput, match="not signed"):
        batpak.accept_restore(path, signing_key=key, abandoned=unsigned, **WHY)
    with Store.open(path, read_only=True) as store, pytest.raises(batpak.InvalidInput, match="nothing was given up"):
        batpak.accept_restore(path, signing_key=key, abandoned=store.checkpoints()[-1], **WHY)
    with pytest.raises(TypeError):
        batpak.accept_restore(path, signing_key=key, abandoned=str(stated), **WHY)  # type: ignore[arg-type]
    batpak.accept_restore(path, signing_key=key, abandoned=stated, **WHY)
    with Store.open(path, read_only=True) as store:
        assert (store.lineages()[0].abandoned_size, store.lineages()[0].abandoned_root) == (stated.size, stated.root)


def test_what_is_refused(path: Path, tmp_path: Path, key: SigningKey) -> None:
    with pytest.raises(batpak.NotAJournal):
        batpak.accept_restore(tmp_path / "nothing", **WHY)
    with Store.open(path, signing_key=key) as store:
        with pytest.raises(batpak.StoreLocked):
            batpak.accept_restore(path, signing_key=key, **WHY)
        with pytest.raises(batpak.KeyRequired):
            batpak.fork(path, tmp_path / "unsigned", **WHY)
        assert store.lineages() == []
    with pytest.raises(batpak.KeyRequired):
        batpak.accept_restore(path, **WHY)
    for wrong in ({"reason": "", "actor": "a"}, {"reason": "r", "actor": ""}, {"reason": "r" * 4097, "actor": "a"}):
        with pytest.raises(batpak.InvalidInput):
            batpak.accept_restore(path, signing_key=key, **wrong)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(batpak.InvalidInput, match="not empty"):
        batpak.fork(path, tmp_path / "full", signing_key=key, **WHY)
    for inside in (path / "segments" / "sub", path):
        with pytest.raises(batpak.InvalidInput, match="inside"):
            batpak.fork(path, inside, signing_key=key, **WHY)
    with pytest.raises(batpak.NotAJournal):
        batpak.fork(tmp_path / "nothing", tmp_path / "target", signing_key=key, **WHY)
    with Store.open(path, read_only=True) as store:
        assert store.lineages() == []


def test_no_lineage_gets_past_pins_that_did_not_see_it(path: Path, pins: Path, tmp_path: Path) -> None:
    _, stated = restored(path, pins, None)
    shutil.copytree(path, tmp_path / "old")
    batpak.accept_restore(path, abandoned=stated, **WHY)
    batpak.fork(tmp_path / "old", tmp_path / "forked", **WHY)
    for forged in (path, tmp_path / "forked"):
        with pytest.raises(batpak.RollbackDetected):
            Store.open(forged, pins=pins)
        assert batpak.verify(forged, pins=pins).reason_code == "rollback_detected"
    with Store.open(tmp_path / "fresh", pins=pins) as store:
        assert store.lineages() == []
    with pytest.raises(batpak.InvalidInput, match="nothing is missing"):
        batpak.accept_restore(tmp_path / "fresh", pins=pins, **WHY)


def test_a_fork_with_the_pins_of_its_source(path: Path, pins: Path, tmp_path: Path) -> None:
    with Store.open(path, pins=pins) as store:
        store.append(COORD, 1, kind=KIND)
        store.sync()
        batpak.fork(path, tmp_path / "fork", pins=pins, **WHY)
        store.append(COORD, 2, kind=KIND)
    for journal in (path, tmp_path / "fork", path):
        Store.open(journal, pins=pins).close()
        assert batpak.verify(journal, pins=pins).rung == 3
        assert succeed("drill", journal, "--pins", pins).endswith("0 missed\n")


def test_a_reader_that_refreshes_over_a_restore_has_the_new_id(path: Path) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    with Store.open(path, read_only=True) as reader:
        batpak.accept_restore(path, **WHY)
        reader.refresh()
        assert reader.journal_id == reader.lineages()[-1].journal_id


def test_a_fork_of_a_journal_that_is_being_written(path: Path, tmp_path: Path, key: SigningKey) -> None:
    target = tmp_path / "fork"
    with Store.open(path, signing_key=key, segment_bytes=4096) as store:
        receipts = [store.append(COORD, "x" * 500, kind=KIND) for _ in range(20)]
        store.sync()
        begun = batpak.fork(path, target, signing_key=key, **WHY)
        store.append(COORD, "after", kind=KIND)
    with Store.open(target, signing_key=key, segment_bytes=4096) as other:
        (lineage,) = other.lineages()
        assert (lineage.cause, lineage.abandoned_size, lineage.abandoned_root) == ("fork", None, None)
        assert begun.journal_id == other.journal_id
        assert all(other.verify_receipt(receipt).ok for receipt in receipts)
        other.append(COORD, "its own", kind=KIND)
    for journal in (path, target):
        assert batpak.verify(journal, public_key=key.public_key).outcome == "signed"
        assert read_journal(journal).findings == []
    with Store.open(path, read_only=True) as one, Store.open(target, read_only=True) as other:
        assert one.root(lineage.from_sequence) == other.root(lineage.from_sequence) == lineage.kept_root


def test_the_commands(tmp_path: Path) -> None:
    journal, pins, backup = tmp_path / "journal", tmp_path / "pins", tmp_path / "backup"
    succeed("init", journal)
    shutil.copytree(journal, backup)
    text = succeed("checkpoint", journal, "--pins", pins)
    shutil.rmtree(journal)
    shutil.copytree(backup, journal)
    fail(3, "checkpoint", journal, "--pins", pins)
    (tmp_path / "stated").write_text(text)
    (tmp_path / "nothing").write_text("nothing")
    why = ("--reason", WHY["reason"], "--actor", WHY["actor"])
    fail(2, "accept-restore", journal, *why, "--abandoned", tmp_path / "nothing")
    fail(2, "accept-restore", journal, *why, "--abandoned", tmp_path / "missing")
    (receipt,) = succeed_json("accept-restore", journal, *why, "--pins", pins, "--abandoned", tmp_path / "stated")
    succeed("verify", journal, "--pins", pins)
    (begun,) = succeed_json("fork", journal, tmp_path / "fork", *why)
    assert begun["journal_id"] != receipt["journal_id"]
    succeed("verify", tmp_path / "fork")
    assert "lineage" in succeed("log", journal, "--system")
