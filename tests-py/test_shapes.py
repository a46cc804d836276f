"""Typed payloads: every instance comes back as it was, or is refused with its path."""

import collections
import dataclasses
from dataclasses import KW_ONLY, dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple, Optional
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batpak._errors import InvalidValue, PayloadMismatch
from schemas import ANYTHING, FIELDS, TEXT, Colour, Level, Node, Point, Rights, Text, holder, register, same

# -- there and back --------------------------------------------------------------------------------------------------

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


@dataclass
class Base:
    x: int


class Pair(NamedTuple):
    x: int


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
