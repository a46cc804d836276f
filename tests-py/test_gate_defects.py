"""Gates that fail: each refuses, says why as far as it can be said, and leaves the store as usable as before."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Deny, Proposal, Store, Verdict
from support import COORD, KIND, exit_of_fork, payloads

if TYPE_CHECKING:
    from pathlib import Path


def refusal(path: Path, gate: Any) -> batpak.GateDenied:
    """What an append past this gate raises; the record of it says the same, and the store goes on."""
    with Store.open(path, gates=[gate]) as store:
        with pytest.raises(batpak.GateDenied) as caught:
            store.append(COORD, 1, kind=KIND)
        receipt = caught.value.receipt
        assert receipt is not None
        recorded = [Verdict(**verdict) for verdict in store.get(receipt.sequence).value["verdicts"]]
        assert tuple(recorded) == caught.value.verdicts == receipt.verdicts
        assert store.verify_receipt(receipt).ok
        assert str(caught.value).isprintable()
        store.append(COORD, 2, kind=KIND, bypass=batpak.Bypass("the gate is broken", "a"))
        assert payloads(store) == [2]
    assert batpak.verify(path).ok
    return caught.value


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raising(error: BaseException) -> Any:
    def gate(proposal: Proposal) -> None:
        raise error

    return gate


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (Unprintable(), "Unprintable", "(its message cannot be shown)"),
        (KeyError("\ud800"), "KeyError", "'\\ud800'"),
        (ValueError("\ud800 and \udcff"), "ValueError", "\\ud800 and \\udcff"),
        (ValueError("x" * 10_000_000), "ValueError", "x" * 2_000),
        (ValueError(), "ValueError", ""),
        (RecursionError("deep"), "RecursionError", "deep"),
        (MemoryError(), "MemoryError", ""),
        (StopIteration(5), "StopIteration", "5"),
        (batpak.GateDenied("forged", verdicts=(), receipt=None), "GateDenied", "forged"),
        (ExceptionGroup("several", [ValueError("a")]), "ExceptionGroup", "several (1 sub-exception)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_gate_raises(path: Path, error: Exception, code: str, message: str) -> None:
    raised = refusal(path, raising(error))
    assert type(raised) is batpak.GateDefect
    assert raised.__cause__ is error
    assert raised.verdicts == (Verdict("gate", "defect", code, message),)
    assert raised.code == "gate_defect"


def test_a_gate_that_recurses_for_ever(path: Path) -> None:
    def gate(proposal: Proposal) -> None:
        gate(proposal)

    assert refusal(path, gate).verdicts[0].code == "RecursionError"


async def later(proposal: Proposal) -> None:
    return None


class Liar:
    """An answer that raises when it is asked what it is, and says that it permits."""

    @property
    def __class__(self) -> Any:
        raise LookupError("who knows?")

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise LookupError("who knows?")


def test_an_answer_that_lies(path: Path) -> None:
    liar = Liar()
    assert "the gate returned Liar" in refusal(path, lambda proposal: liar).verdicts[0].message


@pytest.mark.parametrize(
    "answer", [True, False, 0, "", "permit", Deny, batpak.GateDenied("x"), [], Verdict("gate", "permit"), object()]
)
def test_what_is_no_answer(path: Path, answer: Any) -> None:
    """Nothing but None permits: not a false value, not a true one."""
    raised = refusal(path, lambda proposal: answer)
    assert type(raised) is batpak.GateDefect
    (verdict,) = raised.verdicts
    assert (verdict.gate, verdict.decision, verdict.code) == ("<lambda>", "defect", "TypeError")
    assert f"the gate returned {type(answer).__name__}" in verdict.message


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_gate_that_should_be_awaited_does_not_permit(path: Path) -> None:
    assert "returned coroutine" in refusal(path, later).verdicts[0].message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), asyncio.CancelledError()])
def test_what_is_no_failure_of_the_gate_goes_through(path: Path, error: BaseException) -> None:
    with Store.open(path, gates=[raising(error)]) as store:
        outbox = store.outbox()
        outbox.add(COORD, 1, kind=KIND)
        for write in (
            lambda: store.append(COORD, 1, kind=KIND),
            lambda: store.append_batch([(COORD, 1)], kind=KIND),
            outbox.flush,
        ):
            with pytest.raises(type(error)) as caught:
                write()
            assert caught.value is error
        assert (len(store), len(outbox)) == (1, 1)
        # The thread is not taken for one that still asks.
        store.append(COORD, 2, kind=KIND, bypass=batpak.Bypass("r", "a"))


# -- names ------------------------------------------------------------------------------------------------------------


class Named:
    def __init__(self, name: Any) -> None:
        self.name = name

    def __call__(self, proposal: Proposal) -> Deny:
        return Deny("no")


class Shy:
    @property
    def name(self) -> str:
        raise RuntimeError("I have none")

    def __call__(self, proposal: Proposal) -> Deny:
        return Deny("no")


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        (Named("budget"), "budget"),
        (Named(""), "Named"),
        (Named(5), "Named"),
        (Named("\ud800"), "\\ud800"),
        (Named("x" * 1_000_000), "x" * 200),
        (Shy(), "Shy"),
        (lambda proposal: Deny("no"), "<lambda>"),
    ],
    ids=["named", "empty", "number", "surrogate", "long", "shy", "lambda"],
)
def test_names(path: Path, gate: Any, name: str) -> None:
    assert refusal(path, gate).verdicts == (Verdict(name, "deny", "no"),)
    with Store.open(path, gates=[gate]) as store:
        receipt = store.append(COORD, 1, kind=KIND, bypass=batpak.Bypass("r", "a"))
        assert store.get(receipt.sequence - 1).value["gates"] == [name]


# -- what a denial says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("",), batpak.InvalidInput),
        ((None,), batpak.InvalidInput),
        ((5,), batpak.InvalidInput),
        (("a", None), TypeError),
        (("a", b"x"), TypeError),
        (("\ud800",), batpak.InvalidInput),
        (("a", "\ud800"), batpak.InvalidInput),
        (("a", "", object()), batpak.InvalidInput),
        (("a", "", {1: 2}), batpak.InvalidInput),
        (("a", "", float("nan")), batpak.InvalidInput),
        (("a", "", (1,)), batpak.InvalidInput),
        (("a", "x" * 70_000), batpak.LimitExceeded),
        (("a", "", bytes(70_000)), batpak.LimitExceeded),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)
def test_what_cannot_be_recorded_is_refused_where_it_comes_from(
    path: Path, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Deny(*arguments)
    raised = refusal(path, lambda proposal: Deny(*arguments))
    assert type(raised) is batpak.GateDefect
    assert isinstance(raised.__cause__, error)


def test_as_much_as_a_denial_may_say(path: Path) -> None:
    raised = refusal(path, lambda proposal: Deny("a" * 1_000, "é" * 10_000, {"b": bytes(40_000)}))
    assert type(raised) is batpak.GateDenied
    assert raised.verdicts[0].context == {"b": bytes(40_000)}


def test_a_denial_that_is_changed_after_it_was_made(path: Path) -> None:
    context: dict[str, Any] = {"a": 1}
    broken = Deny("no", context=context)
    context["a"] = object()
    raised = refusal(path, lambda proposal: broken)
    assert type(raised) is batpak.GateDefect
    assert raised.verdicts[0].code == "InvalidValue"


def test_a_context_that_is_changed_later_is_what_it_was(path: Path) -> None:
    context: dict[str, Any] = {"a": 1}
    with Store.open(path, gates=[lambda proposal: Deny("no", context=context)]) as store:
        with pytest.raises(batpak.GateDenied) as caught:
            store.append(COORD, 1, kind=KIND)
    context["a"] = 2
    assert caught.value.verdicts[0].context == {"a": 1}


def test_many_verdicts(path: Path) -> None:
    gates = [lambda proposal, n=number: Deny("no", "x" * 1_000, n) for number in range(300)]
    with Store.open(path, gates=gates, gate_mode="all") as store:
        with pytest.raises(batpak.GateDenied) as caught:
            store.append(COORD, 1, kind=KIND)
        assert [verdict.context for verdict in caught.value.verdicts] == list(range(300))
        assert caught.value.receipt is not None


# -- the store around a gate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, Deny("no")])
def test_a_store_that_is_closed_while_a_gate_is_asked(path: Path, answer: Deny | None) -> None:
    store = Store.open(path)

    def closing(proposal: Proposal) -> Deny | None:
        store.close()
        return answer

    with pytest.raises(batpak.StoreClosed):
        store.append(COORD, 1, kind=KIND, gates=[closing])
    with Store.open(path) as again:
        assert payloads(again) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("answer", [None, Deny("no")])
def test_a_fork_within_a_gate(path: Path, answer: Deny | None) -> None:
    """The child comes out of the gate as well; it writes nothing, whatever the gate says."""
    children: list[int] = []

    def forking(proposal: Proposal) -> Deny | None:
        children.append(os.fork())
        return None if children[-1] else answer

    with Store.open(path, gates=[forking]) as store:
        status = 1
        try:
            store.append(COORD, 1, kind=KIND)
        except batpak.ForkedStore:
            status = 0
        finally:
            if not children[-1]:
                os._exit(status)
        assert exit_of_fork(children[-1]) == 0
        assert payloads(store) == [1]
        assert len(store) == 2
    assert batpak.verify(path).ok


def test_a_denial_that_cannot_be_written_is_no_permission() -> None:
    from batpak.testing import Fault, Faults, open_store

    faults = Faults()
    with open_store(faults=faults, gates=[lambda proposal: Deny("no")]) as store:
        faults.arm(Fault(operation="write", file="segments/*", error="ENOSPC"))
        with pytest.raises(batpak.StorageFull):
            store.append(COORD, 1, kind=KIND)
        assert len(store) == 1
        with pytest.raises(batpak.GateDenied):
            store.append(COORD, 1, kind=KIND)
        assert payloads(store) == []
