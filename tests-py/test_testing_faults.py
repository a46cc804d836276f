"""``batpak.testing.Faults``: storage that fails on cue, and what a program may rely on then."""

from __future__ import annotations

import errno
import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, get_args

import pytest

import batpak
from batpak.testing import Call, Fault, Faults, MemoryDisk, open_store
from batpak.testing._faults import Operation
from support import COORD, FIRST_LOG, KIND, payloads

if TYPE_CHECKING:
    from pathlib import Path


class Ledger:
    """A program that somebody might test: it pays orders, each once, and knows which it has confirmed."""

    def __init__(self, store: batpak.Store) -> None:
        self.store = store
        self.confirmed: list[int] = []

    def pay(self, number: int) -> None:
        self.store.append(
            batpak.Coordinate(f"order:{number}", "shop"), {"paid": number}, kind=KIND, durability="always"
        )
        self.confirmed.append(number)

    @staticmethod
    def paid(store: batpak.Store) -> list[int]:
        return [event.payload["paid"] for event in store.query(scope="shop")]


EFFECTS = [
    {},
    {"effect": "done"},
    {"effect": "short", "short_bytes": 30, "error": "ENOSPC"},
    {"forever": True},
    {"error": "EACCES"},
]


@pytest.mark.parametrize("options", EFFECTS, ids=str)
@pytest.mark.parametrize("power_cut", [False, True])
def test_every_call_fails_once_and_nothing_confirmed_is_lost(options: Any, power_cut: bool) -> None:
    for call in itertools.count(1):
        disk, faults = MemoryDisk(), Faults(Fault(call, **options))
        confirmed: list[int] = []
        try:
            with open_store(disk, faults=faults, segment_bytes=4096, durability="manual") as store:
                ledger = Ledger(store)
                confirmed = ledger.confirmed
                for number in range(10):
                    ledger.pay(number)
        except batpak.StoreError as error:
            assert isinstance(error, batpak.StorageError | batpak.StorePoisoned)
            assert faults.hits()
        if not faults.hits():
            assert confirmed == list(range(10))
            assert call > 50
            return
        with open_store(disk.crash() if power_cut else disk) as store:
            paid = Ledger.paid(store)
            assert paid[: len(confirmed)] == confirmed
            assert len(paid) - len(confirmed) <= 1, "at most the one that was being paid"
            assert store.verify().ok


def test_every_sync_fails_on_a_real_disk(tmp_path: Path) -> None:
    for call in itertools.count(1):
        path, faults = tmp_path / str(call), Faults(Fault(call, operation="sync"))
        confirmed: list[int] = []
        try:
            with open_store(path, faults=faults, durability="manual") as store:
                ledger = Ledger(store)
                confirmed = ledger.confirmed
                for number in range(4):
                    ledger.pay(number)
        except (batpak.StorageError, batpak.StorePoisoned):
            pass
        if not faults.hits():
            break
        assert [hit.operation for hit in faults.hits()] == ["sync"]
        with batpak.Store.open(path) as store:
            assert Ledger.paid(store)[: len(confirmed)] == confirmed
    assert call > 5
    assert batpak.verify(path).ok


def test_after_a_failed_sync_writing_is_over_until_the_journal_is_reopened() -> None:
    disk, faults = MemoryDisk(), Faults()
    store = open_store(disk, faults=faults, durability="always")
    store.append(COORD, 1, kind=KIND)
    faults.arm(Fault(operation="sync", file="segments/*"))
    with pytest.raises(batpak.StorePoisoned):
        store.append(COORD, 2, kind=KIND)
    faults.heal()
    with pytest.raises(batpak.StorePoisoned):
        store.append(COORD, 3, kind=KIND)
    assert payloads(store) == [1, 2]
    with pytest.raises(batpak.StorePoisoned):
        store.close()
    with open_store(disk, faults=faults) as store:
        assert payloads(store)[0] == 1
        store.append(COORD, 4, kind=KIND)
    assert [hit.file for hit in faults.hits()] == [FIRST_LOG]
    with open_store(disk.crash()) as store:
        assert payloads(store)[0] == 1
        assert payloads(store)[-1] == 4


def test_a_disk_fills_up_and_is_freed() -> None:
    disk, faults = MemoryDisk(), Faults()
    with open_store(disk, faults=faults, durability="manual") as store:
        store.append(COORD, 1, kind=KIND)
        faults.limit_space(100)
        with pytest.raises(batpak.StorageFull) as caught:
            store.append(COORD, bytes(100_000), kind=KIND)
        assert (caught.value.errno, caught.value.operation) == (errno.ENOSPC, "write")
        assert caught.value.filename == f"memory/{FIRST_LOG}"
        assert payloads(store) == [1]
        faults.heal()
        store.append(COORD, 2, kind=KIND)
        assert payloads(store) == [1, 2]
    with open_store(disk) as store:
        assert (payloads(store), store.open_report.path_taken) == ([1, 2], "clean")


def test_faults_count_from_when_they_are_armed() -> None:
    faults = Faults()
    with open_store(faults=faults, durability="manual") as store:
        made = len(faults.calls())
        assert made > 10
        assert [call.number for call in faults.calls()] == list(range(1, made + 1))
        faults.arm(Fault(2, operation="write", file="*.log", error="EDQUOT"))
        store.append(COORD, 1, kind=KIND)
        with pytest.raises(batpak.StorageFull, match="quota"):
            store.append(COORD, 2, kind=KIND)
        store.append(COORD, 3, kind=KIND)
        faults.arm(Fault(operation="write", error="EACCES", forever=True), Fault(operation="write", error="EROFS"))
        for _ in range(3):
            with pytest.raises(batpak.StoragePermission):
                store.append(COORD, 4, kind=KIND)
        faults.heal()
        assert payloads(store) == [1, 3]
        assert [hit.operation for hit in faults.hits()] == ["write"] * 4


def test_an_opening_can_fail() -> None:
    disk = MemoryDisk()
    open_store(disk).close()
    before = disk.files()
    with pytest.raises(batpak.StorageError, match="cannot lock memory/LOCK: Input/output error"):
        open_store(disk, faults=Faults(Fault(operation="lock")))
    with pytest.raises(batpak.StorageError) as caught:
        open_store(disk, faults=Faults(Fault(operation="open", file="segments/*")))
    assert isinstance(caught.value, OSError)
    assert (caught.value.errno, caught.value.operation) == (errno.EIO, "open")
    assert disk.files() == before
    with open_store(disk, read_only=True, faults=Faults(Fault(operation="write", forever=True))) as store:
        assert len(store) == 1


def test_the_record_of_calls() -> None:
    faults = Faults(Fault(1, operation="read", file="nothing like it"))
    with open_store(faults=faults, durability="manual") as store:
        before = len(faults.calls())
        store.append(COORD, bytes(100), kind=KIND)
        (write,) = faults.calls()[before:]
        assert (write.operation, write.file, write.failed) == ("write", FIRST_LOG, False)
        assert 100 < write.bytes
        store.sync()
        assert str(faults.calls()[before + 1]) == f"{before + 2}: sync {FIRST_LOG}"
    assert faults.hits() == []
    assert {call.operation for call in faults.calls()} <= set(get_args(Operation))
    assert all(call.bytes == 0 for call in faults.calls() if call.operation != "write")
    assert isinstance(faults.calls()[0], Call)
    assert pickle.loads(pickle.dumps(faults.calls())) == faults.calls()


@pytest.mark.parametrize(
    "options",
    [
        {"call": 0},
        {"call": -1},
        {"call": 2**64},
        {"operation": "fsync"},
        {"error": "EAGAIN"},
        {"effect": "sometimes"},
        {"effect": "short", "short_bytes": -1},
        {"short_bytes": 1},
    ],
    ids=str,
)
def test_faults_that_are_none_are_refused(options: Any) -> None:
    faults = Faults()
    with pytest.raises(batpak.InvalidInput):
        faults.arm(Fault(**options))
    with pytest.raises(batpak.InvalidInput):
        faults.limit_space(-1)
    assert repr(faults) == "<batpak.testing.Faults none armed; 0 calls, 0 failed>"
    with pytest.raises(TypeError):
        faults.arm("sync")  # type: ignore[arg-type]


def test_the_operations_are_those_of_the_core() -> None:
    for operation in get_args(Operation):
        Faults(Fault(operation=operation))
    with pytest.raises(batpak.InvalidInput, match=", ".join(get_args(Operation))):
        Faults(Fault(operation="fsync"))  # type: ignore[arg-type]


def test_threads_a_failing_disk_and_power_cuts() -> None:
    disk, faults = MemoryDisk(), Faults()
    confirmed: list[list[batpak.AppendReceipt]] = [[] for _ in range(4)]
    store = open_store(disk, faults=faults, segment_bytes=16384)
    faults.arm(Fault(100, operation="sync", file="segments/*.log", forever=True))
    beginning = threading.Barrier(5)

    def write(own: list[batpak.AppendReceipt]) -> None:
        beginning.wait()
        while True:
            own.append(store.append(COORD, bytes(50), kind=KIND, durability="always"))

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(write, own) for own in confirmed]
        beginning.wait()
        for seed in range(10):
            known = [receipt for own in confirmed for receipt in list(own)]
            with open_store(disk.crash("some", seed=seed)) as after:
                assert all(after.verify_receipt(receipt).ok for receipt in known)
                assert after.verify().ok
        ends = [writer.exception() for writer in writers]
    assert all(isinstance(end, batpak.StorePoisoned | batpak.StorageError) for end in ends), ends
    with pytest.raises(batpak.StorePoisoned):
        store.close()
    assert sum(map(len, confirmed)) >= 50
    with open_store(disk.crash()) as after:
        assert all(after.verify_receipt(receipt).ok for own in confirmed for receipt in own)
        assert after.verify().ok
    numbers = [call.number for call in faults.calls()]
    assert numbers == list(range(1, len(numbers) + 1))
