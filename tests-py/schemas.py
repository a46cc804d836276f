"""What the tests of typed payloads share: classes, annotations with the values that fit them, and an exact comparison."""

import dataclasses
import enum
import typing
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import attrs
import msgspec
import pydantic
from hypothesis import strategies as st

from batpak._schemas.registry import EventType, Registry


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


Text = type("Text", (str,), {})


@dataclass(frozen=True)
class Point:
    x: int
    y: float


@dataclass(frozen=True, slots=True)
class Node:
    label: str
    next: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)


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
ANYTHING = st.recursive(
    st.one_of(*SCALARS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def fields_of(cls: type) -> list[str]:
    """The names of the fields, of whatever family the class is."""
    if dataclasses.is_dataclass(cls):
        return [each.name for each in dataclasses.fields(cls)]
    if attrs.has(cls):
        return [each.name for each in attrs.fields(cls)]
    if issubclass(cls, msgspec.Struct):
        return list(cls.__struct_fields__)
    return list(cls.model_fields) if issubclass(cls, pydantic.BaseModel) else []


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down: 1 == True == 1.0 must not pass."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    names = fields_of(type(left))
    if names:
        return left == right and all(same(getattr(left, name), getattr(right, name)) for name in names)
    return bool(left == right) and repr(left) == repr(right)
