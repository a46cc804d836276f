"""Every filter of a query against a plain list, whatever state the index files are in; and what a query costs."""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batpak
from batpak import Coordinate, Draft, Store
from batpak.testing import ManualClock, MemoryDisk, open_store
from support import COORD, KIND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
ENTITIES = ["a", "a:", "a::b", "a:b", "a:b:c", "a;", "ab", "a:é", "b", "é"]
PREFIXES = ["a", "a:", "a:b", "a:b:c", "a;", "ab", "é", "A", "batpak", "nobody"]
SCOPES = ["s", "s:t", "t"]
KINDS = [0x1000, 0x1001, 0xC000, 0xF001, 0xFFFF]
CORRELATIONS = [None, UUID(int=0), UUID(int=1), UUID(int=2**128 - 1)]
KEYS = ["k", "m", "é"]
VALUES = ["", "0", "1", "é", "v" * 300]
METADATA = st.none() | st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)

DRAFTS = st.builds(
    Draft,
    st.builds(Coordinate, st.sampled_from(ENTITIES), st.sampled_from(SCOPES)),
    st.integers(0, 700).map(bytes),
    kind=st.sampled_from(KINDS),
    correlation_id=st.sampled_from(CORRELATIONS),
    metadata=METADATA,
)
# A batch, and by how many microseconds the clock moves before it.
HISTORY = st.lists(
    st.tuples(st.lists(DRAFTS, min_size=1, max_size=4), st.sampled_from([0, 1, 2, 999, 1000, 5_000_000])),
    min_size=1, max_size=25,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A query whose times are told by the events that they are near to: a place in the history, and microseconds from there."""

    filters: dict[str, Any]
    since: tuple[float, int] | None
    before: tuple[float, int] | None

    def keywords(self, events: list[batpak.Event]) -> dict[str, Any]:
        def moment(near: tuple[float, int]) -> datetime:
            place, by_us = near
            zone = timezone(timedelta(hours=by_us % 3))
            event = events[round(place * (len(events) - 1))]
            return (event.timestamp + timedelta(microseconds=by_us)).astimezone(zone)

        times = {"since": self.since, "before": self.before}
        return self.filters | {name: moment(near) for name, near in times.items() if near is not None}


TIMES = st.none() | st.tuples(
    st.floats(0, 1), st.sampled_from([-1000, -999, -1, 0, 0, 1, 999, 1000, 10**12, -(10**12)])
)
ASKED = st.builds(
    Asked,
    st.fixed_dictionaries(
        {},
        optional={
            "entity": st.sampled_from([*ENTITIES, "batpak", "nobody", "a:b:"]),
            "entity_prefix": st.sampled_from(PREFIXES),
            "scope": st.sampled_from([*SCOPES, "nowhere"]),
            "kind": st.sampled_from([*KINDS, 0xF002, 1, 0, 0xFFFF]),
            "category": st.integers(0, 15),
            "correlation": st.sampled_from([*CORRELATIONS[1:], UUID(int=7), bytes(16)]),
            "metadata": st.dictionaries(st.sampled_from([*KEYS, "x"]), st.sampled_from(VALUES), max_size=2),
            "after": st.integers(0, 70),
            "until": st.integers(0, 70),
            "reverse": st.booleans(),
            "limit": st.sampled_from([0, 1, 2, 7, 1000, 2**32, 2**64 - 1]),
            "system": st.booleans(),
        },
    ),
    TIMES,
    TIMES,
)  # fmt: skip


def conditions(keywords: dict[str, Any]) -> dict[str, Callable[[batpak.Event], bool]]:
    """What each filter asks of one event."""
    asks: dict[str, Callable[[batpak.Event, Any], bool]] = {
        "entity": lambda event, wanted: event.entity == wanted,
        "entity_prefix": lambda event, wanted: event.entity == wanted or event.entity.startswith(wanted + ":"),
        "scope": lambda event, wanted: event.scope == wanted,
        "kind": lambda event, wanted: event.kind.code == wanted,
        "category": lambda event, wanted: event.kind.code >> 12 == wanted,
        "correlation": lambda event, wanted: (
            event.correlation_id is not None
            and event.correlation_id.bytes == (wanted if isinstance(wanted, bytes) else wanted.bytes)
        ),
        "metadata": lambda event, wanted: event.metadata.items() >= wanted.items(),
        "after": lambda event, wanted: event.sequence > wanted,
        "until": lambda event, wanted: event.sequence <= wanted,
        "since": lambda event, wanted: event.timestamp >= wanted,
        "before": lambda event, wanted: event.timestamp < wanted,
    }
    return {
        name: (lambda event, ask=asks[name], wanted=wanted: ask(event, wanted))
        for name, wanted in keywords.items()
        if name in asks
    }


def check(store: Store, events: list[batpak.Event], asked: Asked, declared: list[str]) -> None:
    keywords = asked.keywords(events)
    asks = conditions(keywords)
    system = keywords.get("system", False)
    matches = [each for each in events if (system or not each.is_system) and all(ask(each) for ask in asks.values())]
    if keywords.get("reverse"):
        matches.reverse()
    answer = store.query(**keywords)
    assert answer.examined == 0
    found = list(answer)
    assert found == matches[: keywords.get("limit")], keywords
    # At most those were looked at that meet the rarest condition which an index answers, and those within the range.
    ranged = [
        each
        for each in events
        if all(asks[name](each) for name in ("after", "until", "since", "before") if name in asks)
    ]
    rarest = [len(ranged)]
    for name in ("entity", "entity_prefix", "scope", "kind", "category", "correlation"):
        if name in asks:
            rarest.append(sum(map(asks[name], events)))
    for key, value in keywords.get("metadata", {}).items():
        if key in declared:
            rarest.append(sum(each.metadata.get(key) == value for each in events))
    assert len(found) <= answer.examined <= min(rarest), keywords


def without_indexes(disk: MemoryDisk) -> MemoryDisk:
    return MemoryDisk({name: data for name, data in disk.files().items() if not is_index(name)})


def with_damaged_indexes(disk: MemoryDisk, chance: random.Random) -> MemoryDisk:
    """Some are gone, some are longer or shorter, and in some are other bytes."""
    files = disk.files()
    for name in filter(is_index, list(files)):
        data = bytearray(files[name])
        match chance.randrange(5):
            case 0:
                del files[name]
                continue
            case 1:
                data = data[: chance.randrange(len(data) + 1)]
            case 2:
                data += chance.randbytes(chance.randrange(1, 40))
            case 3:
                for _ in range(chance.randrange(1, 4)):
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        files[name] = bytes(data)
    return MemoryDisk(files)


def is_index(name: str) -> bool:
    return name.endswith(".idx") or name.startswith("heads/")


@settings(max_examples=60)
@given(
    history=HISTORY,
    segment_bytes=st.sampled_from([4096, 4096, 2**20]),
    declared=st.sampled_from([[], ["m"], ["k", "m"], ["é", "x"]]),
    queries=st.lists(ASKED, min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_queries_are_filters_of_a_list(
    history: list[tuple[list[Draft], int]], segment_bytes: int, declared: list[str], queries: list[Asked], seed: int
) -> None:
    disk, clock, chance = MemoryDisk(), ManualClock(START), random.Random(seed)
    options: dict[str, Any] = {"clock": clock, "segment_bytes": segment_bytes, "durability": "manual"}
    with open_store(disk, index_metadata=declared, **options) as store:
        written: list[tuple[int, Draft]] = []
        for drafts, advance_us in history:
            clock.advance(timedelta(microseconds=advance_us))
            written += [
                (receipt.sequence, draft) for receipt, draft in zip(store.append_batch(drafts), drafts, strict=True)
            ]
        events = list(store.query(system=True))
        for sequence, draft in written:
            event = events[sequence]
            assert (event.coordinate, event.kind.code, event.payload) == (draft.coordinate, draft.kind, draft.payload)
            assert (event.correlation_id, event.metadata) == (draft.correlation_id, draft.metadata or {})
        assert [each.is_system for each in events] == [True] + [False] * len(written)
        assert events == sorted(events, key=lambda each: (each.timestamp, each.sequence))
        for asked in queries:
            check(store, events, asked, declared)
        with open_store(disk, read_only=True) as reader:
            for asked in queries:
                check(reader, events, asked, [])

    for image in (disk, without_indexes(disk), with_damaged_indexes(disk, chance)):
        with open_store(image, read_only=True) as reader:
            assert list(reader.query(system=True)) == events
            for asked in queries:
                check(reader, events, asked, [])
        other_keys = chance.choice([None, None, ["m"], ["m", "x"]])
        with open_store(image, index_metadata=other_keys, **options) as store:
            now = list(store.query(system=True))
            assert now[:-1] == events
            for asked in queries:
                check(store, now, asked, other_keys or [])
            store.append(COORD, "more", kind=KIND, metadata={"m": "1"})
            now.append(store.get(len(store) - 1))
            for asked in queries:
                check(store, now, asked, [])
            assert store.stats().index_failure is None
        with open_store(image, **options) as store:
            assert list(store.query(system=True, until=len(now) - 1)) == now
            assert store.verify().ok


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_only_matches_are_looked_at(path: Path) -> None:
    with Store.open(path, segment_bytes=2**16, index_metadata=["tenant"], durability="manual") as store:
        for first in range(0, 20_000, 500):
            store.append_batch([
                Draft(
                    Coordinate("rare" if n % 4000 == 77 else f"e:{n % 50}", "s"),
                    n,
                    kind=0xF002 if n % 2000 == 99 else 0xF001,
                    correlation_id=UUID(int=n // 10),
                    metadata={"tenant": str(n // 100), "plain": str(n // 100)},
                )
                for n in range(first, first + 500)
            ])  # fmt: skip
        assert store.stats().segments > 20
        everything = 20_001
        costs: list[tuple[dict[str, Any], int, int]] = [
            ({"entity": "rare"}, 5, 5),
            ({"entity": "rare", "reverse": True, "limit": 1}, 1, 1),
            ({"entity": "nobody"}, 0, 0),
            ({"entity_prefix": "rare"}, 5, 5),
            ({"entity_prefix": "e", "after": 19_900}, 100, 100),
            ({"kind": 0xF002}, 10, 10),
            ({"correlation": UUID(int=1500)}, 10, 10),
            ({"metadata": {"tenant": "33"}}, 100, 100),
            ({"metadata": {"tenant": "nobody"}}, 0, 0),
            ({"metadata": {"tenant": "33", "plain": "33"}}, 100, 100),
            ({"metadata": {"plain": "33"}}, 100, everything),
            ({"metadata": {"plain": "33"}, "entity": "rare"}, 0, 5),
            ({"metadata": {"plain": "33"}, "after": 3000, "until": 3499}, 100, 499),
            ({"scope": "nowhere"}, 0, 0),
            ({"category": 0, "system": True}, 1, 1),
            ({"after": 19_990}, 10, 10),
            ({"limit": 0}, 0, 0),
            ({"reverse": True, "limit": 3}, 3, 3),
        ]
        begun = store.query(entity_prefix="e")
        next(begun)
        # The first page is a small one.
        assert begun.examined <= 16
        with Store.open(path, read_only=True) as reader:
            for either in (store, reader):
                for filters, matches, examined in costs:
                    answer = either.query(**filters)
                    assert (len(list(answer)), answer.examined) == (matches, examined), filters
    with Store.open(path, index_metadata=["plain"]) as store:
        for key, examined in ("plain", 100), ("tenant", everything + 1):
            answer = store.query(metadata={key: "33"})
            assert (len(list(answer)), answer.examined) == (100, examined)


# -- wrong arguments --------------------------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    *[
        ({name: -1}, batpak.InvalidInput, f"{name} is -1; it must be 0 to")
        for name in ("after", "until", "limit", "category")
    ],
    *[({name: 2**64}, batpak.InvalidInput, f"{name} is 18446744073709551616") for name in ("after", "until", "limit")],
    *[
        ({name: True}, TypeError, f"{name} must be an int, not bool")
        for name in ("after", "until", "limit", "category")
    ],
    *[({name: "1"}, TypeError, f"{name} must be an int, not str") for name in ("after", "until", "limit", "category")],
    *[
        ({name: 1.0}, TypeError, f"{name} must be an int, not float")
        for name in ("after", "until", "limit", "category")
    ],
    ({"category": 16}, batpak.InvalidInput, "category is 16; it must be 0 to 15"),
    *[({name: ""}, batpak.InvalidInput, f"{name} is empty") for name in ("entity", "entity_prefix", "scope")],
    *[({name: b"a"}, TypeError, f"{name} must be a str, not bytes") for name in ("entity", "entity_prefix", "scope")],
    ({"kind": -1}, batpak.InvalidKind, "kind must be"),
    ({"kind": 65536}, batpak.InvalidKind, "kind must be"),
    ({"kind": "x"}, batpak.InvalidKind, "kind must be"),
    ({"correlation": b"short"}, batpak.InvalidInput, "correlation must be a UUID or 16 bytes"),
    ({"correlation": "x"}, batpak.InvalidInput, "correlation must be a UUID or 16 bytes"),
    ({"metadata": [("a", "b")]}, TypeError, "metadata must be a dict of str to str, not list"),
    ({"metadata": "ab"}, TypeError, "metadata must be a dict of str to str, not str"),
    ({"metadata": {"a": 1}}, TypeError, "it holds int"),
    ({"metadata": {1: "a"}}, TypeError, "it holds int"),
    *[({name: datetime(2026, 1, 1)}, batpak.InvalidInput, f"{name} is naive") for name in ("since", "before")],
    *[({name: 1}, TypeError, f"{name} must be an aware datetime, not int") for name in ("since", "before")],
    ({"reverse": 1}, TypeError, "bool"),
    ({"system": None}, TypeError, "bool"),
]


@pytest.mark.parametrize(("filters", "error", "message"), WRONG, ids=str)
def test_wrong_filters(store: Store, filters: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        store.query(**filters)
    if filters.keys() <= inspect.signature(store.follow).parameters.keys():
        with pytest.raises(error, match=message):
            store.follow(timeout=0, **filters)


def test_follow_takes_the_conditions_that_query_takes(store: Store) -> None:
    query, follow = inspect.signature(store.query).parameters, inspect.signature(store.follow).parameters
    assert follow.keys() - {"timeout"} == query.keys() - {"until", "before", "reverse", "limit"}
    assert all(query[name] == parameter for name, parameter in follow.items() if name != "timeout")


def test_a_condition_that_there_is_not_is_named(store: Store) -> None:
    asking: list[Any] = [store.query, store.follow]
    for ask in asking:
        with pytest.raises(TypeError, match=f"{ask.__name__}.*'entitty'"):
            ask(entitty="a")


def test_wrong_limits_and_timeouts(store: Store) -> None:
    for limit, error in (-1, batpak.InvalidInput), (True, TypeError), (1.5, TypeError):
        with pytest.raises(error, match="limit"):
            store.walk_ancestors(0, limit)  # type: ignore[arg-type]
    for timeout, error in (
        (-1, batpak.InvalidInput),
        (float("nan"), batpak.InvalidInput),
        (True, TypeError),
        ("1", TypeError),
    ):
        with pytest.raises(error, match="timeout"):
            store.follow(timeout=timeout)  # type: ignore[arg-type]


def test_extreme_times_and_numbers(store: Store) -> None:
    event = store.get(store.append(COORD, 1, kind=KIND).sequence)
    ends = [moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max)]
    assert list(store.query(since=ends[0], before=ends[1])) == [event]
    assert list(store.query(since=ends[1])) == list(store.query(before=ends[0])) == []
    assert list(store.query(since=event.timestamp)) == [event]
    assert list(store.query(before=event.timestamp)) == []
    assert list(store.query(until=2**64 - 1, limit=2**64 - 1)) == [event]
    assert list(store.query(after=2**64 - 1)) == []
    assert list(store.query(metadata={})) == [event]
    # Names that no event can have are no mistakes.
    for entity in "e\u0301", "a/b", "x" * 5000:
        assert list(store.query(entity=entity)) == list(store.query(entity_prefix=entity)) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"index_metadata": "m"}, batpak.InvalidInput, r"name the keys in a list, such as \['m'\]"),
        ({"index_metadata": b"m"}, TypeError, "must name its keys as str, not int"),
        ({"index_metadata": [1]}, TypeError, "must name its keys as str, not int"),
        ({"index_metadata": [""]}, batpak.InvalidInput, "1 to 4096 bytes"),
        ({"index_metadata": ["x" * 4097]}, batpak.InvalidInput, "1 to 4096 bytes"),
        ({"index_metadata": [str(n) for n in range(33)]}, batpak.InvalidInput, "33 keys; it may name 32"),
        ({"visibility": "x"}, batpak.InvalidInput, "visibility is 'x'"),
        ({"visibility": True}, TypeError, "visibility must be a str"),
    ],
    ids=str,
)
def test_wrong_options_of_open(path: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Store.open(path, **options)
    assert not path.exists() or not list(path.iterdir())


def test_as_many_metadata_keys_as_there_may_be(path: Path) -> None:
    keys = [f"k{n}" for n in range(32)]
    with Store.open(path, segment_bytes=4096, index_metadata=[*keys, *keys]) as store:
        for n in range(40):
            store.append(COORD, n, kind=KIND, metadata={keys[n % 32]: "x", keys[31]: "y"})
    with Store.open(path, read_only=True) as reader:
        answer = reader.query(metadata={"k3": "x", "k31": "y"})
        assert [event.payload for event in answer] == [3, 35]
        assert answer.examined == 2
