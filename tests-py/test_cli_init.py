"""``batpak init`` and ``batpak keygen``: a journal and a key are made once, and nothing is overwritten."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

import batpak
from cli_support import fail, succeed_json

if TYPE_CHECKING:
    from pathlib import Path


def test_init_makes_a_journal_once(tmp_path: Path) -> None:
    (made,) = succeed_json("init", tmp_path / "journal", "--name", "log.example")
    assert made["name"] == "log.example"
    assert made["key_id"] is None
    with batpak.Store.open(tmp_path / "journal", read_only=True) as store:
        assert str(store.journal_id) == made["journal_id"]
        assert store.name == "log.example"
    assert "already" in fail(1, "init", tmp_path / "journal")


def test_init_names_the_key(tmp_path: Path, key_file: Path) -> None:
    (made,) = succeed_json("init", tmp_path / "journal", "--key", key_file)
    assert made["key_id"] == batpak.SigningKey.load(key_file).key_id.hex()


@pytest.mark.parametrize("content", [None, "not a key"])
def test_a_key_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    fail(12, "init", tmp_path / "journal", "--key", file)
    assert not (tmp_path / "journal").exists()


def test_keygen_writes_a_private_file_once(tmp_path: Path) -> None:
    file, public = tmp_path / "key.pem", tmp_path / "public.pem"
    (made,) = succeed_json("keygen", file, "--public", public)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert batpak.SigningKey.load(file).key_id.hex() == made["key_id"]
    assert batpak.PublicKey.load(public).to_bytes().hex() == made["public_key"]
    before = file.read_bytes()
    fail(1, "keygen", file)
    assert file.read_bytes() == before
    fail(1, "keygen", tmp_path / "other.pem", "--public", public)
    assert not (tmp_path / "other.pem").exists()
