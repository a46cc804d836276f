"""Arguments that a store refuses, and those at their limits: after a refusal every byte is as it was."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Draft, Kind, Store
from support import COORD, KIND, contents, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


BAD_OPTIONS: list[dict[str, Any]] = [
    {"interval_ms": 0},
    {"interval_ms": 60_001},
    {"segment_bytes": 4095},
    {"segment_bytes": 2**30 + 1},
    {"durability": "never"},
    {"name": ""},
    {"name": "a b"},
    {"name": "a+b"},
    {"name": "a\n"},
    {"name": "x" * 256},
]


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options_touch_nothing(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(batpak.InvalidInput):
        Store.open(path, **options)
    assert not path.exists()


@pytest.mark.parametrize(
    "options", [{"interval_ms": 1}, {"interval_ms": 60_000}, {"segment_bytes": 4096}, {"name": "x" * 255}]
)
def test_options_at_their_limits(path: Path, options: dict[str, Any]) -> None:
    with Store.open(path, **options) as store:
        store.append(COORD, 1, kind=KIND)


def refused(store: Store, path: Path, expected: type[Exception], write: Callable[[], object]) -> Any:
    """Assert that ``write`` raises and leaves every byte as it was; return the exception."""
    store.sync()
    before, events = contents(path), len(store)
    with pytest.raises(expected) as caught:
        write()
    assert (contents(path), len(store)) == (before, events)
    return caught.value


BAD_ARGUMENTS: list[tuple[type[Exception], dict[str, Any]]] = [
    (batpak.InvalidKind, {"kind": None}),
    (batpak.InvalidKind, {"kind": 0}),
    (batpak.InvalidKind, {"kind": True}),
    (batpak.InvalidKind, {"kind": Kind(0, 1)}),
    (batpak.InvalidKind, {"kind": Kind(0xD, 0)}),
    (batpak.InvalidKind, {"kind": Kind(0xD, 0xFFF)}),
    (batpak.InvalidKind, {"kind": 0x1_0000}),
    (batpak.InvalidKind, {"kind": -1}),
    (batpak.InvalidKind, {"kind": "0xF001"}),
    *((batpak.InvalidKind, {"kind": code}) for code in (0xFA01, 0xFA24, 0xFA81, 0xC5B7, 0xC5B9)),
    (batpak.InvalidInput, {"correlation_id": b"short"}),
    (batpak.InvalidInput, {"correlation_id": str(uuid.uuid4())}),
    (batpak.InvalidInput, {"causation_id": 17 * b"x"}),
    (batpak.InvalidInput, {"causation_id": 0}),
    (batpak.InvalidInput, {"durability": "sometimes"}),
    (batpak.InvalidInput, {"metadata": {"a": 1}}),
    (batpak.InvalidInput, {"metadata": {1: "a"}}),
    (batpak.LimitExceeded, {"metadata": {"a": "x" * 4092}}),
    (batpak.LimitExceeded, {"private_metadata": {"a": "x" * 65_536}}),
    (batpak.InvalidValue, {"private_metadata": {"a": (1,)}}),
    (batpak.InvalidValue, {"private_metadata": {1: 1}}),
    (TypeError, {"metadata": [("a", "b")]}),
    (TypeError, {"version": "1"}),
    (TypeError, {"unknown": 1}),
]


@pytest.mark.parametrize(("expected", "arguments"), BAD_ARGUMENTS)
def test_bad_arguments_write_nothing(store: Store, path: Path, expected: type[Exception], arguments: Any) -> None:
    error = refused(store, path, expected, lambda: store.append(COORD, {}, **{"kind": KIND, **arguments}))
    assert str(error)
    store.append(COORD, "the store goes on", kind=KIND)


OUT_OF_RANGE: list[Callable[[Store], object]] = [
    lambda store: store.append(COORD, {}, kind=KIND, version=65_536),
    lambda store: store.append(COORD, {}, kind=KIND, version=-1),
    lambda store: store.append_batch([Draft(COORD, {}, kind=KIND), Draft(COORD, {}, kind=KIND, causation_id=-1)]),
    lambda store: store.append_batch([Draft(COORD, {}, kind=KIND), Draft(COORD, {}, kind=KIND, causation_id=2**70)]),
    lambda store: store.query(after=-1),
    lambda store: store.query(until=2**64),
    lambda store: store.query(limit=-1),
    lambda store: store.walk_ancestors(0, limit=-1),
    lambda store: store.project(lambda state, _: state, initial=0, until=-1),
    lambda store: Store.open(store.path / "new", interval_ms=-1),
    lambda store: Store.open(store.path / "new", segment_bytes=2**70),
    lambda _store: Draft(COORD, {}, version=65_536),
]


@pytest.mark.parametrize("use", OUT_OF_RANGE)
def test_numbers_out_of_range_are_invalid_input(store: Store, path: Path, use: Callable[[Store], object]) -> None:
    refused(store, path, batpak.InvalidInput, lambda: use(store))


def test_metadata_at_its_limits(store: Store) -> None:
    receipt = store.append(COORD, {}, kind=KIND, metadata={"a": "x" * 4091}, private_metadata={"a": "x" * 65_528})
    assert len(store.get(receipt.sequence).private_metadata["a"]) == 65_528


def test_a_payload_at_its_limit_and_one_past_it(store: Store, path: Path) -> None:
    limit = 16 * 2**20
    error = refused(store, path, batpak.LimitExceeded, lambda: store.append(COORD, bytes(limit + 1), kind=KIND))
    assert (error.actual, error.limit) == (limit + 1, limit)
    refused(store, path, batpak.LimitExceeded, lambda: store.append(COORD, "x" * (limit - 4), kind=KIND))
    receipt = store.append(COORD, bytes(limit), kind=KIND)
    text = store.append(COORD, "x" * (limit - 5), kind=KIND)
    assert store.get(receipt.sequence).payload == bytes(limit)
    assert len(store.get(text.sequence).raw_payload) == limit


def test_a_batch_at_its_limits(store: Store, path: Path) -> None:
    assert len(store.append_batch([(COORD, None)] * 65_536, kind=KIND)) == 65_536
    error = refused(store, path, batpak.LimitExceeded, lambda: store.append_batch([(COORD, None)] * 65_537, kind=KIND))
    assert error.limit == 65_536
    refused(store, path, batpak.LimitExceeded, lambda: store.append_batch([(COORD, bytes(2**24))] * 4, kind=KIND))
    refused(store, path, batpak.InvalidInput, lambda: store.append_batch([], kind=KIND))


BAD_ITEMS: list[tuple[type[Exception], Any]] = [
    (TypeError, 1),
    (TypeError, (COORD,)),
    (TypeError, (COORD, 1, KIND)),
    (TypeError, ["order:1", 1]),
    (TypeError, ("order:1", 1)),
    (batpak.InvalidKind, (COORD, 1)),
    (batpak.InvalidKind, Draft(COORD, 1)),
    (batpak.InvalidKind, Draft(COORD, 1, kind=0xD001)),
    (batpak.InvalidValue, Draft(COORD, {"a": (1,)}, kind=KIND)),
    (batpak.InvalidInput, Draft(COORD, 1, kind=KIND, causation_id=1)),
    (batpak.InvalidInput, Draft(COORD, 1, kind=KIND, causation_id=5)),
    (batpak.UnregisteredType, Draft(COORD, object(), kind=KIND)),
]


@pytest.mark.parametrize(("expected", "item"), BAD_ITEMS)
def test_one_bad_item_refuses_the_whole_batch(store: Store, path: Path, expected: type[Exception], item: Any) -> None:
    if expected is batpak.UnregisteredType:
        expected = batpak.BatpakError
    refused(store, path, expected, lambda: store.append_batch([Draft(COORD, "good", kind=KIND), item]))


def test_an_iterable_that_fails_writes_nothing(store: Store, path: Path) -> None:
    def items() -> Any:
        yield COORD, 1
        raise RuntimeError("mine")

    refused(store, path, RuntimeError, lambda: store.append_batch(items(), kind=KIND))


BAD_NAMES = [
    "", "a/b", "a|b", "a=b", "a..b", "..", "\0", "a\nb", "\x7f", "\x85", "x" * 1025, "é" * 513, "e\u0301", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_coordinates(name: str) -> None:
    for field, names in (("entity", (name, "s")), ("scope", ("e", name))):
        with pytest.raises(batpak.InvalidCoordinate) as caught:
            Coordinate(*names)
        assert caught.value.field == field
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("entity", ["batpak", "batpak:", "batpak:keys"])
def test_the_journals_own_entities(entity: str) -> None:
    with pytest.raises(batpak.InvalidCoordinate):
        Coordinate(entity, "s")
    assert Coordinate(f"x{entity}", "batpak").scope == "batpak"
    assert Coordinate("batpaker", "batpak").entity == "batpaker"


def test_good_coordinates() -> None:
    for name in ("x" * 1024, "é" * 512, "a.b", ".", ":", "::a", "%2F", "a b", "\U0001f600", "日本"):
        assert (Coordinate(name, name).entity, Coordinate(name, name).scope) == (name, name)


def test_a_coordinate_must_be_one(store: Store, path: Path) -> None:
    wrongs: list[Any] = ["order:1", ("order:1", "shop"), None, 1]
    for wrong in wrongs:
        refused(store, path, TypeError, partial(store.append, wrong, {}, kind=KIND))


def test_errors_print_no_control_characters(tmp_path: Path) -> None:
    done = run_child("import sys, batpak; batpak.Store.open(sys.argv[1], create=False)", tmp_path / "a\x1b[2J")
    assert done.returncode == 1
    assert "NotAJournal" in done.stderr


class Sum(batpak.Projection[int]):
    """Something that can be materialised."""

    name = "sum"

    def initial(self) -> int:
        return 0

    @batpak.on(KIND)
    def added(self, state: int, event: batpak.Event) -> int:
        return state + 1


def last_batch(store: Store, limit: int) -> object:
    with store.cursor("c") as cursor:
        return cursor.batch(limit)


AT_LEAST_ONE: list[tuple[str, Callable[[Store, int], object]]] = [
    ("capacity", lambda store, number: store.subscribe(number)),
    ("limit", lambda store, number: store.report_chain_walk(0, limit=number)),
    ("limit", lambda store, number: store.causation_tree(0, limit=number)),
    ("limit", last_batch),
    ("commit_every", lambda store, number: store.react(lambda event, reaction: None, "r", commit_every=number)),
    ("snapshot_every", lambda store, number: store.materialise(Sum, snapshot_every=number)),
    ("every", lambda store, number: batpak.check_determinism(store, Sum, every=number)),
    ("checkpoint_events", lambda store, number: Store.open(store.path, checkpoint_events=number)),
    ("checkpoint_interval_ms", lambda store, number: Store.open(store.path, checkpoint_interval_ms=number)),
]


@pytest.mark.parametrize("number", [0, -1, -(2**400)], ids=["zero", "negative", "long"])
@pytest.mark.parametrize(("name", "use"), AT_LEAST_ONE)
def test_a_range_that_begins_with_1_is_told_so(
    store: Store, name: str, use: Callable[[Store, int], object], number: int
) -> None:
    shown = "a number of 401 bits" if number < -1 else str(number)
    with pytest.raises(batpak.InvalidInput, match=rf"^{name} is {shown}; it must be 1 to \d+$"):
        use(store, number)
