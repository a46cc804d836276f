"""Forked children, worker processes and subprocesses beside an open store."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Store
from support import COORD, KIND, child_says, exit_of_fork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    # A fork beside other threads is what these tests are about.
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning",
)


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child; return 0 if it returned, else 1. Nothing else of the parent runs in the child."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return exit_of_fork(pid)


def expect(error: type[BaseException], use: Callable[[], object]) -> None:
    try:
        use()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def test_a_forked_child_is_refused_and_harmless(store: Store, path: Path, tmp_path: Path) -> None:
    receipt = store.append(COORD, 1, kind=KIND)
    pages = store.query()
    ancestors = store.walk_ancestors(receipt.sequence)

    def child() -> None:
        uses: list[Callable[[], object]] = [
            lambda: store.append(COORD, 2, kind=KIND),
            lambda: store.append_batch([(COORD, 2)], kind=KIND),
            lambda: store.get(0),
            lambda: store.query(),
            lambda: next(pages),
            store.sync,
            store.stats,
            store.verify,
            lambda: store.verify_receipt(receipt),
            lambda: store.walk_ancestors(0),
            lambda: len(store),
        ]
        for use in uses:
            expect(batpak.ForkedStore, use)
        assert next(ancestors).sequence == receipt.sequence
        assert "forked" in repr(store)
        assert "forked" in store._repr_html_()
        # The journal is still its parent's; another one is free.
        expect(batpak.StoreLocked, lambda: Store.open(path))
        with Store.open(tmp_path / "childs") as own:
            own.append(COORD, "child", kind=KIND)
        with Store.open(path, read_only=True) as reader:
            assert reader.get(receipt.sequence).payload == 1
        store.close()
        gc.collect()

    assert forked(child) == 0
    with pytest.raises(batpak.StoreLocked) as caught:
        Store.open(path)
    assert caught.value.pid == os.getpid()
    store.append(COORD, 3, kind=KIND)
    assert [event.payload for event in pages] == [1]
    assert store.verify().ok
    with Store.open(tmp_path / "childs") as other:
        assert [event.payload for event in other.query()] == ["child"]


@pytest.mark.parametrize(
    "ending", ["sys.exit(0)", "os._exit(0)", "raise SystemExit", "del store; gc.collect()", "store.close()"]
)
def test_a_childs_end_does_not_touch_the_journal(path: Path, ending: str) -> None:
    code = f"""
import gc, os, sys, batpak
store = batpak.Store.open(sys.argv[1], durability="manual")
store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001)
events = store.query()
pid = os.fork()
if pid == 0:
    {ending}
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
try:
    batpak.Store.open(sys.argv[1])
except batpak.StoreLocked as error:
    print(error.pid == os.getpid())
store.append(batpak.Coordinate("a", "b"), 2, kind=0xF001)
print(len(list(events)), store.sync(), store.verify().ok)
store.close()
batpak.Store.open(sys.argv[1]).close()
"""
    assert child_says(code, path).splitlines() == ["True", "1 3 True"]
    assert batpak.verify(path).ok


def test_a_child_that_lives_on_does_not_hold_the_lock(path: Path) -> None:
    store = Store.open(path)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        # The parent's close frees the lock though the child, which may not even have run yet, still has its copy.
        store.close()
        Store.open(path).close()
    finally:
        os.close(writing)
        os.close(reading)
        assert exit_of_fork(pid) == 0


def test_forks_while_threads_append(path: Path) -> None:
    with Store.open(path, durability="interval", interval_ms=1) as store:
        going = threading.Event()
        going.set()

        def write() -> None:
            while going.is_set():
                store.append(COORD, bytes(200), kind=KIND)
                list(store.query(limit=20))

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(40):
                assert forked(lambda: expect(batpak.ForkedStore, lambda: store.append(COORD, 1, kind=KIND))) == 0
        finally:
            going.clear()
            for thread in threads:
                thread.join()
        assert store.verify().ok
        assert [event.clock for event in store.entity("order:1")] == list(range(len(store) - 1))


def open_in_process(path: str) -> str:
    """For multiprocessing: what a worker process gets."""
    try:
        Store.open(path)
    except batpak.StoreLocked:
        pass
    else:
        return "not locked"
    with Store.open(path, read_only=True) as reader, Store.open(f"{path}-{os.getpid()}") as own:
        receipt = own.append(COORD, reader.get(1).payload, kind=KIND)
        return receipt.to_json()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(store: Store, path: Path, method: str) -> None:
    store.append(COORD, "parent", kind=KIND)
    with multiprocessing.get_context(method).Pool(2) as pool:
        receipts = [batpak.AppendReceipt.from_json(text) for text in pool.map(open_in_process, [str(path)] * 4)]
        pool.close()
        pool.join()
    assert all(batpak.verify_receipt(receipt).ok for receipt in receipts)
    store.append(COORD, "after", kind=KIND)
    assert store.verify().ok


def test_closing_frees_the_lock_while_others_start_processes(path: Path) -> None:
    """Between fork and exec a child holds a copy of every descriptor, also of one that the parent has closed meanwhile."""
    going = threading.Event()
    going.set()

    def start_processes() -> None:
        while going.is_set():
            subprocess.run([sys.executable, "--version"], stdout=subprocess.DEVNULL, check=True)

    threads = [threading.Thread(target=start_processes) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(150):
            Store.open(path).close()
    finally:
        going.clear()
        for thread in threads:
            thread.join()


def test_subprocesses_do_not_inherit_the_lock(path: Path) -> None:
    with Store.open(path):
        sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        Store.open(path).close()
    finally:
        sleeper.communicate(b"\n")
