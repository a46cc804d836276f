"""Typed payloads: what can be registered, and that every instance comes back as it was or is refused with its path."""

import collections
import collections.abc
import dataclasses
import enum
import fractions
import sys
import threading
import types
import typing
from collections.abc import Iterator
from dataclasses import KW_ONLY, InitVar, dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batpak._errors import (
    DuplicateKind,
    InvalidKind,
    InvalidValue,
    LimitExceeded,
    PayloadMismatch,
    SchemaError,
    UnsupportedAnnotation,
)
from batpak._schema import EventType, Registry, default_registry, event

T = TypeVar("T")


def register(cls: type, registry: Registry | None = None, *, type_id: int = 1, version: int = 1) -> EventType:
    registry = Registry() if registry is None else registry
    assert registry.event(category=0xF, type_id=type_id, version=version)(cls) is cls
    found = registry.lookup_type(cls)
    assert found is not None
    return found


def holder(annotation: object) -> EventType:
    return register(make_dataclass("Holder", [("x", annotation)]))


class Colour(enum.Enum):
    RED = "r"
    ONE = 1
    DAY = date(2026, 1, 2)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


Name = NewType("Name", str)


@dataclass(frozen=True)
class Point:
    x: int
    y: float


@dataclass(frozen=True, slots=True)
class Node:
    label: str
    next: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)


# -- registration ----------------------------------------------------------------------------------------------------


def test_a_registered_class_is_found_by_class_and_by_kind() -> None:
    registry = Registry()
    known = register(Point, registry, type_id=0xABC, version=7)
    assert (known.cls, known.kind_code, known.version) == (Point, 0xFABC, 7)
    assert registry.lookup_kind(0xFABC) is known
    assert registry.lookup_kind(0xFABD) is None
    assert registry.lookup_type(Node) is None
    assert repr(registry) == "Registry(Point 0xFABC version 7)"


def test_an_event_type_is_a_frozen_value() -> None:
    known = register(Point)
    assert known == register(Point)
    assert hash(known) == hash(register(Point))
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.version = 2  # type: ignore[misc]


def test_the_module_level_decorator_fills_the_default_registry() -> None:
    @event(category=0xE, type_id=0xEEE)
    @dataclass
    class OnlyHere:
        x: int

    found = default_registry.lookup_kind(0xEEEE)
    assert found is not None
    assert found.cls is OnlyHere
    assert found.version == 1


RESERVED = [0xFA01, 0xFA02, 0xFA10, 0xFA11, 0xFA20, 0xFA21, 0xFA22, 0xFA23, 0xFA24, 0xFA30, 0xFA31, 0xFA40, 0xFA41]
RESERVED += [0xFA50, 0xFA51, 0xFA60, 0xFA61, 0xFA70, 0xFA71, 0xFA80, 0xFA81, 0xC5B7, 0xC5B8, 0xC5B9]


@pytest.mark.parametrize("code", [*RESERVED, 0x0000, 0x0001, 0x0FFF, 0xD000, 0xDFFF], ids=hex)
def test_reserved_kinds_are_refused(code: int) -> None:
    with pytest.raises(InvalidKind, match=f"0x{code:04X}"):
        Registry().event(category=code >> 12, type_id=code & 0xFFF)


def test_every_other_kind_is_accepted() -> None:
    refused = set()
    for code in range(0x10000):
        try:
            Registry().event(category=code >> 12, type_id=code & 0xFFF)
        except InvalidKind:
            refused.add(code)
    assert refused == {*RESERVED, *range(0x1000), *range(0xD000, 0xE000)}


@pytest.mark.parametrize(
    ("category", "type_id"),
    [(-1, 0), (16, 0), (1, -1), (1, 4096), (True, 0), (1, False), (1.0, 0), ("1", 0), (None, 1), (1, None)],
)
def test_a_kind_out_of_range_is_refused(category: Any, type_id: Any) -> None:
    with pytest.raises(InvalidKind, match=r"category in 1\.\.15"):
        Registry().event(category=category, type_id=type_id)


@pytest.mark.parametrize("version", [1, 65535])
def test_versions_up_to_the_limit_are_accepted(version: int) -> None:
    assert register(Point, version=version).version == version


@pytest.mark.parametrize("version", [0, 65536, -1, True, 1.0, "1", None])
def test_a_version_out_of_range_is_refused(version: Any) -> None:
    with pytest.raises(SchemaError, match=r"1\.\.65535"):
        register(Point, version=version)


class NotADataclass:
    x: int


@dataclass
class Base:
    x: int


class Undecorated(Base):
    y: int


@dataclass
class WithoutInit:
    x: int
    y: int = field(default=0, init=False)


@dataclass
class WithInitVar:
    x: int
    seed: InitVar[int] = 0


@dataclass(init=False)
class OwnInit:
    x: int

    def __init__(self, z: int) -> None:
        self.x = z


@dataclass
class Box(Generic[T]):
    x: T


@pytest.mark.parametrize(
    ("cls", "problem"),
    [
        (NotADataclass, "put @dataclass below @event"),
        (Point(1, 2.0), "put @dataclass below @event"),
        (Undecorated, "put @dataclass on it too"),
        (WithoutInit, "y has init=False"),
        (WithInitVar, "seed is an InitVar"),
        (OwnInit, "__init__ does not take every field"),
        (Box, "without type parameters"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_could_not_be_restored_is_refused(cls: Any, problem: str) -> None:
    registry = Registry()
    with pytest.raises(SchemaError, match=problem):
        registry.event(category=0xF, type_id=1)(cls)
    assert registry.lookup_kind(0xF001) is None


def test_nested_classes_follow_the_same_rules() -> None:
    with pytest.raises(SchemaError, match=r"WithInitVar: seed"):
        holder(WithInitVar)


class Pair(NamedTuple):
    x: int


class Shape(TypedDict, Generic[T]):
    x: T


class Empty(enum.Enum):
    pass


class Tuples(enum.Enum):
    A = (1, 2)


class Nothing(enum.Enum):
    A = "a"
    B = None


FromNumpy = type("int64", (), {"__module__": "numpy"})
Text = type("Text", (str,), {})


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        (list, r"write list\[T\]"),
        (typing.List, r"write list\[T\]"),  # noqa: UP006
        (dict, r"write dict\[str, T\]"),
        (tuple, r"write tuple\[T, ...\]"),
        (tuple[()], r"write tuple\[T, ...\]"),
        (dict[int, str], r"write dict\[str, T\]"),
        (dict[Literal["a"], str], r"write dict\[str, T\]"),
        (set[int], r"write list\[T\]"),
        (frozenset, r"write list\[T\]"),
        (list[int] | tuple[int, ...], r"list\[A \| B\]"),
        (dict[str, int] | Point | None, r"T \| None"),
        (Union[Colour, str], r"T \| None"),  # noqa: UP007
        (Literal[b"a"], "str, int, bool and None"),
        (Literal[Level.LOW], "str, int, bool and None"),
        (collections.abc.Callable[[], int], "or object"),
        (collections.abc.Sequence[int], r"write list\[T\]"),
        (collections.abc.Mapping[str, int], r"write dict\[str, T\]"),
        (bytearray, "write bytes"),
        (memoryview, "write bytes"),
        (complex, r"tuple\[float, float\]"),
        (fractions.Fraction, "a supported type"),
        (Pair, "write a dataclass"),
        (Shape[int], "without type parameters"),
        (Box[int], "without type parameters"),
        (Empty, "plain scalars"),
        (Tuples, "plain scalars"),
        (Nothing, "and not None"),
        (FromNumpy, r"\.item\(\)"),
        (Text, "write str"),
        (type, "a supported type"),
        (type[int], "a supported type"),
        (T, "a supported type"),
        (typing.Final[int], "a supported type"),
        (list[set[int]], r"write list\[T\]"),
        (tuple[int, set[int]], r"write list\[T\]"),
        (dict[str, set[int]], r"write list\[T\]"),
        (Optional[set[int]], r"write list\[T\]"),  # noqa: UP045
        ("set[int]", r"write list\[T\]"),
    ],
    ids=str,
)
def test_unsupported_annotations_are_refused_with_advice(annotation: object, advice: str) -> None:
    with pytest.raises(UnsupportedAnnotation, match=rf"^Holder\.x: .*{advice}") as caught:
        holder(annotation)
    assert (caught.value.type_name, caught.value.field) == ("Holder", "x")


def test_an_unsupported_annotation_names_the_nested_class() -> None:
    inner: Any = make_dataclass("Inner", [("y", set)])
    with pytest.raises(UnsupportedAnnotation, match=r"^Inner\.y: set"):
        holder(list[inner])


def test_an_annotation_that_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(UnsupportedAnnotation, match="cannot be evaluated"):
        holder("1 +")


# -- one kind, one class ---------------------------------------------------------------------------------------------

CELL = """
from dataclasses import dataclass

@dataclass
class Leaf:
    n: int

@event(category=0xF, type_id=1)
@dataclass
class Moved:
    x: int
    leaf: Leaf
    before: "Moved | None" = None
"""


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    """Give a module whose text runs again and again, as cells do."""
    module = types.ModuleType("notebook_for_test")
    sys.modules[module.__name__] = module
    registry = Registry()
    vars(module).update(registry=registry, event=registry.event)
    yield module
    del sys.modules[module.__name__]


def run(module: types.ModuleType, text: str) -> None:
    exec(compile(text, "cell", "exec"), vars(module))  # noqa: S102


def test_a_cell_that_runs_again_replaces_its_class(notebook: types.ModuleType) -> None:
    run(notebook, CELL)
    old = notebook.Moved
    run(notebook, CELL)
    new = notebook.Moved
    registry = notebook.registry
    assert new is not old
    assert registry.lookup_kind(0xF001).cls is new
    assert registry.lookup_type(old) is None
    # What refers to itself refers to the new definition.
    instance = new(1, notebook.Leaf(2), new(3, notebook.Leaf(4)))
    known = registry.lookup_type(new)
    assert known.from_plain(known.to_plain(instance)) == instance
    with pytest.raises(InvalidValue, match="another class of that name"):
        known.to_plain(new(1, notebook.Leaf(2), old(3, notebook.Leaf(4))))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: int", "x: float"),
        ("x: int", "z: int"),
        ("x: int\n", "x: int\n    y: int\n"),
        ("n: int", "n: str"),
        ("class Moved", "class Other"),
        ("type_id=1", "type_id=1, version=2"),
    ],
)
def test_a_cell_that_runs_again_with_another_definition_is_refused(
    notebook: types.ModuleType, before: str, after: str
) -> None:
    run(notebook, CELL)
    old = notebook.registry.lookup_kind(0xF001)
    with pytest.raises(DuplicateKind, match="0xF001"):
        run(notebook, CELL.replace(before, after))
    assert notebook.registry.lookup_kind(0xF001) is old
    assert notebook.registry.lookup_type(old.cls) is old


def test_a_cell_with_a_forward_reference_may_run_again(notebook: types.ModuleType) -> None:
    first = CELL.replace("leaf: Leaf", "leaf: 'Later'")
    run(notebook, first)
    run(notebook, first)
    run(notebook, "@dataclass\nclass Later:\n    n: int\n")
    run(notebook, first)
    known = notebook.registry.lookup_kind(0xF001)
    instance = notebook.Moved(1, notebook.Later(2))
    assert known.from_plain(known.to_plain(instance)) == instance


def test_defaults_and_methods_are_no_part_of_the_definition(notebook: types.ModuleType) -> None:
    run(notebook, CELL)
    run(notebook, CELL.replace('| None" = None', '| None" = None\n    def far(self): return True'))
    assert notebook.registry.lookup_kind(0xF001).cls is notebook.Moved


def test_two_classes_on_one_kind_are_refused() -> None:
    registry = Registry()
    register(Point, registry)
    with pytest.raises(DuplicateKind, match=r"Node.*Point") as caught:
        register(Node, registry)
    assert caught.value.type_name == "Node"
    assert registry.lookup_type(Node) is None


def test_one_class_on_two_kinds_is_refused() -> None:
    registry = Registry()
    register(Point, registry, type_id=1)
    with pytest.raises(SchemaError, match="already registered as kind 0xF001"):
        register(Point, registry, type_id=2)
    with pytest.raises(SchemaError, match="already registered as kind 0xF001 version 1"):
        register(Point, registry, version=2)


def test_the_same_class_twice_is_once() -> None:
    registry = Registry()
    first = register(Point, registry)
    assert register(Point, registry) is first


def test_many_threads_register_and_one_of_two_rivals_wins() -> None:
    registry = Registry()
    barrier = threading.Barrier(8)
    won: list[int] = []

    def work(number: int) -> None:
        barrier.wait()
        for type_id in range(50):
            try:
                register(make_dataclass(f"Rival{number}", [("x", int)]), registry, type_id=type_id)
            except DuplicateKind:
                continue
            won.append(type_id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(50))


# -- forward references ----------------------------------------------------------------------------------------------


@dataclass
class Early:
    later: "list[Later]"


EARLY = register(Early)


@dataclass
class Later:
    early: Early | None
    n: int = 0


def test_a_forward_reference_resolves_at_first_use() -> None:
    instance = Early([Later(Early([]), 1), Later(None)])
    plain = {"later": [{"early": {"later": []}, "n": 1}, {"early": None, "n": 0}]}
    assert EARLY.to_plain(instance) == plain
    assert EARLY.from_plain(plain) == instance


def test_a_forward_reference_to_nothing_is_refused_at_first_use() -> None:
    known = holder("Nowhere")
    for _ in range(2):
        with pytest.raises(UnsupportedAnnotation, match=r"Holder\.x: .*Nowhere.*top level") as caught:
            known.from_plain({"x": 1})
        assert caught.value.field == "x"


def test_threads_may_resolve_at_once() -> None:
    known = register(
        dataclass(type("Early", (), {"__annotations__": {"later": "list[Later]"}, "__module__": __name__}))
    )
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(known.to_plain(known.cls([])))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"later": []}] * 8


# -- there and back --------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=5)
OFFSETS = st.timedeltas(timedelta(hours=-24, microseconds=1), timedelta(hours=24, microseconds=-1)).map(timezone)
SCALARS: dict[type, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    str: TEXT,
    bytes: st.binary(max_size=5),
    datetime: st.datetimes(timezones=OFFSETS),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
}
POINTS = st.builds(Point, st.integers(), st.floats(allow_nan=False))
NODES = st.recursive(
    st.builds(Node, TEXT),
    lambda inner: st.builds(Node, TEXT, st.none() | inner, st.lists(inner, max_size=3)),
    max_leaves=6,
)
FIELDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    *SCALARS.items(),
    (Optional[int], st.none() | st.integers()),  # noqa: UP045
    (Literal["a", 1, True, None], st.sampled_from(["a", 1, True, None])),
    (Literal["a"] | None, st.sampled_from(["a", None])),
    (Colour, st.sampled_from(Colour)),
    (Level | None, st.sampled_from([None, *Level])),
    (Rights, st.integers(0, 3).map(Rights)),
    (Name, TEXT),
    (Annotated[int, "positive"], st.integers()),
    (list[Annotated[Name, "x"]], st.lists(TEXT, max_size=3)),
    (NewType("Ids", tuple[int, ...]), st.lists(st.integers(), max_size=3).map(tuple)),
    (Point, POINTS),
    (Node | None, st.none() | NODES),
    (list[Point | None], st.lists(st.none() | POINTS, max_size=3)),
    (list[int | None], st.lists(st.none() | st.integers(), max_size=3)),
    (tuple[int, str, Point], st.tuples(st.integers(), TEXT, POINTS)),
    (tuple[Colour], st.tuples(st.sampled_from(Colour))),
    (dict[str, Decimal], st.dictionaries(TEXT, SCALARS[Decimal], max_size=3)),
    (dict[Name, list[tuple[Level, ...]]], st.dictionaries(TEXT, st.lists(st.just((Level.LOW,))), max_size=3)),
    (dict[str, Point | None], st.dictionaries(TEXT, st.none() | POINTS, max_size=3)),
    (typing.List[int], st.lists(st.integers(), max_size=3)),  # noqa: UP006
    (object, st.just({"free": [1, None]})),
    (Any, st.just([1, "x"])),
    (list[Any], st.just([1, "x"])),
]
Everything = make_dataclass("Everything", [(f"f{number}", annotation) for number, (annotation, _) in enumerate(FIELDS)])
EVERYTHING = register(Everything)
PLAIN = {type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID}


def assert_plain(value: object) -> None:
    if type(value) is list:
        for each in value:
            assert_plain(each)
    elif type(value) is dict:
        for key, each in value.items():
            assert type(key) is str
            assert_plain(each)
    else:
        assert type(value) in PLAIN


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down: 1 == True == 1.0 must not pass."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, each.name), getattr(right, each.name)) for each in dataclasses.fields(left))
    return bool(left == right) and repr(left) == repr(right)


@given(st.builds(Everything, *(values for _, values in FIELDS)))
def test_every_instance_comes_back_as_it_was(instance: Any) -> None:
    plain = EVERYTHING.to_plain(instance)
    assert_plain(plain)
    assert list(plain) == [each.name for each in dataclasses.fields(Everything)]
    assert same(EVERYTHING.from_plain(plain), instance)


@given(st.builds(Everything, *(values for _, values in FIELDS)), st.randoms(use_true_random=False))
def test_the_order_of_a_stored_map_does_not_matter(instance: Any, random: Any) -> None:
    members = list(EVERYTHING.to_plain(instance).items())
    random.shuffle(members)
    assert same(EVERYTHING.from_plain(dict(members)), instance)


WRAPPERS: list[tuple[Any, Any]] = [
    (lambda inner: list[inner], lambda values: st.lists(values, max_size=2)),  # type: ignore[valid-type]
    (lambda inner: tuple[inner, ...], lambda values: st.lists(values, max_size=2).map(tuple)),  # type: ignore[valid-type]
    (lambda inner: tuple[inner, int], lambda values: st.tuples(values, st.integers())),  # type: ignore[valid-type]
    (lambda inner: dict[str, inner], lambda values: st.dictionaries(TEXT, values, max_size=2)),  # type: ignore[valid-type]
    (lambda inner: Optional[inner], lambda values: st.none() | values),  # noqa: UP045
]


@given(st.data())
def test_every_annotation_works_inside_every_container(data: st.DataObject) -> None:
    annotation, values = data.draw(st.sampled_from(FIELDS))
    for wrap, wrap_values in data.draw(st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3)):
        annotation, values = wrap(annotation), wrap_values(values)
    known = holder(annotation)
    instance = known.cls(data.draw(values))
    assert same(known.from_plain(known.to_plain(instance)), instance)


ANYTHING = st.recursive(
    st.one_of(*SCALARS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(0, len(FIELDS) - 1), ANYTHING)
def test_any_stored_value_is_read_exactly_or_refused(number: int, value: object) -> None:
    known = holder(FIELDS[number][0])
    try:
        instance = known.from_plain({"x": value})
    except PayloadMismatch:
        return
    assert same(known.to_plain(instance), {"x": value})


@given(st.integers(0, len(FIELDS) - 1), ANYTHING)
def test_any_value_is_written_reversibly_or_refused(number: int, value: object) -> None:
    known = holder(FIELDS[number][0])
    try:
        plain = known.to_plain(known.cls(value))
    except InvalidValue:
        return
    assert same(known.from_plain(plain), known.cls(value))


def test_the_plain_value_shares_no_container_with_the_instance() -> None:
    known = register(make_dataclass("Holder", [("numbers", list[int]), ("names", dict[str, str])]))
    instance = known.cls([1], {"a": "b"})
    plain: Any = known.to_plain(instance)
    plain["numbers"].append(2)
    plain["names"]["c"] = "d"
    assert instance == known.cls([1], {"a": "b"})


def test_an_untyped_field_is_kept_as_it_is() -> None:
    known = holder(object)
    value = object()
    assert known.to_plain(known.cls(value))["x"] is value


@dataclass(frozen=True, slots=True)
class Featured:
    kept: ClassVar[int] = 3
    a: int
    _: KW_ONLY
    b: str = "b"
    c: list[int] = field(default_factory=lambda: [1, 2], repr=False, compare=True)


def test_dataclass_features_work() -> None:
    known = register(Featured)
    assert known.to_plain(Featured(1)) == {"a": 1, "b": "b", "c": [1, 2]}
    assert known.from_plain({"a": 1}) == Featured(1)
    assert known.from_plain({"a": 1, "c": []}) == Featured(1, c=[])
    first, second = known.from_plain({"a": 1}), known.from_plain({"a": 1})
    assert isinstance(first, Featured)
    assert isinstance(second, Featured)
    assert first.c is not second.c


def test_an_inherited_field_is_stored() -> None:
    @dataclass
    class Derived(Base):
        y: int

    known = register(Derived)
    assert known.to_plain(Derived(1, 2)) == {"x": 1, "y": 2}
    assert known.from_plain({"x": 1, "y": 2}) == Derived(1, 2)


def test_a_class_without_fields_works() -> None:
    @dataclass
    class Nothing:
        pass

    known = register(Nothing)
    assert known.to_plain(Nothing()) == {}
    assert known.from_plain({}) == Nothing()


# -- refusals --------------------------------------------------------------------------------------------------------

Sub = type("Sub", (Point,), {})
LINE = list[Point]


@pytest.mark.parametrize(
    ("annotation", "value", "path", "message"),
    [
        (float, 1, "payload.x", "expected float, found int"),
        (int, 1.0, "payload.x", "expected int, found float"),
        (int, True, "payload.x", "expected int, found bool"),
        (bool, 1, "payload.x", "expected bool, found int"),
        (int, Level.LOW, "payload.x", "expected int, found Level"),
        (int, None, "payload.x", "expected int, found None"),
        (str, Text("a"), "payload.x", "expected str, found Text"),
        (bytes, bytearray(), "payload.x", "expected bytes, found bytearray"),
        (date, datetime.now(UTC), "payload.x", "expected date, found datetime"),
        (datetime, date(2026, 1, 2), "payload.x", "expected datetime, found date"),
        (None, 0, "payload.x", "expected None, found int"),
        (int | None, "1", "payload.x", "expected int | None, found str"),
        (Literal["a", 1], True, "payload.x", "expected one of 'a', 1, found bool"),
        (Literal["a", 1], "b", "payload.x", "expected one of 'a', 1, found another str"),
        (Colour, "r", "payload.x", "expected Colour, found str"),
        (Colour, Level.LOW, "payload.x", "expected Colour, found Level"),
        (list[int], (1,), "payload.x", "expected list[int], found tuple"),
        (list[int], [1, 2, "3"], "payload.x[2]", "expected int, found str"),
        (list[int | None], [None, True], "payload.x[1]", "expected int | None, found bool"),
        (tuple[int, ...], [1], "payload.x", "expected tuple[int, ...], found list"),
        (tuple[int, str], (1,), "payload.x", "expected 2 items for tuple[int, str], found 1"),
        (tuple[int, str], (1, 2), "payload.x[1]", "expected str, found int"),
        (tuple[int, str], Pair(1), "payload.x", "expected tuple[int, str], found Pair"),
        (dict[str, int], {"a": 1, "b c": 2.0}, "payload.x['b c']", "expected int, found float"),
        (dict[str, int], {"\u202e": "b"}, "payload.x['\\u202e']", "expected int, found str"),
        (dict[str, int], {1: 1}, "payload.x", "expected str keys, found a key of type int"),
        (dict[str, int], collections.OrderedDict(a=1), "payload.x", "expected dict[str, int], found OrderedDict"),
        (Point, Sub(1, 2.0), "payload.x", "expected Point, found Sub"),
        (Point, {"x": 1, "y": 2.0}, "payload.x", "expected Point, found dict"),
        (LINE, [Point(1, 2.0), Point(1, 2)], "payload.x[1].y", "expected float, found int"),
        (dict[str, LINE], {"a": [Point("1", 2.0)]}, "payload.x.a[0].x", "expected int, found str"),  # type: ignore[arg-type]
        (Node | None, Node("a", Node("b", None, [Node(3)])), "payload.x.next.children[0].label", "expected str"),  # type: ignore[arg-type]
    ],
)
def test_a_value_of_another_type_is_not_written(annotation: object, value: object, path: str, message: str) -> None:
    known = holder(annotation)
    with pytest.raises(InvalidValue) as caught:
        known.to_plain(known.cls(value))
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: {message}")


def test_an_instance_of_another_class_is_not_written() -> None:
    known = register(Point)
    for other in (Sub(1, 2.0), {"x": 1, "y": 2.0}, Point, None):
        with pytest.raises(InvalidValue, match="payload: expected Point") as caught:
            known.to_plain(other)
        assert caught.value.path == "payload"


def test_an_instance_without_a_value_is_not_written() -> None:
    known = register(Node)
    with pytest.raises(InvalidValue, match=r"payload\.label: the instance has no value") as caught:
        known.to_plain(object.__new__(Node))
    assert caught.value.path == "payload.label"


def test_messages_never_show_the_value() -> None:
    known = holder(int)
    with pytest.raises(InvalidValue) as caught:
        known.to_plain(known.cls("alice@example.org"))
    assert "alice" not in str(caught.value)
    with pytest.raises(PayloadMismatch) as stored:
        known.from_plain({"x": "alice@example.org"})
    assert "alice" not in str(stored.value)


@pytest.mark.parametrize(
    ("annotation", "stored", "path", "message"),
    [
        (float, {"x": 1}, "payload.x", "expected float, found int"),
        (int, {"x": True}, "payload.x", "expected int, found bool"),
        (int, {}, "payload.x", "missing, and Holder has no default for it"),
        (int | None, {}, "payload.x", "missing"),
        (int, {"x": 1, "y": 2}, "payload.y", "Holder has no such field"),
        (int, {"y": 2}, "payload.x", "missing"),
        (int, [1], "payload", "expected a map for Holder, found list"),
        (int, None, "payload", "expected a map for Holder, found None"),
        (Literal[1], {"x": True}, "payload.x", "expected one of 1, found bool"),
        (Literal[1], {"x": [1]}, "payload.x", "expected one of 1, found list"),
        (Colour, {"x": "z"}, "payload.x", "expected a value of Colour, found str that no member has"),
        (Colour, {"x": True}, "payload.x", "expected a value of Colour, found bool"),
        (Colour, {"x": 1.0}, "payload.x", "expected a value of Colour, found float"),
        (Colour, {"x": []}, "payload.x", "expected a value of Colour, found list"),
        (Rights, {"x": 4}, "payload.x", "expected a value of Rights"),
        (Rights, {"x": True}, "payload.x", "expected a value of Rights, found bool"),
        (tuple[int, ...], {"x": [1, None]}, "payload.x[1]", "expected int, found None"),
        (tuple[int, ...], {"x": (1,)}, "payload.x", "expected list for tuple[int, ...], found tuple"),
        (tuple[int, str], {"x": [1, "a", 3]}, "payload.x", "expected 2 items for tuple[int, str], found 3"),
        (dict[str, int], {"x": {"a": "b"}}, "payload.x.a", "expected int, found str"),
        (Point, {"x": {"x": 1}}, "payload.x.y", "missing, and Point has no default"),
        (LINE, {"x": [{"x": 1, "y": 2.0, "z z": 3}]}, "payload.x[0]['z z']", "Point has no such field"),
    ],
)
def test_a_stored_value_that_does_not_fit_is_refused(
    annotation: object, stored: object, path: str, message: str
) -> None:
    with pytest.raises(PayloadMismatch) as caught:
        holder(annotation).from_plain(stored)
    assert caught.value.path == path
    assert caught.value.type_name == "Holder"
    assert str(caught.value).startswith(f"{path}: {message}")


def test_an_exception_of_the_class_is_the_cause() -> None:
    @dataclass
    class Positive:
        n: int

        def __post_init__(self) -> None:
            if self.n < 0:
                raise KeyError(self.n)

    known = holder(list[Positive])
    with pytest.raises(PayloadMismatch, match="Positive refused what was stored: KeyError") as caught:
        known.from_plain({"x": [{"n": 1}, {"n": -1}]})
    assert caught.value.path == "payload.x[1]"
    assert isinstance(caught.value.__cause__, KeyError)
    assert known.from_plain({"x": [{"n": 1}]}) == known.cls([Positive(1)])


# -- nesting ---------------------------------------------------------------------------------------------------------


def test_values_nest_to_the_limit_of_the_format() -> None:
    known = register(Node)
    node = None
    for number in range(127):
        node = Node(str(number), node)
    assert known.from_plain(known.to_plain(node)) == node


def test_a_value_that_contains_itself_is_refused() -> None:
    known = register(Node)
    node = Node("a")
    node.children.append(node)
    with pytest.raises(LimitExceeded, match="contain itself") as caught:
        known.to_plain(node)
    assert caught.value.limit == 128


def test_mutual_recursion_works() -> None:
    module = sys.modules[__name__]
    left: Any = dataclass(type("Left", (), {"__annotations__": {"right": "Right | None"}, "__module__": __name__}))
    right: Any = dataclass(type("Right", (), {"__annotations__": {"left": "Left | None"}, "__module__": __name__}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Left", left, raising=False)
        patch.setattr(module, "Right", right, raising=False)
        known = register(left)
    instance = left(right(left(None)))
    assert known.to_plain(instance) == {"right": {"left": {"right": None}}}
    assert known.from_plain(known.to_plain(instance)) == instance


def test_names_inside_a_class_are_seen() -> None:
    @dataclass
    class Outer:
        class Mode(enum.Enum):
            ON = 1

        mode: "Mode"
        again: "list[Outer]"

    known = register(Outer)
    instance = Outer(Outer.Mode.ON, [Outer(Outer.Mode.ON, [])])
    assert known.from_plain(known.to_plain(instance)) == instance
