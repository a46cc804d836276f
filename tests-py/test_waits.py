"""Waiting for marks while others write, close, or fail; gates that fail; and the end of the interpreter in the middle of a wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Store
from support import COORD, KIND, payloads, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODES = ["always", "interval", "manual"]
MARKS: list[Any] = ["accepted", "written", "durable", "visible"]


def outcomes(works: list[Callable[[], object]], meanwhile: Callable[[], object]) -> list[object]:
    """What each of these returns or raises, all begun before ``meanwhile`` runs."""
    found: list[object] = [None] * len(works)
    begun = threading.Barrier(len(works) + 1)

    def body(number: int) -> None:
        begun.wait()
        try:
            found[number] = works[number]()
        except batpak.BatpakError as error:
            found[number] = error

    threads = [threading.Thread(target=body, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    begun.wait()
    # Long enough that they wait, as a rule; what they find must not depend on it.
    time.sleep(0.05)
    meanwhile()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a wait that nothing ends"
    return found


@pytest.mark.parametrize("durability", MODES)
@pytest.mark.parametrize("timeout", [None, 60])
def test_closing_ends_every_wait_for_what_does_not_exist(path: Path, durability: Any, timeout: float | None) -> None:
    store = Store.open(path, durability=durability)
    works: list[Callable[[], object]] = [
        lambda mark=mark: store.wait_for(mark, 1000, timeout=timeout)  # type: ignore[misc]
        for mark in MARKS * 2
    ]
    assert [type(each) for each in outcomes(works, store.close)] == [batpak.StoreClosed] * len(works)


@pytest.mark.parametrize("visibility", ["written", "durable"])
def test_who_waits_for_an_event_is_woken_by_whoever_writes_it(path: Path, visibility: Any) -> None:
    with Store.open(path, durability="manual", visibility=visibility) as store:
        works: list[Callable[[], object]] = [
            lambda mark=mark: (store.wait_for(mark, 1, timeout=30), getattr(store.frontier(), mark).sequence)  # type: ignore[misc]
            for mark in MARKS * 2
        ]
        assert outcomes(works, lambda: store.append(COORD, 1, kind=KIND)) == [(None, 1)] * len(works)


@pytest.mark.parametrize("durability", MODES)
def test_a_receipt_that_was_returned_while_others_closed_is_of_an_event_that_is_there(
    path: Path, durability: Any
) -> None:
    store = Store.open(path, durability=durability, interval_ms=1)
    receipts: list[batpak.AppendReceipt] = []

    def use() -> None:
        while True:
            receipts.append(store.append(COORD, 1, kind=KIND))
            store.wait_for("durable", receipts[-1], timeout=30)

    found = outcomes([use] * 6, store.close)
    assert [type(each) for each in found] == [batpak.StoreClosed] * 6
    with Store.open(path) as again:
        assert again.open_report.path_taken == "clean"
        assert len(payloads(again)) == len(receipts) > 0
        assert all(again.verify_receipt(receipt).ok for receipt in receipts)


def test_a_wait_takes_no_longer_than_it_may(store: Store) -> None:
    for mark in MARKS:
        begun = time.monotonic()
        with pytest.raises(batpak.MarkTimeout) as caught:
            store.wait_for(mark, 1000, timeout=0.05)
        assert (caught.value.mark, time.monotonic() - begun >= 0.05) == (mark, True)


# -- gates ------------------------------------------------------------------------------------------------------------


class Fatal(BaseException):
    """What no gate is expected to raise, and what must not be taken for an answer."""


@pytest.mark.parametrize("durability", MODES)
def test_a_gate_that_raises_refuses_and_the_store_goes_on(path: Path, durability: Any) -> None:
    fail = True

    def gate(proposal: batpak.Proposal) -> None:
        if fail:
            raise ValueError(f"{len(proposal)} events")

    with Store.open(path, durability=durability, gates=[gate]) as store:
        with pytest.raises(batpak.GateDefect) as caught:
            store.append(COORD, 1, kind=KIND, key="once")
        assert isinstance(caught.value.__cause__, ValueError)
        assert [(verdict.decision, verdict.code) for verdict in caught.value.verdicts] == [("defect", "ValueError")]
        assert caught.value.receipt is not None
        assert store.verify_receipt(caught.value.receipt).ok
        assert payloads(store) == []
        fail = False
        receipt = store.append(COORD, 1, kind=KIND, key="once")
        fail = True
        # What is known is not asked about.
        assert store.append(COORD, 1, kind=KIND, key="once") == receipt
        assert payloads(store) == [1]
    assert batpak.verify(path).ok


@pytest.mark.parametrize("raised", [Fatal, KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_comes_out_of_a_gate_as_it_is(path: Path, raised: type[BaseException]) -> None:
    def gate(_: batpak.Proposal) -> None:
        raise raised

    with Store.open(path, gates=[gate]) as store:
        size = len(store)
        for _ in range(2):
            with pytest.raises(raised):
                store.append(COORD, 1, kind=KIND)
        assert len(store) == size
        # The thread is not held to be inside a gate for ever.
        store.append(COORD, 2, kind=KIND, bypass=batpak.Bypass("the gate is broken", "operator:1"))
        assert payloads(store) == [2]


def test_threads_whose_gates_fail_at_the_same_time(path: Path) -> None:
    inside = threading.Barrier(8)

    def gate(proposal: batpak.Proposal) -> batpak.Deny | None:
        inside.wait(30)
        number = proposal[0].value
        if number % 3 == 0:
            raise ValueError(number)
        return batpak.Deny("odd", str(number)) if number % 3 == 1 else None

    with Store.open(path, gates=[gate]) as store:
        works: list[Callable[[], object]] = [
            lambda number=number: store.append(COORD, number, kind=KIND)  # type: ignore[misc]
            for number in range(8)
        ]
        found = outcomes(works, lambda: None)
        expected = [batpak.GateDefect, batpak.GateDenied, batpak.AppendReceipt]
        assert [type(each) for each in found] == [expected[number % 3] for number in range(8)]
        assert sorted(payloads(store)) == [2, 5]
        assert len(store) == 1 + 8
        assert store.verify().ok


# -- the end of the interpreter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", MODES)
@pytest.mark.parametrize(
    "wait", ['store.wait_for("durable", 100_000)', 'store.wait_for("visible", 100_000, timeout=60)']
)
def test_the_interpreter_ends_while_threads_wait(path: Path, durability: str, wait: str) -> None:
    code = f"""
import sys, threading, time, warnings, batpak
warnings.simplefilter("ignore", ResourceWarning)
store = batpak.Store.open(sys.argv[1], durability="{durability}", gates=[lambda proposal: None])
for _ in range(4):
    threading.Thread(target=lambda: {wait}, daemon=True).start()
for number in range(20):
    print(store.append(batpak.Coordinate("a", "b"), number, kind=0xF001, key=str(number)).to_bytes().hex(), flush=True)
time.sleep(0.05)
"""
    done = run_child(code, path)
    assert (done.returncode, done.stderr) == (0, "")
    with Store.open(path) as store:
        assert store.open_report.path_taken == "clean"
        again = [
            store.append(batpak.Coordinate("a", "b"), number, kind=0xF001, key=str(number)) for number in range(20)
        ]
        assert [receipt.to_bytes().hex() for receipt in again] == done.stdout.split()
        assert payloads(store) == list(range(20))
