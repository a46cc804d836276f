"""Keys that follow one another, keys that are revoked, and keys that never enter the process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Coordinate, ExternalSigner, PublicKey, SigningKey, Store
from batpak._evidence import verifier
from cli_support import fail, succeed, succeed_json
from plain_reader import read_journal
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path

COORD = Coordinate("note:1", "desk")


@pytest.fixture
def keys() -> list[SigningKey]:
    return [SigningKey.generate() for _ in range(3)]


def rotated(path: Path, keys: list[SigningKey]) -> list[batpak.AppendReceipt]:
    """A journal that each of the keys signed after the other, with a receipt of each."""
    with Store.open(path, signing_key=keys[0]) as store:
        receipts = [store.append(COORD, 0, kind=KIND)]
        for number, key in enumerate(keys[1:], 1):
            store.rotate_key(key)
            receipts.append(store.append(COORD, number, kind=KIND))
    return receipts


def assert_verified(path: Path, *given: SigningKey) -> None:
    for key in given:
        verdict = batpak.verify(path, public_key=key.public_key)
        assert (verdict.outcome, verdict.rung) == ("signed", 2), verdict
    assert read_journal(path).findings == []


def test_one_key_after_another(path: Path, keys: list[SigningKey]) -> None:
    receipts = rotated(path, keys)
    assert [receipt.key_id for receipt in receipts] == [key.key_id for key in keys]
    assert_verified(path, *keys)
    with pytest.raises(batpak.WrongKey):
        Store.open(path, signing_key=keys[0])
    assert batpak.verify(path, public_key=SigningKey.generate().public_key).reason_code == "unknown_signing_key"
    with Store.open(path, signing_key=keys[2]) as store:
        told = store.signing_keys()
        assert [(key.public_key, key.revoked_at) for key in told] == [(key.public_key, None) for key in keys]
        assert [key.from_sequence for key in told] == sorted({0, *(key.from_sequence for key in told)})
        assert store.public_key == keys[2].public_key
        added = list(store.query(system=True, kind=0x0003))
        assert [event.sequence for event in added] == [key.from_sequence for key in told[1:]]
        assert [event.payload["public_key"] for event in added] == [key.public_key.to_bytes() for key in keys[1:]]
        for receipt in receipts:
            assert [store.verify_receipt(receipt, public_key=key.public_key).outcome for key in keys] == ["signed"] * 3
            assert store.verify_receipt(receipt).outcome == "signed"
        for refused in (keys[0], keys[2]):
            with pytest.raises(batpak.InvalidInput, match="generate another"):
                store.rotate_key(refused)


def test_what_cannot_be_rotated(path: Path, keys: list[SigningKey], tmp_path: Path) -> None:
    with Store.open(path) as store:
        assert store.signing_keys() == []
        with pytest.raises(batpak.InvalidInput, match="no key yet"):
            store.rotate_key(keys[0])
    with Store.open(path, read_only=True) as store:
        with pytest.raises(batpak.StoreReadOnly):
            store.rotate_key(keys[0])
        with pytest.raises(batpak.StoreReadOnly):
            store.revoke_key(keys[0].public_key, reason="x")
    (tmp_path / "none.pem").write_text("nothing")
    with Store.open(tmp_path / "signed", signing_key=keys[0]) as store:
        for nothing in (tmp_path / "none.pem", b"nothing"):
            with pytest.raises(batpak.InvalidKey):
                store.rotate_key(nothing)
        # As PEM, the way it comes from a secret store.
        store.rotate_key(keys[1].to_pem().encode())
        assert store.public_key == keys[1].public_key
    with pytest.raises(batpak.StoreClosed):
        store.rotate_key(keys[2])
    Store.open(tmp_path / "signed", signing_key=keys[1].to_pem().encode()).close()


def test_revocation(path: Path, keys: list[SigningKey]) -> None:
    receipts = rotated(path, keys)
    with Store.open(path, signing_key=keys[2]) as store:
        receipt = store.revoke_key(keys[0].public_key, reason="the laptop was stolen")
        event = store.get(receipt.sequence)
        assert (event.entity, event.kind) == ("batpak:keys", batpak.Kind(0, 4))
        assert event.payload == {"key_id": keys[0].key_id, "reason": "the laptop was stolen"}
        assert store.signing_keys()[0].revoked_at == receipt.sequence
        assert store.signing_keys()[0].to_dict()["revoked_at"] == receipt.sequence
        store.revoke_key(keys[1].key_id, reason="the same laptop")
        for key, reason in [
            (keys[0].public_key, "again"),
            (keys[2].public_key, "in force"),
            (b"\0" * 32, "never there"),
            (b"short", "no id"),
            (SigningKey.generate().public_key, "foreign"),
        ]:
            with pytest.raises(batpak.InvalidInput):
                store.revoke_key(key, reason=reason)
        for reason in ("", "x" * 4097):
            with pytest.raises(batpak.InvalidInput, match="reason has"):
                store.revoke_key(keys[1].public_key, reason=reason)
        # What they signed before is covered by later checkpoints.
        assert [store.verify_receipt(each).outcome for each in receipts] == ["signed"] * 3
    assert_verified(path, *keys)
    with Store.open(path, signing_key=keys[2]) as store:
        assert [key.revoked_at is None for key in store.signing_keys()] == [False, False, True]


def test_evidence_after_a_rotation_is_proved_by_the_key_of_its_checkpoint(
    path: Path, tmp_path: Path, keys: list[SigningKey]
) -> None:
    rotated(path, keys)
    with Store.open(path, read_only=True) as store:
        old = next(each for each in store.checkpoints() if each.size > store.signing_keys()[1].from_sequence)
        for number, (checkpoint, key) in enumerate([(None, keys[2]), (old, keys[1])]):
            bundle = tmp_path / f"{number}.zip"
            assert store.export_evidence(bundle, checkpoint=checkpoint) > 0
            verdict = batpak.verify_evidence(bundle, public_key=key.public_key)
            assert (verdict.outcome, verdict.rung) == ("signed", 2), verdict
            assert verifier.verify(bundle.read_bytes(), [key.public_key.to_bytes()]).outcome == "signed"
            assert not batpak.verify_evidence(bundle, public_key=keys[0].public_key).ok


def test_a_key_elsewhere(path: Path, keys: list[SigningKey]) -> None:
    asked: list[bytes] = []

    def sign(data: bytes) -> bytes:
        asked.append(data)
        return keys[0].sign(data)

    signer = ExternalSigner(keys[0].public_key, sign)
    assert (signer.public_key, signer.key_id) == (keys[0].public_key, keys[0].key_id)
    assert keys[0].key_id.hex() in repr(signer)
    with Store.open(path, signing_key=signer) as store:
        before = len(asked)
        store.append(COORD, 1, kind=KIND)
        store.append_batch([(COORD, 2), (COORD, 3)], kind=KIND)
        assert len(asked) == before + 2, "one signature a frame"
        store.checkpoint()
        assert asked[-1].startswith(store.name.encode())
        store.rotate_key(ExternalSigner(keys[1].public_key, keys[1].sign))
        store.append(COORD, 4, kind=KIND)
    assert_verified(path, keys[0], keys[1])
    # The same key, now here.
    with Store.open(path, signing_key=keys[1]) as store:
        store.append(COORD, 5, kind=KIND)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"short", "64 bytes"),
        (b"\0" * 64, "not its key's signature"),
        ("text", "did not return bytes"),
        (None, "did not return bytes"),
    ],
)
def test_a_signer_that_does_not_sign(path: Path, keys: list[SigningKey], answer: object, reason: str) -> None:
    broken = False
    signer = ExternalSigner(keys[0].public_key, lambda data: answer if broken else keys[0].sign(data))  # type: ignore[arg-type,return-value]
    with Store.open(path, signing_key=signer) as store:
        events = len(store)
        broken = True
        for act in (lambda: store.append(COORD, 1, kind=KIND), store.checkpoint):
            with pytest.raises(batpak.SignerFailed, match=reason) as caught:
                act()
            assert caught.value.code == "signer_failed"
        assert len(store) == events
        broken = False
        assert store.append(COORD, 1, kind=KIND).sequence == events
    assert_verified(path, keys[0])


def test_what_a_signer_raises_is_the_cause(path: Path, keys: list[SigningKey]) -> None:
    class Locked(Exception):
        pass

    locked = False

    def sign(data: bytes) -> bytes:
        if locked:
            raise Locked("enter the PIN")
        return keys[0].sign(data)

    with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
        locked = True
        with pytest.raises(batpak.SignerFailed, match="enter the PIN") as caught:
            store.append(COORD, 1, kind=KIND)
        assert isinstance(caught.value.__cause__, Locked)
        locked = False
        store.append(COORD, 1, kind=KIND)
    locked = True
    with pytest.raises(batpak.SignerFailed):
        # Every open of a signed journal writes an event.
        Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign))
    locked = False
    with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
        assert store.open_report.path_taken == "clean"


def test_ctrl_c_in_a_signer_comes_through(path: Path, keys: list[SigningKey]) -> None:
    raises: type[BaseException] | None = None

    def sign(data: bytes) -> bytes:
        if raises is not None:
            raise raises
        return keys[0].sign(data)

    with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
        events = len(store)
        for raises in (KeyboardInterrupt, SystemExit):
            with pytest.raises(raises):
                store.append(COORD, 1, kind=KIND)
        raises = None
        assert store.append(COORD, 1, kind=KIND).sequence == events


def test_a_close_whose_checkpoint_is_not_signed_loses_nothing(path: Path, keys: list[SigningKey]) -> None:
    gone = False

    def sign(data: bytes) -> bytes:
        if gone:
            raise ConnectionError("the agent is gone")
        return keys[0].sign(data)

    store = Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign))
    receipt = store.append(COORD, 1, kind=KIND)
    gone = True
    with pytest.raises(batpak.SignerFailed):
        store.close()
    store.close()
    assert batpak.verify(path, public_key=keys[0].public_key).ok
    with Store.open(path, signing_key=keys[0]) as store:
        assert store.get(receipt.event_id).payload == 1


def test_a_signer_may_look_and_not_write(path: Path, keys: list[SigningKey]) -> None:
    outcomes: list[object] = []
    stores: list[Store] = []

    def sign(data: bytes) -> bytes:
        if stores:
            store = stores[0]
            outcomes.append([event.payload for event in store.query()])
            for act in (lambda: store.append(COORD, 9, kind=KIND), store.checkpoint, store.close):
                with pytest.raises(batpak.SignerFailed, match="may read"):
                    act()
        return keys[0].sign(data)

    with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
        store.append(COORD, 1, kind=KIND)
        stores.append(store)
        store.append(COORD, 2, kind=KIND)
        stores.clear()
    assert outcomes == [[1]]


def test_a_signer_may_use_other_stores_and_close_readers(path: Path, tmp_path: Path, keys: list[SigningKey]) -> None:
    with Store.open(tmp_path / "log") as log:

        def sign(data: bytes) -> bytes:
            log.append(COORD, len(data), kind=KIND)
            if path.exists():
                with Store.open(path, read_only=True) as reader:
                    reader.stats()
            return keys[0].sign(data)

        Store.open(path, signing_key=keys[0]).close()
        with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
            store.append(COORD, 1, kind=KIND)
        assert len(list(log.query())) >= 3


def test_threads_wait_for_a_slow_signer_and_readers_do_not(path: Path, keys: list[SigningKey]) -> None:
    slow, release = threading.Event(), threading.Event()

    def sign(data: bytes) -> bytes:
        if slow.is_set():
            assert release.wait(60)
        return keys[0].sign(data)

    with Store.open(path, signing_key=ExternalSigner(keys[0].public_key, sign)) as store:
        slow.set()
        writers = [threading.Thread(target=store.append, args=(COORD, n), kwargs={"kind": KIND}) for n in range(4)]
        for writer in writers:
            writer.start()
        assert [event.payload for event in store.query()] == []
        assert store.stats().events == 1
        assert store.frontier().written.sequence == 0
        release.set()
        for writer in writers:
            writer.join(60)
        assert sorted(event.payload for event in store.query()) == [0, 1, 2, 3]
    assert_verified(path, keys[0])


def test_what_is_no_signer(keys: list[SigningKey]) -> None:
    with pytest.raises(TypeError, match="public_key"):
        ExternalSigner(keys[0], keys[0].sign)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callable"):
        ExternalSigner(keys[0].public_key, b"secret")  # type: ignore[arg-type]


def test_note_keys(tmp_path: Path, keys: list[SigningKey]) -> None:
    key, name = keys[0], "example.com/log"
    secret, public = key.to_note(name), key.public_key.to_note(name)
    assert secret.startswith(f"PRIVATE+KEY+{name}+")
    assert public.startswith(f"{name}+")
    assert SigningKey.from_note(secret).public_key == key.public_key == PublicKey.from_note(public)
    (tmp_path / "secret").write_text(secret + "\n")
    (tmp_path / "public").write_text(public + "\n")
    assert SigningKey.load(tmp_path / "secret").public_key == PublicKey.load(tmp_path / "public") == key.public_key
    for bad in ("", "two words", "with+plus"):
        with pytest.raises(batpak.InvalidKey):
            key.to_note(bad)
        with pytest.raises(batpak.InvalidKey):
            key.public_key.to_note(bad)
    for text in (secret[:-2], secret.replace(name, "other"), public, ""):
        with pytest.raises(batpak.InvalidKey):
            SigningKey.from_note(text)


def test_the_commands(tmp_path: Path) -> None:
    journal, first, second = tmp_path / "journal", tmp_path / "first.pem", tmp_path / "second.key"
    succeed("keygen", first)
    succeed("keygen", second, "--note", "example.com/log", "--public", tmp_path / "second.pub")
    assert (tmp_path / "second.pub").read_text().startswith("example.com/log+")
    assert second.stat().st_mode & 0o777 == 0o600
    succeed("init", journal, "--key", first)
    (receipt,) = succeed_json("rotate", journal, second, "--key", first)
    assert receipt["key_id"] == SigningKey.load(second).key_id.hex()
    lines = succeed("keys", journal).splitlines()
    assert [line.split()[0] for line in lines] == [SigningKey.load(each).key_id.hex() for each in (first, second)]
    old = lines[0].split()[0]
    assert "`batpak keys` lists them" in fail(2, "revoke", journal, "00000000", "--reason", "x", "--key", second)
    assert "`batpak keys` lists them" in fail(2, "revoke", journal, old[:7], "--reason", "x", "--key", second)
    fail(12, "rotate", journal, first, "--key", first)
    fail(12, "rotate", journal, tmp_path / "missing", "--key", second)
    fail(2, "keygen", tmp_path / "third", "--note", "two words")
    assert not (tmp_path / "third").exists()
    succeed("revoke", journal, old[:12].upper(), "--reason", "lost", "--key", second)
    assert [each["revoked_at"] is None for each in succeed_json("keys", journal)] == [False, True]
    assert "revoked by event" in succeed("keys", journal)
    succeed("verify", journal, "--public-key", tmp_path / "second.pub")
