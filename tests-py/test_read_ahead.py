"""Long iterations have their next pages read by a thread: nobody notices, but for the speed."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Coordinate, Kind, Store
from support import child_says

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = Kind(0xF, 1)
COUNT = 30_000
"""Enough for the thread to begin (behind about 4,000 events) and to wait for somebody to take its pages."""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ahead") / "journal"
    with Store.open(path, durability="manual", segment_bytes=262_144) as store:
        for begin in range(0, COUNT, 1000):
            items = [(Coordinate(f"e:{number % 7}", "s"), {"n": number}) for number in range(begin, begin + 1000)]
            store.append_batch(items, kind=KIND)
    return path


@pytest.fixture
def store(journal: Path) -> Iterator[Store]:
    with Store.open(journal, read_only=True) as store:
        yield store


def reading() -> set[str]:
    """Return the threads that read ahead."""
    found: set[str] = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if Path(f"/proc/self/task/{task}/comm").read_text().strip() == "batpak-read":
                found.add(task)
    return found


def readers() -> int:
    return len(reading())


def gone(limit_s: float = 10) -> bool:
    """Whether no reading thread is left, which may take a moment."""
    end = time.monotonic() + limit_s
    while readers() and time.monotonic() < end:
        time.sleep(0.01)
    return readers() == 0


def test_every_event_comes_once_and_in_order(store: Store) -> None:
    events = store.query()
    assert [event.payload["n"] for event in events] == list(range(COUNT))
    assert events.examined == COUNT + 1  # and the journal's own first event
    assert list(events) == []
    backwards = store.query(reverse=True)
    assert [event.payload["n"] for event in backwards] == list(range(COUNT))[::-1]
    assert len(list(store.query(entity="e:3", limit=800))) == 800
    assert gone()


def test_an_iterator_that_is_dropped_leaves_no_thread(store: Store) -> None:
    for _ in range(20):
        events = store.query()
        for _, event in zip(range(5_000), events, strict=False):
            assert event.kind == KIND
        del events
    gc.collect()
    assert gone()


def test_more_long_iterations_than_threads_for_them(store: Store) -> None:
    iterators = [store.query() for _ in range(12)]
    found: list[list[int]] = [[] for _ in iterators]
    for _ in range(COUNT):
        for events, numbers in zip(iterators, found, strict=True):
            numbers.append(next(events).sequence)
    assert readers() <= max(1, min(4, len(os.sched_getaffinity(0)) - 1))
    assert all(numbers == found[0] for numbers in found)
    assert all(next(events, None) is None for events in iterators)
    assert gone()


def test_threads_that_read_at_the_same_time_read_for_themselves(store: Store) -> None:
    assert gone()
    found: list[list[int]] = [[], []]
    turn, most = threading.Barrier(2, timeout=60), 0

    def read(numbers: list[int]) -> None:
        for position, event in enumerate(store.query()):
            numbers.append(event.payload["n"])
            if position % 500 == 0:
                turn.wait()  # each reads a page or two, then the other

    threads = [threading.Thread(target=read, args=(numbers,)) for numbers in found]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, readers())
        time.sleep(0.001)
    assert most == 0
    assert found == [list(range(COUNT))] * 2


def test_a_thread_that_reads_ahead_ends_when_another_comes_and_one_begins_when_it_is_gone(store: Store) -> None:
    assert gone()
    alone = store.query()
    given = [next(alone).payload["n"] for _ in range(5_000)]
    [first] = reading()
    other = threading.Thread(target=lambda: next(store.query()))
    other.start()
    other.join()
    given += [next(alone).payload["n"] for _ in range(4_500)]  # what it had read is still taken
    end = time.monotonic() + 10
    while first in reading() and time.monotonic() < end:
        time.sleep(0.01)
    assert first not in reading()
    given += [next(alone).payload["n"] for _ in range(7_000)]
    assert readers() == 1
    given += [event.payload["n"] for event in alone]
    assert given == list(range(COUNT))
    assert gone()


def test_a_store_that_is_closed_meanwhile_says_so(journal: Path) -> None:
    store = Store.open(journal, read_only=True)
    events = store.query()
    for _ in range(5_000):
        next(events)
    store.close()
    with pytest.raises(batpak.StoreClosed):
        list(events)
    with pytest.raises(batpak.StoreClosed):
        next(events)
    del events
    assert gone()


def test_damage_far_ahead_is_told_where_it_is(tmp_path: Path) -> None:
    with Store.open(tmp_path / "journal") as store:
        store.append_batch([(Coordinate("a", "b"), {"n": number}) for number in range(12_000)], kind=KIND)
    log = next((tmp_path / "journal" / "segments").glob("*.log"))
    with Store.open(tmp_path / "journal", read_only=True) as store:
        wanted = store.get(10_500)
        data = log.read_bytes()
        at = data.index(wanted.header)
        log.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        events, read = store.query(), 0
        with pytest.raises(batpak.JournalDamaged) as caught:
            for event in events:
                read += 1
                assert event.payload["n"] == read - 1
        assert caught.value.sequence == 10_500
        assert 10_500 - 2_048 <= read < 10_500
        with pytest.raises(batpak.JournalDamaged):
            next(events)
        del events
    assert gone()


def test_a_forked_child_does_not_wait_for_its_parents_thread(journal: Path) -> None:
    said = child_says(
        f"""
import os, sys
import batpak
store = batpak.Store.open({str(journal)!r}, read_only=True)
events = store.query()
for _ in range(5000):
    next(events)
child = os.fork()
if child == 0:
    try:
        list(events)
    except batpak.ForkedStore:
        os._exit(7)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sum(1 for _ in events))
store.close()
"""
    )
    assert said.split() == ["7", str(COUNT - 5_000)]


def test_ctrl_c_ends_a_long_fold(store: Store) -> None:
    def fold(state: int, event: batpak.Event) -> int:
        if state == 8_000:
            os.kill(os.getpid(), signal.SIGINT)
        return state + 1

    with pytest.raises(KeyboardInterrupt):
        store.project(fold, initial=0)
    assert gone()


def test_two_threads_may_not_share_one_iterator(store: Store) -> None:
    events, errors, going = store.query(), [], threading.Barrier(3)
    given: list[int] = []

    def read() -> None:
        going.wait()
        while True:
            try:
                given.append(next(events).sequence)
            except ValueError as error:
                errors.append(error)
            except StopIteration:
                return

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == [event.sequence for event in store.query()]


def test_a_writer_beside_long_iterations_loses_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "journal", durability="manual", segment_bytes=65_536) as store:
        store.append_batch([(Coordinate("a", "b"), {"n": number}) for number in range(9_000)], kind=KIND)
        for events in [store.query(), store.query()]:
            for position, event in enumerate(events):
                assert event.payload["n"] == position
                if position % 100 == 0:
                    store.append(Coordinate("x", "y"), {"n": -1}, kind=Kind(0xF, 2))
                if position == 8_999:
                    break
    assert gone()
