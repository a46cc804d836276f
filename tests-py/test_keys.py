"""Signing keys: their files, their two halves, and which key opens which journal."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import PublicKey, SigningKey, Store
from plain_reader import read_journal
from support import COORD, KIND, contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_pem_comes_back(key: SigningKey, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    key.save(file)
    for back in (SigningKey.load(file), SigningKey.load(str(file)), SigningKey.from_pem(key.to_pem()),
                 SigningKey.from_pem(key.to_pem().encode())):  # fmt: skip
        assert (back.key_id, back.to_pem(), back.public_key) == (key.key_id, key.to_pem(), key.public_key)
    assert file.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    public = tmp_path / "public.pem"
    public.write_text(key.public_key.to_pem())
    assert PublicKey.load(public) == PublicKey.from_pem(key.public_key.to_pem()) == key.public_key
    assert key.public_key.to_pem().startswith("-----BEGIN PUBLIC KEY-----\n")


def test_key_ids(key: SigningKey) -> None:
    public = key.public_key
    assert key.key_id == public.key_id == sha256(public.to_bytes()).digest()
    assert len(public.to_bytes()) == 32
    assert SigningKey.generate().key_id != key.key_id


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_saved_key_is_private(key: SigningKey, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        key.save(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(key: SigningKey, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("something else")
    with pytest.raises(FileExistsError):
        key.save(file)
    assert file.read_text() == "something else"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        key.save(tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()


def test_other_tools_read_the_files(key: SigningKey, tmp_path: Path) -> None:
    key.save(tmp_path / "key.pem")
    try:
        done = subprocess.run(
            ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return  # without the tool there is nothing to compare with; the formats are pinned above
    if done.returncode == 0:
        assert done.stdout.split() == key.public_key.to_pem().split()


def test_secrets_are_not_shown(key: SigningKey) -> None:
    secret = "".join(key.to_pem().splitlines()[1:-1])
    assert secret not in repr(key)
    assert repr(key) == f"<SigningKey {key.key_id.hex()}>"
    assert repr(key.public_key) == f"<PublicKey {key.key_id.hex()}>"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(key)
    with pytest.raises(AttributeError):
        key.secret = 1  # type: ignore[attr-defined]


def test_public_keys_are_values(key: SigningKey) -> None:
    public = key.public_key
    assert pickle.loads(pickle.dumps(public)) == copy.deepcopy(public) == public
    assert len({public, PublicKey.from_bytes(public.to_bytes()), SigningKey.generate().public_key}) == 2
    assert public != public.to_bytes()


SMALL_ORDER = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
BAD_PUBLIC = [b"", bytes(31), bytes(33), bytes.fromhex(SMALL_ORDER), b"\x02" + bytes(31), b"\xff" * 32]


@pytest.mark.parametrize("data", BAD_PUBLIC, ids=bytes.hex)
def test_bytes_that_are_no_public_key(data: bytes) -> None:
    with pytest.raises(batpak.InvalidKey) as caught:
        PublicKey.from_bytes(data)
    assert isinstance(caught.value, ValueError)


BAD_PEM = ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "\u20ac", "\0"]


@pytest.mark.parametrize("text", BAD_PEM, ids=ascii)
def test_text_that_is_no_key(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.pem"
    file.write_bytes(text.encode())
    reads: list[Callable[[], object]] = [
        lambda: SigningKey.from_pem(text),
        lambda: SigningKey.from_pem(text.encode()),
        lambda: SigningKey.load(file),
        lambda: PublicKey.from_pem(text),
        lambda: PublicKey.load(file),
        lambda: Store.open(tmp_path / "journal", signing_key=file),
    ]
    for read in reads:
        with pytest.raises(batpak.InvalidKey):
            read()
    assert not (tmp_path / "journal").exists()


def test_halves_are_not_confused(key: SigningKey) -> None:
    with pytest.raises(batpak.InvalidKey):
        SigningKey.from_pem(key.public_key.to_pem())
    with pytest.raises(batpak.InvalidKey):
        PublicKey.from_pem(key.to_pem())


@pytest.mark.parametrize("wrong", [1, bytearray(b"key.pem"), ["key.pem"]])
def test_a_key_that_is_none(path: Path, wrong: Any) -> None:
    with pytest.raises(TypeError):
        Store.open(path, signing_key=wrong)
    assert not path.exists()


def test_missing_key_file(path: Path, tmp_path: Path) -> None:
    for load in (SigningKey.load, PublicKey.load, lambda file: Store.open(path, signing_key=file)):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none.pem")
    assert not path.exists()


# -- journals ---------------------------------------------------------------------------------------------------------


def test_a_signed_journal_asks_for_its_key(path: Path, key: SigningKey, tmp_path: Path) -> None:
    key.save(tmp_path / "key.pem")
    with Store.open(path, signing_key=tmp_path / "key.pem") as store:
        assert store.stats().signed
        receipt = store.append(COORD, 1, kind=KIND)
        assert receipt.key_id == key.key_id
    before = contents(path)
    with pytest.raises(batpak.KeyRequired) as required:
        Store.open(path)
    with pytest.raises(batpak.WrongKey) as wrong:
        Store.open(path, signing_key=SigningKey.generate())
    assert required.value.key_id == wrong.value.key_id == key.key_id.hex()
    after = contents(path)
    assert {**after, "LOCK": b""} == {**before, "LOCK": b""}
    with Store.open(path, read_only=True) as reader:
        assert reader.get(receipt.sequence).payload == 1
        assert reader.verify().outcome == "signed"
    with Store.open(path, signing_key=str(tmp_path / "key.pem")) as store:
        assert store.append(COORD, 2, kind=KIND).signature
        verdict = store.verify()
        assert (verdict.outcome, verdict.ok, verdict.axes.signatures) == ("signed", True, "passed")


def test_verify_with_a_key_from_outside(path: Path, key: SigningKey, tmp_path: Path) -> None:
    with Store.open(path, signing_key=key) as store:
        store.append(COORD, 1, kind=KIND)
    assert batpak.verify(path, public_key=key.public_key).outcome == "signed"
    verdict = batpak.verify(path, public_key=SigningKey.generate().public_key)
    assert (verdict.ok, verdict.reason_code, verdict.axes.signatures) == (False, "unknown_signing_key", "failed")
    with Store.open(tmp_path / "unsigned") as store:
        store.append(COORD, 1, kind=KIND)
    verdict = batpak.verify(tmp_path / "unsigned", public_key=key.public_key)
    assert (verdict.ok, verdict.reason_code) == (False, "signature_missing")


def test_a_key_that_comes_later(path: Path, key: SigningKey) -> None:
    with Store.open(path) as store:
        first = store.append(COORD, 1, kind=KIND)
        assert not store.stats().signed
    with pytest.raises(batpak.KeyNotInJournal, match="adopt_key=True"):
        Store.open(path, signing_key=key)
    with Store.open(path, signing_key=key, adopt_key=True) as store:
        second = store.append(COORD, 2, kind=KIND)
        assert store.stats().signed
        assert (first.signature, second.key_id) == (None, key.key_id)
        (added,) = store.query(system=True, kind=0x0003)
        public = key.public_key.to_bytes()
        assert added.payload == {"endorsement": None, "key_id": key.key_id, "public_key": public}
        assert added.entity == "batpak:keys"
        assert store.verify().ok
        # Not everything is signed, and the verdict says so.
        assert store.verify().outcome == "unsigned_accepted"
    with pytest.raises(batpak.KeyRequired):
        Store.open(path)
    with Store.open(path, signing_key=key) as store:
        assert len(list(store.query(system=True, kind=0x0003))) == 1
    assert batpak.verify(path).ok
    assert read_journal(path).findings == []
