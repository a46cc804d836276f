"""``batpak checkpoint`` and ``batpak prove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Checkpoint, InclusionProof, Store
from cli_support import batpak_command, fail, succeed, succeed_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    succeed("keygen", tmp_path / "key.pem", "--public", tmp_path / "key.pub")
    path = tmp_path / "journal"
    succeed("init", path, "--key", tmp_path / "key.pem")
    return path


def test_a_checkpoint_is_printed_kept_and_listed(journal: Path, tmp_path: Path) -> None:
    key, public = tmp_path / "key.pem", batpak.PublicKey.load(tmp_path / "key.pub")
    text = succeed("checkpoint", journal, "--key", key, "--pins", tmp_path / "pins")
    assert Checkpoint(text).verify(public_key=public).rung == 2
    assert [file.read_text() for file in (tmp_path / "pins").iterdir()] == [text]
    assert text in succeed("checkpoint", journal, "--list")
    listed = succeed_json("checkpoint", journal, "--list", "--json")
    assert [each["text"] for each in listed][-1] == text
    assert [each["size"] for each in listed] == sorted(each["size"] for each in listed)
    fail(12, "checkpoint", journal)
    fail(10, "checkpoint", tmp_path / "nowhere")


def test_a_proof_is_printed(journal: Path, tmp_path: Path) -> None:
    public = batpak.PublicKey.load(tmp_path / "key.pub")
    size = Checkpoint(succeed("checkpoint", journal, "--key", tmp_path / "key.pem")).size
    with Store.open(journal, read_only=True) as store:
        event = store.get(0)
    for arguments in ([], ["--size", str(size)]):
        for ref in ("0", str(event.event_id)):
            text = succeed("prove", journal, ref, *arguments)
            proof, checkpoint, _ = InclusionProof.from_text(text, event.event_hash)
            assert proof.verify(checkpoint, public_key=public, event=event).rung == 2
    fail(1, "prove", journal, "0", "--size", str(size + 1))
    fail(1, "prove", journal, str(10**6))
    fail(2, "prove", journal, "nonsense")


def test_a_verdict_with_pins(journal: Path, tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    succeed("checkpoint", journal, "--key", tmp_path / "key.pem", "--pins", pins)
    assert "rung 3, pinned" in succeed("verify", journal, "--pins", pins)
    (pin,) = pins.iterdir()
    lines = pin.read_text().split("\n")
    lines[1] = "999"
    pin.write_text("\n".join(lines))
    told = batpak_command("verify", journal, "--pins", pins)
    assert (told.returncode, told.stderr) == (3, "")
    assert "rollback_detected" in told.stdout


def test_evidence_and_tiles(journal: Path, tmp_path: Path) -> None:
    succeed("init", tmp_path / "unstated")
    fail(1, "evidence", tmp_path / "unstated", tmp_path / "e.zip")
    line = '{"entity": "player:alice", "scope": "room", "kind": "0xF:1", "payload": {"x": 1}}\n'
    succeed("append", journal, "--key", tmp_path / "key.pem", stdin=line * 3)
    size = Checkpoint(succeed("checkpoint", journal, "--key", tmp_path / "key.pem")).size
    bundle = tmp_path / "evidence.zip"
    told = succeed("evidence", journal, bundle, "--entity", "player:alice")
    assert told == f"3 events under the checkpoint over {size} events\n"
    assert "rung 2" in succeed("verify", bundle, "--public-key", tmp_path / "key.pub")
    (members,) = succeed_json("evidence", journal, bundle, "--headers-only")
    assert (members["events"], members["checkpoint_size"]) == (3, size)
    succeed("keygen", tmp_path / "other.pem", "--public", tmp_path / "other.pub")
    assert batpak_command("verify", bundle, "--public-key", tmp_path / "other.pub").returncode == 3
    done = batpak_command("evidence", journal, bundle, "--entity", "nobody")
    assert (done.returncode, done.stdout.split()[0]) == (0, "0")
    assert "no event matches" in done.stderr
    succeed("verify", bundle)
    fail(2, "evidence", journal, bundle, "--reverse")
    fail(2, "evidence", journal, journal / "e.zip")
    fail(2, "verify", bundle, "--pins", tmp_path)
    fail(1, "evidence", journal, tmp_path / "nowhere" / "e.zip")
    bundle.write_bytes(bundle.read_bytes()[:-1])
    fail(3, "verify", bundle)
    assert succeed("tiles", journal, tmp_path / "out") == f"the tree of {size} events\n"
    assert Checkpoint((tmp_path / "out" / "checkpoint").read_text()).size == size
