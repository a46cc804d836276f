"""The outbox: what is collected is written all at once or not at all, and leaves no trace if it is dropped."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import batpak
from batpak import NEW, Coordinate, Deny, Proposal, Store
from batpak.testing import Fault, Faults, open_store
from support import COORD, KIND, child_says, contents, payloads, run_child

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")


def test_it_is_written_as_one_frame(signed: Store) -> None:
    with signed.outbox() as outbox:
        numbers = [outbox.add(COORD, n, kind=KIND) for n in range(3)]
        assert (numbers, len(outbox), repr(outbox)) == ([0, 1, 2], 3, "<Outbox with 3 events waiting>")
        # Nobody sees it yet.
        assert payloads(signed) == []
    assert payloads(signed) == [0, 1, 2]
    assert len(outbox) == 0
    receipt = signed.last_receipt()
    assert receipt is not None
    parts = receipt._source.parts()
    assert (parts["first_sequence"], parts["count"]) == (signed.get(1).is_system + 1, 3)


def test_flush_gives_the_receipts(store: Store) -> None:
    outbox = store.outbox()
    assert outbox.flush() is None
    first = outbox.add(
        COORD, 1, kind=KIND, key="k", metadata={"a": "b"}, private_metadata={"c": 1}, version=2, expect=NEW
    )
    outbox.add(OTHER, 2, kind=KIND, causation_id=first, correlation_id=bytes(16))
    receipts = outbox.flush()
    assert receipts is not None
    events = [store.get(receipt.sequence) for receipt in receipts]
    assert [event.payload for event in events] == [1, 2]
    assert (events[0].metadata, events[0].private_metadata, events[0].payload_version) == ({"a": "b"}, {"c": 1}, 2)
    assert (events[1].causation_id, events[1].correlation_id) == (events[0].event_id, UUID(int=0))
    # It begins anew, with its numbers too.
    assert (len(outbox), outbox.flush(), len(store)) == (0, None, 3)
    assert outbox.add(COORD, 3, kind=KIND) == 0
    with pytest.raises(batpak.InvalidInput, match="only an earlier item"):
        outbox.add(COORD, 4, kind=KIND, causation_id=1)
    assert len(outbox) == 1


def test_what_is_dropped_leaves_no_trace(store: Store, path: Path) -> None:
    store.sync()
    before = contents(path)
    outbox = store.outbox()
    outbox.add(COORD, "dropped", kind=KIND, key="k")
    outbox.discard()
    assert (len(outbox), outbox.flush()) == (0, None)
    with pytest.raises(LookupError), store.outbox() as other:
        other.add(COORD, "dropped", kind=KIND)
        raise LookupError("halfway")
    store.outbox().add(COORD, "forgotten", kind=KIND)
    assert len(other) == 0
    assert contents(path) == before
    # Not even its key was used.
    assert store.append(COORD, 1, kind=KIND, key="k").sequence == 1


def test_a_payload_is_what_it_was_when_it_was_added(store: Store) -> None:
    payload, private = {"a": [1]}, {"b": 1}
    with store.outbox() as outbox:
        for number in range(3):
            outbox.add(COORD, payload, kind=KIND, private_metadata=private)
            payload["a"].append(number)
            private["b"] += 1
    events = list(store.query())
    assert [event.payload for event in events] == [{"a": [1]}, {"a": [1, 0]}, {"a": [1, 0, 1]}]
    assert [event.private_metadata for event in events] == [{"b": 1}, {"b": 2}, {"b": 3}]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((COORD, (1,)), {"kind": KIND}, batpak.InvalidValue),
        ((COORD, 1), {}, batpak.InvalidKind),
        ((COORD, 1), {"kind": 1}, batpak.InvalidKind),
        (("order:1", 1), {"kind": KIND}, TypeError),
        ((COORD,), {"kind": KIND}, TypeError),
        ((COORD, 1), {"kind": KIND, "durability": "always"}, TypeError),
        ((COORD, 1), {"kind": KIND, "gates": []}, TypeError),
        ((COORD, 1), {"kind": KIND, "metadata": {"a": 1}}, batpak.InvalidInput),
        ((COORD, 1), {"kind": KIND, "metadata": "a"}, TypeError),
        ((COORD, 1), {"kind": KIND, "causation_id": 1}, batpak.InvalidInput),
        ((COORD, 1), {"kind": KIND, "causation_id": -1}, batpak.InvalidInput),
        ((COORD, 1), {"kind": KIND, "causation_id": "x"}, batpak.InvalidInput),
        ((COORD, bytes(16 * 2**20 + 1)), {"kind": KIND}, batpak.LimitExceeded),
    ],
)
def test_what_is_refused_leaves_it_as_it_was(
    store: Store, arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    outbox = store.outbox()
    outbox.add(COORD, "before", kind=KIND)
    with pytest.raises(error):
        outbox.add(*arguments, **options)
    assert len(outbox) == 1
    assert outbox.add(COORD, "after", kind=KIND, causation_id=0) == 1
    outbox.flush()
    assert payloads(store) == ["before", "after"]


def test_what_could_not_be_written_waits_on(store: Store) -> None:
    outbox = store.outbox()
    outbox.add(COORD, 1, kind=KIND, expect=0)
    outbox.add(OTHER, 2, kind=KIND)
    for _ in range(2):
        with pytest.raises(batpak.ExpectationFailed):
            outbox.flush()
        assert len(outbox) == 2
    store.append(COORD, 0, kind=KIND)
    assert len(outbox.flush() or ()) == 2
    assert payloads(store) == [0, 1, 2]


def test_what_a_gate_denied_waits_on(path: Path) -> None:
    allowed = False

    def gate(proposal: Proposal) -> Deny | None:
        return None if allowed else Deny("later")

    with Store.open(path, gates=[gate]) as store:
        with pytest.raises(batpak.GateDenied), store.outbox() as outbox:
            outbox.add(COORD, 1, kind=KIND)
        assert (len(outbox), payloads(store)) == (1, [])
        allowed = True
        outbox.flush()
        assert payloads(store) == [1]


def test_a_retry_of_a_flush(path: Path) -> None:
    with Store.open(path) as store:

        def flush() -> list[bytes]:
            outbox = store.outbox()
            for number in range(3):
                outbox.add(COORD, number, kind=KIND, key=str(number))
            return [receipt.to_bytes() for receipt in outbox.flush() or ()]

        assert flush() == flush()
        assert payloads(store) == [0, 1, 2]


@pytest.mark.parametrize("durability", ["always", "manual", None])
def test_its_durability(path: Path, durability: Any) -> None:
    with Store.open(path, durability="manual") as store:
        with store.outbox(durability=durability) as outbox:
            outbox.add(COORD, 1, kind=KIND)
        (event,) = store.query()
        assert event.promise == (durability or "manual")
        assert (store.stats().durable_events == len(store)) == (durability == "always")
        # So has the next flush.
        outbox.add(COORD, 2, kind=KIND)
        outbox.flush(reach="written", timeout=0)
        assert store.get(2).promise == (durability or "manual")


@pytest.mark.parametrize(
    ("durability", "error"), [("never", batpak.InvalidInput), (5, TypeError), (b"always", TypeError)]
)
def test_what_is_no_durability(store: Store, durability: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        store.outbox(durability=durability)


def test_as_many_events_as_a_batch_may_have(store: Store) -> None:
    outbox = store.outbox()
    for _ in range(65_536):
        outbox.add(COORD, None, kind=KIND)
    with pytest.raises(batpak.LimitExceeded):
        outbox.add(COORD, None, kind=KIND)
    receipts = outbox.flush()
    assert receipts is not None
    assert (len(receipts), receipts[-1].sequence, len(store)) == (65_536, 65_536, 65_537)


# -- the end of the store ---------------------------------------------------------------------------------------------


def test_after_close(path: Path) -> None:
    store = Store.open(path)
    outbox = store.outbox()
    outbox.add(COORD, 1, kind=KIND)
    store.close()
    with pytest.raises(batpak.StoreClosed):
        outbox.flush()
    assert len(outbox) == 1
    outbox.discard()
    with pytest.raises(batpak.StoreClosed):
        outbox.add(COORD, 1, kind=KIND)
    with pytest.raises(batpak.StoreClosed):
        store.outbox()


def test_an_error_of_the_block_is_not_hidden_by_a_closed_store(path: Path) -> None:
    store = Store.open(path)
    with pytest.raises(LookupError) as caught, store.outbox() as outbox:
        outbox.add(COORD, 1, kind=KIND)
        store.close()
        raise LookupError("mine")
    assert caught.value.__context__ is None


def test_a_full_disk() -> None:
    faults = Faults()
    with open_store(faults=faults) as store:
        outbox = store.outbox()
        outbox.add(COORD, 1, kind=KIND)
        faults.arm(Fault(operation="write", file="segments/*", error="ENOSPC"))
        with pytest.raises(batpak.StorageFull):
            outbox.flush()
        assert (len(outbox), payloads(store)) == (1, [])
        outbox.flush()
        assert payloads(store) == [1]


def test_a_failed_sync_leaves_nothing_to_write_twice() -> None:
    """The events are in the log, and in doubt: they do not wait any longer."""
    faults = Faults()
    store = open_store(faults=faults, durability="always")
    outbox = store.outbox()
    outbox.add(COORD, 1, kind=KIND)
    faults.arm(Fault(operation="sync", forever=True))
    with pytest.raises(batpak.StorePoisoned):
        outbox.flush()
    assert (len(outbox), payloads(store)) == (0, [1])
    with pytest.raises(batpak.StorePoisoned):
        store.close()


INTERRUPTED = """
import signal, sys
import batpak
from batpak import Coordinate

class Interrupting:
    '''A core whose user presses Ctrl-C when the event was written, and before its sync has ended.'''
    def __init__(self, core): self.core = core
    def __getattr__(self, name): return getattr(self.core, name)
    def commit(self, proposal):
        self.core.commit(proposal)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not interrupted")

with batpak.Store.open(sys.argv[1]) as store:
    outbox = store.outbox()
    outbox.add(Coordinate("a", "b"), 1, kind=0xF001)
    store._core, core = Interrupting(store._core), store._core
    try:
        outbox.flush()
    except KeyboardInterrupt:
        print(len(outbox), store.last_receipt().sequence)
    store._core = core
    outbox.flush()
    print(len(store))
"""


def test_ctrl_c_after_the_write_does_not_have_it_written_twice(path: Path) -> None:
    assert child_says(INTERRUPTED, path).split() == ["0", "1", "2"]


def test_an_exit_without_a_flush(path: Path) -> None:
    done = run_child(
        "import sys, batpak\n"
        "store = batpak.Store.open(sys.argv[1])\n"
        "outbox = store.outbox()\n"
        "outbox.add(batpak.Coordinate('a', 'b'), 1, kind=0xF001)\n"
        "outbox.__enter__()\n"
        "import os; os._exit(0)",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Store.open(path) as store:
        assert payloads(store) == []


# -- threads ----------------------------------------------------------------------------------------------------------


def test_a_second_thread_is_refused_and_nothing_is_lost(path: Path) -> None:
    """Whatever the threads do: what ``add`` took is written once, and what it refused is not written."""
    with Store.open(path) as store:
        outbox = store.outbox()
        taken: list[tuple[int, int]] = []

        def use(thread: int) -> None:
            for number in range(300):
                try:
                    outbox.add(COORD, [thread, number], kind=KIND)
                    taken.append((thread, number))
                    if number % 7 == thread:
                        outbox.flush()
                except batpak.InvalidInput as error:
                    assert "being used" in str(error)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(use, range(4)))
        outbox.flush()
        assert sorted(map(tuple, payloads(store))) == sorted(taken)
        assert store.verify().ok


def test_a_second_thread_while_a_gate_is_asked(path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(proposal: Proposal) -> None:
        asked.set()
        assert go_on.wait(30)

    with Store.open(path, gates=[slow]) as store, ThreadPoolExecutor(1) as pool:
        outbox = store.outbox()
        outbox.add(COORD, "seen", kind=KIND)
        flushing = pool.submit(outbox.flush)
        assert asked.wait(30)
        for use in (lambda: outbox.add(COORD, "unseen", kind=KIND), outbox.flush, outbox.discard):
            with pytest.raises(batpak.InvalidInput, match="being used"):
                use()
        go_on.set()
        flushing.result()
        assert payloads(store) == ["seen"]
        assert outbox.add(COORD, "later", kind=KIND) == 0


def test_outboxes_of_many_threads(store: Store) -> None:
    def use(thread: int) -> None:
        for number in range(20):
            with store.outbox() as outbox:
                for n in range(5):
                    outbox.add(Coordinate(f"own:{thread}", "s"), [number, n], kind=KIND)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    for thread in range(8):
        own = [event.payload for event in store.query(entity=f"own:{thread}")]
        assert own == [[number, n] for number in range(20) for n in range(5)]
    sequences = [event.sequence for event in store.query() if event.payload[1] == 0]
    assert all((sequence - 1) % 5 == 0 for sequence in sequences)


def test_items_that_append_while_they_are_made(path: Path) -> None:
    """What a generator appends is there before the batch, gated or not."""
    for gates in ([], [lambda proposal: None]):
        with Store.open(path / str(len(gates)), gates=gates) as store:

            def items(store: Store = store) -> Any:
                for number in range(3):
                    store.append(OTHER, f"before {number}", kind=KIND)
                    yield COORD, number

            store.append_batch(items(), kind=KIND)
            assert payloads(store) == ["before 0", "before 1", "before 2", 0, 1, 2]

            def failing(store: Store = store) -> Any:
                yield COORD, 1
                store.append(OTHER, "kept", kind=KIND)
                raise LookupError("no more")

            with pytest.raises(LookupError):
                store.append_batch(failing(), kind=KIND)
            assert payloads(store)[6:] == ["kept"]


def test_not_pickled_and_not_copied(store: Store) -> None:
    outbox = store.outbox()
    for use in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            use(outbox)
