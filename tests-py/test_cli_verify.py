"""``batpak verify``: the verdict and what its exit status says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak._cli import verify
from cli_support import UNSAFE, batpak_command, drafts, fail, fill, succeed, succeed_json

if TYPE_CHECKING:
    from pathlib import Path

    from batpak._verification import AxisState, Outcome


def test_verify_a_sound_journal(journal: Path) -> None:
    fill(journal, drafts(3))
    lines = succeed("verify", journal).splitlines()
    for axis in ("content", "order", "completeness"):
        assert any(re.match(rf"{axis} +passed", line) for line in lines)
    assert any("chained" in line for line in lines)
    assert lines[-1].startswith("verdict: nothing failed")
    (verdict,) = succeed_json("verify", journal)
    assert verdict["axes"]["content"] == "passed"
    assert verdict["findings"] == []
    assert verdict["verdict"].startswith("nothing failed")


def test_verify_a_signed_journal(tmp_path: Path, key_file: Path) -> None:
    directory, public, other = tmp_path / "journal", tmp_path / "public.pem", tmp_path / "other.pem"
    public.write_text(batpak.SigningKey.load(key_file).public_key.to_pem(), encoding="ascii")
    other.write_text(batpak.SigningKey.generate().public_key.to_pem(), encoding="ascii")
    succeed("init", directory, "--key", key_file)
    (verdict,) = succeed_json("verify", directory, "--public-key", public)
    assert verdict["axes"]["signatures"] == "passed"
    fail_code = batpak_command("verify", directory, "--public-key", other)
    assert fail_code.returncode == 3
    assert "damaged or tampered" in fail_code.stdout
    fail(12, "verify", directory, "--public-key", tmp_path / "missing.pem")


def test_verify_names_the_damage(journal: Path) -> None:
    fill(journal, drafts(1, "the original words"))
    (segment,) = (journal / "segments").glob("*.log")
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b"original", b"patched!"))
    done = batpak_command("verify", journal)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    finding = next(line for line in done.stdout.splitlines() if line.startswith("finding: "))
    assert segment.name in finding
    assert re.search(r"offset \d+", finding)
    assert done.stdout.splitlines()[-1].startswith("verdict: damaged or tampered with")
    assert not UNSAFE.search(done.stdout)
    (verdict,) = [json.loads(line) for line in batpak_command("verify", journal, "--json").stdout.splitlines()]
    assert verdict["findings"][0]["offset"] is not None
    fail(3, "log", journal)


def test_verify_rebuilds_the_copy_of_event_0(journal: Path) -> None:
    meta = journal / "journal.meta"
    before = meta.read_bytes()
    meta.unlink()
    succeed("verify", journal, "--rebuild-meta")
    assert meta.read_bytes() == before


@pytest.mark.parametrize(
    ("outcome", "signatures", "unverifiable", "expected"),
    [
        ("signed", "passed", 0, 0),
        ("unsigned_accepted", "absent", 0, 0),
        ("invalid", "failed", 0, 3),
        ("unverifiable", "not_checked", 0, 4),
        ("signed", "not_checked", 0, 4),
        ("signed", "passed", 1, 4),
    ],
)
def test_verify_exit_codes(outcome: Outcome, signatures: AxisState, unverifiable: int, expected: int) -> None:
    axes = batpak.Axes(content="passed", order="passed", completeness="passed", anchors="absent", signatures=signatures)
    verification = batpak.Verification(
        outcome=outcome,
        reason_code=None,
        rung=1,
        axes=axes,
        events=1,
        complete_to=1,
        erased=0,
        unverifiable=unverifiable,
        findings=(),
    )
    assert verify.exit_code_of_verdict(verification) == expected


def test_what_is_no_bundle_is_called_by_its_name(journal: Path, tmp_path: Path) -> None:
    fill(journal, drafts(2))
    with batpak.Store.open(journal) as store:
        report = store.report_read_walk()
        attestation, receipt = store.attest(report), store.append(batpak.Coordinate("a:1", "b"), 1, kind=0xF001)
    files = {
        "an attestation": [attestation.to_json().encode(), attestation.to_bytes()],
        "an evidence report": [report.to_json().encode(), report.body],
        "a receipt": [receipt.to_json().encode()],
        "an export of events": [succeed("export", journal).encode()],
    }
    file = tmp_path / "file"
    for form, contents in files.items():
        for content in contents:
            file.write_bytes(content)
            assert f"and this is {form}" in fail(2, "verify", file)
    file.write_bytes(b"PK\x03\x04batpak_report")
    assert "not an evidence bundle" in fail(3, "verify", file)
