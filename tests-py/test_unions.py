"""Unions in typed payloads: what is stored tells the members apart, or the class is refused."""

import enum
from dataclasses import dataclass, make_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict, Union

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batpak._errors import InvalidValue, PayloadMismatch, UnsupportedAnnotation
from schemas import ANYTHING, SCALARS, Colour, Level, Node, Point, Rights, holder, register, same


@dataclass(frozen=True)
class Circle:
    size: float
    kind: Literal["circle"] = "circle"


class Square(pydantic.BaseModel):
    size: float
    kind: Literal["square", "quad"] = "square"


class Blob(msgspec.Struct):
    kind: Literal[1, None]
    size: float = 0.0


class Line(TypedDict):
    kind: Literal["line"]
    length: NotRequired[float]


class Dot(TypedDict):
    kind: Literal[True]


@attrs.frozen
class Created:
    name: str
    size: int = 0


@dataclass
class Renamed:
    old: str
    name: str


class Moved(TypedDict, total=False):
    size: int


class Optionally(TypedDict, total=False):
    kind: Literal["optionally"]


class Ghost(enum.Enum):
    CIRCLE = "circle"


Number = NewType("Number", int)
Tagged = Union[Circle, Square, Blob, Line, Dot]  # noqa: UP007
TAGGED: list[Any] = [Circle(1.0), Square(size=2.0), Square(size=2.0, kind="quad"), Blob(1, 3.0), Blob(None)]
TAGGED += [{"kind": "line"}, {"kind": "line", "length": 4.0}, {"kind": True}]

UNIONS: list[tuple[Any, list[Any]]] = [
    (int | str, [1, "x"]),
    (Union[int, str, None], [1, "x", None]),  # noqa: UP007
    (bool | int | float | Decimal, [True, 1, 1.0, Decimal("1.0")]),
    (date | datetime, [date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)]),
    (list[int] | dict[str, int] | int, [[1], {"a": 1}, 1, []]),
    (tuple[int, ...] | None | str, [(1,), None, "x"]),
    (Level | str, [Level.LOW, "x"]),
    (Rights | Ghost | list[Colour], [Rights.READ, Rights.READ | Rights.WRITE, Ghost.CIRCLE, [Colour.ONE]]),
    (Literal["a", "b", 1] | None, ["a", "b", 1, None]),
    (Literal["a"] | int, ["a", 1, 0]),
    (Number | Annotated[str, "x"], [1, "x"]),
    (Optional[Annotated[int | str, "x"]], [1, "x", None]),  # noqa: UP045
    (Point | int, [Point(1, 2.0), 1]),
    (Annotated[Point, 1] | Annotated[Point, 2] | None, [Point(1, 2.0), None]),
    (dict[str, str] | bytes, [{"kind": "circle"}, b"x"]),
    (Tagged, TAGGED),
    (Tagged | list[Tagged] | None, [*TAGGED, TAGGED, None]),
    (Circle | Square, [Circle(1.0), Square(size=1.0)]),
    (Point | Node, [Point(1, 2.0), Node("a", Node("b"))]),
    (Created | Renamed, [Created("a"), Renamed("a", "b")]),
    (Renamed | Moved | Point, [Renamed("a", "b"), Point(1, 2.0), {}, {"size": 1}]),
]


@pytest.mark.parametrize(("annotation", "values"), UNIONS, ids=lambda each: str(each)[:60])
def test_every_member_comes_back_as_what_it_was(annotation: Any, values: list[Any]) -> None:
    known = holder(annotation)
    for value in values:
        instance = known.cls(value)
        assert same(known.from_plain(known.to_plain(instance)), instance)


@given(st.sampled_from(UNIONS), ANYTHING)
def test_any_stored_value_is_read_exactly_or_refused(union: tuple[Any, list[Any]], value: object) -> None:
    known = holder(union[0])
    try:
        instance = known.from_plain({"x": value})
    except PayloadMismatch:
        return
    assert same(known.to_plain(instance), {"x": value})


@given(st.lists(st.sampled_from(list(SCALARS)), min_size=2, unique=True), st.data())
def test_all_scalars_are_told_apart(types: list[type], data: st.DataObject) -> None:
    known = holder(Union[tuple(types)])  # noqa: UP007
    instance = known.cls(data.draw(st.one_of([SCALARS[each] for each in types])))
    assert same(known.from_plain(known.to_plain(instance)), instance)


Same = make_dataclass("Same", [("size", float), ("kind", str)])
OtherCircle = make_dataclass("OtherCircle", [("size", float), ("kind", Literal["x", "circle"])])


class Empty(TypedDict):
    pass


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (list[int] | list[str], r"list\[int\] and list\[str\] are both stored as list: write one list\[A \| B\]"),
        (list[int] | tuple[int, ...] | None, "are both stored as list"),
        (tuple[int, str] | tuple[str], "are both stored as list"),
        (Colour | str, "Colour and str are both stored as str: write T"),
        (Level | int, "Level and int are both stored as int"),
        (Level | Rights, "both stored as int"),
        (Literal["a"] | str, "str and one of 'a' are both stored as str"),  # noqa: PYI051
        (Literal["a"] | Ghost, "both stored as str"),
        (dict[str, int] | dict[str, str], "both stored as map"),
        (dict[str, int] | Point, r"dict\[str, int\] and Point are both stored as map"),
        (Point | dict[str, int], "both stored as map"),
        (Created | Empty | Moved, "Empty and Moved are both stored as map: give each class .* Literal"),
        (Circle | Same, "Circle and Same are both stored as map"),
        (Circle | OtherCircle, "both stored as map"),
        (Circle | Optionally | Empty, "both stored as map"),
        (object | int, "write object alone"),
        (int | Any | None, "write object alone"),
        (int | set[int], r"write list\[T\]"),
        (NewType("Both", int | str) | str, "both stored as str"),  # type: ignore[valid-newtype]
    ],
    ids=str,
)
def test_what_cannot_be_told_apart_is_refused(annotation: object, reason: str) -> None:
    with pytest.raises(UnsupportedAnnotation, match=rf"^Holder\.x: .*{reason}") as caught:
        holder(annotation)
    assert (caught.value.type_name, caught.value.field) == ("Holder", "x")


@pytest.mark.parametrize(
    ("annotation", "value", "path", "message"),
    [
        (int | str, 1.0, "payload.x", "expected int | str, found float"),
        (int | str, True, "payload.x", "expected int | str, found bool"),
        (int | str, None, "payload.x", "expected int | str, found None"),
        (int | list[str], ["a", 1], "payload.x[1]", "expected str, found int"),
        (Circle | Square, {"size": 1.0, "kind": "circle"}, "payload.x", "expected Circle | Square, found dict"),
        (Circle | Square, Circle(1), "payload.x.size", "expected float, found int"),
        (Circle | Square, Circle(1.0, "other"), "payload.x.kind", "expected one of 'circle'"),  # type: ignore[arg-type]
        (Line | Dot, {"kind": "dot"}, "payload.x", "expected Line | Dot, and the field kind that tells them apart has"),
        (Line | Dot, {"kind": 1}, "payload.x", "expected Line | Dot, and the field kind that tells them apart has"),
        (Line | Dot, {"length": 1.0}, "payload.x", "expected Line | Dot, and the field kind that tells them apart is"),
    ],
)
def test_a_value_of_no_member_is_not_written(annotation: object, value: object, path: str, message: str) -> None:
    known = holder(annotation)
    with pytest.raises(InvalidValue) as caught:
        known.to_plain(known.cls(value))
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("annotation", "stored", "path", "message"),
    [
        (int | str, 1.0, "payload.x", "expected int | str, found float"),
        (Circle | Square, {"kind": "circle"}, "payload.x.size", "missing, and Circle has no default"),
        (Circle | Square, {"size": 1.0}, "payload.x", "expected Circle | Square, and the field kind that tells them"),
        (Circle | Square, {"size": 1.0, "kind": ["x"]}, "payload.x", "expected Circle | Square, and the field kind"),
        (
            Tagged,
            {"size": 1.0, "kind": 1.0},
            "payload.x",
            "expected Circle | Square | Blob | Line | Dot, and the field",
        ),
        (Point | Node, {}, "payload.x", "expected Point | Node, found fields of none of them"),
        (Point | Node, {"x": 1, "label": "a"}, "payload.x", "expected Point | Node, found fields of several of them"),
        (Point | Node, {"x": 1}, "payload.x.y", "missing, and Point has no default"),
    ],
)
def test_a_stored_value_of_no_member_is_refused(annotation: object, stored: object, path: str, message: str) -> None:
    with pytest.raises(PayloadMismatch) as caught:
        holder(annotation).from_plain({"x": stored})
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: {message}")


# -- recursion --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number_:
    value: int
    op: Literal["number"] = "number"


@dataclass(frozen=True)
class Add:
    left: "Number_ | Add | Negate"
    right: "Number_ | Add | Negate"
    op: Literal["add"] = "add"


class Negate(pydantic.BaseModel, frozen=True):
    of: Number_ | Add
    op: Literal["negate"] = "negate"


EXPRESSIONS: st.SearchStrategy[Any] = st.recursive(
    st.builds(Number_, st.integers()),
    lambda inner: (
        st.builds(Add, inner, inner) | st.builds(lambda of: Negate.model_construct(of=of), st.builds(Add, inner, inner))
    ),
    max_leaves=6,
)


@given(EXPRESSIONS.filter(lambda each: isinstance(each, Add)))
def test_unions_may_recur(expression: Add) -> None:
    known = register(Add)
    assert same(known.from_plain(known.to_plain(expression)), expression)


@dataclass
class First:
    later: "list[Second | Third]"


FIRST = register(First)


@dataclass
class Second:
    a: "Third | None"


@dataclass
class Third:
    b: int


def test_members_may_be_defined_later() -> None:
    instance = First([Second(Third(1)), Third(2), Second(None)])
    assert same(FIRST.from_plain(FIRST.to_plain(instance)), instance)


def test_members_that_turn_out_alike_are_refused_at_first_use() -> None:
    alike: Any = dataclass(type("Alike", (), {"__annotations__": {"x": "Third | Missing"}, "__module__": __name__}))
    known = register(alike)
    with pytest.raises(UnsupportedAnnotation, match=r"Alike\.x: .*Missing"):
        known.from_plain({"x": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "Missing", make_dataclass("Missing", [("b", int)]))
        with pytest.raises(UnsupportedAnnotation, match=r"Alike\.x: .*Third and Missing are both stored as map"):
            known.to_plain(alike(1))
