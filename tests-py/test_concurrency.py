"""Threads, signals, and the end of the interpreter."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Store
from plain_reader import read_journal
from support import COORD, KIND, child_says, run_child, running_child

if TYPE_CHECKING:
    from pathlib import Path

WRITERS, READERS, EACH = 8, 4, 300


@pytest.mark.parametrize("durability", ["always", "interval", "manual"])
def test_writers_and_readers(path: Path, durability: Any) -> None:
    each = EACH if durability != "always" else EACH // 10
    with Store.open(path, durability=durability, segment_bytes=65_536) as store:
        writing = threading.Event()
        writing.set()

        def write(writer: int) -> list[batpak.AppendReceipt]:
            receipts: list[batpak.AppendReceipt] = []
            own = Coordinate(f"own:{writer}", "s")
            while len(receipts) < each:
                number = len(receipts)
                if number % 10 == 9:
                    items: list[tuple[Coordinate, object]] = [(own, [writer, number]), (COORD, [writer, number])]
                    receipts += store.append_batch(items, kind=KIND)
                else:
                    receipts.append(store.append(own if number % 2 else COORD, [writer, number], kind=KIND))
                assert store.last_receipt() == receipts[-1]
                # Read your own writes, in every mode.
                assert store.get(receipts[-1].event_id).event_hash == receipts[-1].event_hash
            return receipts

        def read(reader: int) -> int:
            seen = rounds = 0
            while writing.is_set() or not rounds:
                rounds += 1
                start = max(seen - 50, 0)
                sequences = [event.sequence for event in store.query(system=True, after=start - 1 if start else None)]
                assert sequences == list(range(start, start + len(sequences)))
                assert start + len(sequences) >= seen
                seen = start + len(sequences)
                clocks = [event.clock for event in store.walk_ancestors(seen - 1)]
                assert clocks == list(range(len(clocks)))[::-1]
                if rounds % 5 == reader:
                    assert store.verify().ok
                    chain = [event.clock for event in store.entity("order:1")]
                    assert chain == list(range(len(chain)))
            return seen

        with ThreadPoolExecutor(WRITERS + READERS) as pool:
            reading = [pool.submit(read, reader) for reader in range(READERS)]
            done = [pool.submit(write, writer) for writer in range(WRITERS)]
            try:
                written = [receipt for each_writer in done for receipt in each_writer.result()]
            finally:
                writing.clear()
            assert all(reader.result() > 0 for reader in reading)
        assert sorted(receipt.sequence for receipt in written) == list(range(1, len(store)))
        by_sequence = sorted(written, key=lambda receipt: receipt.sequence)
        assert [receipt.event_id for receipt in by_sequence] == sorted(receipt.event_id for receipt in written)
        assert [receipt.hlc for receipt in by_sequence] == sorted(receipt.hlc for receipt in written)
        assert len({receipt.event_hash for receipt in written}) == len(written)
        for receipt in by_sequence[:: len(by_sequence) // 50]:
            assert store.verify_receipt(receipt).ok
        assert store.verify().ok
    assert batpak.verify(path).ok


def test_one_iterator_is_not_shared(store: Store) -> None:
    store.append_batch([(COORD, number) for number in range(5000)], kind=KIND)
    events = store.query()
    found: list[int] = []
    busy: list[ValueError] = []

    def take() -> None:
        while True:
            try:
                found.append(next(events).payload)
            except StopIteration:
                return
            except ValueError as error:  # like a generator that is entered twice
                busy.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(5000))


def test_closing_under_the_hands_of_others(path: Path) -> None:
    for _ in range(10):
        store = Store.open(path, durability="always")
        begun = threading.Barrier(5)
        told: list[batpak.AppendReceipt] = []

        def use(store: Store = store, begun: threading.Barrier = begun, told: Any = told) -> None:
            begun.wait()
            with pytest.raises(batpak.StoreClosed):
                while True:
                    told.append(store.append(COORD, 1, kind=KIND))
                    list(store.query(limit=3))
                    store.stats()

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        time.sleep(0.01)
        store.close()
        for thread in threads:
            thread.join()
        with Store.open(path) as again:
            assert all(again.get(receipt.sequence).event_hash == receipt.event_hash for receipt in told)
    assert batpak.verify(path).ok


# -- signals ----------------------------------------------------------------------------------------------------------

# The child says when the work begins and how long after the signal it ended; the parent only sends the signal.
LONG_WORK = """
import os, signal, sys, threading, time, batpak
path, work = sys.argv[1:]
store = batpak.Store.open(path)
sent = []
def interrupt():
    time.sleep(0.05)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
works = {
    "query": lambda: sum(1 for _ in store.query(kind=0xF001)),
    "scan": lambda: [list(store.query(kind=0xF002, scope="s")) for _ in range(100_000)],
    "verify": lambda: [store.verify() for _ in range(100)],
    "verify a directory": lambda: [batpak.verify(path) for _ in range(100)],
    "project": lambda: store.project(lambda state, event: state + event.clock, initial=0),
    "walk": lambda: [sum(1 for _ in store.walk_ancestors(len(store) - 1)) for _ in range(100)],
    "sync": lambda: [store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001, durability="always") for _ in range(10**6)],
}
threading.Thread(target=interrupt).start()
try:
    while True:
        works[work]()
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
receipt = store.append(batpak.Coordinate("a", "b"), "the store goes on", kind=0xF001)
assert store.get(receipt.event_id).payload == "the store goes on"
assert store.last_receipt() == receipt
store.close()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 300,000 events in one chain and several segments."""
    path = tmp_path_factory.mktemp("large") / "journal"
    with Store.open(path, segment_bytes=16 * 2**20, durability="manual") as store:
        for _ in range(6):
            store.append_batch([(Coordinate("a", "s"), {"n": 1})] * 50_000, kind=0xF001)
    return path


@pytest.mark.parametrize("work", ["query", "scan", "verify", "verify a directory", "project", "walk", "sync"])
def test_ctrl_c(large: Path, work: str) -> None:
    # 0.2 s is the promise; a busy machine may keep the process from running at all for a while, so the best of three counts.
    took: list[float] = []
    while not took or (took[-1] >= 0.2 and len(took) < 3):
        took.append(float(child_says(LONG_WORK, large, work)))
    assert min(took) < 0.2, took


def test_ctrl_c_from_outside(large: Path) -> None:
    code = """
import sys, batpak
print(1, flush=True)
try:
    while True:
        batpak.verify(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""
    with running_child(code, large) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert (child.stdout.read(), child.wait(20)) == ("interrupted\n", 0)


# -- the end of the interpreter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["always", "interval", "manual"])
@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "os._exit(3)", "1 / 0", "thread()", "keep()"])
def test_exit_without_close_loses_nothing(path: Path, durability: str, ending: str) -> None:
    code = f"""
import atexit, os, sys, threading, warnings, batpak
warnings.simplefilter("ignore", ResourceWarning)
store = batpak.Store.open(sys.argv[1], durability="{durability}", interval_ms=20)
def thread():
    worker = threading.Thread(target=lambda: [store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001) for _ in range(100)])
    worker.start()
def keep():
    cycle = [store]; cycle.append(cycle)
    atexit.register(lambda: print(store.append(batpak.Coordinate("a", "b"), 2, kind=0xF001).sequence, flush=True))
for number in range(50):
    print(store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001).sequence, flush=True)
{ending}
"""
    done = run_child(code, path)
    assert done.returncode == {"sys.exit(3)": 3, "os._exit(3)": 3, "1 / 0": 1}.get(ending, 0)
    assert "Fatal" not in done.stderr
    assert "panicked" not in done.stderr
    told = [int(line) for line in done.stdout.split()]
    assert told[:50] == list(range(1, 51))
    with Store.open(path) as store:
        assert store.open_report.path_taken == "clean"
        sequences = [event.sequence for event in store.query()]
        assert sequences[: len(told)] == told
        assert len(sequences) == (150 if ending == "thread()" else len(told))
        assert store.verify().ok
    assert read_journal(path).findings == []


def test_a_daemon_thread_that_appends_at_exit(path: Path) -> None:
    code = """
import sys, threading, batpak
store = batpak.Store.open(sys.argv[1])
def forever():
    while True:
        store.append(batpak.Coordinate("a", "b"), bytes(100), kind=0xF001)
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
while len(store) < 500:
    pass
"""
    for _ in range(3):
        done = run_child("import warnings; warnings.simplefilter('ignore')\n" + code, path)
        assert (done.returncode, done.stderr) == (0, "")
        with Store.open(path) as store:
            assert store.open_report.path_taken == "clean"
            assert store.verify().ok
