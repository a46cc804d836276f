"""Counts, sums and extremes: the same as a fold in Python gives, and clear words where there is no answer."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batpak
from batpak import Coordinate, Kind, Registry, Store
from batpak.testing import ManualClock, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = (Kind(0xF, 1), Kind(0xF, 2))
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-5, 5),
    st.floats(-1e150, 1e150),
    st.none(),
    st.just("missing"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "journal", segment_bytes=16_384) as store:
        yield store


def fill(store: Store, values: list[Any]) -> None:
    chance = random.Random(len(values))
    for number, value in enumerate(values):
        payload: Any = {"n": number, "deep": {"x": value}, "even": number % 2 == 0}
        if value == "missing":
            payload = chance.choice([{"n": number}, b"raw", [value], {"deep": {}}, {"deep": 1}])
        store.append(
            Coordinate(f"entity:{number % 3}", f"scope:{number % 2}"),
            payload,
            kind=chance.choice(KINDS),
            metadata={"actor": f"a{number % 4}"} if number % 5 else None,
        )


def value_of(event: batpak.Event) -> Any:
    payload = event.payload
    deep = payload.get("deep") if isinstance(payload, dict) else None
    return deep.get("x") if isinstance(deep, dict) else None


def number_of(event: batpak.Event) -> Any:
    return event.payload.get("n") if isinstance(event.payload, dict) else None


@settings(deadline=None, max_examples=40)
@given(st.lists(VALUES, max_size=60))
def test_every_measure_is_what_python_says(values: list[Any]) -> None:
    with open_store(segment_bytes=8192) as store:
        fill(store, values)
        events = list(store.query())
        found = [value for value in map(value_of, events) if value is not None]
        assert store.aggregate("count") == len(events)
        assert store.aggregate("count", "deep.x") == len(found)
        assert store.aggregate("min", "deep.x") == min(found, default=None)
        assert store.aggregate("max", ["deep", "x"]) == max(found, default=None)
        total = store.aggregate("sum", "deep.x")
        floats = [value for value in found if isinstance(value, float)]
        if floats:
            assert isinstance(total, float)
            assert total == float(sum(map(Fraction, found)))
        else:
            assert total == sum(found)
        with_field = [event for event in events if value_of(event) is not None]
        for measure, which in (("first", 0), ("last", -1)):
            assert store.aggregate(measure) == (events[which] if events else None)
            assert store.aggregate(measure, "deep.x") == (with_field[which] if with_field else None)


GROUPS: dict[str, Callable[[batpak.Event], Any]] = {
    "entity": lambda event: event.entity,
    "scope": lambda event: event.scope,
    "kind": lambda event: event.kind,
    "actor": lambda event: event.metadata.get("actor"),
    "metadata.actor": lambda event: event.metadata.get("actor"),
    "payload.n": number_of,
    "payload.even": lambda event: event.payload.get("even") if isinstance(event.payload, dict) else None,
}


def test_groups_are_those_of_python_in_the_order_of_their_first_events(store: Store) -> None:
    fill(store, [*range(50), "missing", None, "missing"])
    events = list(store.query())
    for by, common in GROUPS.items():
        counts: dict[Any, int] = defaultdict(int)
        sums: dict[Any, int] = defaultdict(int)
        for event in events:
            counts[common(event)] += 1
            if value_of(event) is not None:
                sums[common(event)] += value_of(event)
        counted = store.aggregate("count", by=by)
        assert list(counted.items()) == list(counts.items())
        assert [type(each) for each in counted] == [type(each) for each in counts]
        assert list(store.aggregate("sum", "deep.x", by=by).items()) == list(sums.items())
    pairs: dict[Any, int] = defaultdict(int)
    for event in store.query(scope="scope:0"):
        pairs[event.kind, event.entity] += 1
    assert store.aggregate("count", by=["kind", "entity"], scope="scope:0") == pairs
    firsts = store.aggregate("first", by="entity")
    assert firsts == {name: next(iter(store.query(entity=name))) for name in firsts}


def test_spans_of_time_begin_at_whole_multiples(tmp_path: Path) -> None:
    begin = datetime(2026, 3, 1, 11, 58, tzinfo=UTC)
    clock = ManualClock(begin)
    with open_store(clock=clock) as store:
        for _ in range(10):
            store.append(Coordinate("a", "b"), {"x": 1}, kind=KINDS[0])
            clock.advance(timedelta(minutes=1))
        hours = store.aggregate("count", every=timedelta(hours=1))
        assert hours == {datetime(2026, 3, 1, 11, tzinfo=UTC): 2, datetime(2026, 3, 1, 12, tzinfo=UTC): 8}
        both = store.aggregate("sum", "x", by="entity", every=timedelta(hours=1))
        assert both == {("a", hour): count for hour, count in hours.items()}
        assert store.aggregate("count", every=timedelta.max) == {datetime(1970, 1, 1, tzinfo=UTC): 10}


def test_what_has_no_answer_is_said(store: Store) -> None:
    store.append(
        Coordinate("a", "b"), {"x": Decimal("1.5"), "t": "text", "l": [1], "f": 1.5, "big": 2**70}, kind=KINDS[0]
    )
    for measure in ("sum", "min"):
        for field, kind in (("x", "decimal"), ("l", "list"), ("big", "int beyond 64 bits")):
            with pytest.raises(batpak.InvalidInput, match=f"field {field} of event 1 is an? {kind}"):
                store.aggregate(measure, field)
    with pytest.raises(batpak.InvalidInput, match="a text"):
        store.aggregate("sum", "t")
    with pytest.raises(batpak.InvalidInput, match="a float"):
        store.aggregate("count", by="payload.f")
    store.append(Coordinate("a", "b"), {"t": 5}, kind=KINDS[0])
    with pytest.raises(batpak.InvalidInput, match="field t of event 2 is a number"):
        store.aggregate("max", "t")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("median",), batpak.InvalidInput),
        ((1,), TypeError),
        (("sum",), batpak.InvalidInput),
        (("sum", ""), batpak.InvalidInput),
        (("sum", "a..b"), batpak.InvalidInput),
        (("sum", []), batpak.InvalidInput),
        (("sum", [1]), TypeError),
        (("sum", 5), TypeError),
        (("sum", b"amount"), TypeError),
        (("sum", "\ud800"), batpak.InvalidInput),
        (("sum", "payload.amount"), batpak.InvalidInput),
    ],
)
def test_measures_and_fields_that_there_are_not(store: Store, arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        store.aggregate(*arguments)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"by": "payload"}, batpak.InvalidInput),
        ({"by": "colour"}, batpak.InvalidInput),
        ({"by": ["entity", 1]}, TypeError),
        ({"by": 5}, TypeError),
        ({"by": "payload.\ud800"}, batpak.InvalidInput),
        ({"by": "metadata.\ud800"}, batpak.InvalidInput),
        ({"every": timedelta(0)}, batpak.InvalidInput),
        ({"every": timedelta(days=-1)}, batpak.InvalidInput),
        ({"every": 5}, TypeError),
        ({"entity": ""}, batpak.InvalidInput),
        ({"colour": "red"}, TypeError),
    ],
)
def test_groups_and_filters_that_there_are_not(store: Store, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        store.aggregate("count", **options)


def test_first_and_last_of_a_limited_query_are_within_its_limit(store: Store) -> None:
    fill(store, list(range(40)))
    events = list(store.query(entity="entity:1"))
    assert store.aggregate("first", entity="entity:1") == events[0]
    assert store.aggregate("last", entity="entity:1") == events[-1]
    assert store.aggregate("last", entity="entity:1", limit=5) == events[4]
    assert store.aggregate("first", entity="entity:1", limit=5) == events[0]
    assert store.aggregate("last", limit=0) is None
    assert store.aggregate("first", limit=0) is None
    assert store.aggregate("last", entity="nobody") is None


def test_true_and_one_are_one_group(store: Store) -> None:
    values: list[Any] = [1, True, 0, False, 1, None, "1"]
    for value in values:
        store.append(Coordinate("e", "s"), {"paid": value, "amount": 10}, kind=KINDS[0])
    expected: dict[Any, int] = defaultdict(int)
    for value in values:
        expected[value] += 10
    assert list(store.aggregate("sum", "amount", by="payload.paid").items()) == list(expected.items())
    assert sum(store.aggregate("count", by=["entity", "payload.paid"]).values()) == len(values)


@pytest.mark.parametrize("key", ["", "a.b", "payload", "\u00fc"])
def test_a_list_names_keys_of_any_text(store: Store, key: str) -> None:
    store.append(Coordinate("e", "s"), {key: {"": {"n": 3}}}, kind=KINDS[0])
    assert store.aggregate("sum", [key, "", "n"]) == 3


def test_fields_of_events_that_upcasters_lift_are_asked_for_by_name(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Before:
        tok: int

    @dataclass(frozen=True)
    class Call:
        tokens: int

    old, new = Registry(), Registry()
    old.event(category=0xF, type_id=1)(Before)
    new.event(category=0xF, type_id=1, version=2)(Call)
    new.upcast(Call, from_version=1)(lambda value: {"tokens": value["tok"]})
    with Store.open(tmp_path / "journal", registry=old) as store:
        store.append(Coordinate("a", "s"), Before(50))
        first = store.aggregate("last").sequence
        assert store.aggregate("sum", "tok") == 50
    with Store.open(tmp_path / "journal", registry=new) as store:
        store.append(Coordinate("b", "s"), Call(7))
        store.append(Coordinate("b", "s"), {"tokens": 1}, kind=KINDS[1])
        for question in ({"measure": "sum", "field": "tokens"}, {"measure": "count", "by": "payload.tokens"}):
            with pytest.raises(batpak.InvalidInput, match=rf"event {first} is of version 1 of .*stored=True"):
                store.aggregate(**question)
        assert store.aggregate("sum", "tokens", stored=True) == 8
        assert store.aggregate("sum", "tokens", entity="b") == 8
        assert store.aggregate("count", by="entity") == {"a": 1, "b": 2}
        with pytest.raises(TypeError, match="stored"):
            store.aggregate("sum", "tokens", stored=1)


def test_many_threads_ask_while_one_writes(store: Store) -> None:
    fill(store, list(range(200)))
    ended, wrong = threading.Event(), []

    def ask() -> None:
        last = 0
        while not ended.is_set():
            count = store.aggregate("count")
            by_entity = sum(store.aggregate("count", by="entity").values())
            if not last <= count <= by_entity:
                wrong.append((last, count, by_entity))
            last = count

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    fill(store, list(range(300)))
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("marker", "measure"), [(b"\x01x", ("sum", "x")), (b"e:changed", ("count",))])
def test_a_changed_byte_of_what_is_looked_at_is_noticed(tmp_path: Path, marker: bytes, measure: Any) -> None:
    with Store.open(tmp_path / "journal") as store:
        store.append(Coordinate("e:changed", "b"), {"x": 1234567}, kind=KINDS[0])
    log = next((tmp_path / "journal" / "segments").glob("*.log"))
    with Store.open(tmp_path / "journal", read_only=True) as reader:
        assert reader.aggregate(*measure) in (1, 1234567)
        data = log.read_bytes()
        at = data.index(marker) + len(marker) + 1
        log.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(batpak.JournalDamaged):
            reader.aggregate(*measure)


def test_a_closed_store_answers_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "journal")
    store.close()
    with pytest.raises(batpak.StoreClosed):
        store.aggregate("count")
