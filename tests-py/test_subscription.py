"""Live subscriptions: what they give, what they drop and say so, and everything that ends a wait."""

from __future__ import annotations

import _thread
import asyncio
import math
import pickle
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batpak
from batpak import Coordinate, JournalRewound, Store, StoreClosed, Subscription, SubscriptionClosed
from batpak.testing import open_store
from support import COORD, KIND, contents_and_times, exit_of_fork, running_child
from test_rewind import cut, numbered, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def put(store: Store, *numbers: int, entity: str = "order:1") -> None:
    for number in numbers:
        store.append(Coordinate(entity, "shop"), number, kind=KIND)


def numbers(events: list[batpak.Event]) -> list[Any]:
    return [event.payload for event in events]


class Taking:
    """A thread that takes events until something ends it; ``end`` is what did."""

    def __init__(self, subscription: Subscription, *, iterate: bool = False) -> None:
        self.taken: list[Any] = []
        self.end: object = "nothing yet"
        self._subscription = subscription
        self._thread = threading.Thread(target=self._iterate if iterate else self._take)
        self._thread.start()

    def _take(self) -> None:
        try:
            while True:
                event = self._subscription.next()
                assert event is not None
                self.taken.append(event.payload)
        except batpak.BatpakError as error:
            self.end = type(error)

    def _iterate(self) -> None:
        try:
            for event in self._subscription:
                self.taken.append(event.payload)
            self.end = StopIteration
        except batpak.BatpakError as error:
            self.end = type(error)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.taken) < count:
            assert self._thread.is_alive(), self.end
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def join(self) -> object:
        self._thread.join(30)
        assert not self._thread.is_alive(), "a wait that nothing ends"
        return self.end


# -- what is given ----------------------------------------------------------------------------------------------------


def test_it_begins_behind_the_newest_event(store: Store) -> None:
    put(store, 1, 2)
    with store.subscribe() as subscription:
        assert subscription.next(timeout=0) is None
        put(store, 3, 4)
        event = subscription.next(timeout=0)
        assert event is not None
        assert (event.payload, subscription.gap, subscription.dropped) == (3, 0, 0)
        put(store, 5)
        assert numbers(subscription.drain()) == [4, 5]
        assert subscription.drain() == []


def test_it_begins_where_one_says(store: Store) -> None:
    put(store, 1, 2, 3)
    assert numbers(store.subscribe(after=1).drain()) == [2, 3]
    assert numbers(store.subscribe(after=0, system=True).drain()) == [1, 2, 3]
    later = store.subscribe(after=len(store))
    put(store, 4, 5)
    assert numbers(later.drain()) == [5]


def test_its_conditions_are_those_of_a_query(store: Store) -> None:
    correlation = UUID(int=7)
    conditions: list[dict[str, Any]] = [
        {}, {"entity": "a"}, {"entity_prefix": "a"}, {"scope": "t"}, {"kind": 0xF001}, {"kind": KIND, "scope": "s"},
        {"category": 0xE}, {"correlation": correlation}, {"causation": UUID(int=8).bytes}, {"metadata": {"m": "1"}},
        {"system": True}, {"entity": "nobody"},
    ]  # fmt: skip
    subscriptions = [store.subscribe(**each) for each in conditions]
    begin = len(store) - 1
    for n in range(48):
        store.append(
            Coordinate(("a", "a:b", "ab")[n % 3], "st"[n // 3 % 2]),
            n,
            kind=(0xF001, 0xE001)[n // 6 % 2],
            correlation_id=correlation if n % 5 == 0 else None,
            causation_id=UUID(int=8) if n % 7 == 0 else None,
            metadata={"m": str(n % 4)},
        )
    for condition, subscription in zip(conditions, subscriptions, strict=True):
        assert subscription.drain() == list(store.query(after=begin, **condition))


def test_conditions_are_of_the_moment_of_the_call(store: Store) -> None:
    wanted = {"m": "1"}
    subscription = store.subscribe(metadata=wanted)
    wanted["m"] = "2"
    for value in ("1", "2"):
        store.append(COORD, value, kind=KIND, metadata={"m": value})
    assert numbers(subscription.drain()) == ["1"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"capacity": 0}, batpak.InvalidInput),
        ({"capacity": -1}, batpak.InvalidInput),
        ({"capacity": 2**20 + 1}, batpak.InvalidInput),
        ({"capacity": None}, TypeError),
        ({"capacity": True}, TypeError),
        ({"capacity": 1.0}, TypeError),
        ({"after": -1}, batpak.InvalidInput),
        ({"after": "1"}, TypeError),
        ({"entity": ""}, batpak.InvalidInput),
        ({"scope": 7}, TypeError),
        ({"category": 16}, batpak.InvalidInput),
        ({"metadata": ["m"]}, TypeError),
        ({"correlation": b"short"}, batpak.InvalidInput),
        ({"limit": 1}, TypeError),
        ({"until": 1}, TypeError),
        ({"reverse": True}, TypeError),
    ],
)
def test_what_is_wrong_is_said_at_once(store: Store, arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        store.subscribe(**arguments)


@pytest.mark.parametrize("timeout", [-1, math.nan, "1", True])
def test_a_timeout_is_a_number_of_seconds(store: Store, timeout: Any) -> None:
    with pytest.raises((batpak.InvalidInput, TypeError)):
        store.subscribe().next(timeout)


def test_manners(store: Store) -> None:
    subscription = store.subscribe(3)
    assert (subscription.capacity, subscription.closed) == (3, False)
    assert repr(subscription) == "<batpak.Subscription 0 of at most 3 waiting, 0 dropped>"
    assert "Subscription" in subscription._repr_html_()
    with pytest.raises(TypeError):
        pickle.dumps(subscription)
    subscription.close()
    subscription.close()
    assert subscription.closed
    assert "closed" in repr(subscription)


# -- what is dropped --------------------------------------------------------------------------------------------------


def test_the_oldest_are_dropped_and_counted(store: Store) -> None:
    subscription = store.subscribe(capacity=3, entity="order:1")
    for number in range(10):
        put(store, number)
        put(store, -1, entity="other")
    event = subscription.next(timeout=0)
    assert event is not None
    assert (event.payload, subscription.gap, subscription.dropped) == (7, 7, 7)
    assert numbers(subscription.drain()) == [8, 9]
    assert (subscription.gap, subscription.dropped) == (0, 7)
    put(store, 10, 11, 12, 13)
    assert numbers(subscription.drain()) == [11, 12, 13]
    assert (subscription.gap, subscription.dropped) == (1, 8)
    assert subscription.next(timeout=0) is None
    assert (subscription.gap, subscription.dropped) == (0, 8)


ENTITIES = ("a", "b")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.sampled_from(ENTITIES), min_size=1, max_size=12)),
        st.tuples(st.just("next"), st.integers(1, 4)),
        st.tuples(st.just("drain"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(capacity=st.integers(1, 6), wanted=st.sampled_from([*ENTITIES, None]), after=st.booleans(), steps=STEPS)
def test_it_is_the_end_of_a_list(capacity: int, wanted: str | None, after: bool, steps: list[Any]) -> None:
    """The model: whoever asks finds the last ``capacity`` of what waits, and all before them dropped."""
    with open_store() as store:
        put(store, -2, -1, entity=wanted or "a")
        subscription = store.subscribe(capacity, entity=wanted, after=0 if after else None)
        pending: list[int] = [-2, -1] if after else []
        dropped = untold = written = 0
        for step, argument in steps:
            if step == "append":
                batch = [(Coordinate(entity, "s"), written + n) for n, entity in enumerate(argument)]
                store.append_batch(batch, kind=KIND)
                pending += [n for (_, n), entity in zip(batch, argument, strict=True) if wanted in (None, entity)]
                written += len(batch)
                continue
            for _ in range(argument or 1):
                lost = max(0, len(pending) - capacity)
                dropped, untold, pending = dropped + lost, untold + lost, pending[lost:]
                count = 1 if step == "next" else len(pending)
                expected, pending = pending[:count], pending[count:]
                event = subscription.next(timeout=0) if step == "next" else None
                given_ = ([] if event is None else [event]) if step == "next" else subscription.drain()
                assert numbers(given_) == expected
                assert (subscription.gap, subscription.dropped) == (untold if expected else 0, dropped)
                untold = 0 if expected else untold


def test_nothing_is_counted_twice_while_others_write(store: Store) -> None:
    """Given and dropped are together what was written, each event once, and every gap is where it is said to be."""
    subscription = store.subscribe(capacity=5)
    total = 3000

    def writing() -> None:
        for first in range(0, total, 10):
            store.append_batch([(COORD, n) for n in range(first, first + 10)], kind=KIND)

    thread = threading.Thread(target=writing)
    thread.start()
    next_expected = dropped = 0
    while next_expected < total:
        event = subscription.next(timeout=30)
        assert event is not None
        dropped += subscription.gap
        next_expected += subscription.gap
        assert event.payload == next_expected
        next_expected += 1
    thread.join()
    assert subscription.dropped == dropped
    assert subscription.next(timeout=0) is None


def test_what_is_skipped_is_looked_at_once(store: Store) -> None:
    """Falling behind again and again costs what was written, and not its square."""
    subscription = store.subscribe(capacity=1)
    examined = 0
    ask = subscription._events_between
    asked: list[batpak.Events] = []

    def counting(behind: int | None, last: int | None) -> batpak.Events:
        asked.append(ask(behind, last))
        return asked[-1]

    subscription._events_between = counting
    for _ in range(50):
        store.append_batch([(COORD, n) for n in range(20)], kind=KIND)
        assert subscription.next(timeout=0) is not None
    examined = sum(events.examined for events in asked)
    assert (examined, subscription.dropped) == (1000, 950)


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_a_writer_wakes_who_waits(store: Store) -> None:
    subscription = store.subscribe()
    taking = Taking(subscription)
    for number in range(20):
        put(store, number)
        taking.wait_for(number + 1)
    subscription.close()
    assert taking.join() is SubscriptionClosed
    assert taking.taken == list(range(20))


def test_a_timeout_is_kept(store: Store) -> None:
    subscription = store.subscribe(entity="nobody")
    stop = threading.Event()

    def writing() -> None:
        while not stop.is_set():
            put(store, 0)

    thread = threading.Thread(target=writing)
    thread.start()
    begun = time.monotonic()
    assert subscription.next(timeout=0.15) is None
    assert 0.15 <= time.monotonic() - begun < 20
    stop.set()
    thread.join()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("iterate", [False, True])
def test_closing_ends_a_wait(store: Store, read_only: bool, iterate: bool) -> None:
    reader = Store.open(store.path, read_only=True) if read_only else store
    subscription = reader.subscribe()
    taking = Taking(subscription, iterate=iterate)
    put(store, 1)
    taking.wait_for(1)
    subscription.close()
    assert taking.join() is (StopIteration if iterate else SubscriptionClosed)
    for ask in (subscription.next, subscription.drain, lambda: subscription.next(timeout=0)):
        with pytest.raises(SubscriptionClosed):
            ask()
    assert list(subscription) == []
    # The store goes on.
    assert numbers(list(reader.query(limit=1))) == [1]
    if read_only:
        reader.close()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("iterate", [False, True])
def test_closing_the_store_ends_a_wait(path: Path, read_only: bool, iterate: bool) -> None:
    with Store.open(path) as writer:
        put(writer, 1)
        store = Store.open(path, read_only=True) if read_only else writer
        subscription = store.subscribe(after=0)
        taking = Taking(subscription, iterate=iterate)
        taking.wait_for(1)
        store.close()
        assert taking.join() is StoreClosed
        with pytest.raises(StoreClosed):
            subscription.drain()
        with pytest.raises(StoreClosed):
            store.subscribe()


@pytest.mark.parametrize("read_only", [False, True])
def test_ctrl_c_ends_a_wait_and_loses_nothing(store: Store, read_only: bool) -> None:
    with Store.open(store.path, read_only=True) as reader:
        subscription = (reader if read_only else store).subscribe()
        interrupt = threading.Timer(0.05, _thread.interrupt_main)
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            subscription.next(timeout=30)
        interrupt.join()
        put(store, 1, 2)
        assert numbers(subscription.drain()) == [1, 2]


def test_closing_ends_the_count_of_what_is_skipped(store: Store) -> None:
    subscription = store.subscribe(capacity=1)
    store.append_batch([(COORD, n) for n in range(5000)], kind=KIND)
    ask, counted = subscription._events_between, 0

    def closing(behind: int | None, last: int | None) -> Any:
        nonlocal counted
        for event in ask(behind, last):
            counted += 1
            if counted == 1000:
                subscription.close()
            yield event

    subscription._events_between = closing
    with pytest.raises(SubscriptionClosed):
        subscription.next()
    assert counted < 2000


def test_two_hundred_subscribers(path: Path) -> None:
    with Store.open(path, durability="manual") as store:
        works = [Taking(store.subscribe(entity=f"e:{n % 2}" if n % 4 < 2 else None)) for n in range(200)]
        for number in range(20):
            put(store, number, entity=f"e:{number % 2}")
        expected = [list(range(0, 20, 2)), list(range(1, 20, 2)), list(range(20)), list(range(20))]
        for n, taking in enumerate(works):
            taking.wait_for(len(expected[n % 4]))
    assert {taking.join() for taking in works} == {StoreClosed}
    assert all(taking.taken == expected[n % 4] for n, taking in enumerate(works))


def test_two_hundred_subscribers_of_a_reader(store: Store) -> None:
    with Store.open(store.path, read_only=True) as reader:
        works = [Taking(reader.subscribe()) for _ in range(200)]
        put(store, *range(5))
        for taking in works:
            taking.wait_for(5)
    assert {taking.join() for taking in works} == {StoreClosed}


def test_two_threads_do_not_share_one(store: Store) -> None:
    subscription = store.subscribe()
    taking = Taking(subscription)
    deadline = time.monotonic() + 30
    while not subscription._busy.locked():
        assert time.monotonic() < deadline
    for ask in (lambda: subscription.next(timeout=0), subscription.drain):
        with pytest.raises(batpak.InvalidInput, match="another thread"):
            ask()
    put(store, 1)
    taking.wait_for(1)
    subscription.close()
    assert taking.join() is SubscriptionClosed


def test_watching_brings_no_sync_about(path: Path) -> None:
    """What is shown only when it is synced is waited for, not synced for the sake of who watches."""
    with Store.open(path, durability="manual", visibility="durable") as store:
        store.sync()
        subscription = store.subscribe()
        put(store, 1)
        assert subscription.next(timeout=0.1) is None
        before = store.frontier()
        assert before.durable is not None
        assert before.written is not None
        assert before.durable < before.written
        taking = Taking(subscription)
        store.sync()
        taking.wait_for(1)
        subscription.close()
        taking.join()


def test_a_forked_child_is_told(store: Store) -> None:
    import os
    import warnings

    subscription = store.subscribe()
    put(store, 1)
    with warnings.catch_warnings():
        # The child only asks and leaves.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            subscription.next(timeout=0)
        except batpak.ForkedStore:
            status = 0
        finally:
            os._exit(status)
    assert exit_of_fork(pid) == 0
    assert numbers(subscription.drain()) == [1]


def test_from_asyncio(store: Store) -> None:
    async def main() -> list[Any]:
        subscription = store.subscribe()
        waiting = asyncio.create_task(asyncio.to_thread(subscription.next, 30))
        await asyncio.to_thread(put, store, 1)
        event = await waiting
        subscription.close()
        return [event and event.payload]

    assert asyncio.run(main()) == [1]


# -- other processes --------------------------------------------------------------------------------------------------

WRITING = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], durability="manual", segment_bytes=65536)
for n in range(int(sys.argv[2])):
    store.append(batpak.Coordinate("order:1", "shop"), n, kind=0xF001)
print("written", flush=True)
sys.stdin.readline()
os._exit(0)
"""


def test_beside_a_running_writer_that_is_killed(journal: Path) -> None:
    total = 2000
    with Store.open(journal, read_only=True) as reader, reader.subscribe(capacity=50) as subscription:
        seen = next_expected = 0
        with running_child(WRITING, journal, total) as child:
            while next_expected < total:
                event = subscription.next(timeout=30)
                assert event is not None
                next_expected += subscription.gap
                assert event.payload == next_expected
                next_expected += 1
                seen += 1
            assert child.poll() is None
            child.kill()
            child.wait()
        assert seen + subscription.dropped == total
        assert subscription.next(timeout=0) is None
        # Who comes next goes on, and the subscription with it.
        with Store.open(journal) as store:
            put(store, total)
            event = subscription.next(timeout=30)
            assert event is not None
            assert event.payload == total


def test_watching_writes_nothing(path: Path) -> None:
    with Store.open(path) as store:
        put(store, *range(10))
    before = contents_and_times(path)
    with Store.open(path, read_only=True) as reader, reader.subscribe(after=0, capacity=2) as subscription:
        assert numbers(subscription.drain()) == [8, 9]
        assert subscription.next(timeout=0.02) is None
    assert contents_and_times(path) == before


def payloads(events: list[batpak.Event]) -> list[Any]:
    return [event.payload for event in events]


@pytest.mark.parametrize("first", ["itself", "refresh", "get", "another"])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_rewind_is_told_once_and_then_it_goes_on(path: Path, first: str, waiting: bool) -> None:
    write(path, "old", 10)
    with Store.open(path, read_only=True) as reader:
        subscription, another = reader.subscribe(after=0), reader.subscribe(after=0)
        assert payloads(another.drain()) == numbered("old", 1, 11)
        if waiting:
            event = subscription.next(timeout=0)
            assert event is not None
            assert event.payload == ["old", 1]
        else:
            assert payloads(subscription.drain()) == numbered("old", 1, 11)
        cut(path, 5)
        write(path, "new", 12)
        ways: dict[str, Callable[[], object]] = {
            "itself": lambda: None,
            "refresh": reader.refresh,
            "get": lambda: reader.get(7),
            "another": another.drain,
        }
        if first != "itself":
            with pytest.raises(JournalRewound):
                ways[first]()
        with pytest.raises(JournalRewound) as caught:
            subscription.drain()
        assert (caught.value.from_events, caught.value.to_events) == (11, 5)
        stood = numbered("old", 2, 5) if waiting else []
        assert payloads(subscription.drain()) == [*stood, *numbered("new", 6, 18)]
        assert subscription.drain() == []
        assert subscription.dropped == 0


def test_damage_is_said_each_time_and_nothing_is_passed_over(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store:
        put(store, *range(100))
    log = sorted((path / "segments").glob("*.log"))[1]
    whole = log.read_bytes()
    with Store.open(path, read_only=True) as reader, reader.subscribe(after=0) as subscription:
        begin = int(log.stem)
        data = bytearray(whole)
        data[len(data) // 2] ^= 1
        log.write_bytes(data)
        for _ in range(2):
            with pytest.raises(batpak.JournalDamaged):
                subscription.next(timeout=0)
        assert begin > 1
        log.write_bytes(whole)
        assert numbers(subscription.drain()) == list(range(100))
