"""Every family of classes holds every annotation, mixed with the others, and nothing is imported to find that out."""

import dataclasses
import enum
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

import batpak
from batpak import Coordinate, Draft, Registry, Store
from batpak._errors import (
    DuplicateKind,
    InvalidValue,
    PayloadMismatch,
    SchemaError,
    UnregisteredType,
    UnsupportedAnnotation,
)
from batpak._schemas.families import family_of
from schemas import ANYTHING, FIELDS, TEXT, fields_of, register, same
from support import COORD, KIND, child_says, contents

Fields = dict[str, Any]
ANY_CLASS = pydantic.ConfigDict(arbitrary_types_allowed=True)

# Each makes a class "Holder" with these fields, in its family.
FAMILIES: dict[str, Callable[[Fields], Any]] = {
    "dataclass": lambda fields: dataclasses.make_dataclass("Holder", list(fields.items())),
    "pydantic dataclass": lambda fields: pydantic_dataclass(config=ANY_CLASS)(
        dataclasses.make_dataclass("Holder", list(fields.items()))
    ),
    "attrs": lambda fields: attrs.make_class("Holder", {name: attrs.field(type=each) for name, each in fields.items()}),
    "struct": lambda fields: msgspec.defstruct("Holder", list(fields.items())),
    "model": lambda fields: pydantic.create_model(
        "Holder", __config__=ANY_CLASS, **{name: (each, ...) for name, each in fields.items()}
    ),
    "typed dict": lambda fields: TypedDict("Holder", fields),
}
in_every_family = pytest.mark.parametrize("family", FAMILIES)


def make(cls: Any, **values: object) -> Any:
    """An instance with exactly these values: nothing is validated, nothing coerced."""
    if issubclass(cls, pydantic.BaseModel):
        return cls.model_construct(**values)
    if pydantic.dataclasses.is_pydantic_dataclass(cls):
        instance = cls.__new__(cls)
        vars(instance).update(values)
        return instance
    return cls(**values)


EVERY_FIELD = {f"f{number}": annotation for number, (annotation, _) in enumerate(FIELDS)}
EVERY_VALUE = st.fixed_dictionaries({f"f{number}": values for number, (_, values) in enumerate(FIELDS)})
EVERYTHING = {family: register(make_class(EVERY_FIELD)) for family, make_class in FAMILIES.items()}


@in_every_family
@given(values=EVERY_VALUE)
def test_every_instance_comes_back_as_it_was(family: str, values: Fields) -> None:
    known = EVERYTHING[family]
    instance = make(known.cls, **values)
    plain = known.to_plain(instance)
    assert list(plain) == list(EVERY_FIELD)
    assert plain == EVERYTHING["dataclass"].to_plain(EVERYTHING["dataclass"].cls(**values))
    assert same(known.from_plain(plain), instance)


@in_every_family
@given(number=st.integers(0, len(FIELDS) - 1), value=ANYTHING)
def test_any_stored_value_is_read_exactly_or_refused(family: str, number: int, value: object) -> None:
    known = register(FAMILIES[family]({"x": FIELDS[number][0]}))
    try:
        instance = known.from_plain({"x": value})
    except PayloadMismatch:
        return
    assert same(known.to_plain(instance), {"x": value})


@in_every_family
@given(number=st.integers(0, len(FIELDS) - 1), value=ANYTHING)
def test_any_value_is_written_reversibly_or_refused(family: str, number: int, value: object) -> None:
    known = register(FAMILIES[family]({"x": FIELDS[number][0]}))
    instance = make(known.cls, x=value)
    try:
        plain = known.to_plain(instance)
    except InvalidValue:
        return
    assert same(known.from_plain(plain), instance)


@in_every_family
@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (float, 1, "payload.x"),
        (int, True, "payload.x"),
        (int, "1", "payload.x"),
        (list[int], (1,), "payload.x"),
        (list[Decimal], [Decimal(1), 1.0], "payload.x[1]"),
        (dict[str, UUID], {"a": str(UUID(int=1))}, "payload.x.a"),
    ],
)
def test_nothing_is_coerced(family: str, annotation: object, value: object, path: str) -> None:
    known = register(FAMILIES[family]({"x": annotation}))
    with pytest.raises(InvalidValue) as written:
        known.to_plain(make(known.cls, x=value))
    with pytest.raises(PayloadMismatch) as read:
        known.from_plain({"x": value})
    assert written.value.path == read.value.path == path


@in_every_family
@pytest.mark.parametrize("annotation", [set[int], list, Callable[[], int], list[int] | tuple[int, ...]], ids=str)
def test_unsupported_annotations_are_refused(family: str, annotation: Any) -> None:
    with pytest.raises(UnsupportedAnnotation, match=r"Holder\.x: ") as caught:
        register(FAMILIES[family]({"x": annotation}))
    assert (caught.value.type_name, caught.value.field) == ("Holder", "x")


@in_every_family
def test_what_is_stored_must_be_a_map_of_the_fields(family: str) -> None:
    known = register(FAMILIES[family]({"x": int, "y": int}))
    for stored, path in (({"x": 1}, "payload.y"), ({"x": 1, "y": 2, "z z": 3}, "payload['z z']"), ([], "payload")):
        with pytest.raises(PayloadMismatch) as caught:
            known.from_plain(stored)
        assert caught.value.path == path
        assert caught.value.type_name == "Holder"


@in_every_family
def test_a_class_without_fields_works(family: str) -> None:
    known = register(FAMILIES[family]({}))
    assert known.to_plain(make(known.cls)) == {}
    assert same(known.from_plain({}), make(known.cls))


@pytest.mark.parametrize("family", [each for each in FAMILIES if each != "typed dict"])
def test_a_subclass_is_another_class(family: str) -> None:
    known = register(FAMILIES[family]({"x": int}))
    sub = type("Sub", (known.cls,), {})
    with pytest.raises(InvalidValue, match="payload: expected Holder, found Sub"):
        known.to_plain(make(sub, x=1))


@pytest.mark.parametrize("family", ["dataclass", "pydantic dataclass", "attrs"])
def test_a_class_whose_base_alone_is_decorated_is_refused(family: str) -> None:
    with pytest.raises(SchemaError, match="only its base is"):
        register(type("Sub", (FAMILIES[family]({"x": int}),), {}))


@in_every_family
def test_a_definition_that_runs_again_takes_the_place_of_the_old(family: str) -> None:
    own = Registry()
    first, second = FAMILIES[family]({"x": int}), FAMILIES[family]({"x": int})
    register(first, own)
    assert own.lookup_kind(register(second, own).kind_code).cls is second  # type: ignore[union-attr]
    assert own.lookup_type(first) is None
    for other in ({"x": str}, {"y": int}, {"x": int, "y": int}):
        with pytest.raises(DuplicateKind, match="0xF001"):
            register(FAMILIES[family](other), own)


# -- mixed ------------------------------------------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "r"


@attrs.frozen
class Leaf:
    count: int
    colours: tuple[Colour, ...] = ()


class Branch(TypedDict, total=False):
    leaf: Leaf
    more: "list[Branch]"


class Trunk(msgspec.Struct, frozen=True):
    branches: dict[str, Branch]
    above: Self | None = None


@dataclass(frozen=True)
class Root:
    trunk: Trunk | None
    when: datetime


class Tree(pydantic.BaseModel):
    model_config = ANY_CLASS
    root: Root
    leaves: list[Leaf]
    kind: Literal["oak", "ash"] = "oak"


LEAVES = st.builds(Leaf, st.integers(), st.lists(st.just(Colour.RED), max_size=2).map(tuple))
BRANCHES = st.recursive(
    st.fixed_dictionaries({}, optional={"leaf": LEAVES}),
    lambda inner: st.fixed_dictionaries({"more": st.lists(inner, max_size=2)}, optional={"leaf": LEAVES}),
    max_leaves=4,
)
TRUNKS = st.builds(Trunk, st.dictionaries(TEXT, BRANCHES, max_size=2))
ROOTS = st.builds(
    Root, st.none() | TRUNKS | st.builds(Trunk, st.just({}), TRUNKS), st.just(datetime(2026, 1, 1, tzinfo=UTC))
)
TREES = st.builds(
    Tree.model_construct, root=ROOTS, leaves=st.lists(LEAVES, max_size=2), kind=st.sampled_from(["oak", "ash"])
)
TREE = register(Tree)


@given(TREES)
def test_families_hold_one_another(tree: Tree) -> None:
    restored: Any = TREE.from_plain(TREE.to_plain(tree))
    assert same(restored, tree)
    assert fields_of(type(restored.root)) == ["trunk", "when"]


def test_the_path_leads_through_every_family() -> None:
    branch: Any = {"more": [{}, {"leaf": Leaf("1")}]}  # type: ignore[arg-type]
    tree = Tree.model_construct(root=Root(Trunk({"a b": branch}), datetime.now(UTC)), leaves=[])
    with pytest.raises(InvalidValue) as caught:
        TREE.to_plain(tree)
    assert caught.value.path == "payload.root.trunk.branches['a b'].more[1].leaf.count"


# -- through a store --------------------------------------------------------------------------------------------------

registry = Registry()


@registry.event(category=0xF, type_id=1)
@attrs.define
class ByAttrs:
    x: int


@registry.event(category=0xF, type_id=2)
class ByModel(pydantic.BaseModel):
    x: int


@registry.event(category=0xF, type_id=3)
class ByStruct(msgspec.Struct):
    x: int


@batpak.event(category=0xE, type_id=0x7E6)
class ByDefault(pydantic.BaseModel):
    x: int


INSTANCES: list[Any] = [ByAttrs(1), ByModel(x=2), ByStruct(3)]


@pytest.fixture
def typed(path: Path) -> Iterator[Store]:
    with Store.open(path, registry=registry) as store:
        yield store


def test_a_store_gives_instances_back(typed: Store, path: Path) -> None:
    receipts = typed.append_batch([(COORD, INSTANCES[0]), Draft(COORD, INSTANCES[1]), (COORD, {"plain": 1})], kind=KIND)
    typed.append(COORD, INSTANCES[2])
    assert [typed.get(each.sequence).payload for each in receipts] == [*INSTANCES[:2], {"plain": 1}]
    assert [event.payload for event in typed.query(kind=0xF003)] == INSTANCES[2:]
    typed.close()
    with Store.open(path, registry=Registry()) as other:
        assert [event.payload for event in other.query()] == [{"x": 1}, {"x": 2}, {"plain": 1}, {"x": 3}]


def test_a_pickled_event_finds_the_default_registry(store: Store) -> None:
    event = store.get(store.append(COORD, ByDefault(x=3)).sequence)
    assert pickle.loads(pickle.dumps(event)).payload == ByDefault(x=3)


@pytest.mark.parametrize("payload", INSTANCES, ids=lambda each: type(each).__name__)
def test_an_unregistered_class_is_refused(store: Store, path: Path, payload: Any) -> None:
    store.sync()
    before = contents(path)
    for arguments in ({}, {"kind": KIND}):
        with pytest.raises(UnregisteredType, match="put @batpak.event") as caught:
            store.append(Coordinate("a", "b"), payload, **arguments)
        assert caught.value.type_name == type(payload).__name__
    assert contents(path) == before


# -- nothing is imported ----------------------------------------------------------------------------------------------

NO_IMPORT = """
import sys, batpak
from dataclasses import dataclass
from typing import TypedDict
registry = batpak.Registry()

@registry.event(category=1, type_id=1)
@dataclass
class D:
    x: int

@registry.event(category=1, type_id=2)
class T(TypedDict):
    d: D

class Other: pass
try:
    registry.event(category=1, type_id=3)(Other)
except batpak.SchemaError:
    pass
with batpak.Store.open(sys.argv[1], registry=registry) as store:
    store.append(batpak.Coordinate("a", "b"), D(1))
    store.append(batpak.Coordinate("a", "b"), {"d": D(1)}, kind=0x1002)
    assert [event.payload for event in store.query()] == [D(1), {"d": D(1)}]
libraries = {"pydantic", "pydantic_core", "msgspec", "attr", "attrs", "typing_extensions", "annotated_types"}
print(sorted(libraries & set(sys.modules)))
"""


def test_no_library_is_imported(path: Path) -> None:
    assert child_says(NO_IMPORT, path) == "[]"


@pytest.mark.parametrize("library", ["pydantic", "msgspec", "attrs"])
def test_a_library_that_is_loaded_is_no_reason_to_load_another(library: str) -> None:
    code = f"""
import sys, {library}, batpak
before = set(sys.modules)
try:
    batpak.event(category=1, type_id=3)(type("Other", (), {{}}))
except batpak.SchemaError:
    print(sorted(set(sys.modules) - before))
"""
    assert child_says(code) == "[]"


@pytest.mark.parametrize("value", [1, "x", None, list[int], int | str, Leaf(1)], ids=repr)
def test_what_is_no_class_has_no_family(value: object) -> None:
    assert family_of(value) is None


@pytest.mark.parametrize("cls", [int, object, dict, pydantic.BaseModel, msgspec.Struct, enum.Enum, Colour, Store])
def test_what_has_no_fields_has_no_family(cls: type) -> None:
    assert family_of(cls) is None
