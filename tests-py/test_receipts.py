"""Receipts: they travel as bytes and JSON, verify without a store, and every change to one is found."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any, cast

import pytest

import batpak
from batpak import AppendReceipt, Coordinate, Store
from plain_reader import decode_receipt, decode_receipt_json
from plain_reader import verify_receipt as plain_verify_receipt
from support import COORD, KIND

if TYPE_CHECKING:
    from pathlib import Path

SIZES = [1, 2, 3, 5, 8, 13, 64, 65]


def batch(store: Store, size: int) -> batpak.Receipts:
    return store.append_batch([(Coordinate(f"e:{number % 3}", "s"), number) for number in range(size)], kind=KIND)


def verdict_of(verification: batpak.Verification) -> tuple[str, str | None, str, str, str]:
    axes = verification.axes
    return verification.outcome, verification.reason_code, axes.content, axes.order, axes.signatures


# -- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_bytes_and_json_come_back(signed: Store, size: int) -> None:
    for receipt in batch(signed, size):
        for back in (
            AppendReceipt.from_bytes(receipt.to_bytes()),
            AppendReceipt.from_json(receipt.to_json()),
            AppendReceipt.from_json(receipt.to_json().encode()),
            AppendReceipt.from_json(json.dumps(json.loads(receipt.to_json()), indent=2, sort_keys=True)),
            pickle.loads(pickle.dumps(receipt)),
            copy.deepcopy(receipt),
        ):
            assert back == receipt
            assert hash(back) == hash(receipt)
            assert (back.to_bytes(), back.to_json()) == (receipt.to_bytes(), receipt.to_json())
        assert "\n" not in receipt.to_json()
        assert len(json.loads(receipt.to_json())["path"]) == (size - 1).bit_length() or size not in {1, 2, 8, 64}


def test_receipts_are_values(store: Store) -> None:
    first, second = batch(store, 2)
    assert first != second
    assert len({first, second, AppendReceipt.from_bytes(first.to_bytes())}) == 2
    assert first.hlc < second.hlc
    assert (first.key_id, first.signature) == (None, None)
    with pytest.raises(AttributeError):
        first.sequence = 5  # type: ignore[misc]
    match first:
        case AppendReceipt(sequence=1, clock=0, hlc=batpak.Hlc(wall_us=wall_us)):
            assert wall_us == first.hlc.wall_us
        case _:
            pytest.fail("it should match")
    assert repr(first).startswith("AppendReceipt(journal_id=UUID(")
    assert "_source" not in repr(first)
    assert "AppendReceipt" in first._repr_html_()


def test_a_receipt_tells_nothing_that_can_be_erased(signed: Store) -> None:
    receipt = signed.append(COORD, "secret payload", kind=KIND, private_metadata={"name": "secret name"})
    event = signed.get(receipt.sequence)
    for hidden in (b"secret payload", b"secret name", event.salt):
        assert hidden not in receipt.to_bytes()
    assert event.header in receipt.to_bytes()


def test_the_sequence_protocol(store: Store) -> None:
    receipts = batch(store, 10)
    listed = list(receipts)
    assert len(receipts) == len(listed) == 10
    assert [receipt.sequence for receipt in receipts] == list(range(1, 11))
    assert (receipts[0], receipts[9], receipts[-1], receipts[-10]) == (listed[0], listed[9], listed[9], listed[0])
    for cut in (slice(2, 5), slice(None, None, -2), slice(8, 100), slice(5, 2), slice(-3, None)):
        assert receipts[cut] == listed[cut]
    assert listed[3] in receipts
    assert list(reversed(receipts)) == listed[::-1]
    for index in (10, -11, 2**40):
        with pytest.raises(IndexError):
            receipts[index]
    for wrong in ("1", 1.0, None):
        with pytest.raises(TypeError):
            receipts[cast("Any", wrong)]
    store.close()
    assert list(receipts) == listed


JSON_GARBAGE = [
    "",
    "{",
    "[]",
    "null",
    "1",
    '"x"',
    "{}",
    '{"batpak_receipt": 1}',
    '{"batpak_receipt": 2}',
    "[" * 100_000,
    "\ud800",
]


@pytest.mark.parametrize("text", JSON_GARBAGE, ids=lambda text: ascii(text)[:20])
def test_json_that_is_no_receipt(text: str) -> None:
    with pytest.raises(batpak.InvalidReceipt):
        AppendReceipt.from_json(text)


# -- tampering --------------------------------------------------------------------------------------------------------

# What each member may be changed to. All are refused when read, except what only the signature covers.
CHANGES: dict[str, list[Any]] = {
    "batpak_receipt": [0, 2, True, 1.0, "1", None],
    "journal_id": ["00000000-0000-0000-0000-000000000000", "", None, 1],
    "event_id": ["00000000-0000-0000-0000-000000000000", None],
    "sequence": [0, 3, True, 2.0, "2", None, -1, 2**64],
    "clock": [1, False, 0.0, None, -1],
    "hlc": [[0, 0], [], None, [1, 2, 3], "x"],
    "event_hash": ["00" * 32, "", None, 5],
    "key_id": ["00" * 31, "", None, 5, "zz" * 32],
    "signature": ["00" * 63, "", 5, "zz" * 64],
    "first_sequence": [0, 2, 3, -1, 2**64, 2**200, True, 1.0, "1", None],
    "count": [0, 1, 2, 5, 65_537, -1, 2**64, True, 3.0, None],
    "path": [[], None, {}, "x", [1], ["00" * 32], ["00" * 31] * 2, ["00" * 32] * 3, ["00" * 32] * 17],
    "header": ["", "00", None, 5, "zz"],
}


@pytest.mark.parametrize("member", CHANGES)
def test_a_changed_member_is_refused(signed: Store, member: str) -> None:
    receipt = batch(signed, 3)[1]
    members = json.loads(receipt.to_json())
    assert members.keys() == CHANGES.keys()
    for change in [*CHANGES[member], members[member].upper() if isinstance(members[member], str) else ["x"]]:
        try:
            changed = AppendReceipt.from_json(json.dumps({**members, member: change}))
        except batpak.InvalidReceipt:
            continue
        # The header does not say where the frame began, nor what its other events are; the signature does.
        assert member in {"first_sequence", "count", "path"}
        assert signed.verify_receipt(changed).reason_code == "invalid_signature"
    with pytest.raises(batpak.InvalidReceipt):
        AppendReceipt.from_json(json.dumps({name: value for name, value in members.items() if name != member}))
    with pytest.raises(batpak.InvalidReceipt):
        AppendReceipt.from_json(json.dumps({**members, "more": 1}))


@pytest.mark.parametrize("size", [1, 3])
def test_every_flipped_bit_of_a_signed_receipt_is_found(signed: Store, key: batpak.SigningKey, size: int) -> None:
    data = bytearray(batch(signed, size)[size // 2].to_bytes())
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        try:
            receipt = AppendReceipt.from_bytes(bytes(data))
        except batpak.InvalidReceipt:
            pass
        else:
            for verdict in (
                batpak.verify_receipt(receipt, public_key=key.public_key),
                signed.verify_receipt(receipt),
            ):
                assert (verdict.outcome, verdict.ok) == ("invalid", False)
                assert verdict.reason_code == verdict.findings[0].code
        data[bit // 8] ^= 1 << bit % 8


def test_every_flipped_bit_of_an_unsigned_receipt_is_found_by_its_journal(store: Store) -> None:
    receipt = batch(store, 1)[0]
    data = bytearray(receipt.to_bytes())
    event = store.get(receipt.sequence)
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        try:
            changed = AppendReceipt.from_bytes(bytes(data))
        except batpak.InvalidReceipt:
            pass
        else:
            assert not store.verify_receipt(changed).ok
            assert not batpak.verify_receipt(changed, event=event).ok
        data[bit // 8] ^= 1 << bit % 8


def test_cut_and_lengthened_bytes(signed: Store) -> None:
    data = batch(signed, 3)[2].to_bytes()
    for length in range(len(data)):
        with pytest.raises(batpak.InvalidReceipt):
            AppendReceipt.from_bytes(data[:length])
    with pytest.raises(batpak.InvalidReceipt):
        AppendReceipt.from_bytes(data + b"\0")


# -- verdicts without a store -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_signature", [True, False])
@pytest.mark.parametrize("given_key", ["none", "right", "wrong"])
@pytest.mark.parametrize("given_event", ["none", "right", "other"])
@pytest.mark.parametrize("size", [1, 5])
def test_matrix(
    path: Path, key: batpak.SigningKey, with_signature: bool, given_key: str, given_event: str, size: int
) -> None:
    with Store.open(path, signing_key=key if with_signature else None) as store:
        receipt = AppendReceipt.from_bytes(batch(store, size)[-1].to_bytes())
        other = store.append(COORD, "other", kind=KIND)
        events = {"none": None, "right": store.get(receipt.sequence), "other": store.get(other.sequence)}
    keys = {"none": None, "right": key.public_key, "wrong": batpak.SigningKey.generate().public_key}
    verdict = batpak.verify_receipt(receipt, public_key=keys[given_key], event=events[given_event])

    compared = {"none": "not_checked", "right": "passed", "other": "failed"}[given_event]
    outcome, reason, signatures = {
        (True, "none"): ("unverifiable", "unknown_signing_key", "not_checked"),
        (True, "right"): ("signed", None, "passed"),
        (True, "wrong"): ("invalid", "unknown_signing_key", "failed"),
        (False, "none"): ("unsigned_accepted", None, "absent"),
        (False, "right"): ("invalid", "missing_signature", "failed"),
        (False, "wrong"): ("invalid", "missing_signature", "failed"),
    }[with_signature, given_key]
    if given_event == "other":
        outcome, reason = "invalid", "event_id_mismatch"
    assert verdict_of(verdict) == (outcome, reason, compared, compared, signatures)
    assert (verdict.axes.completeness, verdict.axes.anchors) == ("not_checked", "not_checked")
    assert verdict.ok == (outcome != "invalid")
    assert verdict.unverifiable == (with_signature and given_key == "none")
    assert verdict.events == 1
    assert [finding.code for finding in verdict.findings] == [] or not verdict.ok
    with pytest.raises(TypeError):
        bool(verdict)
    assert verdict.to_dict()["ok"] == verdict.ok
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    # The plain reader says the same of the signature.
    public = keys[given_key]
    if public is not None:
        problem = plain_verify_receipt(decode_receipt(receipt.to_bytes()), public.to_bytes())
        assert (problem is None) == (with_signature and given_key == "right")


@pytest.mark.parametrize("size", SIZES)
def test_every_receipt_of_a_batch_verifies_alone(signed: Store, key: batpak.SigningKey, size: int) -> None:
    receipts = batch(signed, size)
    assert len({receipt.signature for receipt in receipts}) == 1
    for receipt in receipts:
        portable = AppendReceipt.from_json(receipt.to_json())
        assert batpak.verify_receipt(portable, public_key=key.public_key).outcome == "signed"
        assert batpak.verify_receipt(portable, public_key=key.public_key, event=signed.get(receipt.sequence)).ok
        plain = decode_receipt_json(receipt.to_json())
        assert plain == decode_receipt(receipt.to_bytes())
        assert plain_verify_receipt(plain, key.public_key.to_bytes()) is None


def test_the_largest_batch(signed: Store, key: batpak.SigningKey) -> None:
    receipts = signed.append_batch([(COORD, None)] * 65_536, kind=KIND)
    for index in (0, 1, 32_767, 32_768, 65_535):
        portable = AppendReceipt.from_bytes(receipts[index].to_bytes())
        assert batpak.verify_receipt(portable, public_key=key.public_key).outcome == "signed"


# -- verdicts of a store ----------------------------------------------------------------------------------------------


def test_a_store_and_its_own_receipts(signed: Store, key: batpak.SigningKey) -> None:
    for receipt in batch(signed, 5):
        for public_key in (None, key.public_key):
            verdict = signed.verify_receipt(AppendReceipt.from_bytes(receipt.to_bytes()), public_key=public_key)
            assert verdict_of(verdict) == ("signed", None, "passed", "passed", "passed")
            assert verdict.axes.completeness == "passed"
    wrong = signed.verify_receipt(receipt, public_key=batpak.SigningKey.generate().public_key)
    assert verdict_of(wrong) == ("invalid", "unknown_signing_key", "passed", "passed", "failed")


def test_an_unsigned_store_and_its_own_receipts(store: Store, key: batpak.SigningKey) -> None:
    receipt = batch(store, 2)[1]
    assert verdict_of(store.verify_receipt(receipt)) == ("unsigned_accepted", None, "passed", "passed", "absent")
    verdict = store.verify_receipt(receipt, public_key=key.public_key)
    assert verdict_of(verdict) == ("invalid", "missing_signature", "passed", "passed", "failed")


def test_another_journals_receipt(store: Store, tmp_path: Path, key: batpak.SigningKey) -> None:
    store.append(COORD, 1, kind=KIND)
    for signing_key in (None, key):
        with Store.open(tmp_path / f"other-{signing_key is None}", signing_key=signing_key) as other:
            receipt = other.append(COORD, 1, kind=KIND)
            assert other.verify_receipt(receipt).ok
        verdict = store.verify_receipt(receipt)
        assert (verdict.outcome, verdict.reason_code) == ("invalid", "missing_committed_event")
        assert verdict.axes.completeness == "failed"


def test_a_receipt_of_a_future_that_never_was(path: Path, tmp_path: Path) -> None:
    """A copy of the journal went on by itself: the original never held that event."""
    import shutil

    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    shutil.copytree(path, tmp_path / "copy")
    with Store.open(tmp_path / "copy") as copied:
        theirs = copied.append(COORD, "theirs", kind=KIND)
        beyond = copied.append(COORD, "beyond", kind=KIND)
    with Store.open(path) as store:
        ours = store.append(COORD, "ours", kind=KIND)
        assert ours.sequence == theirs.sequence
        assert store.verify_receipt(ours).ok
        for receipt in (theirs, beyond):
            verdict = store.verify_receipt(receipt)
            assert (verdict.ok, verdict.outcome) == (False, "invalid")


def test_receipts_from_before_and_after_the_first_key(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path) as store:
        before = store.append(COORD, 1, kind=KIND)
    with Store.open(path, signing_key=key, adopt_key=True) as store:
        after = store.append(COORD, 2, kind=KIND)
        assert store.verify_receipt(before).outcome == "unsigned_accepted"
        assert store.verify_receipt(after).outcome == "signed"
        assert store.verify().ok
        # The old signature stripped from a newer receipt is missed.
        members = json.loads(after.to_json())
        stripped = AppendReceipt.from_json(json.dumps({**members, "key_id": None, "signature": None}))
        assert store.verify_receipt(stripped).reason_code == "missing_signature"
