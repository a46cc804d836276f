"""Index files below readers and writers: spoilt, missing or not to be written, they change no answer."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from batpak import Coordinate, Store
from batpak.testing import Fault, Faults, MemoryDisk, open_store
from readers_support import everything, filled, index_files, put_in_place
from support import COORD, KIND, contents_and_times

if TYPE_CHECKING:
    from pathlib import Path


def delete(path: Path, other: Path) -> None:
    for each in index_files(path):
        each.unlink()


def damage(path: Path, other: Path) -> None:
    chance = random.Random(1)
    for number, each in enumerate(index_files(path)):
        data = each.read_bytes()
        at = chance.randrange(len(data))
        spoilt = [
            chance.randbytes(len(data)), b"", data[:at], data + b"\0",
            data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :],
        ]  # fmt: skip
        put_in_place(each, spoilt[number % 5])


def swap(path: Path, other: Path) -> None:
    """With those of another journal, and with one another."""
    files = index_files(path)
    datas = [each.read_bytes() for each in files]
    for number, each in enumerate(files):
        foreign = other / each.relative_to(path)
        put_in_place(each, foreign.read_bytes() if number % 2 and foreign.exists() else datas[number - 1])


HARMS = [delete, damage, swap]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("asked_before", [False, True])
def test_index_files_spoilt_under_a_live_reader(path: Path, tmp_path: Path, harm: Any, asked_before: bool) -> None:
    filled(path, 400)
    filled(tmp_path / "other", 400)
    with Store.open(path, read_only=True) as reader:
        expected = everything(reader)
    with Store.open(path, read_only=True) as reader:
        if asked_before:
            assert everything(reader) == expected
        harm(path, tmp_path / "other")
        before = contents_and_times(path)
        assert everything(reader) == expected
        assert reader.refresh() == 401
    with Store.open(path, read_only=True) as reader:
        assert everything(reader) == expected
    assert contents_and_times(path) == before


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("asked_before", [False, True])
def test_index_files_spoilt_under_a_live_writer(path: Path, tmp_path: Path, harm: Any, asked_before: bool) -> None:
    filled(path, 400)
    filled(tmp_path / "other", 400)
    with Store.open(path, segment_bytes=4096) as store, Store.open(path, read_only=True) as reader:
        expected = everything(store)
        assert everything(reader) == expected
        store.append(COORD, 1, kind=KIND)
    with Store.open(path, segment_bytes=4096) as store, Store.open(path, read_only=True) as reader:
        if asked_before:
            expected = everything(store)
        harm(path, tmp_path / "other")
        if asked_before:
            assert everything(store) == expected
        for n in range(100):
            store.append(
                Coordinate(["rare", "new", f"e:{n % 5}"][n % 3], "s"), {"n": n}, kind=KIND, metadata={"m": "1"}
            )
            # Each new event follows the last one of its entity, wherever that is.
            assert len(list(store.walk_ancestors(len(store) - 1, limit=3))) == min(
                3, store.get(len(store) - 1).clock + 1
            )
        events = list(store.query(system=True))
        assert reader.refresh() == len(events)
        assert list(reader.query(system=True)) == events
        assert everything(reader) == everything(store)
        assert store.stats().index_failure is None
        clocks: dict[str, int] = {}
        for event in events:
            assert event.clock == clocks.get(event.entity, 0)
            clocks[event.entity] = event.clock + 1
        expected = everything(store)
    with Store.open(path, read_only=True) as reader:
        assert everything(reader) == expected
        assert {finding.code for finding in reader.verify().findings} <= {"index_mismatch"}
    # Whoever opens it for writing and asks makes whole files again.
    with Store.open(path, segment_bytes=4096) as store:
        assert everything(store)
    with Store.open(path, segment_bytes=4096) as store:
        assert everything(store)
        assert (store.open_report.indexes_rebuilt, store.stats().indexes_rebuilt) == (0, 0)
        assert store.verify().ok


def test_the_open_report_counts_index_files(path: Path) -> None:
    filled(path, 400)
    sealed = len(list(path.glob("segments/*.log"))) - 1
    assert len(list(path.glob("segments/*.idx"))) >= sealed > 5
    gone = sorted(path.glob("segments/*.idx"))[2:5]
    for each in gone:
        each.unlink()
    for _ in range(2):
        with Store.open(path, read_only=True) as reader:
            assert reader.open_report.indexes_rebuilt == 3
            assert not any(each.exists() for each in gone)
    with Store.open(path, segment_bytes=4096) as store:
        assert store.open_report.indexes_rebuilt == 3
        assert all(each.exists() for each in gone)
    with Store.open(path, read_only=True) as reader:
        assert reader.stats().index_bytes == sum(each.stat().st_size for each in index_files(path))
    with Store.open(path, segment_bytes=4096) as store:
        assert store.open_report.indexes_rebuilt == 0
        expected = everything(store)
    # Other keys than before have every index made again, and then they stay.
    for keys, rebuilt in (["m"], 0), (["m", "k"], sealed), (None, 0), (["k", "m", "k"], 0), ([], sealed):
        with Store.open(path, segment_bytes=4096, index_metadata=keys) as store:
            assert store.open_report.indexes_rebuilt in (rebuilt, rebuilt + 1 if rebuilt else 0), keys
            assert everything(store)[1] == expected[1]
            assert store.verify().ok


def test_a_damaged_index_file_is_counted_when_it_is_met(path: Path) -> None:
    filled(path, 400)
    files = sorted(path.glob("segments/*.idx"))
    put_in_place(files[3], bytes(files[3].stat().st_size))
    with Store.open(path, segment_bytes=4096) as store:
        assert store.open_report.indexes_rebuilt == 0
        everything(store)
        assert store.stats().indexes_rebuilt == 1
        everything(store)
        assert store.stats().indexes_rebuilt == 1
    with Store.open(path, segment_bytes=4096) as store:
        everything(store)
        assert store.stats().indexes_rebuilt == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="create", file="segments/*.idx*", error="EACCES", forever=True),
        Fault(operation="write", file="segments/*.idx*", error="EDQUOT", forever=True),
        Fault(operation="write", file="heads/*", error="ENOSPC", effect="short", short_bytes=9, forever=True),
        Fault(operation="rename", file="segments/*.idx*", forever=True),
        Fault(operation="create directory", file="heads", error="EROFS", forever=True),
    ],
    ids=lambda fault: f"{fault.operation} {fault.file}",
)
def test_index_files_that_cannot_be_written(fault: Fault) -> None:
    disk, faults = MemoryDisk(), Faults(fault)
    with open_store(disk, faults=faults, segment_bytes=4096, durability="manual") as store:
        for n in range(200):
            store.append(Coordinate(f"e:{n % 7}", "s"), {"n": n}, kind=KIND)
        deadline = time.monotonic() + 30
        while store.stats().index_failure is None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert store.stats().index_failure is not None
        assert fault.file.split("/")[0] in store.stats().index_failure
        expected = everything(store)
        events = list(store.query(system=True))
        assert [event.payload["n"] for event in events[1:]] == list(range(200))
        # It heals by itself with the next segment that is sealed.
        image = disk.copy()
        faults.heal()
        for n in range(200, 240):
            store.append(Coordinate(f"e:{n % 7}", "s"), {"n": n}, kind=KIND)
        deadline = time.monotonic() + 30
        while store.stats().index_failure is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert store.stats().index_failure is None
    with open_store(disk, segment_bytes=4096) as store:
        assert store.open_report.indexes_rebuilt == 0
        assert store.verify().ok
    # As if it had been killed instead: the next open makes the files.
    with open_store(image, segment_bytes=4096) as store:
        if fault.file.startswith("segments"):
            assert store.open_report.indexes_rebuilt > 5
        assert list(store.query(system=True, until=200)) == events
        assert store.stats().index_bytes > 0
        assert store.verify().ok
    with open_store(image, read_only=True) as reader:
        assert reader.open_report.indexes_rebuilt == 0
        assert [event.event_hash for event in reader.query(system=True, until=200)] == expected[0]
