"""A crash takes what was never synced: readers who saw it are told once, and go on with what stands."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, JournalRewound, Store
from plain_reader.frame import scan_segment
from support import log_of, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Written and not synced: what was there stays in the operating system's hands, and this test puts less of it back.
CRASHING = """
import os, sys, batpak
path, word, count, segment_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = batpak.Store.open(path, durability="manual", segment_bytes=segment_bytes)
for _ in range(count):
    n = len(store)
    store.append(batpak.Coordinate("ab"[n % 2], "s"), [word, n], kind=0xF001)
os._exit(0)
"""


def write(path: Path, word: str, count: int, segment_bytes: int = 2**20) -> None:
    # It may say that it cut off a tail.
    assert run_child(CRASHING, path, word, count, segment_bytes).returncode == 0


def cut(path: Path, events: int) -> None:
    """Take from the last segment all but its frames before event ``events``."""
    log = log_of(path)
    data = log.read_bytes()
    count, end = int(log.stem), 64
    for frame in scan_segment(data, data[28:44]).frames:
        if count == events:
            break
        count, end = count + frame.count, frame.end
    assert count == events
    os.truncate(log, end)


def payloads(events: Any) -> list[Any]:
    return [event.payload for event in events if not event.is_system]


def numbered(word: str, first: int, before: int) -> list[list[Any]]:
    return [[word, n] for n in range(first, before)]


def test_refresh_tells_once_and_goes_on(path: Path) -> None:
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        assert reader.refresh() == 11
        old = list(reader.query(system=True))
        cut(path, 5)
        with pytest.raises(JournalRewound) as caught:
            reader.refresh()
        assert (caught.value.from_events, caught.value.to_events) == (11, 5)
        assert reader.refresh() == len(reader) == 5
        assert list(reader.query(system=True)) == old[:5]
        for gone in (old[5].sequence, old[10].event_id):
            with pytest.raises(batpak.EventNotFound):
                reader.get(gone)
        assert [event.sequence for event in reader.entity("b")] == [1, 3]
        write(path, "new", 8)
        assert reader.refresh() == 14
        # Event 5 is the one that the opening wrote.
        assert payloads(reader.query()) == numbered("old", 1, 5) + numbered("new", 6, 14)
        assert reader.stats().events == 14
        assert [event.sequence for event in reader.walk_ancestors(13)] == [13, 11, 9, 7, 3, 1]
        assert reader.verify().ok


@pytest.mark.parametrize("longer", [False, True])
def test_a_writer_that_recovers_meanwhile(path: Path, longer: bool) -> None:
    """The tail is damaged, cut off and replaced before the reader looks: as long as before, or longer."""
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        log = log_of(path)
        data = log.read_bytes()
        frame = scan_segment(data, data[28:44]).frames[6]
        log.write_bytes(data[: frame.offset + 30] + b"\xff" + data[frame.offset + 31 :])
        write(path, "new", 20 if longer else 3)
        assert len(list(path.glob("recovered/*"))) == 1
        with pytest.raises(JournalRewound) as caught:
            reader.refresh()
        assert (caught.value.from_events, caught.value.to_events) == (11, 6)
        visible = reader.refresh()
        assert payloads(reader.query()) == numbered("old", 1, 6) + numbered("new", 8, visible)
        assert [event.kind.code for event in reader.query(system=True, category=0)][1:] in ([6, 2], [2, 6])


@pytest.mark.parametrize("way", ["get", "get by id", "query", "query begun before", "walk", "entity", "stats"])
def test_no_way_of_reading_gives_what_is_gone(path: Path, way: str) -> None:
    """Whichever way a reader comes upon it first: it is told, or it gets what stands."""
    write(path, "old", 60)
    with Store.open(path, read_only=True) as reader:
        old = list(reader.query(system=True))
        begun = reader.query(system=True)
        assert next(begun) == old[0]
        cut(path, 31)
        write(path, "new", 60)
        ways: dict[str, Callable[[], Any]] = {
            "get": lambda: reader.get(40),
            "get by id": lambda: reader.get(old[40].event_id),
            "query": lambda: list(reader.query(system=True)),
            "query begun before": lambda: list(begun),
            "walk": lambda: list(reader.walk_ancestors(old[50].event_id)),
            "entity": lambda: list(reader.entity("a")),
            "stats": lambda: [reader.stats(), reader.refresh()],
        }
        with pytest.raises(JournalRewound) as caught:
            ways[way]()
        assert (caught.value.from_events, caught.value.to_events) == (61, 31)
        visible = reader.refresh()
        assert payloads(reader.query()) == numbered("old", 1, 31) + numbered("new", 32, visible)
        with pytest.raises(batpak.EventNotFound):
            reader.get(old[40].event_id)
        assert reader.get(40).payload == ["new", 40]


def test_follow_tells_once_and_goes_on_behind_what_stands(path: Path) -> None:
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        follow = reader.follow(timeout=0)
        some = reader.follow(entity="a", timeout=0)
        assert payloads(follow) == numbered("old", 1, 11)
        cut(path, 5)
        write(path, "new", 10)
        with pytest.raises(JournalRewound) as caught:
            list(follow)
        assert (caught.value.from_events, caught.value.to_events) == (11, 5)
        assert payloads(follow) == numbered("new", 6, 16)
        assert list(follow) == []
        # It had given out nothing yet.
        assert payloads(some) == [["old", 2], ["old", 4], *([["new", n] for n in range(6, 16, 2)])]


@pytest.mark.parametrize("first", ["refresh", "get", "follow"])
def test_every_follow_is_told(path: Path, first: str) -> None:
    """Whoever comes upon the rewind first, each follow that gave out what is gone says so, and leaves out nothing new."""
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        follow, other = reader.follow(timeout=0), reader.follow(timeout=0)
        assert payloads(follow) == payloads(other) == numbered("old", 1, 11)
        cut(path, 5)
        ways: dict[str, Callable[[], Any]] = {
            "refresh": reader.refresh,
            "get": lambda: reader.get(7),
            "follow": lambda: list(other),
        }
        with pytest.raises(JournalRewound):
            ways[first]()
        write(path, "new", 12)
        with pytest.raises(JournalRewound) as caught:
            list(follow)
        assert caught.value.to_events == 5
        assert payloads(follow) == numbered("new", 6, 18)


def test_every_query_that_is_under_way_is_told(path: Path) -> None:
    """A query gives the events of when it began, or says that it cannot; nothing that was appended later, and no gap."""
    write(path, "old", 60)
    with Store.open(path, read_only=True) as reader:
        begun = reader.query(entity="a")
        given = [next(begun) for _ in range(3)]
        cut(path, 31)
        with pytest.raises(JournalRewound):
            reader.refresh()
        write(path, "new", 60)
        reader.refresh()
        with pytest.raises(JournalRewound):
            given += list(begun)
        assert all(event.payload[0] == "old" for event in given)


def test_an_earlier_state_put_back(path: Path, tmp_path: Path) -> None:
    """As a copy is restored: files under the same names that are others, and fewer segments."""
    write(path, "old", 20, 4096)
    shutil.copytree(path, tmp_path / "copy")
    write(path, "more", 60, 4096)
    with Store.open(path, read_only=True) as reader:
        before = list(reader.query(system=True))
        assert reader.stats().segments > 3
        shutil.rmtree(path)
        shutil.copytree(tmp_path / "copy", path)
        with pytest.raises(JournalRewound) as caught:
            reader.refresh()
        assert (caught.value.from_events, caught.value.to_events) == (82, 21)
        assert list(reader.query(system=True)) == before[:21]
        write(path, "new", 60, 4096)
        assert reader.refresh() == 82
        now = list(reader.query(system=True))
        assert now[:21] == before[:21]
        assert payloads(now[21:]) == numbered("new", 22, 82)


def test_a_durable_reader_is_not_concerned(path: Path) -> None:
    with Store.open(path, durability="always") as store:
        store.append(Coordinate("a", "s"), ["safe", 1], kind=0xF001)
    write(path, "old", 10)
    with Store.open(path, read_only=True, visibility="durable") as reader:
        durable = reader.refresh()
        assert durable < 13
        follow = reader.follow(timeout=0)
        assert payloads(follow) == [["safe", 1]]
        cut(path, 5)
        assert reader.refresh() == durable
        write(path, "new", 10)
        with Store.open(path):
            # Recovery synced what stood; the new writer's own first event says so.
            assert reader.refresh() >= 15
        assert payloads(reader.query()) == [["safe", 1], *numbered("old", 3, 5), *numbered("new", 6, 16)]
        assert payloads(follow) == [*numbered("old", 3, 5), *numbered("new", 6, 16)]


def test_what_was_synced_and_is_gone_is_damage(path: Path) -> None:
    with Store.open(path, durability="always") as store:
        for n in range(10):
            store.append(Coordinate("a", "s"), n, kind=0xF001)
        with Store.open(path, read_only=True) as reader:
            cut(path, 5)
            for _ in range(2):
                with pytest.raises(batpak.JournalDamaged):
                    reader.refresh()
            with pytest.raises(batpak.JournalDamaged):
                reader.get(8)
            assert reader.get(2).payload == 1


def test_threads_of_one_reader_meet_a_rewind(path: Path) -> None:
    """Exactly one of them is told, and none of them gets anything wrong."""
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        old = list(reader.query(system=True))
        cut(path, 5)
        write(path, "new", 30)
        told: list[JournalRewound] = []
        wrong: list[object] = []
        together = threading.Barrier(6)

        def look() -> None:
            together.wait(30)
            for n in range(5, 36):
                try:
                    reader.refresh()
                    event = reader.get(n)
                    if not event.is_system and event.payload != ["new", n]:
                        wrong.append(event)
                except JournalRewound as error:
                    told.append(error)
                except Exception as error:  # noqa: BLE001 - told to the test
                    wrong.append(error)

        threads = [threading.Thread(target=look) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert [(error.from_events, error.to_events) for error in told] == [(11, 5)]
        assert list(reader.query(system=True, until=4)) == old[:5]
