"""Checkpoints, inclusion and consistency proofs from Python, checked with plain hashlib and with the plain reader's own Ed25519."""

from __future__ import annotations

import base64
import copy
import pickle
import re
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Checkpoint, ConsistencyProof, Coordinate, InclusionProof, Kind, SigningKey, Store
from batpak.testing import Fault, Faults, open_store
from plain_reader import ed25519
from plain_reader.checkpoint import parse, signature_problem
from plain_reader.merkle import Tree, root_of_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COORD = Coordinate("order:1", "shop")
KIND = Kind(0xF, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def store(path: Path, key: SigningKey) -> Iterator[Store]:
    with Store.open(path, signing_key=key, segment_bytes=16_384) as store:
        yield store


def fill(store: Store, count: int) -> None:
    store.append_batch([(COORD, {"n": n, "fill": "x" * (n % 90)}) for n in range(count)], kind=KIND)


def root_of(store: Store, size: int) -> bytes:
    return Tree(event.event_hash for event in store.query(system=True, limit=size)).root()


def test_a_checkpoint_is_a_text_that_others_can_check(store: Store, key: SigningKey) -> None:
    fill(store, 50)
    checkpoint = store.checkpoint()
    assert isinstance(checkpoint, str)
    assert checkpoint.size == len(store) == store.frontier().durable.sequence + 1
    assert checkpoint.root == store.root() == root_of(store, len(store))
    assert checkpoint.origin == f"{store.name}/{store.journal_id}"
    assert checkpoint.journal_id == store.journal_id
    theirs = parse(str(checkpoint), 0)
    assert (theirs.origin, theirs.size, theirs.root) == (checkpoint.origin, checkpoint.size, checkpoint.root)
    assert signature_problem(theirs, key.public_key.to_bytes()) is None
    assert store.public_key == key.public_key
    (signature,) = checkpoint.signatures
    assert ed25519.verify(key.public_key.to_bytes(), signature.signature, theirs.text.encode())
    assert store.checkpoints() == [checkpoint] == [store.checkpoint()]
    for copied in (pickle.loads(pickle.dumps(checkpoint)), copy.deepcopy(checkpoint), Checkpoint(str(checkpoint))):
        assert (copied, copied.size, copied.signatures) == (checkpoint, checkpoint.size, checkpoint.signatures)
    assert str(checkpoint.size) in repr(checkpoint)


def test_verdicts_of_a_checkpoint(store: Store, key: SigningKey, tmp_path: Path) -> None:
    checkpoint = store.checkpoint()
    verdict = checkpoint.verify(public_key=key.public_key)
    assert (verdict.outcome, verdict.rung, verdict.checkpoint_size) == ("signed", 2, checkpoint.size)
    assert verdict.axes.content == "not_checked"
    unknown = checkpoint.verify()
    assert (unknown.outcome, unknown.reason_code, unknown.ok) == ("unverifiable", "unknown_signing_key", True)
    other = checkpoint.verify(public_key=SigningKey.generate().public_key)
    assert (other.outcome, other.reason_code, other.rung) == ("invalid", "unknown_signing_key", 0)
    larger = Checkpoint(checkpoint.replace(f"\n{checkpoint.size}\n", f"\n{checkpoint.size + 1}\n"))
    assert larger.verify(public_key=key.public_key).reason_code == "invalid_signature"
    with Store.open(tmp_path / "unsigned") as unsigned:
        plain = unsigned.checkpoint()
    assert plain.signatures == ()
    assert plain.verify().outcome == "unsigned_accepted"
    assert plain.verify(public_key=key.public_key).reason_code == "missing_signature"


def test_proofs_lead_to_the_checkpoint(store: Store, key: SigningKey) -> None:
    fill(store, 300)
    old = store.checkpoint()
    fill(store, 700)
    new = store.checkpoint()
    for checkpoint in (old, new):
        for n in range(0, checkpoint.size, 41):
            proof = store.prove(store.get(n).event_id, checkpoint)
            assert (proof.index, proof.size, proof.root) == (n, checkpoint.size, checkpoint.root)
            assert root_of_path(n, proof.size, proof.event_hash, proof.path) == checkpoint.root
            verdict = proof.verify(checkpoint, public_key=key.public_key, event=store.get(n))
            assert (verdict.outcome, verdict.rung, verdict.axes.content) == ("signed", 2, "passed")
            other = proof.verify(checkpoint, public_key=key.public_key, event=store.get(n + 1 if n == 0 else n - 1))
            assert other.reason_code == "content_hash_mismatch"
    wrong = store.prove(5, old).verify(new, public_key=key.public_key)
    assert (wrong.reason_code, wrong.axes.anchors, wrong.rung) == ("inclusion_mismatch", "failed", 0)
    consistency = store.prove_consistency(old, new)
    verdict = consistency.verify(old, new, public_key=key.public_key)
    assert (verdict.outcome, verdict.axes.anchors, verdict.axes.signatures) == ("signed", "passed", "passed")
    assert consistency.verify(new, old).reason_code == "checkpoint_mismatch"
    spoilt = ConsistencyProof(
        consistency.old_size, consistency.old_root, consistency.new_size, consistency.new_root, consistency.path[:-1]
    )
    assert spoilt.verify(old, new).reason_code == "consistency_mismatch"
    assert store.prove_consistency(0).verify(old, new).reason_code == "checkpoint_mismatch"
    assert store.prove(5, old.size) == store.prove(5, old)


def test_no_proof_leads_from_the_checkpoint_of_another_history(store: Store, tmp_path: Path, key: SigningKey) -> None:
    fill(store, 5)
    with Store.open(tmp_path / "other", signing_key=key) as other:
        fill(other, 3)
        foreign = other.checkpoint()
    for sizes in ((foreign, None), (1, foreign)):
        with pytest.raises(batpak.InvalidInput, match="another history"):
            store.prove_consistency(*sizes)


def test_a_proof_as_text(store: Store, key: SigningKey) -> None:
    fill(store, 20)
    checkpoint = store.checkpoint()
    event = store.get(7)
    for extra in (None, b"", b"\x00\xffdata"):
        text = store.prove(7, checkpoint).to_text(checkpoint, extra=extra)
        lines = text.split("\n")
        assert lines[0] == "c2sp.org/tlog-proof@v1"
        assert text.endswith(str(checkpoint))
        proof, stated, found = InclusionProof.from_text(text, event.event_hash)
        assert (proof, stated, found) == (store.prove(7, checkpoint), checkpoint, extra)
        assert proof.verify(stated, public_key=key.public_key, event=event).rung == 2
    fill(store, 1)
    with pytest.raises(batpak.InvalidProof):
        store.prove(7).to_text(checkpoint)


BAD_PROOFS = {
    "nothing": lambda text: "",
    "another version": lambda text: text.replace("@v1", "@v2"),
    "no checkpoint": lambda text: text.partition("\n\n")[0],
    "no index": lambda text: re.sub("index .*\n", "", text),
    "index with a zero": lambda text: text.replace("index 7", "index 07"),
    "index with a sign": lambda text: text.replace("index 7", "index +7"),
    "index in other digits": lambda text: text.replace("index 7", "index \u0667"),
    "huge index": lambda text: text.replace("index 7", "index " + "9" * 30),
    "short hash": lambda text: text.replace("index 7\n", "index 7\nAAAA\n"),
    "no base64": lambda text: text.replace("index 7\n", "index 7\n*" + "A" * 43 + "\n"),
    "loose base64": lambda text: text.replace("index 7\n", "index 7\n" + "A" * 42 + "B=\n"),
    "two blank lines": lambda text: text.replace("\n\n", "\n\n\n", 1),
    "a carriage return": lambda text: text.replace("\n", "\r\n"),
    "too many hashes": lambda text: text.replace("index 7\n", "index 7\n" + ("A" * 43 + "=\n") * 99),
}


@pytest.mark.parametrize("what", BAD_PROOFS)
def test_what_is_no_proof_is_refused(store: Store, what: str) -> None:
    fill(store, 20)
    checkpoint = store.checkpoint()
    text = BAD_PROOFS[what](store.prove(7, checkpoint).to_text(checkpoint))
    with pytest.raises(batpak.InvalidProof) as caught:
        InclusionProof.from_text(text, store.get(7).event_hash)
    assert caught.value.code == "invalid_proof"


BAD_CHECKPOINTS = {
    "nothing": lambda text: "",
    "no blank line": lambda text: text.replace("\n\n", "\n"),
    "no origin": lambda text: "\n" + text.split("\n", 1)[1],
    "no size": lambda text: re.sub(r"\n[0-9]+\n", "\nx\n", text, count=1),
    "a leading zero": lambda text: re.sub(r"\n([0-9]+)\n", r"\n0\1\n", text, count=1),
    "a size of 2**64": lambda text: re.sub(r"\n([0-9]+)\n", f"\n{2**64}\n", text, count=1),
    "a short root": lambda text: re.sub(r"\n[^\n]{44}\n\n", "\nAAAA\n\n", text),
    "a loose root": lambda text: re.sub(r"=\n\n", "\n\n", text),
    "no newline at the end": lambda text: text[:-1],
    "a control character": lambda text: text.replace("/", "\x1b", 1),
    "a tab": lambda text: text.replace("/", "\t", 1),
    "a hyphen for the dash": lambda text: text.replace("\u2014", "-"),
    "a signature of nothing": lambda text: re.sub(r" [^ ]+\n$", " AAAAAA==\n", text),
    "too long": lambda text: text.replace("\n\n", "\n" + "x" * 70_000 + "\n\n"),
    "a lone surrogate": lambda text: text.replace("/", "\ud800", 1),
}


@pytest.mark.parametrize("what", BAD_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(store: Store, what: str) -> None:
    text = BAD_CHECKPOINTS[what](str(store.checkpoint()))
    with pytest.raises(batpak.InvalidProof):
        Checkpoint(text)


def test_the_example_of_the_specification_is_a_checkpoint() -> None:
    """The one that C2SP's tlog-checkpoint shows."""
    text = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    checkpoint = Checkpoint(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert checkpoint.signatures[0].key_id == base64.b64decode("Az3grg==")
    assert checkpoint.journal_id is None


def test_arguments(store: Store, path: Path) -> None:
    checkpoint = store.checkpoint()
    size = len(store)
    for work in (
        lambda: store.root(size + 1),
        lambda: store.root(-1),
        lambda: store.prove(0, size + 1),
        lambda: store.prove(size - 1, size - 1),
        lambda: store.prove_consistency(2, 1),
    ):
        with pytest.raises(batpak.InvalidInput):
            work()
    with pytest.raises(batpak.EventNotFound):
        store.prove(size)
    for work in (
        lambda: store.root("1"),  # type: ignore[arg-type]
        lambda: store.root(True),
        lambda: store.prove(0, 1.5),  # type: ignore[arg-type]
        lambda: store.prove_consistency(None),  # type: ignore[arg-type]
        lambda: store.prove(0).verify(None),  # type: ignore[arg-type]
        lambda: checkpoint.verify(public_key=b"x"),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, batpak.InvalidInput)):
            work()
    assert store.root(0) == sha256(b"").digest()
    with Store.open(path, read_only=True) as reader:
        assert reader.checkpoints() == [checkpoint]
        assert reader.prove(0, checkpoint).root == checkpoint.root
        with pytest.raises(batpak.StoreReadOnly):
            reader.checkpoint()
    store.close()
    with pytest.raises(batpak.StoreClosed):
        store.checkpoint()


def test_a_pin_tells_an_old_copy_and_another_history(path: Path, tmp_path: Path) -> None:
    pins, yesterday = tmp_path / "elsewhere" / "pins", tmp_path / "yesterday"
    with Store.open(path, pins=pins) as store:
        fill(store, 3)
    shutil.copytree(path, yesterday)
    with Store.open(path, pins=pins) as store:
        fill(store, 3)
        known = len(store)
    verdict = batpak.verify(path, pins=pins)
    assert (verdict.rung, verdict.ok) == (3, True)
    for read_only in (False, True):
        with pytest.raises(batpak.RollbackDetected) as rolled:
            Store.open(yesterday, pins=pins, read_only=read_only)
        assert (rolled.value.size, rolled.value.log_root) == (known, None)
        assert rolled.value.log_size < known
        assert pickle.loads(pickle.dumps(rolled.value)).root == rolled.value.root
    assert batpak.verify(yesterday, pins=pins).reason_code == "rollback_detected"
    with Store.open(yesterday) as store:
        fill(store, 20)
    with pytest.raises(batpak.ForkDetected) as forked:
        Store.open(yesterday, pins=pins)
    assert forked.value.log_root not in (None, forked.value.root)
    assert batpak.verify(yesterday, pins=pins).reason_code == "fork_detected"
    assert issubclass(batpak.ForkDetected, batpak.JournalDamaged)


def test_pins_inside_the_journal_are_refused(path: Path) -> None:
    for inside in (path, path / "pins", path / ".." / path.name / "p"):
        with pytest.raises(batpak.InvalidInput):
            Store.open(path, pins=inside)
    assert not path.exists()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_checkpoints_by_themselves(path: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key, checkpoint_events=10) as store:
        fill(store, 7)
        assert store.checkpoints() == []
        fill(store, 3)
        until(lambda: bool(store.checkpoints()))
        (first,) = store.checkpoints()
        assert first.size in (10, 11)
        assert first.verify(public_key=key.public_key).rung == 2
        fill(store, 200)
        until(lambda: store.checkpoints()[-1].size == len(store))
        known = len(store)
    with Store.open(path, signing_key=key, checkpoint_interval_ms=30) as store:
        begun = time.monotonic()
        store.append(COORD, 1, kind=KIND)
        until(lambda: store.checkpoints()[-1].size > known)
        # The event that says that the journal was opened is older than the one that was appended.
        assert time.monotonic() - begun < 20
        size = store.checkpoints()[-1].size
        store.append(COORD, 2, kind=KIND)
        until(lambda: store.checkpoints()[-1].size > size)
        count = len(store.checkpoints())
        time.sleep(0.15)
        assert len(store.checkpoints()) == count, "nothing was written, and something was stated"
        assert store.stats().checkpoint_failure is None
    for wrong in ({"checkpoint_events": 0}, {"checkpoint_interval_ms": 0}, {"checkpoint_interval_ms": 10**9}):
        with pytest.raises(batpak.InvalidInput):
            Store.open(path, signing_key=key, **wrong)  # type: ignore[arg-type]
    with pytest.raises(batpak.InvalidInput):
        Store.open(path, read_only=True, checkpoint_events=1)


def test_a_checkpoint_that_cannot_be_made_is_told_and_made_later() -> None:
    faults = Faults()
    with open_store(faults=faults, checkpoint_events=1) as store:
        assert store.stats().checkpoint_failure is None
        faults.arm(Fault(operation="sync", file="checkpoints"))
        store.append(COORD, 1, kind=KIND)
        assert "sync" in str(store.stats().checkpoint_failure)
        store.append(COORD, 2, kind=KIND)
        assert store.stats().checkpoint_failure is None
        assert store.checkpoints()[-1].size == len(store)
