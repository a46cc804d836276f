"""Attestations: the right key vouches for exactly one report about one journal, and for nothing else."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batpak
from batpak import Attestation, AttestationVerdict, EvidenceReport, InvalidReport, SigningKey, Store
from batpak.testing import open_store
from support import COORD, KIND, decode, encode

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey.generate()
OTHER = SigningKey.generate()


def attested(**options: Any) -> Attestation:
    with open_store(**options) as store:
        store.append(COORD, {"paid": True}, kind=KIND)
        return store.attest(store.report_read_walk())


SIGNED = attested(signing_key=KEY)
UNSIGNED = attested()


def verdict(outcome: Any, reason_code: Any) -> AttestationVerdict:
    return AttestationVerdict(outcome, reason_code)


def test_the_right_key_vouches() -> None:
    assert SIGNED.verify(KEY.public_key) == verdict("signed", None)
    assert SIGNED.verify(KEY.public_key, journal_id=SIGNED.journal_id) == verdict("signed", None)
    assert SIGNED.key_id == KEY.public_key.key_id
    assert SIGNED.report.ok
    assert SIGNED.report.body_hash == SIGNED.body_hash
    assert SIGNED.verify() == verdict("unverifiable", "unknown_signing_key")


def test_another_key_does_not() -> None:
    assert SIGNED.verify(OTHER.public_key) == verdict("invalid", "unknown_signing_key")
    posing = replace(SIGNED, key_id=OTHER.public_key.key_id)
    assert posing.verify(OTHER.public_key) == verdict("invalid", "invalid_signature")


def test_it_is_of_one_journal() -> None:
    assert SIGNED.verify(KEY.public_key, journal_id=UUID(int=1)) == verdict("invalid", "journal_id_mismatch")
    assert replace(SIGNED, journal_id=UUID(int=1)).verify(KEY.public_key) == verdict("invalid", "journal_id_mismatch")
    # The body says the other id, too, and so is another one.
    members = {**decode(SIGNED.body), "journal_id": UUID(int=1)}
    report = EvidenceReport.from_bytes(encode(members))
    posing = replace(SIGNED, journal_id=UUID(int=1), body=report.body, body_hash=report.body_hash)
    assert posing.verify(KEY.public_key) == verdict("invalid", "invalid_signature")


@given(st.integers(0, 8 * len(SIGNED.body) - 1))
def test_no_bit_of_the_body_may_change(bit: int) -> None:
    body = bytearray(SIGNED.body)
    body[bit // 8] ^= 1 << bit % 8
    for attestation in (SIGNED, UNSIGNED):
        changed = replace(attestation, body=bytes(body))
        assert changed.verify(KEY.public_key).outcome == "invalid"
        assert changed.verify() == verdict("invalid", "content_hash_mismatch")


@given(st.integers(0, 8 * 64 - 1))
def test_no_bit_of_the_signature_may_change(bit: int) -> None:
    assert SIGNED.signature is not None
    signature = bytearray(SIGNED.signature)
    signature[bit // 8] ^= 1 << bit % 8
    changed = replace(SIGNED, signature=bytes(signature))
    assert changed.verify(KEY.public_key) == verdict("invalid", "invalid_signature")


def test_a_journal_without_a_key() -> None:
    assert (UNSIGNED.key_id, UNSIGNED.signature) == (None, None)
    assert UNSIGNED.verify() == verdict("unsigned_accepted", None)
    assert UNSIGNED.verify(KEY.public_key) == verdict("invalid", "missing_signature")
    for stripped in (
        replace(SIGNED, signature=None),
        replace(SIGNED, key_id=None),
        replace(SIGNED, signature=None, key_id=None),
    ):
        assert stripped.verify(KEY.public_key) == verdict("invalid", "missing_signature")
    assert replace(SIGNED, signature=None).verify() == verdict("invalid", "missing_signature")


@pytest.mark.parametrize("attestation", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_it_travels(attestation: Attestation) -> None:
    for each in (
        Attestation.from_bytes(attestation.to_bytes()),
        Attestation.from_json(attestation.to_json()),
        pickle.loads(pickle.dumps(attestation)),
    ):
        assert each == attestation
        assert hash(each) == hash(attestation)
    assert "\n" not in attestation.to_json()
    assert attestation.body_hash.hex() in attestation._repr_html_()
    with pytest.raises(TypeError):
        bool(attestation.verify())
    assert attestation.verify().ok


@pytest.mark.parametrize(
    "change",
    [
        {"batpak_attestation": 2},
        {"batpak_attestation": True},
        {"journal_id": "x"},
        {"journal_id": None},
        {"body": None},
        {"body": "ff"},
        {"body_hash": bytes(31)},
        {"body_hash": None},
        {"key_id": bytes(33)},
        {"signature": "x"},
        {"signature": 7},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_attestation_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidReport):
        Attestation.from_bytes(encode({**decode(SIGNED.to_bytes()), **change}))
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in change.items()}
    if change != {"body": "ff"}:
        with pytest.raises(InvalidReport):
            Attestation.from_json(json.dumps({**json.loads(SIGNED.to_json()), **plain}))


@pytest.mark.parametrize("data", [b"", b"\x00", encode({}), encode([]), SIGNED.to_bytes() + b"\x00", SIGNED.body])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidReport):
        Attestation.from_bytes(data)


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "{}", SIGNED.to_json()[:-1], SIGNED.to_json().replace(SIGNED.body_hash.hex(), "F" * 64)],
    ids=range(6),
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidReport):
        Attestation.from_json(text)


def test_a_body_that_is_no_report() -> None:
    odd = replace(SIGNED, body=b"odd")
    assert odd.verify(KEY.public_key) == verdict("invalid", "content_hash_mismatch")
    with pytest.raises(InvalidReport):
        _ = odd.report


def test_arguments_of_another_type(store: Store) -> None:
    wrong: Any = "x"
    for ask in (
        lambda: SIGNED.verify(wrong),
        lambda: SIGNED.verify(journal_id=wrong),
        lambda: store.attest(wrong),
    ):
        with pytest.raises(TypeError):
            ask()


def test_only_what_is_of_this_history_is_vouched_for(path: Path, tmp_path: Path) -> None:
    with Store.open(path, signing_key=KEY) as store:
        store.append(COORD, 1, kind=KIND)
    shutil.copytree(path, tmp_path / "copy")
    with Store.open(path, signing_key=KEY) as store, Store.open(tmp_path / "copy", signing_key=KEY) as copy:
        both = store.report_read_walk(until=1)
        assert copy.attest(both).verify(KEY.public_key).outcome == "signed"
        one, other = (each.append(COORD, n, kind=KIND) for n, each in enumerate((store, copy)))
        assert one.sequence == other.sequence
        with pytest.raises(batpak.InvalidInput, match="another history"):
            copy.attest(store.report_read_walk())
        store.append(COORD, 3, kind=KIND)
        with pytest.raises(batpak.InvalidInput, match="durable"):
            copy.attest(store.report_read_walk())
        with pytest.raises(batpak.InvalidInput, match="another journal"):
            copy.attest(SIGNED.report)


def test_a_reader_has_no_key(signed: Store) -> None:
    with Store.open(signed.path, read_only=True) as reader, pytest.raises(batpak.StoreReadOnly):
        reader.attest(reader.report_read_walk())


def test_an_external_signer_and_a_rotated_key(path: Path) -> None:
    signer = batpak.ExternalSigner(KEY.public_key, KEY.sign)
    with Store.open(path, signing_key=signer) as store:
        report = store.report_resources()
        assert store.attest(report).verify(KEY.public_key).outcome == "signed"
        store.rotate_key(OTHER)
        # The report is of the journal as it was, and is signed by the key of now.
        assert store.attest(report).verify(OTHER.public_key).outcome == "signed"
        assert store.attest(report).verify(KEY.public_key) == verdict("invalid", "unknown_signing_key")


def test_a_fork_vouches_for_its_own_reports_only(path: Path, tmp_path: Path) -> None:
    with Store.open(path, signing_key=KEY) as store:
        store.append(COORD, 1, kind=KIND)
        before = store.report_read_walk(until=1)
    batpak.fork(path, tmp_path / "fork", reason="what if", actor="operator-7", signing_key=KEY)
    with Store.open(tmp_path / "fork", signing_key=KEY) as forked:
        with pytest.raises(batpak.InvalidInput, match="lineage"):
            forked.attest(before)
        report = forked.report_read_walk(until=1)
        # The same events, by another id.
        assert report.facts == before.facts
        assert report.journal_id == forked.journal_id != before.journal_id
        attestation = forked.attest(report)
        assert attestation.verify(KEY.public_key, journal_id=forked.journal_id).outcome == "signed"
        assert forked.report_resources().counts["lineages"] == 1
