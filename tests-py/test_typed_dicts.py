"""TypedDicts as payloads: plain dicts, checked against the class that has their kind, and restored as plain dicts."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, NotRequired, Required, TypeVar

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import ReadOnly, TypedDict

import batpak
from batpak import Draft, Kind, Registry, Store
from batpak._errors import InvalidValue, LimitExceeded, PayloadMismatch, SchemaError
from schemas import Text, register, same
from support import COORD, contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")
registry = Registry()


@dataclass(frozen=True)
class Place:
    x: int
    y: int


class Base(typing.TypedDict):
    name: str
    nick: NotRequired[str]


class Mixed(Base, total=False):
    places: list[Place]
    id: Required[int]
    fixed: Annotated[ReadOnly[NotRequired[float]], "unit"]
    parent: Mixed


Odd = typing.TypedDict("Odd", {"not a name": int, "self": str, "class": bool}, total=False)


@registry.event(category=0xF, type_id=1, version=3)
class Moved(TypedDict):
    to: Place
    tags: NotRequired[tuple[str, ...]]


@registry.event(category=0xF, type_id=2)
@dataclass(frozen=True)
class Stayed:
    at: Place


MOVED = Kind(0xF, 1)
STAYED = Kind(0xF, 2)
PLACES = st.builds(Place, st.integers(), st.integers())
MIXED: st.SearchStrategy[Any] = st.recursive(
    st.fixed_dictionaries({"name": st.text(max_size=3), "id": st.integers()}),
    lambda inner: st.fixed_dictionaries(
        {"name": st.text(max_size=3), "id": st.integers(), "parent": inner},
        optional={"nick": st.just("n"), "places": st.lists(PLACES, max_size=2), "fixed": st.floats(allow_nan=False)},
    ),
    max_leaves=4,
)


@given(MIXED)
def test_every_dict_comes_back_as_it_was(value: Any) -> None:
    known = register(Mixed)
    plain = known.to_plain(value)
    assert plain.keys() == value.keys()
    assert same(known.from_plain(plain), value)


def test_a_dict_is_neither_shared_nor_changed() -> None:
    known = register(Mixed)
    value = {"id": 1, "name": "a", "places": [Place(1, 2)]}
    plain: Any = known.to_plain(value)
    plain["places"].append(3)
    assert value == {"id": 1, "name": "a", "places": [Place(1, 2)]}
    assert list(plain) == ["name", "places", "id"]


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"id": 1}, "payload.name", "missing, and Mixed requires it"),
        ({"name": "a"}, "payload.id", "missing, and Mixed requires it"),
        ({"name": "a", "id": "1"}, "payload.id", "expected int, found str"),
        ({"name": "a", "id": 1, "nick": None}, "payload.nick", "expected str, found None"),
        ({"name": "a", "id": 1, "more": 1}, "payload.more", "Mixed has no such field"),
        ({"name": "a", "id": 1, "fixed": 1}, "payload.fixed", "expected float, found int"),
        ({"name": "a", "id": 1, "places": [{"x": 1, "y": 2}]}, "payload.places[0]", "expected Place, found dict"),
        ({"name": "a", "id": 1, "parent": {"id": 2}}, "payload.parent.name", "missing, and Mixed requires it"),
        ({"name": "a", "id": 1, 1: 1}, "payload", "expected str keys, found a key of type int"),
        ({Text("name"): "a", "id": 1}, "payload", "expected str keys, found a key of type Text"),
        ([], "payload", "expected Mixed, found list"),
    ],
)
def test_what_does_not_fit_is_not_written(value: Any, path: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        register(Mixed).to_plain(value)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: {message}")


def test_keys_need_not_be_names() -> None:
    known = register(Odd)
    value = {"not a name": 1, "self": "x", "class": True}
    assert known.from_plain(known.to_plain(value)) == value
    assert known.from_plain({}) == {}
    with pytest.raises(PayloadMismatch, match=r"payload\['not a name'\]"):
        known.from_plain({"not a name": "1"})


def test_a_dict_that_contains_itself_is_refused() -> None:
    value: dict[str, Any] = {"name": "a", "id": 1}
    value["parent"] = value
    with pytest.raises(LimitExceeded, match="contain itself"):
        register(Mixed).to_plain(value)


class OfAny(TypedDict, Generic[T]):
    x: T


class Open(TypedDict, extra_items=int):
    x: int


class Closed(TypedDict, closed=True):
    x: int


def test_what_names_not_every_key_is_refused() -> None:
    with pytest.raises(SchemaError, match="OfAny: .*without type parameters"):
        register(OfAny)
    with pytest.raises(SchemaError, match=r"Open: .*extra_items.*dict\[str, T\]"):
        register(Open)
    assert register(Closed).to_plain({"x": 1}) == {"x": 1}


@pytest.mark.parametrize("module", [typing, typing_extensions], ids=lambda module: module.__name__)
def test_both_kinds_of_typed_dict_are_known(module: Any) -> None:
    cls = module.TypedDict("cls", {"x": "module.NotRequired[int]"}, total=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "module", module)
        known = register(cls)
    assert known.takes_dicts
    assert known.from_plain({}) == {}


# -- through a store --------------------------------------------------------------------------------------------------


@pytest.fixture
def typed(path: Path) -> Iterator[Store]:
    with Store.open(path, registry=registry) as store:
        yield store


PAYLOAD: Moved = {"to": Place(1, 2), "tags": ("a",)}
PLAIN = {"to": {"x": 1, "y": 2}, "tags": ["a"]}


@pytest.mark.parametrize("kind", [MOVED, 0xF001], ids=["Kind", "int"])
@pytest.mark.parametrize("version", [None, 3])
def test_the_kind_says_which_class_a_dict_is_of(typed: Store, path: Path, kind: Any, version: int | None) -> None:
    event = typed.get(typed.append(COORD, PAYLOAD, kind=kind, version=version).sequence)
    assert (event.payload, event.value, event.payload_version) == (PAYLOAD, PLAIN, 3)
    assert type(event.payload) is dict
    typed.close()
    with Store.open(path, registry=Registry()) as other:
        assert next(other.query()).payload == PLAIN


@pytest.mark.parametrize("version", [0, 2, 4])
def test_a_dict_of_another_version_is_written_as_it_is(typed: Store, version: int) -> None:
    event = typed.get(typed.append(COORD, {"anything": 1}, kind=MOVED, version=version).sequence)
    assert (event.value, event.payload_version) == ({"anything": 1}, version)
    with pytest.raises(InvalidValue, match=r"payload\.to"):
        typed.append(COORD, {"to": Place(1, 2)}, kind=MOVED, version=version)


def test_other_payloads_of_the_kind_are_untyped(typed: Store) -> None:
    for payload in ([1], "x", b"raw", None):
        event = typed.get(typed.append(COORD, payload, kind=MOVED).sequence)
        assert (event.payload, event.payload_version) == (payload, 0)


def test_kinds_of_other_classes_take_plain_dicts(typed: Store) -> None:
    for kind in (STAYED, Kind(0xF, 9)):
        event = typed.get(typed.append(COORD, {"at": 1}, kind=kind).sequence)
        assert (event.payload, event.payload_version) == ({"at": 1}, 0)


def test_batches_check_dicts_too(typed: Store) -> None:
    stayed = Stayed(Place(3, 4))
    items: list[Any] = [
        (COORD, PAYLOAD),
        (COORD, stayed),
        Draft(COORD, {"to": Place(5, 6)}, metadata={"a": "b"}, private_metadata={"c": 1}, correlation_id=b"c" * 16),
        Draft(COORD, {"plain": 1}, kind=STAYED, causation_id=0),
        Draft(COORD, {"plain": 1}, version=0),
        Draft(COORD, PAYLOAD, kind=MOVED, causation_id=0),
        (COORD, [1]),
    ]
    receipts = typed.append_batch(iter(items), kind=MOVED)
    events = [typed.get(receipt.sequence) for receipt in receipts]
    expected = [PAYLOAD, stayed, {"to": Place(5, 6)}, {"plain": 1}, {"plain": 1}, PAYLOAD, [1]]
    assert [event.payload for event in events] == expected
    assert [event.payload_version for event in events] == [3, 1, 3, 0, 0, 3, 0]
    first = events[0].event_id
    assert [event.causation_id for event in events] == [None, None, None, first, None, first, None]
    assert (events[2].metadata, events[2].correlation_id.bytes) == ({"a": "b"}, b"c" * 16)  # type: ignore[union-attr]
    assert events[2].private_metadata == {"c": 1}


def test_a_batch_with_a_dict_that_does_not_fit_writes_nothing(typed: Store, path: Path) -> None:
    typed.sync()
    before = contents(path)
    items: list[Any] = [(COORD, PAYLOAD), (COORD, {"to": Place(1, "2")})]  # type: ignore[arg-type]
    with pytest.raises(InvalidValue) as caught:
        typed.append_batch(items, kind=MOVED)
    assert caught.value.path == "payload.to.y"
    assert contents(path) == before


@pytest.mark.parametrize(
    "arguments", [{}, {"kind": True}, {"kind": "x"}, {"kind": 0xD000}, {"kind": MOVED, "version": "3"}]
)
def test_bad_kinds_and_versions_are_refused_as_ever(typed: Store, arguments: dict[str, Any]) -> None:
    with pytest.raises((batpak.InvalidInput, TypeError)) as single:
        typed.append(COORD, {"to": 1}, **arguments)
    if "version" not in arguments:
        with pytest.raises(type(single.value), match=str(single.value)[:20]):
            typed.append_batch([(COORD, {"to": 1})], **arguments)


@pytest.mark.parametrize("item", [None, 1, (), (COORD,), ("x", {}), (COORD, {}, 1), {"a": 1}, "ab"], ids=repr)
def test_bad_items_are_refused_as_ever(typed: Store, store_path_of_other: Path, item: Any) -> None:
    with pytest.raises((TypeError, batpak.InvalidInput)) as here:
        typed.append_batch([item], kind=MOVED)
    with Store.open(store_path_of_other) as other, pytest.raises(type(here.value)) as there:
        other.append_batch([item], kind=MOVED)
    assert str(here.value) == str(there.value)


@pytest.fixture
def store_path_of_other(tmp_path: Path) -> Path:
    return tmp_path / "other"


def test_a_stored_dict_that_does_not_fit_is_told(typed: Store, path: Path) -> None:
    typed.close()
    with Store.open(path, registry=Registry()) as other:
        other.append(COORD, {"to": {"x": 1}}, kind=MOVED, version=3)
    with Store.open(path, registry=registry) as store:
        (event,) = store.query()
        with pytest.raises(PayloadMismatch) as caught:
            event.payload  # noqa: B018 - reading it is the test
        assert (caught.value.path, caught.value.type_name) == ("payload.to.y", "Moved")
        assert event.value == {"to": {"x": 1}}
