"""The eight jobs, and every public method of a store: what it takes, returns and refuses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Draft, Kind, Store
from support import COORD, KIND

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_eight_jobs(path: Path) -> None:
    with Store.open(path) as store:
        first = store.append(COORD, {"total": 10}, kind=KIND)
        second, third = store.append_batch([(COORD, {"total": 20}), (Coordinate("order:2", "shop"), b"raw")], kind=KIND)
        assert [event.sequence for event in store.query(after=0, limit=2)] == [first.sequence, second.sequence]
        assert store.get(third.event_id).payload == b"raw"
        assert [event.clock for event in store.walk_ancestors(second.event_id)] == [1, 0]
        assert store.verify_receipt(second).ok
        total = store.project(lambda total, event: total + event.payload["total"], initial=0, entity="order:1")
        assert total == 30
    assert store.closed


def test_events_carry_what_was_given(store: Store) -> None:
    correlation, causation = uuid.uuid4(), uuid.uuid4()
    receipt = store.append(
        COORD,
        {"b": 1, "a": 2},
        kind=0xF002,
        version=7,
        correlation_id=correlation,
        causation_id=causation.bytes,
        metadata={"trace": "t", "actor": "a"},
        private_metadata={"who": ["alice"]},
        durability="always",
    )
    event = store.get(receipt.event_id)
    assert (event.entity, event.scope, event.coordinate) == ("order:1", "shop", COORD)
    assert (event.kind, event.payload_version, event.encoding) == (Kind(0xF, 2), 7, "value")
    assert list(event.payload.items()) == [("a", 2), ("b", 1)]
    assert (event.correlation_id, event.causation_id) == (correlation, causation)
    assert list(event.metadata.items()) == [("actor", "a"), ("trace", "t")]
    assert event.private_metadata == {"who": ["alice"]}
    assert event.promise == "always"
    assert (event.sequence, event.clock, event.hlc) == (receipt.sequence, receipt.clock, receipt.hlc)
    assert (event.event_id, event.event_hash) == (receipt.event_id, receipt.event_hash)
    assert event.journal_id == store.journal_id == receipt.journal_id
    assert (event.prev_sequence, event.prev_hash, event.is_system) == (None, bytes(32), False)
    assert event.timestamp == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.hlc.wall_us)
    assert event.event_id.version == 7
    assert event.event_id.int >> 80 == event.hlc.wall_us // 1000
    assert len(event.salt) == 16
    assert len(event.payload_commitment) == 32
    assert event.payload_commitment in event.header
    assert store.stats().durable_events == len(store)


def test_get_by_every_reference(store: Store) -> None:
    receipt = store.append(COORD, None, kind=KIND)
    references: list[Any] = [
        receipt.event_id,
        receipt.event_id.bytes,
        str(receipt.event_id),
        receipt.event_id.hex,
        receipt.sequence,
    ]
    assert {store.get(reference) for reference in references} == {store.get(receipt.sequence)}


@pytest.mark.parametrize(
    "missing", [uuid.UUID(int=1), bytes(16), str(uuid.UUID(int=2)), 1_000_000, -1, 2**64, -(2**70)]
)
def test_get_of_nothing(store: Store, missing: Any) -> None:
    for look in (store.get, store.walk_ancestors):
        with pytest.raises(batpak.EventNotFound) as caught:
            look(missing)
        assert isinstance(caught.value, LookupError)
        assert caught.value.ref


@pytest.mark.parametrize("wrong", ["x", b"x", None, True, 1.0, [1]])
def test_get_of_what_names_no_event(store: Store, wrong: Any) -> None:
    with pytest.raises(batpak.InvalidInput):
        store.get(wrong)


def test_query_filters(store: Store) -> None:
    for number in range(40):
        coordinate = Coordinate(f"e:{number % 4}", f"s:{number % 5}")
        store.append(coordinate, number, kind=Kind(0xF, number % 2))

    def found(**filters: Any) -> list[Any]:
        return [event.payload for event in store.query(**filters)]

    assert found() == list(range(40))
    assert found(entity="e:1") == list(range(1, 40, 4))
    assert found(scope="s:2") == list(range(2, 40, 5))
    assert found(kind=0xF001, entity="e:2") == []
    assert found(kind=Kind(0xF, 1), entity="e:1", scope="s:1") == [1, 21]
    assert found(after=10, until=13) == [10, 11, 12]  # sequence 0 is the journal's own
    assert found(after=38, limit=1) == [38]
    assert found(limit=0) == found(after=40) == found(until=0) == found(after=5, until=5) == []
    assert found(entity="nobody") == found(scope="nowhere") == found(kind=0xE000) == []
    assert len(list(store.query(system=True))) == 41
    assert [event.payload for event in store.entity("e:3")] == list(range(3, 40, 4))
    assert [event.clock for event in store.entity("e:3")] == list(range(10))


def test_query_shows_the_moment_it_began_and_counts(store: Store) -> None:
    for number in range(100):
        store.append(COORD, number, kind=KIND)
    events = store.query()
    store.append(COORD, "later", kind=KIND)
    assert [event.payload for event in events] == list(range(100))
    assert events.examined == 101
    with pytest.raises(StopIteration):
        next(events)
    narrow = store.query(entity="order:1", after=98)
    assert [event.payload for event in narrow] == [98, 99, "later"]
    assert narrow.examined == 3


def test_query_pages_are_seamless(store: Store) -> None:
    store.append_batch([(Coordinate(f"e:{number % 3}", "s"), number) for number in range(3000)], kind=KIND)
    pages: list[int] = []
    after = 0
    while page := list(store.query(after=after, limit=257, entity="e:1")):
        pages += [event.payload for event in page]
        after = page[-1].sequence
    assert pages == list(range(1, 3000, 3))


def test_walk_ancestors(store: Store) -> None:
    receipts = [store.append(COORD, number, kind=KIND) for number in range(5)]
    store.append(Coordinate("other", "shop"), "x", kind=KIND)
    walked = list(store.walk_ancestors(receipts[3].event_id))
    assert [event.payload for event in walked] == [3, 2, 1, 0]
    for newer, older in zip(walked, walked[1:], strict=False):
        assert (newer.prev_sequence, newer.prev_hash) == (older.sequence, older.event_hash)
    assert [event.payload for event in store.walk_ancestors(receipts[4].sequence, limit=2)] == [4, 3]
    assert list(store.walk_ancestors(receipts[4].sequence, limit=0)) == []


def test_project(store: Store) -> None:
    store.append_batch([(Coordinate(f"e:{number % 2}", "s"), number) for number in range(10)], kind=KIND)

    empty: list[int] = []

    def collect(state: list[int], event: batpak.Event) -> list[int]:
        return [*state, event.payload]

    assert store.project(collect, initial=empty) == list(range(10))
    assert store.project(collect, initial=empty, entity="e:1", until=6) == [1, 3, 5]
    assert store.project(collect, initial=empty, kind=Kind(1, 1)) == []

    def fail(_state: int, event: batpak.Event) -> int:
        return 1 // (3 - int(event.payload))

    with pytest.raises(ZeroDivisionError) as caught:
        store.project(fail, initial=0)
    assert caught.value.__notes__ == [f"while folding event 4 ({store.get(4).event_id})"]
    store.append(COORD, "the store goes on", kind=KIND)


def test_a_fold_may_write(store: Store) -> None:
    store.append_batch([(COORD, number) for number in range(50)], kind=KIND)

    def echo(state: int, event: batpak.Event) -> int:
        store.append(Coordinate("echo", "s"), event.payload, kind=KIND)
        return state + 1

    assert store.project(echo, initial=0) == 50
    assert len(list(store.entity("echo"))) == 50


def test_batch_is_one_frame_with_causes_inside(store: Store) -> None:
    outside = store.append(COORD, "cause", kind=KIND)
    receipts = store.append_batch(
        [
            Draft(COORD, "first", kind=KIND, causation_id=outside.event_id),
            Draft(COORD, "second", kind=KIND, causation_id=0, correlation_id=bytes(16), version=2),
            Draft(
                Coordinate("b", "s"), b"\0", kind=KIND, causation_id=1, metadata={"m": "1"}, private_metadata={"p": 1}
            ),
            (COORD, "fourth"),
        ],
        kind=Kind(0xE, 9),
        durability="manual",
    )
    events = [store.get(receipt.event_id) for receipt in receipts]
    assert [event.causation_id for event in events] == [outside.event_id, events[0].event_id, events[1].event_id, None]
    assert [event.kind.code for event in events] == [0xF001, 0xF001, 0xF001, 0xE009]
    assert [event.promise for event in events] == ["manual"] * 4
    assert [event.clock for event in events] == [1, 2, 0, 3]
    assert (events[1].payload_version, events[2].metadata, events[2].private_metadata) == (2, {"m": "1"}, {"p": 1})


def test_batch_takes_any_iterable_and_reads_it_before_it_locks(store: Store) -> None:
    def items() -> Iterator[tuple[Coordinate, object]]:
        for number in range(3):
            store.append(COORD, f"inner {number}", kind=KIND)
            yield COORD, number

    receipts = store.append_batch(items(), kind=KIND)
    assert [receipt.sequence for receipt in receipts] == [4, 5, 6]


def test_last_receipt(store: Store, tmp_path: Path) -> None:
    assert store.last_receipt() is None
    receipt = store.append(COORD, 1, kind=KIND)
    assert store.last_receipt() == receipt
    batch = store.append_batch([(COORD, 2), (COORD, 3)], kind=KIND)
    assert store.last_receipt() == batch[1]
    with pytest.raises(batpak.InvalidValue):
        store.append(COORD, {1: 2}, kind=KIND)
    assert store.last_receipt() == batch[1]
    with Store.open(tmp_path / "other") as other:
        assert other.last_receipt() is None
        theirs = other.append(COORD, 1, kind=KIND)
        assert (other.last_receipt(), store.last_receipt()) == (theirs, None)


def test_last_receipt_is_not_a_former_stores(path: Path) -> None:
    for _ in range(30):
        with Store.open(path) as store:
            assert store.last_receipt() is None
            store.append(COORD, 1, kind=KIND)
        del store
