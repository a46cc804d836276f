"""What a refusal leaves: the event that records it, its receipt, and what the receipt stands for; and what a bypass leaves."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import AppendReceipt, Bypass, Coordinate, DenialReceipt, Deny, Draft, Proposal, Store, Verdict
from support import COORD, KIND, payloads

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")
DENIED, BYPASSED = 0x0005, 0x0009


def deny(proposal: Proposal) -> Deny:
    return Deny("no", "not today", {"limit": Decimal("1.00"), "at": datetime(2026, 1, 1, tzinfo=UTC)})


def permit(proposal: Proposal) -> None:
    return None


def denied(store: Store, payload: object = 1, **options: Any) -> batpak.GateDenied:
    """The refusal of an append; nothing but its record was written."""
    before, users = len(store), len(payloads(store))
    with pytest.raises(batpak.GateDenied) as caught:
        store.append(COORD, payload, kind=KIND, **options)
    assert len(store) == before + (caught.value.receipt is not None)
    assert len(payloads(store)) == users
    return caught.value


# -- the record -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_denial_is_an_event_with_a_receipt(path: Path, key: batpak.SigningKey, is_signed: bool) -> None:
    outcome = "signed" if is_signed else "unsigned_accepted"
    with Store.open(path, signing_key=key if is_signed else None, gates=[permit, deny]) as store:
        receipt = denied(store, metadata={"a": "b"}, durability="always").receipt
        assert receipt is not None
        event = store.get(receipt.event_id)
        assert (event.sequence, event.event_hash, event.clock) == (receipt.sequence, receipt.event_hash, receipt.clock)
        assert (event.entity, event.scope, event.kind.code, event.is_system) == ("batpak:gates", "batpak", DENIED, True)
        assert event.metadata == {"entity": COORD.entity, "scope": COORD.scope}
        assert event.promise == "always"
        assert event.value == {
            "commitment": receipt.commitment,
            "events": 1,
            "verdicts": [
                {"gate": "permit", "decision": "permit", "code": "", "message": "", "context": None, "description": ""},
                {
                    "gate": "deny",
                    "decision": "deny",
                    "code": "no",
                    "message": "not today",
                    "context": deny(Proposal([])).context,
                    "description": "",
                },
            ],
        }
        assert store.last_receipt() == AppendReceipt.from_bytes(receipt.to_bytes())
        assert store.verify_receipt(receipt).outcome == outcome
        assert batpak.verify_receipt(receipt, public_key=key.public_key if is_signed else None).outcome == outcome
        assert store.verify().ok
    verdict = batpak.verify(path)
    assert (verdict.ok, verdict.findings) == (True, ())


def test_a_gate_of_a_class_says_what_it_is_for(path: Path) -> None:
    class Budget:
        name = "budget"
        description = "no more than 100 a day"

        def __call__(self, proposal: Proposal) -> Deny | None:
            return Deny("over_budget") if proposal[0].value > 100 else None

    with Store.open(path, gates=[Budget()]) as store:
        store.append(COORD, 100, kind=KIND)
        with pytest.raises(batpak.GateDenied) as caught:
            store.append(COORD, 101, kind=KIND)
        (verdict,) = caught.value.verdicts
        assert (verdict.gate, verdict.description) == ("budget", "no more than 100 a day")
        assert caught.value.receipt is not None
        (recorded,) = store.get(caught.value.receipt.sequence).value["verdicts"]
        assert batpak.Verdict(**recorded) == verdict


def test_the_commitment_opens(path: Path) -> None:
    with Store.open(path, gates=[deny]) as store:
        first, second = denied(store, {"secret": "value"}).receipt, denied(store, {"secret": "value"}).receipt
    assert first is not None
    assert second is not None
    assert (len(first.commitment), first.commits_to(first.opening)) == (32, True)
    assert b"secret" in first.opening
    # Salted: the same proposal twice cannot be told from two.
    assert first.commitment != second.commitment
    assert not first.commits_to(second.opening)
    for place in (0, 15, 16, len(first.opening) // 2, len(first.opening) - 1):
        changed = bytearray(first.opening)
        changed[place] ^= 1
        assert not first.commits_to(bytes(changed))
    assert not first.commits_to(b"")
    # What was proposed is nowhere in the journal, the opening neither.
    for each in path.rglob("*"):
        assert not each.is_file() or b"secret" not in each.read_bytes()
    assert "opening" not in repr(first)


def test_the_denial_of_a_batch(path: Path) -> None:
    with Store.open(path, gates=[deny]) as store:
        outbox = store.outbox()
        for number in range(3):
            outbox.add(
                OTHER if number == 0 else COORD, {"n": number}, kind=KIND, causation_id=number - 1 if number else None
            )
        with pytest.raises(batpak.GateDenied) as caught:
            outbox.flush()
        receipt = caught.value.receipt
        assert receipt is not None
        event = store.get(receipt.sequence)
        assert (event.value["events"], event.metadata["entity"]) == (3, OTHER.entity)
        # The events wait on.
        assert len(outbox) == 3
        assert receipt.commits_to(receipt.opening)


def test_denials_need_not_be_recorded(path: Path) -> None:
    with Store.open(path, gates=[deny], record_denials=False) as store:
        error = denied(store)
        assert (error.receipt, len(store), error.verdicts[0].code) == (None, 1, "no")


def test_denials_are_kept(path: Path, key: batpak.SigningKey) -> None:
    """In any number, sealed and reopened; the journal is as provable as before."""
    with Store.open(path, signing_key=key, segment_bytes=4096, gates=[deny]) as store:
        receipts = [denied(store, number).receipt for number in range(30)]
        assert store.stats().segments > 1
    with Store.open(path, signing_key=key) as store:
        for receipt in receipts:
            assert receipt is not None
            assert store.verify_receipt(receipt).outcome == "signed"
            assert store.get(receipt.sequence).value["commitment"] == receipt.commitment
        assert [event.clock for event in store.entity("batpak:gates")] == list(range(30))
        found = store.query(kind=DENIED, metadata={"entity": COORD.entity}, system=True)
        assert len(list(found)) == 30
    assert batpak.verify(path, public_key=key.public_key).ok


def test_users_cannot_write_denials(store: Store) -> None:
    for kind in (DENIED, BYPASSED):
        with pytest.raises(batpak.InvalidKind):
            store.append(COORD, {}, kind=kind)
    with pytest.raises(batpak.InvalidCoordinate):
        Coordinate("batpak:gates", "batpak")


# -- as values --------------------------------------------------------------------------------------------------------


def test_denials_travel(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path, signing_key=key, gates=[deny]) as store:
        error = denied(store)
        receipt = error.receipt
        assert receipt is not None
        for again in (pickle.loads(pickle.dumps(receipt)), copy.copy(receipt), copy.deepcopy(receipt)):
            assert type(again) is DenialReceipt
            assert again == receipt
            assert (again.verdicts, again.commitment, again.opening) == (
                receipt.verdicts,
                receipt.commitment,
                receipt.opening,
            )
            assert again.to_bytes() == receipt.to_bytes()
            assert store.verify_receipt(again).outcome == "signed"
        other = pickle.loads(pickle.dumps(error))
        assert (type(other), other.verdicts, other.receipt, str(other)) == (
            batpak.GateDenied,
            error.verdicts,
            receipt,
            str(error),
        )
        # Contexts may hold what has no hash.
        assert len({receipt, pickle.loads(pickle.dumps(receipt)), *receipt.verdicts, deny(Proposal([]))}) == 3
        portable = AppendReceipt.from_bytes(receipt.to_bytes())
        assert type(portable) is AppendReceipt
        assert store.verify_receipt(portable).outcome == "signed"
        assert AppendReceipt.from_json(receipt.to_json()) == portable
        assert "DenialReceipt" in repr(receipt)
        assert receipt._repr_html_()


def test_verdicts_are_values() -> None:
    verdict = Verdict("gate", "deny", "no", "", {"a": 1})
    assert verdict == pickle.loads(pickle.dumps(verdict))
    assert verdict != Verdict("gate", "deny", "no", "", {"a": 2})
    with pytest.raises(AttributeError):
        verdict.gate = "other"  # type: ignore[misc]


# -- bypass -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_bypass_is_recorded_in_the_frame_of_the_events(path: Path, key: batpak.SigningKey, is_signed: bool) -> None:
    with Store.open(path, signing_key=key if is_signed else None, gates=[permit, deny]) as store:
        receipt = store.append(COORD, 1, kind=KIND, gates=[deny], bypass=Bypass("drill", "approver:7"))
        receipts = store.append_batch(
            [(COORD, 2), Draft(COORD, 3, kind=KIND, causation_id=0)], kind=KIND, bypass=Bypass("r", "a")
        )
        assert payloads(store) == [1, 2, 3]
        assert (receipt.sequence, [each.sequence for each in receipts]) == (2, [4, 5])
        first, second = store.query(kind=BYPASSED, system=True)
        assert (first.sequence, first.entity) == (1, "batpak:gates")
        assert first.value == {"approver": "approver:7", "gates": ["permit", "deny", "deny"], "reason": "drill"}
        assert (second.sequence, second.value["gates"]) == (3, ["permit", "deny"])
        # Each receipt proves its own event, and that it is one of the frame.
        for each, place, count in ((receipt, 1, 2), (receipts[0], 1, 3), (receipts[1], 2, 3)):
            parts = each._source.parts()
            assert (parts["first_sequence"], parts["count"]) == (each.sequence - place, count)
            assert store.verify_receipt(AppendReceipt.from_bytes(each.to_bytes())).ok
        assert store.get(receipts[1].sequence).causation_id == receipts[0].event_id
        assert [len(receipts), *receipts] == [2, receipts[0], receipts[1]]
        assert store.verify().ok
    assert batpak.verify(path).ok


def test_a_bypass_without_gates_is_recorded_too(store: Store) -> None:
    store.append(COORD, 1, kind=KIND, bypass=Bypass("r", "a"))
    assert store.get(1).value["gates"] == []


def test_a_bypass_of_what_is_known_writes_nothing(path: Path) -> None:
    with Store.open(path, gates=[deny]) as store:
        first = store.append(COORD, 1, kind=KIND, key="k", bypass=Bypass("r", "a"))
        events = len(store)
        assert store.append(COORD, 1, kind=KIND, key="k", bypass=Bypass("other", "b")) == first
        assert store.append(COORD, 1, kind=KIND, key="k").to_bytes() == first.to_bytes()
        with pytest.raises(batpak.KeyConflict):
            store.append(COORD, 2, kind=KIND, key="k", bypass=Bypass("r", "a"))
        assert len(store) == events


def test_a_bypass_whose_events_are_refused_leaves_nothing(path: Path) -> None:
    with Store.open(path, gates=[deny]) as store:
        with pytest.raises(batpak.ExpectationFailed):
            store.append(COORD, 1, kind=KIND, expect=5, bypass=Bypass("r", "a"))
        assert len(store) == 1
        # Expectations hold for whoever passes the gates, too.
        store.append(COORD, 1, kind=KIND, expect=batpak.NEW, bypass=Bypass("r", "a"))


def test_a_failed_bypass_of_an_outbox_is_not_taken_for_another(path: Path) -> None:
    """What the journal says of who answers for it is what was said for these events."""
    with Store.open(path, gates=[permit]) as store:
        outbox = store.outbox()
        outbox.add(COORD, 1, kind=KIND, expect=0)
        with pytest.raises(batpak.ExpectationFailed):
            outbox.flush(bypass=Bypass("drill", "alice"))
        store.append(COORD, 0, kind=KIND)
        for other in (None, Bypass("drill", "bob")):
            with pytest.raises(batpak.InvalidInput, match="another bypass"):
                outbox.flush(bypass=other)
        outbox.flush(bypass=Bypass("drill", "alice"))
        assert payloads(store) == [0, 1]
        (bypassed,) = store.query(kind=BYPASSED, system=True)
        assert bypassed.value["approver"] == "alice"


@pytest.mark.parametrize("bypass", [True, "because", ("r", "a"), {"reason": "r", "approver": "a"}, Bypass, object()])
def test_what_is_no_bypass(store: Store, bypass: Any) -> None:
    for write in (
        lambda: store.append(COORD, 1, kind=KIND, bypass=bypass),
        lambda: store.append_batch([(COORD, 1)], kind=KIND, bypass=bypass),
    ):
        with pytest.raises(TypeError, match="Bypass"):
            write()
    assert len(store) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("", "a"),
        ("r", ""),
        (" ", "a"),
        ("r", "\n"),
        (None, "a"),
        ("r", 5),
        ("r", b"a"),
        ("\ud800", "a"),
        ("r", "x" * 70_000),
    ],
)
def test_a_bypass_says_why_and_who(arguments: tuple[Any, Any]) -> None:
    with pytest.raises(batpak.InvalidInput):
        Bypass(*arguments)


def test_a_bypass_is_a_value() -> None:
    bypass = Bypass("r", "a")
    assert bypass == pickle.loads(pickle.dumps(bypass))
    with pytest.raises(AttributeError):
        bypass.reason = "other"  # type: ignore[misc]
