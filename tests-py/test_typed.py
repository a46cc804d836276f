"""Typed payloads through a store: written as plain values, read back as instances, or refused with the place."""

from __future__ import annotations

import dataclasses
import enum
import pickle
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import batpak
from batpak import Coordinate, Draft, Registry, Store
from support import COORD, KIND, contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

registry = Registry()


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass(frozen=True)
class Line:
    product: str
    count: int = 1


@registry.event(category=0xF, type_id=1, version=2)
@dataclass(frozen=True)
class Ordered:
    lines: tuple[Line, ...]
    total: Decimal
    when: datetime
    colour: Colour | None = None
    notes: dict[str, list[Line]] = field(default_factory=dict)
    reference: UUID | None = None


@registry.event(category=0xF, type_id=2, version=1)
@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("must not be negative")


@dataclass
class Unknown:
    x: int = 1


@batpak.event(category=0xE, type_id=0x7E5, version=1)
@dataclass(frozen=True)
class InTheDefaultRegistry:
    x: int


ORDER = Ordered(
    (Line("tea", 2), Line("cup")),
    Decimal("12.50"),
    datetime(2026, 1, 2, tzinfo=UTC),
    Colour.BLUE,
    {"gift": [Line("box")]},
    UUID(int=7),
)


@pytest.fixture
def typed(path: Path) -> Iterator[Store]:
    with Store.open(path, registry=registry) as store:
        yield store


def test_an_instance_comes_back(typed: Store) -> None:
    event = typed.get(typed.append(COORD, ORDER).sequence)
    assert event.payload == ORDER
    assert event.payload is event.payload
    assert (event.kind.code, event.payload_version, event.encoding) == (0xF001, 2, "value")
    assert event.value == {
        "lines": [{"product": "tea", "count": 2}, {"product": "cup", "count": 1}],
        "total": Decimal("12.50"),
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "colour": "b",
        "notes": {"gift": [{"product": "box", "count": 1}]},
        "reference": UUID(int=7),
    }


def test_batches_mix_typed_and_plain(typed: Store) -> None:
    items: list[Any] = [(COORD, ORDER), (COORD, {"plain": 1}), Draft(COORD, Positive(3)), Draft(COORD, b"raw")]
    receipts = typed.append_batch(items, kind=KIND)
    # The kind of the batch is for untyped payloads only; 0xF001 is a registered kind, and version 0 is never typed.
    assert [typed.get(receipt.sequence).payload for receipt in receipts] == [ORDER, {"plain": 1}, Positive(3), b"raw"]
    assert [typed.get(receipt.sequence).kind.code for receipt in receipts] == [0xF001, 0xF001, 0xF002, 0xF001]


def test_unknown_kinds_are_plain(path: Path, typed: Store) -> None:
    typed.append(COORD, ORDER)
    typed.close()
    for other in (None, Registry()):
        with Store.open(path, registry=other) as store:
            (event,) = store.query()
            assert event.payload == event.value
            assert event.payload["colour"] == "b"


def test_the_default_registry(store: Store) -> None:
    event = store.get(store.append(COORD, InTheDefaultRegistry(3)).sequence)
    assert event.payload == InTheDefaultRegistry(3)
    assert pickle.loads(pickle.dumps(event)).payload == InTheDefaultRegistry(3)


def test_a_pickled_event_is_plain_where_its_registry_is_not(typed: Store) -> None:
    event = typed.get(typed.append(COORD, Positive(1)).sequence)
    assert pickle.loads(pickle.dumps(event)).payload == {"number": 1}


@pytest.mark.parametrize("arguments", [{"kind": KIND}, {"version": 2}, {"kind": 0xF001, "version": 2}])
def test_a_registered_class_brings_kind_and_version(typed: Store, arguments: dict[str, Any]) -> None:
    with pytest.raises(batpak.InvalidInput, match="Positive"):
        typed.append(COORD, Positive(1), **arguments)


@pytest.mark.parametrize("payload", [Unknown(), InTheDefaultRegistry(1), Line("x")])
@pytest.mark.parametrize("arguments", [{}, {"kind": KIND}])
def test_an_unregistered_class_is_refused(typed: Store, path: Path, payload: object, arguments: dict[str, Any]) -> None:
    typed.sync()
    before = contents(path)
    with pytest.raises(batpak.UnregisteredType) as caught:
        typed.append(COORD, payload, **arguments)
    assert caught.value.type_name == type(payload).__name__
    assert contents(path) == before


@pytest.mark.parametrize("payload", [Ordered, object(), lambda: 1, Exception("x")])
def test_what_is_no_payload(typed: Store, payload: object) -> None:
    with pytest.raises(batpak.BatpakError):
        typed.append(COORD, payload, kind=KIND)


def test_a_subclass_is_another_class(typed: Store) -> None:
    @dataclass
    class Sub(Positive):
        more: int = 1

    with pytest.raises(batpak.UnregisteredType):
        typed.append(COORD, Sub(1))


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"total": 1.5}, "payload.total"),
    ({"total": Decimal("NaN")}, "payload.total"),
    ({"lines": [Line("x")]}, "payload.lines"),
    ({"lines": (Line("x"), Line("y", "2"))}, "payload.lines[1].count"),  # type: ignore[arg-type]
    ({"lines": (Line("x"), "y")}, "payload.lines[1]"),
    ({"when": datetime(2026, 1, 1)}, "payload.when"),  # noqa: DTZ001 - it is to be refused
    ({"colour": "b"}, "payload.colour"),
    ({"notes": {"a b": [Line("x", True)]}}, "payload.notes['a b'][0].count"),
    ({"notes": {1: []}}, "payload.notes"),
    ({"reference": "x"}, "payload.reference"),
]


@pytest.mark.parametrize(("change", "place"), BAD_FIELDS)
def test_bad_fields_are_refused_with_their_place(typed: Store, path: Path, change: dict[str, Any], place: str) -> None:
    typed.sync()
    before = contents(path)
    with pytest.raises(batpak.InvalidValue) as caught:
        typed.append(COORD, dataclasses.replace(ORDER, **change))
    assert caught.value.path == place
    assert contents(path) == before


# -- versions ---------------------------------------------------------------------------------------------------------


def versioned(version: int, extra: Any = dataclasses.MISSING) -> tuple[Registry, Any]:
    """A registry that knows version ``version`` of a class, with another field if ``extra`` is its default."""
    fields: list[Any] = [("x", int)]
    if extra is not dataclasses.MISSING:
        fields.append(("y", int, field(default=extra)))
    cls = dataclasses.make_dataclass("Versioned", fields)
    known = Registry()
    known.event(category=1, type_id=1, version=version)(cls)
    return known, cls


def test_older_versions_are_plain_and_newer_ones_an_error(path: Path) -> None:
    first, cls = versioned(1)
    second, newer = versioned(2, extra=5)
    with Store.open(path, registry=first) as store:
        store.append(COORD, cls(1))
    with Store.open(path, registry=second) as store:
        store.append(COORD, newer(2, 3))
        old, new = store.query()
        assert (old.payload, new.payload) == ({"x": 1}, newer(2, 3))
        assert (old.payload_version, new.payload_version) == (1, 2)
    with Store.open(path, registry=first) as store:
        old, new = store.query()
        assert old.payload == cls(1)
        for _ in range(2):
            with pytest.raises(batpak.NewerVersion) as caught:
                new.payload  # noqa: B018 - reading it is the test
        assert (caught.value.stored, caught.value.known, caught.value.type_name) == (2, 1, "Versioned")
        assert new.value == {"x": 2, "y": 3}
        assert repr(new)
        assert new._repr_html_()
        assert store.verify().ok


def test_version_0_and_raw_bytes_are_never_typed(typed: Store) -> None:
    plain = typed.append(COORD, {"number": -5}, kind=0xF002)
    raw = typed.append(COORD, b"\xff", kind=0xF002, version=1)
    assert typed.get(plain.sequence).payload == {"number": -5}
    assert typed.get(raw.sequence).payload == b"\xff"


@pytest.mark.parametrize(
    ("stored", "place", "cause"),
    [
        ({"number": "1"}, "payload.number", None),
        ({}, "payload.number", None),
        ({"number": 1, "more": 1}, "payload.more", None),
        ([1], "payload", None),
        ({"number": -1}, "payload", ValueError),
    ],
)
def test_what_does_not_fit_is_told_and_can_be_read(
    typed: Store, stored: Any, place: str, cause: type[Exception] | None
) -> None:
    """A plain payload may claim kind and version of a class."""
    event = typed.get(typed.append(COORD, stored, kind=0xF002, version=1).sequence)
    with pytest.raises(batpak.PayloadMismatch) as caught:
        event.payload  # noqa: B018 - reading it is the test
    assert (caught.value.path, caught.value.type_name) == (place, "Positive")
    assert isinstance(caught.value.__cause__, cause or type(None))
    assert event.value == stored
    with pytest.raises(batpak.PayloadMismatch):
        typed.project(lambda state, each: [*state, each.payload], initial=list[Any]())


def test_defaults_fill_what_is_missing(typed: Store) -> None:
    stored = {"lines": [{"product": "x"}], "total": Decimal(1), "when": datetime(2026, 1, 1, tzinfo=UTC)}
    event = typed.get(typed.append(COORD, stored, kind=0xF001, version=2).sequence)
    assert event.payload == Ordered((Line("x", 1),), Decimal(1), datetime(2026, 1, 1, tzinfo=UTC))


def test_restoring_may_use_the_store(path: Path) -> None:
    """``__post_init__`` is the user's code: no lock is held while it runs."""
    own = Registry()
    stores: list[Store] = []

    @own.event(category=1, type_id=2)
    @dataclass
    class Curious:
        x: int

        def __post_init__(self) -> None:
            for store in stores:
                store.append(Coordinate("seen", "s"), self.x, kind=KIND)

    with Store.open(path, registry=own) as store:
        store.append(COORD, Curious(1))
        stores.append(store)
        assert next(store.query()).payload == Curious(1)
        assert [event.payload for event in store.entity("seen")] == [1, 1]
