"""Readers beside a writer: what they see is right, whole and in order, whatever becomes of the writer."""

from __future__ import annotations

import json
import os
import queue
import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import Coordinate, Store
from plain_reader.frame import decode_frontier
from readers_support import everything, filled, index_files, put_in_place
from support import CHILD_TIMEOUT_S, COORD, KIND, contents_and_times, running_child

MODES = ["always", "interval", "manual"]
HAMMER = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import hammer; hammer.main()"
# Seconds for all three modes together; minutes find more.
HAMMER_S = float(os.environ.get("BATPAK_HAMMER_S", "6"))


def spoil_some(path: Path, chance: random.Random) -> None:
    """Nothing depends on index files."""
    for each in chance.sample(index_files(path), 1 if chance.random() < 0.5 else 0):
        if chance.random() < 0.5:
            each.unlink(missing_ok=True)
        else:
            put_in_place(each, chance.randbytes(chance.choice([0, 1, 3000])))


def hammered(path: Path, out: Path, durability: str, seconds: float, chance: random.Random) -> list[dict[str, str]]:
    """Let readers look while writers come and are killed; return what each reader saw."""
    with running_child(HAMMER, "write", path, durability, 0) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        with (
            running_child(HAMMER, "read", path, "written", 1, out / "1") as one,
            running_child(HAMMER, "read", path, "durable", 2, out / "2") as two,
        ):
            readers = [one, two]
            for reader in readers:
                assert reader.stdout is not None
                assert reader.stdout.readline() == "open\n"
            first.kill()
            end = time.monotonic() + seconds
            number = 0
            while time.monotonic() < end and all(reader.poll() is None for reader in readers):
                number += 1
                with running_child(HAMMER, "write", path, durability, number) as writer:
                    assert writer.stdout is not None
                    assert writer.stdout.readline() == "open\n"
                    for _ in range(2):
                        time.sleep(min(chance.uniform(0, 0.3), max(0.0, end - time.monotonic())))
                        spoil_some(path, chance)
            for reader in readers:
                told, _ = reader.communicate(timeout=60)
                assert (told, reader.returncode) == ("done\n", 0), told
    return [json.loads((out / name).read_text()) for name in ("1", "2")]


@pytest.mark.timeout(60 + 5 * HAMMER_S)
@pytest.mark.parametrize("durability", MODES)
def test_readers_beside_writers_that_are_killed(path: Path, tmp_path: Path, durability: str) -> None:
    seen = hammered(path, tmp_path, durability, HAMMER_S / 3, random.Random(durability))
    with Store.open(path, read_only=True) as reader:
        events = [event.event_hash.hex() for event in reader.query(system=True)]
        durable = reader.open_report.durable_events
        assert {finding.code for finding in reader.verify().findings} <= {"index_mismatch"}
    for hashes in seen:
        assert hashes == {str(n): events[n] for n in range(len(hashes))}
    assert len(seen[0]) == len(events)
    assert len(seen[1]) <= durable
    with Store.open(path) as store:
        assert [event.event_hash.hex() for event in store.query(system=True, until=len(events) - 1)] == events
        assert {finding.code for finding in store.verify().findings} <= {"index_mismatch"}


# -- one writer, looked at step by step -------------------------------------------------------------------------------


def test_a_reader_from_the_first_segment_on(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store, Store.open(path, read_only=True) as reader:
        assert len(reader) == 1
        for n in range(200):
            store.append(COORD, n, kind=KIND)
            if n % 7 == 0:
                assert reader.refresh() == n + 2
                assert reader.get(n + 1).payload == n
        assert reader.refresh() == 201
        assert reader.stats().segments == store.stats().segments > 5
        assert list(reader.query(system=True)) == list(store.query(system=True))
        assert list(reader.entity("order:1")) == list(store.entity("order:1"))


def test_many_readers_of_one_writer(path: Path) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(path, segment_bytes=4096))
        readers: list[Store] = []
        for n in range(20):
            store.append_batch([(COORD, [n, each]) for each in range(10)], kind=KIND)
            readers.append(stack.enter_context(Store.open(path, read_only=True)))
        expected = list(store.query(system=True))
        for number, reader in enumerate(readers):
            assert len(reader) == 11 + 10 * number
            assert list(reader.query(system=True)) == expected[: len(reader)]
        assert [reader.refresh() for reader in readers] == [201] * 20
        assert all(list(reader.query(system=True)) == expected for reader in readers)


def test_a_reader_shows_what_was_there_until_it_is_refreshed(path: Path) -> None:
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        begun = reader.query(system=True)
        receipt = store.append(COORD, 1, kind=KIND)
        for ref in (receipt.sequence, receipt.event_id):
            with pytest.raises(batpak.EventNotFound):
                reader.get(ref)
        assert len(reader) == 1
        assert list(reader.query()) == list(reader.entity("order:1")) == []
        assert reader.refresh() == 2
        assert reader.get(receipt.event_id).payload == 1
        # A query gives what was visible when it began.
        assert [event.sequence for event in begun] == [0]


def test_only_what_is_synced_is_visible_to_a_durable_reader(path: Path) -> None:
    with (
        Store.open(path, durability="manual", segment_bytes=2**20) as store,
        Store.open(path, read_only=True, visibility="durable") as reader,
        Store.open(path, read_only=True) as other,
    ):
        store.sync()
        assert reader.refresh() == 1
        for n in range(5):
            receipt = store.append(COORD, n, kind=KIND)
            before = len(store) - 1
            assert decode_frontier((path / "frontier").read_bytes()).synced_through == before
            assert (reader.refresh(), other.refresh()) == (before, before + 1)
            assert len(reader) == before
            assert len(list(reader.query(system=True))) == len(list(reader.query(system=True, reverse=True))) == before
            for ref in (receipt.sequence, receipt.event_id):
                with pytest.raises(batpak.EventNotFound):
                    reader.get(ref)
            with pytest.raises(batpak.EventNotFound):
                reader.walk_ancestors(receipt.sequence)
            assert list(reader.follow(after=before - 1, timeout=0)) == []
            assert store.sync() == reader.refresh() == before + 1
            assert reader.get(receipt.event_id).payload == n


def test_readers_leave_no_trace(path: Path) -> None:
    filled(path, 200)
    with running_child(HAMMER, "write", path, "manual", 1) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        writer.kill()
        writer.wait()
    before = contents_and_times(path)
    with Store.open(path, read_only=True) as one, Store.open(path, read_only=True, visibility="durable") as two:
        for reader in (one, two):
            everything(reader)
            reader.refresh()
            assert len(list(reader.follow(timeout=0))) >= 200
            reader.stats()
            assert reader.verify().ok
        assert contents_and_times(path) == before
        # Nobody holds the lock.
        with Store.open(path) as store:
            store.append(COORD, 1, kind=KIND)
            assert one.refresh() == len(store)
    # And without the right to write, or index files, it is the same.
    for each in [*path.glob("segments/*.idx"), *path.glob("heads/*")]:
        each.unlink()
    before = contents_and_times(path)
    with Store.open(path, read_only=True) as reader:
        everything(reader)
    assert contents_and_times(path) == before


def test_a_live_reader_of_a_killed_writer(path: Path) -> None:
    code = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], durability="manual", segment_bytes=4096)
print("open", flush=True)
sys.stdin.read(1)
for n in range(100):
    print(store.append(batpak.Coordinate("a", "b"), n, kind=0xF001).event_hash.hex(), flush=True)
sys.stdin.read()
"""
    with running_child(code, path) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == "open\n"
        with Store.open(path, read_only=True) as reader:
            follow = reader.follow(timeout=CHILD_TIMEOUT_S)
            writer.stdin.write("x")
            writer.stdin.flush()
            told = [bytes.fromhex(writer.stdout.readline()) for _ in range(100)]
            writer.kill()
            writer.wait()
            assert [next(follow).event_hash for _ in told] == told
            assert reader.refresh() == 101
            assert [event.event_hash for event in reader.query()] == told
            with Store.open(path) as store:
                assert reader.refresh() == len(store) == 102


def test_threads_of_one_reader(path: Path) -> None:
    ends = threading.Event()
    wrong: list[BaseException] = []

    def look(reader: Store, seed: int) -> None:
        chance = random.Random(seed)
        visible = 0
        try:
            while not ends.is_set():
                now = reader.refresh()
                assert now >= visible
                visible = now
                first = chance.randrange(visible)
                found = list(reader.query(after=first, system=True, reverse=True))
                assert [event.sequence for event in found] == list(range(first + len(found), first, -1))
                assert first + len(found) >= visible - 1
                assert all(event.payload == event.sequence for event in found if not event.is_system)
        except BaseException as error:  # noqa: BLE001 - told to the test
            wrong.append(error)

    with Store.open(path, segment_bytes=4096, durability="manual") as store, Store.open(path, read_only=True) as reader:
        threads = [threading.Thread(target=look, args=(reader, seed)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for n in range(600):
            store.append(COORD, n + 1, kind=KIND)
        ends.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert reader.refresh() == 601


# -- follow -----------------------------------------------------------------------------------------------------------


def test_follow_filters_and_places(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store, Store.open(path, read_only=True) as reader:
        ways: list[dict[str, Any]] = [
            {}, {"system": True}, {"entity": "e:1"}, {"entity_prefix": "e"}, {"scope": "s"}, {"kind": KIND}, {"category": 15},
            {"metadata": {"m": "1"}}, {"after": 30}, {"entity": "rare", "after": 3}, {"correlation": bytes(16)},
        ]  # fmt: skip
        follows = [
            (way, each, each.follow(timeout=0, **way), list[batpak.Event]()) for way in ways for each in (store, reader)
        ]
        for n in range(150):
            entity = Coordinate("rare" if n % 97 == 5 else f"e:{n % 5}", "s")
            store.append(
                entity, n, kind=KIND, metadata={"m": str(n % 3)}, correlation_id=bytes(16) if n % 11 == 0 else None
            )
            for number, (_, _, follow, found) in enumerate(follows):
                if n % (number % 7 + 1) == 0:
                    found += follow
        for way, each, follow, found in follows:
            found += follow
            assert found == list(each.query(**way)), way
            assert list(follow) == []


def test_follow_from_beyond_the_end(path: Path) -> None:
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        follows = [each.follow(after=5, timeout=0) for each in (store, reader)]
        for n in range(1, 9):
            store.append(COORD, n, kind=KIND)
            for follow in follows:
                assert [event.payload for event in follow] == ([n] if n > 5 else [])
        assert list(store.follow(after=2**64 - 1, timeout=0)) == []


def test_follow_waits_as_long_as_it_is_told(path: Path) -> None:
    with Store.open(path) as store:
        for timeout in (0, 0.05, 0.2):
            begun = time.monotonic()
            assert list(store.follow(timeout=timeout)) == []
            assert time.monotonic() - begun >= timeout
        # The time counts from the last event.
        follow = store.follow(timeout=0)
        assert next(follow, None) is None
        store.append(COORD, 1, kind=KIND)
        assert next(follow).payload == 1
        assert next(follow, None) is None


@pytest.mark.parametrize("read_only", [False, True])
def test_follow_ends_when_the_store_is_closed(path: Path, read_only: bool) -> None:
    told: queue.SimpleQueue[object] = queue.SimpleQueue()

    def follow(store: Store) -> None:
        try:
            for event in store.follow():
                told.put(event.payload)
        except batpak.BatpakError as error:
            told.put(error)

    with Store.open(path) as store:
        followed = Store.open(path, read_only=True) if read_only else store
        with followed:
            threads = [threading.Thread(target=follow, args=(followed,), daemon=True) for _ in range(3)]
            for thread in threads:
                thread.start()
            store.append(COORD, 1, kind=KIND)
            assert [told.get(timeout=30) for _ in threads] == [1, 1, 1]
            followed.close()
            assert [type(told.get(timeout=30)) for _ in threads] == [batpak.StoreClosed] * 3
            for thread in threads:
                thread.join()


def test_follow_of_another_process(path: Path) -> None:
    code = """
import sys, batpak
with batpak.Store.open(sys.argv[1], read_only=True) as store:
    print("open", flush=True)
    for event in store.follow(timeout=50):
        print(event.payload, flush=True)
        if event.payload == 49:
            break
"""
    with Store.open(path, segment_bytes=4096) as store, running_child(code, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        for n in range(50):
            store.append(COORD, n, kind=KIND)
        assert [int(line) for line in child.stdout] == list(range(50))
        assert child.wait() == 0
