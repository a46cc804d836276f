"""Compare-and-append: what an append expects of its entity, alone, in batches, across reopening and among threads."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import ANY, NEW, Coordinate, Draft, Store
from support import COORD, KIND, payloads

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")
THREADS, EACH = 16, 20


def refused(store: Store, actual: int | None, entity: str = COORD.entity, **expected: Any) -> None:
    events = len(store)
    with pytest.raises(batpak.ExpectationFailed) as caught:
        store.append(Coordinate(entity, "shop"), "refused", kind=KIND, **expected)
    assert (caught.value.entity, caught.value.actual) == (entity, actual)
    assert len(store) == events


def test_new_is_for_the_first_event_of_an_entity_and_for_no_other(store: Store) -> None:
    first = store.append(COORD, 1, kind=KIND, expect=NEW)
    assert first.clock == 0
    refused(store, 0, expect=NEW)
    assert store.append(OTHER, 2, kind=KIND, expect=NEW).clock == 0
    assert payloads(store) == [1, 2]


def test_a_clock_is_that_of_the_last_event(store: Store) -> None:
    refused(store, None, expect=0)
    first = store.append(COORD, 1, kind=KIND)
    refused(store, 0, expect=1)
    second = store.append(COORD, 2, kind=KIND, expect=first.clock)
    assert second.clock == 1
    refused(store, 1, expect=first.clock)
    assert store.append(COORD, 3, kind=KIND, expect=second.clock).clock == 2


def test_no_event_and_one_event_are_different_things(store: Store) -> None:
    """Clock 0 is an entity with one event, never one without."""
    refused(store, None, expect=0)
    store.append(COORD, 1, kind=KIND)
    refused(store, 0, expect=NEW)
    store.append(COORD, 2, kind=KIND, expect=0)


def test_any_expects_nothing(store: Store) -> None:
    assert [store.append(COORD, n, kind=KIND, expect=ANY).clock for n in range(3)] == [0, 1, 2]
    assert store.append_batch([Draft(COORD, 3, kind=KIND, expect=None)])[0].clock == 3


def test_the_entity_is_compared_and_the_scope_is_not(store: Store) -> None:
    store.append(COORD, 1, kind=KIND)
    elsewhere = Coordinate(COORD.entity, "elsewhere")
    with pytest.raises(batpak.ExpectationFailed):
        store.append(elsewhere, 2, kind=KIND, expect=NEW)
    assert store.append(elsewhere, 2, kind=KIND, expect=0).clock == 1


def test_an_item_of_a_batch_is_asked_after_those_before_it(store: Store) -> None:
    drafts = [
        Draft(COORD, 0, kind=KIND, expect=NEW),
        Draft(COORD, 1, kind=KIND, expect=0),
        Draft(OTHER, 2, kind=KIND, expect=NEW),
        Draft(COORD, 3, kind=KIND, expect=1),
    ]
    assert [receipt.clock for receipt in store.append_batch(drafts)] == [0, 1, 0, 2]
    store.append_batch([Draft(COORD, 4, kind=KIND, expect=2), Draft(OTHER, 5, kind=KIND, expect=0)])


@pytest.mark.parametrize("wrong", [NEW, 0, 1, 3, 2**64 - 1])
def test_one_item_that_is_refused_refuses_its_batch(store: Store, wrong: Any) -> None:
    store.append_batch([(COORD, n) for n in range(2)], kind=KIND)
    events = len(store)
    items = [
        Draft(OTHER, "x", kind=KIND),
        Draft(COORD, "y", kind=KIND, expect=1),
        Draft(COORD, "z", kind=KIND, expect=wrong),
    ]
    with pytest.raises(batpak.ExpectationFailed) as caught:
        store.append_batch(items)
    assert (caught.value.entity, caught.value.actual) == (COORD.entity, 2)
    assert len(store) == events
    # Nothing was left of it: the entity is as it was.
    assert store.append(COORD, 2, kind=KIND, expect=1).clock == 2
    assert store.append(OTHER, 0, kind=KIND, expect=NEW).clock == 0


def test_it_holds_across_segments_and_reopening(path: Path) -> None:
    options: dict[str, Any] = {"segment_bytes": 4096}
    clock = None
    for _ in range(3):
        with Store.open(path, **options) as store:
            for _ in range(40):
                clock = store.append(COORD, bytes(200), kind=KIND, expect=NEW if clock is None else clock).clock
            assert store.stats().segments > 1
            refused(store, clock, expect=NEW)
            refused(store, clock, expect=clock - 1)
            refused(store, None, "never", expect=clock)
    for each in (path / "heads").iterdir():
        each.unlink()
    with Store.open(path, **options) as store:
        refused(store, clock, expect=NEW)
        assert store.append(COORD, 1, kind=KIND, expect=clock).clock == 120


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("wrong", ["new", "NEW", 1.0, True, False, b"0", [], "0", object()])
def test_what_is_no_expectation(store: Store, wrong: Any, gated: bool) -> None:
    gates: Any = [lambda proposal: None] if gated else None
    for write in (
        lambda: store.append(COORD, 1, kind=KIND, expect=wrong, gates=gates),
        lambda: store.append_batch([Draft(COORD, 1, kind=KIND, expect=wrong)], gates=gates),
        lambda: store.outbox().add(COORD, 1, kind=KIND, expect=wrong),
    ):
        with pytest.raises(TypeError, match="expect must be"):
            write()
    assert len(store) == 1


@pytest.mark.parametrize("wrong", [-1, 2**64, pytest.param(10**5000, id="long")])
def test_clocks_that_cannot_be(store: Store, wrong: int) -> None:
    with pytest.raises(batpak.InvalidInput, match="expect"):
        store.append(COORD, 1, kind=KIND, expect=wrong)
    assert len(store) == 1


def test_none_is_no_expectation_for_a_single_append(store: Store) -> None:
    with pytest.raises(TypeError, match="expect must be"):
        store.append(COORD, 1, kind=KIND, expect=None)  # type: ignore[arg-type]


def test_the_constants() -> None:
    assert (repr(ANY), repr(NEW)) == ("batpak.ANY", "batpak.NEW")
    assert pickle.loads(pickle.dumps(NEW)) is NEW
    assert ANY is batpak.Expect.ANY


def test_the_failure_travels(store: Store) -> None:
    with pytest.raises(batpak.Conflict) as caught:
        store.append(COORD, 1, kind=KIND, expect=7)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.code) == (batpak.ExpectationFailed, "expectation_failed")
    assert (again.entity, again.actual, str(again)) == (COORD.entity, None, str(caught.value))
    assert COORD.entity in str(again)


@pytest.mark.parametrize("gated", [False, True])
def test_no_update_is_lost(path: Path, gated: bool) -> None:
    """Each thread adds 1 to a counter again and again: read, compute, append if nobody was faster."""
    gates = [lambda proposal: None] if gated else []
    with Store.open(path, gates=gates, segment_bytes=16_384) as store:
        store.append(COORD, 0, kind=KIND, expect=NEW)

        def count(_: int) -> int:
            conflicts = 0
            for _ in range(EACH):
                while True:
                    (last,) = store.query(entity=COORD.entity, reverse=True, limit=1)
                    try:
                        store.append(COORD, last.payload + 1, kind=KIND, expect=last.clock)
                        break
                    except batpak.ExpectationFailed as error:
                        assert error.actual is not None
                        assert error.actual > last.clock
                        conflicts += 1
            return conflicts

        with ThreadPoolExecutor(THREADS) as pool:
            conflicts = sum(pool.map(count, range(THREADS)))
        counted = [event.payload for event in store.entity(COORD.entity)]
        assert counted == list(range(THREADS * EACH + 1))
        assert conflicts > 0, "the threads never met; this proves nothing"


def test_one_of_many_makes_the_entity(store: Store) -> None:
    def create(number: int) -> int | None:
        try:
            store.append(COORD, number, kind=KIND, expect=NEW)
        except batpak.ExpectationFailed:
            return None
        return number

    with ThreadPoolExecutor(THREADS) as pool:
        made = [number for number in pool.map(create, range(THREADS)) if number is not None]
    assert payloads(store) == made
    assert len(made) == 1
