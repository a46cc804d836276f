"""Gates: who is asked, about what, what they may say, and what they cannot do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

import pytest

import batpak
from batpak import Bypass, Coordinate, Deny, Draft, Kind, Proposal, Registry, Store
from support import COORD, KIND, child_says, payloads, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")


def permit(proposal: Proposal) -> None:
    return None


def deny(proposal: Proposal) -> Deny:
    return Deny("no", "not today")


def over_budget(proposal: Proposal) -> Deny | None:
    total = sum(event.value["amount"] for event in proposal)
    return Deny("over_budget", "too much", {"total": total}) if total > 100 else None


class Listening:
    """A gate that permits, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Proposal] = []

    def __call__(self, proposal: Proposal) -> None:
        self.seen.append(proposal)


def every_way(store: Store, **options: Any) -> list[Callable[[], Any]]:
    """Each way to write one event with the payload 1."""

    def through(outbox: batpak.Outbox) -> Any:
        outbox.add(COORD, 1, kind=KIND)
        return outbox.flush(**options)

    return [
        lambda: store.append(COORD, 1, kind=KIND, **options),
        lambda: store.append_batch([(COORD, 1)], kind=KIND, **options),
        lambda: store.append_batch([Draft(COORD, 1, kind=KIND)], **options),
        lambda: through(store.outbox()),
        lambda: store.reacting_to(0).append(COORD, 1, kind=KIND, **options),
        lambda: store.reacting_to(0).append_batch([(COORD, 1)], kind=KIND, **options),
        lambda: through(store.reacting_to(0).outbox()),
    ]


def test_what_gates_permit_is_written(path: Path) -> None:
    gate = Listening()
    with Store.open(path, gates=[gate, permit]) as store:
        ways = every_way(store)
        for write in ways:
            write()
        assert payloads(store) == [1] * len(ways)
        assert [len(proposal) for proposal in gate.seen] == [1] * len(ways)
        # Nothing but what was asked for.
        assert len(store) == 1 + len(ways)


def test_what_a_gate_denies_is_not_written(path: Path) -> None:
    with Store.open(path, gates=[deny], record_denials=False) as store:
        for write in every_way(store):
            with pytest.raises(batpak.GateDenied, match="deny: not today") as caught:
                write()
            assert type(caught.value) is batpak.GateDenied
            (verdict,) = caught.value.verdicts
            assert (verdict.gate, verdict.decision, verdict.code) == ("deny", "deny", "no")
        assert len(store) == 1


def test_gates_of_one_append(store: Store) -> None:
    for write in every_way(store, gates=[permit, deny]):
        with pytest.raises(batpak.GateDenied):
            write()
    assert payloads(store) == []
    store.append(COORD, 1, kind=KIND)
    store.append(COORD, 2, kind=KIND, gates=[])
    store.append(COORD, 3, kind=KIND, gates=iter([permit]))
    assert payloads(store) == [1, 2, 3]


def test_gates_of_the_store_are_asked_first(path: Path) -> None:
    asked: list[str] = []

    def named(name: str) -> Any:
        def gate(proposal: Proposal) -> None:
            asked.append(name)

        return gate

    with Store.open(path, gates=[named("a"), named("b")]) as store:
        store.append(COORD, 1, kind=KIND, gates=[named("c"), named("d")])
    assert asked == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("mode", "decisions"),
    [("first", ["permit", "deny"]), ("all", ["permit", "deny", "permit", "defect", "deny"])],
)
def test_modes(path: Path, mode: Any, decisions: list[str]) -> None:
    def broken(proposal: Proposal) -> None:
        raise LookupError("where is it?")

    with Store.open(path, gates=[permit, deny, permit, broken], gate_mode=mode) as store:
        with pytest.raises(batpak.GateDenied) as caught:
            store.append(COORD, 1, kind=KIND, gates=[deny])
        assert [verdict.decision for verdict in caught.value.verdicts] == decisions
        # A denial is one, whatever else there was.
        assert type(caught.value) is batpak.GateDenied


def test_a_batch_is_decided_as_a_whole(path: Path) -> None:
    with Store.open(path, gates=[over_budget]) as store:
        items = [(COORD, {"amount": 60}), (OTHER, {"amount": 60})]
        with pytest.raises(batpak.GateDenied) as caught:
            store.append_batch(items, kind=KIND)
        assert caught.value.verdicts[0].context == {"total": 120}
        assert payloads(store) == []
        for item in items:
            store.append_batch([item], kind=KIND)
        assert len(payloads(store)) == 2


# -- what gates see ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paid:
    amount: int


class Asked(TypedDict):
    question: str


def test_what_a_gate_sees(path: Path) -> None:
    registry = Registry()
    registry.event(category=0xF, type_id=2, version=3)(Paid)
    registry.event(category=0xF, type_id=3)(Asked)
    gate = Listening()
    cause = UUID(int=5)
    with Store.open(path, gates=[gate], registry=registry) as store:
        store.append_batch(
            [
                Draft(
                    COORD,
                    Paid(5),
                    correlation_id=cause,
                    causation_id=cause.bytes,
                    metadata={"a": "b"},
                    expect=batpak.NEW,
                ),
                Draft(OTHER, {"question": "why?"}, kind=Kind(0xF, 3), causation_id=0),
                Draft(OTHER, {"plain": [1]}, kind=0xF001, version=7, expect=0),
                (COORD, b"raw"),
            ],
            kind=KIND,
        )
    (proposal,) = gate.seen
    assert (len(proposal), len(proposal[1:3]), proposal[-1].payload) == (4, 2, b"raw")
    typed, asked, plain, raw = proposal
    assert (typed.coordinate, typed.kind, typed.payload_version) == (COORD, Kind(0xF, 2), 3)
    assert (typed.payload, typed.value) == (Paid(5), {"amount": 5})
    assert (typed.correlation_id, typed.causation_id) == (cause, cause.bytes)
    assert (typed.metadata, typed.expect) == ({"a": "b"}, batpak.NEW)
    assert (asked.payload, asked.kind, asked.payload_version, asked.causation_id) == (
        {"question": "why?"},
        Kind(0xF, 3),
        1,
        0,
    )
    assert (plain.payload, plain.kind, plain.payload_version, plain.expect) == ({"plain": [1]}, Kind(0xF, 1), 7, 0)
    assert (raw.value, raw.metadata, raw.correlation_id, raw.causation_id) == (b"raw", {}, None, None)
    assert raw.expect is batpak.ANY
    assert "4 events" in repr(proposal)
    assert COORD.entity in repr(typed)
    with pytest.raises(IndexError):
        proposal[4]


def test_a_gate_cannot_change_what_it_sees(path: Path) -> None:
    def greedy(proposal: Proposal) -> None:
        for event in proposal:
            event.value["amount"] = 1_000_000
            event.payload["more"] = True
            event.metadata["approved"] = "yes"
            for name in ("payload", "value", "coordinate", "kind", "metadata", "invented"):
                with pytest.raises((AttributeError, TypeError)):
                    setattr(event, name, 1)
        with pytest.raises(TypeError):
            proposal[0] = None  # type: ignore[index]

    with Store.open(path, gates=[greedy]) as store:
        receipt = store.append(COORD, {"amount": 5}, kind=KIND, metadata={"trace": "t"})
        event = store.get(receipt.sequence)
        assert (event.payload, event.metadata) == ({"amount": 5}, {"trace": "t"})


def test_what_was_proposed_stays_what_it_was(path: Path) -> None:
    """The caller's objects change while the gate decides: it sees, and the journal gets, what was there before."""
    payload: dict[str, Any] = {"amount": 5}
    metadata = {"tenant": "a"}
    private = {"why": "x"}
    seen: list[Any] = []

    def gate(proposal: Proposal) -> None:
        payload["amount"], metadata["tenant"], private["why"] = 1_000_000, "b", "y"
        seen.append((proposal[0].value, proposal[0].metadata))

    with Store.open(path, gates=[gate]) as store:
        ways = [
            lambda: store.append(COORD, payload, kind=KIND, metadata=metadata, private_metadata=private)
        ]  # fmt: skip
        draft = Draft(COORD, payload, kind=KIND, metadata=metadata, private_metadata=private)
        ways.append(lambda: store.append_batch([draft])[0])
        outbox = store.outbox()

        def flush() -> Any:
            outbox.add(COORD, payload, kind=KIND, metadata=metadata, private_metadata=private)
            payload["amount"], metadata["tenant"] = 7, "c"
            receipts = outbox.flush()
            assert receipts is not None
            return receipts[0]

        ways.append(flush)
        for write in ways:
            payload["amount"], metadata["tenant"], private["why"] = 5, "a", "x"
            event = store.get(write().sequence)
            assert (event.payload, event.metadata, event.private_metadata) == (
                {"amount": 5},
                {"tenant": "a"},
                {"why": "x"},
            )
            assert seen.pop() == ({"amount": 5}, {"tenant": "a"})


def test_a_gate_is_not_asked_about_what_cannot_be_written(path: Path) -> None:
    gate = Listening()
    with Store.open(path, gates=[gate]) as store:
        for bad in ((COORD, (1,)), (COORD, {1: 2}), ("order", 1), 5):
            with pytest.raises((batpak.InvalidInput, TypeError)):
                store.append_batch([(COORD, 1), bad], kind=KIND)  # type: ignore[list-item]
        with pytest.raises(batpak.InvalidInput, match="at least one"):
            store.append_batch([])
        # An expectation is compared when the event is written, after the gates.
        with pytest.raises(batpak.ExpectationFailed):
            store.append(COORD, 1, kind=KIND, expect=9)
        assert len(gate.seen) <= 2
        assert len(store) == 1


# -- keys -------------------------------------------------------------------------------------------------------------


def test_a_retry_is_not_asked_about_again(path: Path) -> None:
    gate = Listening()
    with Store.open(path, gates=[gate]) as store:
        first = store.append(COORD, 1, kind=KIND, key="k")
        assert store.append(COORD, 1, kind=KIND, key="k") == first
        assert store.append(COORD, 1, kind=KIND, key="k", gates=[deny]) == first
        with pytest.raises(batpak.KeyConflict):
            store.append(COORD, 2, kind=KIND, key="k")
        assert len(gate.seen) == 1
        # Denied before, permitted now: a denial does not use up the key.
        with pytest.raises(batpak.GateDenied):
            store.append(OTHER, 1, kind=KIND, key="l", gates=[deny])
        second = store.append(OTHER, 1, kind=KIND, key="l")
        assert store.get(second.sequence).entity == OTHER.entity


# -- writing from within a gate ---------------------------------------------------------------------------------------


def test_a_gate_may_not_write_to_its_store(path: Path) -> None:
    refusals: list[Exception] = []

    def meddling(proposal: Proposal) -> None:
        for write in [*every_way(store), *every_way(store, bypass=Bypass("r", "a")), *every_way(store, gates=[])]:
            with pytest.raises(batpak.InvalidInput, match="a gate may not write") as caught:
                write()
            refusals.append(caught.value)
        # Reading is fine, and so is waiting for what is there.
        store.wait_for("durable", 0)
        assert store.get(0).is_system
        assert list(store.query()) == []

    with Store.open(path) as store:
        store.append(COORD, "kept", kind=KIND, gates=[meddling])
        assert len(refusals) == 3 * len(every_way(store))
        assert payloads(store) == ["kept"]
        # It is over when the gate has returned.
        store.append(COORD, "later", kind=KIND)


def test_a_gate_that_writes_without_care_is_a_defect(path: Path) -> None:
    def meddling(proposal: Proposal) -> None:
        store.append(COORD, "mine", kind=KIND)

    with Store.open(path, gates=[meddling]) as store:
        for _ in range(2):
            with pytest.raises(batpak.GateDefect, match="a gate may not write") as caught:
                store.append(COORD, 1, kind=KIND)
            assert isinstance(caught.value.__cause__, batpak.InvalidInput)
        assert payloads(store) == []


def test_a_gate_may_write_to_another_store(path: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "audit", gates=[permit]) as audit:

        def audited(proposal: Proposal) -> None:
            audit.append(COORD, [event.value for event in proposal], kind=KIND)

        with Store.open(path, gates=[audited]) as store:
            store.append(COORD, 1, kind=KIND)
            store.append_batch([(COORD, 2), (COORD, 3)], kind=KIND)
            assert payloads(store) == [1, 2, 3]
            assert payloads(audit) == [[1], [2, 3]]


def test_stores_that_guard_one_another_do_not_ask_for_ever(path: Path, tmp_path: Path) -> None:
    stores: list[Store] = []

    def ask(other: int) -> Any:
        return lambda proposal: stores[other].append(COORD, 1, kind=KIND) and None

    with Store.open(path, gates=[ask(1)]) as first, Store.open(tmp_path / "b", gates=[ask(0)]) as second:
        stores += [first, second]
        with pytest.raises(batpak.GateDefect, match="a gate may not write"):
            first.append(COORD, 1, kind=KIND)
        assert (payloads(first), payloads(second)) == ([], [])


def test_an_outbox_cannot_grow_while_a_gate_looks_at_it(path: Path) -> None:
    """What a gate has seen is what is written."""
    tricks: list[Exception] = []

    def tricky(proposal: Proposal) -> None:
        for change in (lambda: outbox.add(COORD, "unseen", kind=KIND), outbox.discard, outbox.flush):
            with pytest.raises(batpak.InvalidInput) as caught:
                change()
            tricks.append(caught.value)

    with Store.open(path, gates=[tricky]) as store:
        outbox = store.outbox()
        outbox.add(COORD, "seen", kind=KIND)
        outbox.flush()
        assert payloads(store) == ["seen"]
    assert len(tricks) == 3


def test_other_threads_write_while_a_gate_thinks(path: Path) -> None:
    thinking, go_on = threading.Event(), threading.Event()

    def slow(proposal: Proposal) -> None:
        if proposal[0].value == "slow":
            thinking.set()
            assert go_on.wait(30)

    with Store.open(path, gates=[slow], visibility="written") as store, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.append, COORD, "slow", kind=KIND)
        assert thinking.wait(30)
        store.append(COORD, "fast", kind=KIND)
        assert payloads(store) == ["fast"]
        go_on.set()
        waiting.result()
        assert payloads(store) == ["fast", "slow"]


def test_many_threads_and_a_shared_gate(path: Path) -> None:
    def even(proposal: Proposal) -> Deny | None:
        return Deny("odd") if proposal[0].value % 2 else None

    with Store.open(path, gates=[even], segment_bytes=65_536) as store:

        def write(number: int) -> bool:
            try:
                store.append(COORD, number, kind=KIND)
            except batpak.GateDenied as denied:
                assert denied.receipt is not None
                assert store.verify_receipt(denied.receipt).ok
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, range(400)))
        assert written == [number % 2 == 0 for number in range(400)]
        assert sorted(payloads(store)) == list(range(0, 400, 2))
        assert len(store) == 401


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gates", [5, permit, "permit", "", [permit, 5], [None], b"x", {}, {"a": permit}, object()])
def test_what_are_no_gates(path: Path, tmp_path: Path, gates: Any) -> None:
    with pytest.raises(TypeError, match="gate"):
        Store.open(path, gates=gates)
    assert not path.exists()
    with Store.open(path) as store:
        for write in every_way(store, gates=gates):
            with pytest.raises(TypeError, match="gate"):
                write()
        assert len(store) == 1


def test_none_are_no_gates_of_a_store(path: Path) -> None:
    with pytest.raises(TypeError, match="gates must be a list"):
        Store.open(path, gates=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"gate_mode": "any"}, batpak.InvalidInput),
        ({"gate_mode": None}, TypeError),
        ({"gate_mode": ["first"]}, TypeError),
        ({"visibility": "both"}, batpak.InvalidInput),
        ({"visibility": True}, TypeError),
        ({"record_denials": "no"}, TypeError),
        ({"record_denials": None}, TypeError),
        ({"record_denials": 0}, TypeError),
    ],
)
def test_what_are_no_options(path: Path, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        Store.open(path, **options)
    assert not path.exists()


GATE_EXITS = """
import os, sys
import batpak
how = sys.argv[2]
def gate(proposal):
    if how == "exit":
        sys.exit(7)
    os._exit(7)
store = batpak.Store.open(sys.argv[1], gates=[gate])
print(len(store), flush=True)
try:
    store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001)
except SystemExit:
    print("exit", len(store))
    store.close()
"""


def test_a_gate_that_ends_the_program(path: Path) -> None:
    assert child_says(GATE_EXITS, path, "exit").split() == ["1", "exit", "1"]
    done = run_child(GATE_EXITS, path, "at once")
    assert (done.returncode, done.stdout.split(), done.stderr) == (7, ["2"], "")
    assert batpak.verify(path).ok
    with Store.open(path) as store:
        assert payloads(store) == []
