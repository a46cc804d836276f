"""How far events have come, and waiting for it."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Draft, Mark, Store
from batpak.testing import Fault, Faults, MemoryDisk, open_store
from support import COORD, KIND, child_says, payloads, running_child

if TYPE_CHECKING:
    from pathlib import Path

    from batpak._frontier import MarkName

MARKS: list[MarkName] = ["accepted", "written", "durable", "visible"]
WRITERS = 8


def laws(frontier: batpak.Frontier) -> None:
    accepted, written, durable, visible = frontier.accepted, frontier.written, frontier.durable, frontier.visible
    assert accepted is not None
    assert written is not None
    assert accepted >= written
    assert durable is None or written >= durable
    assert visible is None or accepted >= visible
    assert frontier.applied is None


def test_each_mark_names_the_last_event_that_reached_it(path: Path) -> None:
    with Store.open(path, durability="manual") as store:
        opened = store.get(0)
        store.sync()
        first = store.append(COORD, 1, kind=KIND)
        second = store.append(COORD, 2, kind=KIND)
        frontier = store.frontier()
        last = Mark(second.sequence, second.hlc)
        assert (frontier.accepted, frontier.written, frontier.visible) == (last, last, last)
        assert frontier.durable == Mark(0, opened.hlc)
        store.wait_for("durable", first)
        assert store.frontier().durable == last
        laws(frontier)


def test_frontiers_are_values(store: Store) -> None:
    frontier = store.frontier()
    assert pickle.loads(pickle.dumps(frontier)) == frontier == store.frontier()
    assert hash(frontier) == hash(store.frontier())
    assert frontier.to_dict()["accepted"]["sequence"] == 0
    assert "accepted" in frontier._repr_html_()
    assert (frontier.accepted or Mark(0, batpak.Hlc(0, 0))) < Mark(1, batpak.Hlc(0, 0))
    with pytest.raises(AttributeError):
        frontier.accepted = None  # type: ignore[misc]


@pytest.mark.parametrize("visibility", ["written", "durable"])
def test_the_laws_hold_while_threads_append(path: Path, visibility: Any) -> None:
    with Store.open(path, visibility=visibility, interval_ms=1, segment_bytes=65_536) as store:
        writing = threading.Event()
        writing.set()

        def look() -> int:
            seen, looks = store.frontier(), 0
            while writing.is_set():
                frontier = store.frontier()
                laws(frontier)
                for name in MARKS:
                    before, now = getattr(seen, name), getattr(frontier, name)
                    assert before is None or now >= before
                if frontier.visible is not None:
                    assert store.get(frontier.visible.sequence).hlc == frontier.visible.hlc
                seen, looks = frontier, looks + 1
            return looks

        def write(writer: int) -> None:
            for number in range(100):
                receipt = store.append(Coordinate(f"own:{writer}", "s"), number, kind=KIND)
                written = store.frontier().written
                assert written is not None
                assert written.sequence >= receipt.sequence

        with ThreadPoolExecutor(WRITERS + 2) as pool:
            looking = [pool.submit(look) for _ in range(2)]
            done = [pool.submit(write, writer) for writer in range(WRITERS)]
            try:
                for each in done:
                    each.result()
            finally:
                writing.clear()
            assert all(each.result() > 0 for each in looking)


# -- reach ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("gated", [False, True])
def test_reach(path: Path, mark: MarkName, gated: bool) -> None:
    gates: Any = [lambda proposal: None] if gated else None
    with Store.open(path, durability="manual") as store:
        for timeout in (None, 20, 0.0 if mark != "durable" else 20.0):
            receipt = store.append(COORD, 1, kind=KIND, reach=mark, timeout=timeout, gates=gates)
            reached = getattr(store.frontier(), mark)
            assert reached.sequence == receipt.sequence
            items = [(COORD, n) for n in range(3)]
            receipts = store.append_batch(items, kind=KIND, reach=mark, timeout=timeout, gates=gates)
            reached = getattr(store.frontier(), mark)
            assert reached.sequence == receipts[-1].sequence
        durable = store.stats().durable_events
        assert (durable == len(store)) == (mark == "durable")


def test_reach_of_what_is_known(path: Path) -> None:
    with Store.open(path, durability="manual") as store:
        first = store.append(COORD, 1, kind=KIND, key="k")
        assert store.stats().durable_events < len(store)
        assert store.append(COORD, 1, kind=KIND, key="k", reach="durable") == first
        assert store.stats().durable_events == len(store)


WRONG_WAITS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"reach": "synced"}, batpak.InvalidInput),
    ({"reach": "applied"}, batpak.InvalidInput),
    ({"reach": ""}, batpak.InvalidInput),
    ({"reach": "Durable"}, batpak.InvalidInput),
    ({"reach": 1}, TypeError),
    ({"reach": b"durable"}, TypeError),
    ({"reach": ["durable"]}, TypeError),
    ({"reach": "durable", "timeout": -1}, batpak.InvalidInput),
    ({"reach": "durable", "timeout": float("nan")}, batpak.InvalidInput),
    ({"reach": "durable", "timeout": "1"}, TypeError),
    ({"reach": "durable", "timeout": True}, TypeError),
    ({"reach": "durable", "timeout": [1]}, TypeError),
    ({"timeout": 1}, batpak.InvalidInput),
    ({"timeout": 0}, batpak.InvalidInput),
]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("waits", "error"), WRONG_WAITS)
def test_a_wait_that_cannot_be_is_refused_before_anything_is_written(
    store: Store, waits: dict[str, Any], error: type[Exception], gated: bool
) -> None:
    gates: Any = [lambda proposal: None] if gated else None
    outbox = store.outbox()
    outbox.add(COORD, 1, kind=KIND)
    for write in (
        lambda: store.append(COORD, 1, kind=KIND, gates=gates, **waits),
        lambda: store.append_batch([(COORD, 1)], kind=KIND, gates=gates, **waits),
        lambda: outbox.flush(gates=gates, **waits),
        lambda: store.reacting_to(0).append(COORD, 1, kind=KIND, **waits),
    ):
        with pytest.raises(error):
            write()
    assert (len(store), len(outbox)) == (1, 1)


@pytest.mark.parametrize("timeout", [0, 1e-9, float("inf"), 10**10, 0.5])
def test_times_that_can_be(store: Store, timeout: float) -> None:
    receipt = store.append(COORD, 1, kind=KIND, reach="written", timeout=timeout)
    store.wait_for("visible", receipt, timeout=timeout)


class SlowDisk:
    """A store's core whose syncs take longer than anybody waits."""

    def __init__(self, core: Any) -> None:
        self.core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def wait_for(self, mark: str, events: int, timeout: float | None) -> bool:
        return mark != "durable" or timeout is None


def test_out_of_time(path: Path) -> None:
    """Who waits less than a sync takes gets the receipts, and is told not to write again."""
    with Store.open(path, durability="manual") as store:
        store._core = SlowDisk(store._core)  # type: ignore[assignment]
        with pytest.raises(batpak.MarkTimeout) as caught:
            store.append(COORD, 1, kind=KIND, reach="durable", timeout=0)
        error = caught.value
        assert (error.mark, [receipt.sequence for receipt in error.receipts]) == ("durable", [1])
        assert error.receipts[0] == store.last_receipt()
        assert "do not write it again" in str(error)
        assert isinstance(error, TimeoutError)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.mark, again.receipts, str(again)) == (
            batpak.MarkTimeout,
            "durable",
            error.receipts,
            str(error),
        )
        with pytest.raises(batpak.MarkTimeout) as caught:
            store.append_batch([(COORD, n) for n in range(3)], kind=KIND, reach="durable", timeout=0)
        assert [receipt.sequence for receipt in caught.value.receipts] == [2, 3, 4]
        # They are there, and come as far as was asked.
        assert payloads(store) == [1, 0, 1, 2]
        store.wait_for("durable", caught.value.receipts)


# -- wait_for ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", MARKS)
def test_what_can_be_waited_for(store: Store, mark: MarkName) -> None:
    receipts = store.append_batch([Draft(COORD, n, kind=KIND) for n in range(3)])
    for target in (0, 3, receipts, receipts[0], list(receipts), store.get(2)):
        store.wait_for(mark, target)
        store.wait_for(mark, target, timeout=30)


@pytest.mark.parametrize("mark", MARKS)
def test_an_event_that_does_not_exist_is_waited_for(store: Store, mark: MarkName) -> None:
    with pytest.raises(batpak.MarkTimeout) as caught:
        store.wait_for(mark, 1, timeout=0.01)
    assert (caught.value.mark, caught.value.receipts) == (mark, ())
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(store.wait_for, mark, 1, timeout=30) for _ in range(3)]
        time.sleep(0.05)
        assert not any(wait.done() for wait in waits)
        store.append(COORD, 1, kind=KIND)
        for wait in waits:
            assert wait.result(timeout=30) is None
    assert getattr(store.frontier(), mark).sequence == 1


@pytest.mark.parametrize("durability", ["manual", "interval", "always"])
def test_waiting_has_it_synced(path: Path, durability: Any) -> None:
    with Store.open(path, durability=durability, interval_ms=60_000) as store:
        for timeout in (None, 30):
            receipt = store.append(COORD, 1, kind=KIND)
            store.wait_for("durable", receipt, timeout=timeout)
            assert store.stats().durable_events == receipt.sequence + 1


def test_waiting_costs_no_processor_time(store: Store) -> None:
    before = time.process_time()
    with pytest.raises(batpak.MarkTimeout):
        store.wait_for("written", 1, timeout=1)
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    ("target", "error"),
    [
        pytest.param(10**5000, batpak.InvalidInput, id="long"), (-1, batpak.InvalidInput), (2**64, batpak.InvalidInput), (2**64 - 1, batpak.InvalidInput), (True, TypeError),
        (None, TypeError), ("1", TypeError), (1.0, TypeError), ([], TypeError), ([1], TypeError), ({}, TypeError), (object(), TypeError),
        (b"\x01", TypeError),
    ],
)  # fmt: skip
def test_what_cannot_be_waited_for(store: Store, target: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="target"):
        store.wait_for("written", target, timeout=0)


@pytest.mark.parametrize("mark", ["synced", "", 1, None, b"written", [], "applied"])
def test_what_is_no_mark(store: Store, mark: Any) -> None:
    with pytest.raises((batpak.InvalidInput, TypeError), match="mark"):
        store.wait_for(mark, 0)


@pytest.mark.parametrize("timeout", [-1, -0.1, float("nan"), "1", True, b"", [1]])
def test_what_is_no_timeout(store: Store, timeout: Any) -> None:
    with pytest.raises((batpak.InvalidInput, TypeError), match="timeout"):
        store.wait_for("written", 0, timeout=timeout)


@pytest.mark.parametrize("mark", MARKS)
def test_a_close_ends_the_waits(path: Path, mark: MarkName) -> None:
    store = Store.open(path, durability="manual")
    receipt = store.append(COORD, 1, kind=KIND)

    def wait(target: int) -> str:
        try:
            store.wait_for(mark, target, timeout=30)
        except batpak.StoreClosed:
            return "closed"
        return "reached"

    with ThreadPoolExecutor(8) as pool:
        never = [pool.submit(wait, 1000) for _ in range(4)]
        there = [pool.submit(wait, receipt.sequence) for _ in range(4)]
        time.sleep(0.05)
        began = time.monotonic()
        store.close()
        assert [each.result() for each in never] == ["closed"] * 4
        assert {each.result() for each in there} <= {"closed", "reached"}
        assert time.monotonic() - began < 15
    for use in (store.frontier, lambda: store.wait_for(mark, 0)):
        with pytest.raises(batpak.StoreClosed):
            use()


INTERRUPTED = """
import os, signal, sys, threading
import batpak
with batpak.Store.open(sys.argv[1]) as store:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        store.wait_for("durable", 1000)
    except KeyboardInterrupt:
        print("interrupted", len(store))
"""


def test_ctrl_c_ends_a_wait(path: Path) -> None:
    assert child_says(INTERRUPTED, path) == "interrupted 1"


def test_after_a_failed_sync_nothing_more_becomes_durable() -> None:
    faults = Faults()
    store = open_store(MemoryDisk(), faults=faults, durability="manual")
    durable = store.append(COORD, 1, kind=KIND)
    store.sync()
    receipt = store.append(COORD, 2, kind=KIND)
    faults.arm(Fault(operation="sync", forever=True))
    for timeout in (None, 30):
        with pytest.raises(batpak.StorePoisoned):
            store.wait_for("durable", receipt, timeout=timeout)
    faults.heal()
    store.wait_for("durable", durable)
    with pytest.raises(batpak.StorePoisoned):
        store.wait_for("durable", receipt, timeout=1)
    frontier = store.frontier()
    assert frontier.durable == Mark(durable.sequence, durable.hlc)
    assert frontier.visible == frontier.written == Mark(receipt.sequence, receipt.hlc)
    with pytest.raises(batpak.StorePoisoned):
        store.close()


# -- visibility -------------------------------------------------------------------------------------------------------


def test_a_writer_that_shows_only_what_is_durable(path: Path) -> None:
    with Store.open(path, visibility="durable", durability="manual") as store:
        store.append(COORD, 1, kind=KIND)
        frontier = store.frontier()
        assert frontier.written is not None
        assert frontier.visible == frontier.durable
        assert frontier.visible is None or frontier.visible < frontier.written

        with ThreadPoolExecutor(1) as other:
            # Who wrote nothing waits for nothing, and sees what is durable.
            assert other.submit(payloads, store).result() == []
            # A thread that reads what it wrote itself waits for its sync.
            assert payloads(store) == [1]
            assert other.submit(payloads, store).result() == [1]


@pytest.mark.parametrize("batch", [False, True])
def test_read_your_writes_where_only_durable_events_are_shown(path: Path, batch: bool) -> None:
    with Store.open(path, visibility="durable", durability="manual", segment_bytes=16_384) as store:

        def write(writer: int) -> None:
            own = Coordinate(f"own:{writer}", "s")
            for number in range(30):
                if batch:
                    receipt = store.append_batch([(own, number), (own, number)], kind=KIND)[-1]
                else:
                    receipt = store.append(own, number, kind=KIND, expect=batpak.ANY)
                if number % 3 == 0:
                    assert store.get(receipt.event_id).payload == number
                elif number % 3 == 1:
                    assert [event.payload for event in store.query(entity=own.entity, reverse=True, limit=1)] == [
                        number
                    ]
                else:
                    assert next(store.walk_ancestors(receipt.sequence)).sequence == receipt.sequence

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, range(WRITERS)))


def test_expect_and_keys_ask_the_writer_and_not_the_readers(path: Path) -> None:
    with Store.open(path, visibility="durable", durability="manual") as store:
        first = store.append(COORD, 1, kind=KIND, expect=batpak.NEW, key="k")
        with pytest.raises(batpak.ExpectationFailed):
            store.append(COORD, 2, kind=KIND, expect=batpak.NEW)
        assert store.append(COORD, 1, kind=KIND, key="k") == first
        assert store.stats().durable_events <= 1


def test_reach_visible_where_only_durable_events_are_shown(path: Path) -> None:
    with Store.open(path, visibility="durable", durability="manual") as store:
        receipt = store.append(COORD, 1, kind=KIND, reach="visible", timeout=30)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(payloads, store).result() == [1]
        assert store.frontier().durable == Mark(receipt.sequence, receipt.hlc)


# -- readers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visibility", ["written", "durable"])
def test_a_reader_waits_for_another_process(path: Path, visibility: Any) -> None:
    code = """
import sys
from batpak import Coordinate, Store
with Store.open(sys.argv[1], durability="manual") as store:
    print("open", flush=True)
    sys.stdin.readline()
    store.append(Coordinate("a", "b"), 1, kind=0xF001)
    print("written", flush=True)
    sys.stdin.readline()
    store.sync()
    print("synced", flush=True)
    sys.stdin.readline()
"""
    with running_child(code, path) as child:
        assert child.stdin is not None
        assert child.stdout is not None

        def go_on() -> None:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()

        child.stdout.readline()
        with Store.open(path, read_only=True, visibility=visibility) as reader, ThreadPoolExecutor(1) as pool:
            wait = pool.submit(reader.wait_for, "visible", 1, timeout=40)
            go_on()
            child.stdout.readline()
            if visibility == "written":
                wait.result()
                frontier = reader.frontier()
                assert frontier.visible is not None
                assert frontier.visible.sequence == 1
                laws(frontier)
                with pytest.raises(batpak.MarkTimeout):
                    reader.wait_for("durable", 1, timeout=0.1)
            else:
                with pytest.raises(batpak.MarkTimeout):
                    reader.wait_for("visible", 1, timeout=0.1)
            go_on()
            child.stdout.readline()
            reader.wait_for("durable", 1, timeout=40)
            wait.result()
            laws(reader.frontier())
        child.stdin.close()
        assert child.wait(30) == 0


def test_a_reader_does_not_write(journal: Path) -> None:
    with Store.open(journal, read_only=True) as reader:
        for write in (
            lambda: reader.append(COORD, 1, kind=KIND, reach="durable"),
            lambda: reader.append(COORD, 1, kind=KIND, gates=[]),
            lambda: reader.append_batch([(COORD, 1)], kind=KIND, bypass=batpak.Bypass("a", "b")),
            lambda: reader.outbox(),
            lambda: reader.reacting_to(0).append(COORD, 1, kind=KIND),
            lambda: reader.reacting_to(0).outbox(),
        ):
            with pytest.raises(batpak.StoreReadOnly):
                write()
        laws(reader.frontier())
        reader.wait_for("durable", 0)
