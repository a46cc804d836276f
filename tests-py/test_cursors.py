"""Cursors: what was not committed is given again, what was is not, and nothing is left out."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

import batpak
from batpak import Coordinate, Cursor, CursorInUse, CursorMismatch, InvalidInput, Store, StoreClosed
from batpak.testing import MemoryDisk, open_store
from support import COORD, KIND, exit_of_fork

if TYPE_CHECKING:
    from pathlib import Path


def fill(store: Store, *numbers: int, scope: str = "shop") -> None:
    for number in numbers:
        store.append(Coordinate(f"order:{number % 3}", scope), number, kind=KIND)


def given(events: Any) -> list[Any]:
    return [event.payload for event in events]


def test_what_was_not_committed_is_given_again(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, *range(5))
        cursor = store.cursor("billing", scope="shop")
        assert (cursor.name, cursor.position, cursor.lag()) == ("billing", None, 5)
        assert given(cursor) == [0, 1, 2, 3, 4]
        assert given(cursor) == []
        cursor.close()
    with Store.open(path) as store:
        cursor = store.cursor("billing", scope="shop")
        assert given(cursor.batch(2)) == [0, 1]
        cursor.commit()
        assert (cursor.position, cursor.lag(), cursor.lag(2)) == (2, 3, 2)
        assert next(cursor).payload == 2
        cursor.close()
    with Store.open(path) as store, store.cursor("billing", scope="shop") as cursor:
        assert given(cursor) == [2, 3, 4]
        fill(store, 5, 6)
        assert given(cursor) == [5, 6]
    with Store.open(path) as store, store.cursor("billing", scope="shop") as cursor:
        assert (given(cursor), cursor.lag()) == ([], 0)


def test_a_block_commits_unless_it_raises(store: Store) -> None:
    fill(store, 0, 1, 2)
    with pytest.raises(LookupError), store.cursor("c") as cursor:
        assert next(cursor).payload == 0
        cursor.commit()
        assert next(cursor).payload == 1
        raise LookupError("halfway")
    assert cursor.closed
    with store.cursor("c") as cursor:
        for event in cursor:
            assert event.payload == 1
            break
    with store.cursor("c") as cursor:
        assert given(cursor) == [2]


def test_a_generator_that_is_closed_early_commits_nothing(store: Store) -> None:
    fill(store, 0, 1)

    def reading() -> Any:
        with store.cursor("c") as cursor:
            for event in cursor:
                yield event.payload

    begun = reading()
    assert next(begun) == 0
    begun.close()
    assert list(reading()) == [0, 1]
    assert list(reading()) == []


def test_commit_up_to_an_event(store: Store) -> None:
    fill(store, *range(4))
    cursor = store.cursor("c")
    events = cursor.batch(3)
    cursor.commit(events[1])
    assert cursor.position == events[1].sequence
    # An earlier one is done already: nothing goes back.
    cursor.commit(events[0])
    assert cursor.position == events[1].sequence
    assert given(cursor) == [3]
    cursor.rewind()
    assert given(cursor) == [2, 3]
    cursor.commit(events[2])
    cursor.commit()
    assert cursor.position == 4
    with pytest.raises(TypeError, match="takes an Event, not int"):
        cursor.commit(3)  # type: ignore[arg-type]


def test_only_what_was_given_is_committed(store: Store) -> None:
    fill(store, *range(4))
    cursor = store.cursor("c")
    with pytest.raises(InvalidInput, match="not given by this cursor yet"):
        cursor.commit(store.get(1))
    next(cursor)
    with pytest.raises(InvalidInput, match="not given by this cursor yet"):
        cursor.commit(store.get(2))
    with open_store() as other:
        fill(other, *range(4))
        for sequence in (1, 2):
            with pytest.raises(InvalidInput, match="of another journal"):
                cursor.commit(other.get(sequence))
    assert cursor.position is None
    cursor.rewind()
    with pytest.raises(InvalidInput, match="not given by this cursor yet"):
        cursor.commit(store.get(1))


def test_where_a_new_cursor_begins_is_kept_at_once(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, 0, 1)
        for name, start in (("first", "beginning"), ("now", "now"), ("second", 2), ("zero", 0), ("end", 3)):
            store.cursor(name, start=start).close()  # type: ignore[arg-type]
        fill(store, 2)
    with Store.open(path) as store:
        expected = {"first": [0, 1, 2], "now": [2], "second": [1, 2], "zero": [0, 1, 2], "end": [2]}
        assert {name: given(store.cursor(name, start="now")) for name in expected} == expected
        assert given(store.cursor("new", start="now")) == []
        far = len(store) + 1
        for start, error in (("soon", InvalidInput), (far, InvalidInput), (-1, InvalidInput), (None, TypeError), (True, TypeError)):  # fmt: skip
            with pytest.raises(error):
                store.cursor("wrong", start=start)  # type: ignore[arg-type]
        assert "wrong" not in [position.name for position in store.cursors()]


def test_now_is_the_now_of_the_first_opening() -> None:
    disk = MemoryDisk()
    with open_store(disk, durability="manual") as store:
        fill(store, 0)
        store.cursor("c", start="now").close()
        fill(store, 1)
        killed = disk.copy()
    with open_store(killed) as store:
        assert given(store.cursor("c", start="now")) == [1]


LINK = uuid4()


class Scope(StrEnum):
    SHOP = "shop"


FILTERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"entity": None, "kind": None, "metadata": None, "system": False}),
    ({"scope": "s"}, {"scope": "s", "metadata": {}}),
    ({"entity": "order:1"}, {"entity": "order:1", "scope": None}),
    ({"entity_prefix": "order"}, {"entity_prefix": "order"}),
    ({"scope": "shop"}, {"scope": Scope.SHOP}),
    ({"kind": KIND}, {"kind": KIND.code}),
    ({"category": 0xF}, {"category": 15}),
    ({"correlation": LINK}, {"correlation": LINK.bytes}),
    ({"causation": LINK}, {"causation": LINK.bytes}),
    ({"metadata": {"a": "1", "b": "2"}}, {"metadata": MappingProxyType({"b": "2", "a": "1"})}),
    ({"metadata": {"a": "1"}}, {"metadata": {"a": "1"}}),
    ({"system": True}, {"system": True}),
    ({"scope": "shop", "kind": KIND, "system": True}, {"system": True, "kind": KIND, "scope": "shop"}),
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_a_cursor_is_bound_to_its_conditions(store: Store, number: int) -> None:
    filters, same = FILTERS[number]
    store.cursor("c", **filters).close()
    store.cursor("c", **same).close()
    for other, (others, _) in enumerate(FILTERS):
        if other == number:
            continue
        with pytest.raises(CursorMismatch, match="drop_cursor") as caught:
            store.cursor("c", **others)
        error = caught.value
        assert (error.name, error.code) == ("c", "cursor_mismatch")
        assert error.expected != error.found
        assert pickle.loads(pickle.dumps(error)).expected == error.expected
    store.cursor("c", **filters).close()
    assert store.drop_cursor("c")
    store.cursor("c", **FILTERS[number - 1][0]).close()


def test_a_mismatch_says_what_differs(store: Store) -> None:
    store.cursor("c", scope="shop", system=True).close()
    with pytest.raises(CursorMismatch) as caught:
        store.cursor("c", scope="s", causation=UUID(int=7))
    assert (
        "causation: any and not 00000000-0000-0000-0000-000000000007, scope: 'shop' and not 's', system: True and not False"
        in caught.value.message
    )
    assert caught.value.found == {"scope": "s", "causation": UUID(int=7)}


def test_conditions_are_those_of_query(store: Store) -> None:
    fill(store, *range(4))
    store.append(COORD, "tagged", kind=batpak.Kind(0xF, 2), metadata={"t": "1"}, correlation_id=LINK)
    for number, filters in enumerate(
        [{"entity": "order:1"}, {"entity_prefix": "order"}, {"kind": 0xF002}, {"category": 15}, {"correlation": LINK},
         {"metadata": {"t": "1"}}, {"system": True}, {"entity": "nobody"}]
    ):  # fmt: skip
        query: dict[str, Any] = filters
        cursor = store.cursor(f"c{number}", **query)
        assert list(cursor) == list(store.query(**query))
        assert cursor.lag() == len(list(store.query(**query)))


@pytest.mark.parametrize(
    ("name", "filters", "error"),
    [
        ("", {}, InvalidInput), ("é" * 41, {}, InvalidInput), ("\ud800", {}, InvalidInput), (b"c", {}, TypeError), (None, {}, TypeError),
        ("c", {"kind": -1}, InvalidInput), ("c", {"kind": "x"}, InvalidInput), ("c", {"category": 16}, InvalidInput),
        ("c", {"entity": ""}, InvalidInput), ("c", {"scope": 1}, TypeError), ("c", {"correlation": b"1"}, InvalidInput),
        ("c", {"metadata": {"a": 1}}, TypeError), ("c", {"metadata": "a"}, TypeError), ("c", {"system": "yes"}, TypeError),
        ("c", {"timeout": -1}, InvalidInput), ("c", {"timeout": "1"}, TypeError), ("c", {"after": 1}, TypeError), ("c", {"limit": 1}, TypeError),
    ],
)  # fmt: skip
def test_bad_arguments_keep_nothing(store: Store, name: Any, filters: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        store.cursor(name, **filters)
    assert store.cursors() == []
    store.cursor("c").close()


@pytest.mark.parametrize("name", ["é" * 40, "a/../b", "A", "a", ".", "\n\0", "con", "%41", "x" * 80])
def test_names(path: Path, name: str) -> None:
    with Store.open(path) as store:
        fill(store, 1)
        with store.cursor(name) as cursor:
            assert given(cursor) == [1]
        store.cursor("other").close()
    with Store.open(path) as store:
        assert given(store.cursor(name)) == []
        assert {position.name: position.sequence for position in store.cursors()} == {name: 1, "other": None}


def test_one_at_a_time(store: Store) -> None:
    fill(store, 1)
    cursor = store.cursor("c")
    for attempt in (
        lambda: store.cursor("c"),
        lambda: store.drop_cursor("c"),
        lambda: store.rewind_cursor("c", 0),
        lambda: store.react(print, "c"),
    ):
        with pytest.raises(CursorInUse) as caught:
            attempt()
        assert caught.value.name == "c"
    store.cursor("d").close()
    cursor.close()
    cursor.close()
    store.cursor("c").close()
    # A refused opening takes no name, and neither does a cursor that nobody holds.
    with pytest.raises(CursorMismatch):
        store.cursor("c", scope="shop")
    forgotten = store.cursor("c")
    del forgotten
    gc.collect()
    with store.cursor("c"), open_store() as elsewhere, elsewhere.cursor("c"):
        pass


def test_a_closed_cursor_says_so(store: Store) -> None:
    fill(store, 1)
    with store.cursor("c") as cursor:
        event = next(cursor)
        cursor.close()
    for attempt in (lambda: next(cursor), lambda: cursor.batch(1), lambda: cursor.commit(event), cursor.rewind):
        with pytest.raises(InvalidInput, match="'c' is closed"):
            attempt()
    assert (repr(cursor), cursor.position) == ("<Cursor 'c' closed>", None)


def test_listing_and_dropping(store: Store) -> None:
    fill(store, 1, 2)
    assert store.cursors() == []
    before = datetime.now(UTC) - timedelta(seconds=1)
    with store.cursor("b", kind=KIND, metadata={"a": "x"}, causation=UUID(int=1)):
        pass
    with store.cursor("a") as cursor:
        next(cursor)
    first, second = store.cursors()
    assert (first.name, first.sequence, first.event_hash) == ("a", 1, store.get(1).event_hash)
    assert (second.name, second.sequence, second.event_hash) == ("b", None, None)
    assert second.query == {"kind": KIND.code, "metadata": {"a": "x"}, "causation": UUID(int=1)}
    assert (first.query, first.journal_id) == ({}, store.journal_id)
    assert before < first.committed_at < datetime.now(UTC) + timedelta(seconds=1)
    assert first.to_dict()["event_hash"] == store.get(1).event_hash.hex()
    assert second.to_dict()["query"] == {"kind": KIND.code, "metadata": {"a": "x"}, "causation": str(UUID(int=1))}
    assert "<table" in first._repr_html_()
    assert pickle.loads(pickle.dumps(first)) == first
    with Store.open(store.path, read_only=True) as reader:
        assert reader.cursors() == [first, second]
    assert store.drop_cursor("a")
    assert not store.drop_cursor("a")
    assert given(store.cursor("a")) == [1, 2]


def test_rewinding(store: Store) -> None:
    fill(store, *range(5))
    with store.cursor("c") as cursor:
        assert len(cursor.batch(4)) == 4
    assert store.rewind_cursor("c", 3).sequence == 2
    with store.cursor("c") as cursor:
        assert next(cursor).payload == 2
        with pytest.raises(InvalidInput, match="rewound to 0 to 3"):
            cursor.rewind(4)
        cursor.rewind(1)
        assert (cursor.position, next(cursor).payload) == (0, 0)
        cursor.rewind(0)
        assert cursor.position is None
    for name, to, error in (("c", 1, InvalidInput), ("x", 0, InvalidInput), ("c", -1, InvalidInput), ("c", None, TypeError)):  # fmt: skip
        with pytest.raises(error):
            store.rewind_cursor(name, to)  # type: ignore[arg-type]


def test_batches(store: Store) -> None:
    fill(store, *range(5))
    cursor = store.cursor("c")
    assert [given(cursor.batch(2)) for _ in range(4)] == [[0, 1], [2, 3], [4], []]
    begun = time.monotonic()
    assert cursor.batch(1, timeout=0.05) == []
    assert time.monotonic() - begun >= 0.05
    for limit, error in ((0, InvalidInput), (-1, InvalidInput), (None, TypeError), ("1", TypeError)):
        with pytest.raises(error):
            cursor.batch(limit)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        cursor.batch(1, timeout=-1)


@pytest.mark.parametrize("timeout", [None, 30])
def test_waiting_for_new_events(store: Store, timeout: float | None) -> None:
    cursor = store.cursor("c", scope="shop", timeout=timeout)
    later = threading.Timer(0.05, lambda: (fill(store, 1, scope="elsewhere"), fill(store, 2, 3)))
    later.start()
    assert [next(cursor).payload, next(cursor).payload] == [2, 3]
    later.join()
    assert [given(cursor.batch(9)), cursor.position] == [[], None]


def test_the_end_comes_when_nothing_came(store: Store) -> None:
    fill(store, 1)
    cursor = store.cursor("c", timeout=0.1)
    begun = time.monotonic()
    assert given(cursor) == [1]
    assert time.monotonic() - begun >= 0.1


def test_what_does_not_match_is_not_looked_at_twice(store: Store) -> None:
    fill(store, *range(20), scope="elsewhere")
    cursor = store.cursor("c", scope="shop")
    assert list(cursor) == []
    fill(store, 1)
    assert given(cursor) == [1]
    assert cursor._after == len(store) - 1


def test_the_store_is_closed_meanwhile(path: Path) -> None:
    store = Store.open(path)
    fill(store, 1, 2)
    cursor = store.cursor("c")
    event = next(cursor)
    store.close()
    for attempt in (lambda: next(cursor), cursor.commit, lambda: cursor.commit(event), cursor.lag, cursor.rewind,
                    store.cursors, lambda: store.cursor("d"), lambda: store.drop_cursor("c"), lambda: store.rewind_cursor("c", 0)):  # fmt: skip
        with pytest.raises(StoreClosed):
            attempt()
    cursor.close()
    with Store.open(path) as store:
        assert given(store.cursor("c")) == [1, 2]


def test_a_block_at_whose_end_the_store_is_closed_says_that_it_did_not_commit(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, 1)
        with pytest.raises(StoreClosed), store.cursor("c") as cursor:
            next(cursor)
            store.close()
        assert cursor.closed
    with Store.open(path) as store:
        assert given(store.cursor("c")) == [1]


@pytest.mark.parametrize("who", ["cursor", "store"])
def test_a_wait_ends_when_something_is_closed(path: Path, who: str) -> None:
    store = Store.open(path)
    cursor = store.cursor("c", timeout=None)
    later = threading.Timer(0.05, (cursor if who == "cursor" else store).close)
    later.start()
    with pytest.raises(InvalidInput if who == "cursor" else StoreClosed):
        next(cursor)
    later.join()
    if who == "cursor":
        store.cursor("c").close()
    store.close()


def test_one_thread_at_a_time(store: Store) -> None:
    cursor = store.cursor("c", timeout=None)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(next(cursor).payload))
    thread.start()
    while not cursor._busy.locked():
        time.sleep(0.001)
    for attempt in (lambda: next(cursor), lambda: cursor.batch(1), cursor.commit, cursor.rewind):
        with pytest.raises(ValueError, match="another thread"):
            attempt()
    fill(store, 7)
    thread.join()
    assert got == [7]
    cursor.commit()
    assert cursor.lag() == 0


def test_threads_with_a_cursor_each(store: Store) -> None:
    got: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        with store.cursor(f"c{number}", timeout=5) as cursor:
            got[number] = []
            while len(got[number]) < 90:
                got[number] += given(cursor.batch(7, timeout=5))
                cursor.commit()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        fill(store, number, number, number)
    for thread in threads:
        thread.join()
    assert all(numbers == sorted([*range(30)] * 3) for numbers in got.values())


def test_ctrl_c_gives_the_events_of_the_call_again(store: Store) -> None:
    fill(store, 1, 2)
    cursor = store.cursor("c")

    def interrupt() -> None:
        time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    assert given(cursor) == [1, 2]
    for wait in (
        lambda: cursor.batch(5, timeout=None),
        lambda: store.cursor("d", start="now", timeout=None).__next__(),
    ):
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        thread.join()
    fill(store, 3)
    assert given(cursor) == [3]
    cursor.commit()


def test_an_event_that_cannot_be_read_is_not_passed_over(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, *range(3))
        store.sync()
        log = path / "segments" / f"{0:020d}.log"
        data = log.read_bytes()
        at = data.index(store.get(2).salt)
        log.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        cursor = store.cursor("c")
        for _ in range(3):
            with pytest.raises(batpak.JournalDamaged):
                next(cursor)
        log.write_bytes(data)
        assert given(cursor) == [0, 1, 2]


def test_after_a_failure_it_looks_anew(store: Store) -> None:
    """An iterator that raised may have ended; what it did not give is not passed over."""
    fill(store, 0, 1, 2)
    cursor = store.cursor("c")
    assert next(cursor).payload == 0

    def failing() -> Any:
        raise OSError("once")
        yield

    cursor._events = failing()
    with pytest.raises(OSError, match="once"):
        next(cursor)
    assert given(cursor) == [1, 2]


def test_a_batch_that_fails_is_given_again_as_a_whole(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store:
        fill(store, *range(200))
        store.sync()
        last = store.get(200)
        log = max((path / "segments").glob("*.log"))
        data = log.read_bytes()
        at = data.index(last.salt)
        cursor = store.cursor("c")
        assert given(cursor.batch(2)) == [0, 1]
        log.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(batpak.JournalDamaged):
            cursor.batch(1000)
        cursor.commit()
        assert cursor.position == 2
        log.write_bytes(data)
        assert given(cursor.batch(1000)) == list(range(2, 200))


def test_what_was_written_while_it_looked_is_given_once(store: Store) -> None:
    fill(store, 0, 1)
    cursor = store.cursor("c")
    assert given(cursor) == [0, 1]
    # As if all of it had been written between two looks at how much there is.
    cursor._visible = 0
    fill(store, 2)
    assert given(cursor) == [2]


def test_a_forked_child_is_refused(store: Store) -> None:
    fill(store, 1, 2)
    cursor = store.cursor("c")
    event = next(cursor)
    pid = os.fork()
    if pid == 0:
        status = 0
        for attempt in (
            lambda: next(cursor),
            lambda: cursor.commit(event),
            cursor.commit,
            cursor.rewind,
            cursor.lag,
            lambda: store.cursor("d"),
            lambda: store.drop_cursor("c"),
            store.cursors,
        ):
            try:
                attempt()
                status += 1
            except batpak.ForkedStore:
                pass
        cursor.close()
        os._exit(status)
    assert exit_of_fork(pid) == 0
    cursor.commit()
    assert given(cursor) == [2]


def test_a_reader_cannot_keep_a_position(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, 1)
        store.cursor("c").close()
    with Store.open(path, read_only=True) as reader:
        for attempt in (
            lambda: reader.cursor("c"),
            lambda: reader.react(print, "c"),
            lambda: reader.drop_cursor("c"),
            lambda: reader.rewind_cursor("c", 0),
        ):
            with pytest.raises(batpak.StoreReadOnly, match="follow"):
                attempt()
        assert [position.name for position in reader.cursors()] == ["c"]


def test_only_durable_events_are_shown_where_only_they_are_visible() -> None:
    with open_store(visibility="durable", durability="manual") as store:
        cursor = store.cursor("c")
        fill(store, 1)
        store.sync()
        assert given(cursor) == [1]
        cursor.commit()
        assert cursor.position == 1


def test_commit_makes_durable_what_it_names() -> None:
    disk = MemoryDisk()
    with open_store(disk, durability="manual") as store:
        fill(store, 1, 2)
        cursor = store.cursor("c")
        cursor.commit(next(cursor))
        power_cut = disk.crash()
        cursor.close()
    with open_store(power_cut) as store:
        assert given(store.query()) == [1, 2]
        assert given(store.cursor("c")) == [2]


def test_a_thousand_cursors() -> None:
    disk = MemoryDisk()
    names = [f"worker:{number}" for number in range(1000)]
    with open_store(disk) as store:
        fill(store, 1)
        for name in names:
            store.cursor(name).close()
        assert [position.name for position in store.cursors()] == sorted(names)
    # Opening one does not look at the others.
    files = {file: b"" if file.startswith("cursors/") else content for file, content in disk.files().items()}
    mine = "cursors/worker%3a500.cursor"
    with open_store(MemoryDisk({**files, mine: disk.files()[mine]})) as store:
        with store.cursor("worker:500") as cursor:
            assert given(cursor) == [1]
        with pytest.raises(batpak.CursorDamaged):
            store.cursor("worker:501")


def test_a_cursor_is_not_copied(store: Store) -> None:
    cursor = store.cursor("c")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="open it by its name"):
            attempt(cursor)
    assert repr(cursor) == "<Cursor 'c' at the beginning>"
    fill(store, 1)
    next(cursor)
    cursor.commit()
    assert repr(cursor) == "<Cursor 'c' behind event 1>"
    assert isinstance(cursor, Cursor)
    assert iter(cursor) is cursor
