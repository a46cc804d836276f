"""Which changes of a class are safe: what is called safe can be read, and what made the change is named."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field, make_dataclass
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from batpak._batpak import encode_value
from batpak._errors import PayloadMismatch
from batpak._schemas.changes import SchemaChange, changes_between
from batpak._schemas.definition import Definition, Malformed, checked_definition, definition_of, text_of
from batpak._schemas.registry import EventType
from batpak._schemas.samples import plain_samples
from schemas import FIELDS, Colour, Node, Point, holder, register


def definition(known: EventType) -> Definition:
    return definition_of(known._record)


def changes(old: EventType, new: EventType) -> list[tuple[str, str, bool]]:
    found = changes_between(definition(old), definition(new))
    return [(change.where, change.what, change.safe) for change in found]


def of_fields(*fields: Any) -> EventType:
    return register(make_dataclass("Order", fields))


X = ("x", int)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([X], [X], []),
        ([X, ("y", str)], [("y", str), X], []),
        ([X], [X, ("y", int, 0)], [("Order.y", "field_added", True)]),
        ([X], [X, ("y", str)], [("Order.y", "field_added", False)]),
        ([X, ("y", str)], [X], [("Order.y", "field_removed", False)]),
        ([X], [("z", int)], [("Order.x", "field_renamed", False), ("Order.z", "field_added", False)]),
        ([X], [("x", int, 0)], [("Order.x", "default_added", True)]),
        ([("x", int, 0)], [X], [("Order.x", "default_removed", False)]),
        ([X], [("x", str)], [("Order.x", "type_changed", False)]),
        # Defaults and their values are no part of what is stored.
        ([("x", int, 0)], [("x", int, 5)], []),
        ([("x", list[int], field(default_factory=list))], [("x", list[int], field(default_factory=lambda: [1]))], []),
    ],
)
def test_fields(old: list[Any], new: list[Any], expected: list[tuple[str, str, bool]]) -> None:
    assert changes(of_fields(*old), of_fields(*new)) == expected


class Red(enum.Enum):
    RED = "r"


class RedAndBlue(enum.Enum):
    RED = "r"
    BLUE = "b"


class Crimson(enum.Enum):
    CRIMSON = "r"


class OtherRed(enum.Enum):
    RED = "R"


class Flags(enum.Flag):
    A = 1
    B = 2


class Numbers(enum.Enum):
    A = 1
    B = 2


@dataclass
class Line:
    product: str
    count: int = 1


@dataclass
class WiderLine:
    product: str | None
    count: int = 1
    note: str = ""


@dataclass
class OtherLine:
    thing: str


SAFE: list[tuple[Any, Any, list[str]]] = [
    (int, int | None, ["type_widened"]),
    (int, int | str, ["type_widened"]),
    (int | str, str | int | None, ["type_widened"]),
    (int, object, ["type_widened"]),
    (Line, Any, ["type_widened"]),
    (list[int], tuple[int, ...], []),
    (tuple[int, int], list[int], []),
    (tuple[int, str], list[int | str], ["type_widened", "type_widened"]),
    (list[int], list[int | None], ["type_widened"]),
    (dict[str, int], dict[str, int | str], ["type_widened"]),
    (Literal["a"], Literal["a", "b"], ["value_added"]),
    (Literal["a"], str, ["type_widened"]),
    (Literal["a"], str | None, ["type_widened", "type_widened"]),
    (Literal["a", None], Literal["a"] | None, []),
    (Red, RedAndBlue, ["value_added"]),
    (Red, Crimson, ["value_renamed"]),
    (Red, str, ["type_widened"]),
    (Red, Literal["r"], []),
    (Literal["r"], RedAndBlue, ["value_added"]),
    (RedAndBlue | None, RedAndBlue | None | int, ["type_widened"]),
    (Line, WiderLine, ["type_widened", "field_added"]),
    (Line | None, WiderLine | None, ["type_widened", "field_added"]),
    (Numbers, Flags, []),
]


@pytest.mark.parametrize(("old", "new", "expected"), SAFE)
def test_safe_changes_of_types(old: Any, new: Any, expected: list[str]) -> None:
    before, after = holder(old), holder(new)
    found = changes(before, after)
    assert [what for _, what, _ in found] == expected
    assert all(safe for _, _, safe in found)
    for sample in plain_samples(before._record):
        after.from_plain(sample)


UNSAFE: list[tuple[Any, Any, str]] = [
    (int, str, "type_changed"),
    (int, float, "type_changed"),
    (int | None, int, "type_changed"),
    (int | str, int, "type_changed"),
    (object, int, "type_changed"),
    (object, int | str, "type_changed"),
    (list[int], list[str], "type_changed"),
    (list[int], tuple[int, int], "type_changed"),
    (tuple[int, int], tuple[int, int, int], "type_changed"),
    (tuple[int, str], tuple[int, int], "type_changed"),
    (dict[str, int], dict[str, str], "type_changed"),
    (Literal["a", "b"], Literal["a"], "value_removed"),
    (Literal[1], Literal[True], "value_removed"),
    (Literal[1] | None, Literal[True] | None, "value_removed"),
    (str, Literal["a"], "type_changed"),
    (RedAndBlue, Red, "value_removed"),
    (RedAndBlue | None, Red | None, "value_removed"),
    (Red, OtherRed, "value_removed"),
    (str, Red, "type_changed"),
    (Red, int, "type_changed"),
    (Flags, Numbers, "type_changed"),
    (Line, OtherLine, "field_renamed"),
    (WiderLine, Line, "field_removed"),
    (Line | None, OtherLine | None, "field_renamed"),
    (Line, dict[str, int], "type_changed"),
    (list[Line], list[OtherLine], "field_renamed"),
]


@pytest.mark.parametrize(("old", "new", "expected"), UNSAFE)
def test_unsafe_changes_of_types(old: Any, new: Any, expected: str) -> None:
    before, after = holder(old), holder(new)
    assert expected in [what for _, what, safe in changes(before, after) if not safe]
    refused = 0
    for sample in plain_samples(before._record):
        try:
            after.from_plain(sample)
        except PayloadMismatch:
            refused += 1
    assert refused > 0


def test_the_place_is_named() -> None:
    assert changes(holder(list[dict[str, tuple[int, Line]]]), holder(list[dict[str, tuple[str, OtherLine]]])) == [
        ("Holder.x[]{}[0]", "type_changed", False),
        ("OtherLine.product", "field_renamed", False),
        ("OtherLine.count", "field_removed", False),
        ("OtherLine.thing", "field_added", False),
    ]


def test_a_change_of_a_class_that_is_used_twice_is_told_once() -> None:
    assert changes(holder(tuple[Line, Line]), holder(tuple[WiderLine, WiderLine])) == [
        ("WiderLine.product", "type_widened", True),
        ("WiderLine.note", "field_added", True),
    ]


def test_classes_that_hold_themselves() -> None:
    @dataclass
    class Node:
        label: str | None
        next: Node | None = None
        children: list[Node] = field(default_factory=list)
        weight: int = 0

    assert changes(register(schemas.Node), register(schemas.Node)) == []
    assert changes(register(schemas.Node), register(Node)) == [
        ("Node.label", "type_widened", True),
        ("Node.weight", "field_added", True),
    ]
    assert ("Node.weight", "field_removed", False) in changes(register(Node), register(schemas.Node))


def test_keys_of_typed_dicts() -> None:
    class Before(TypedDict):
        x: int
        y: NotRequired[int]

    class After(TypedDict):
        x: NotRequired[int]
        y: int

    assert changes(register(Before), register(After)) == [
        ("After.x", "default_added", True),
        ("After.y", "default_removed", False),
    ]


# -- what is called safe can be read ----------------------------------------------------------------------------------

HOLDERS = [(holder(annotation), strategy) for annotation, strategy in FIELDS]
# More that are made of one another, so that many pairs are safe.
NESTED: list[Any] = [
    int | str,
    int | str | None,
    float | int | None,
    Literal["a", "b"],
    Literal["a", 1],
    Colour | float,
    list[int | None] | int | None,
    dict[str, int | None],
    list[list[int]] | None,
    tuple[int, int],
    tuple[int, int] | None,
    list[object],
    Point | None,
    Node,
    list[Node] | Node | None,
]
PAIRS = list(itertools.product([*(each for each, _ in HOLDERS), *map(holder, NESTED)], repeat=2))


def test_what_is_called_safe_can_be_read() -> None:
    counts = {True: 0, False: 0}
    for old, new in PAIRS:
        safe = all(safe for _, _, safe in changes(old, new))
        counts[safe] += 1
        samples = plain_samples(old._record)
        assert samples
        if safe:
            for sample in samples:
                new.from_plain(sample)
    # Both happen often, or this would say nothing.
    assert counts[True] > 150
    assert counts[False] > 500


SAFE_PAIRS = [
    (old, strategy, new)
    for old, strategy in HOLDERS
    for new in {id(each): each for pair in PAIRS for each in pair}.values()
    if all(safe for _, _, safe in changes(old, new))
]


@given(st.sampled_from(SAFE_PAIRS), st.data())
def test_what_is_called_safe_can_be_read_whatever_was_written(
    pair: tuple[EventType, st.SearchStrategy[Any], EventType], data: st.DataObject
) -> None:
    old, strategy, new = pair
    new.from_plain(old.to_plain(old.cls(data.draw(strategy))))


# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [each for each, _ in HOLDERS], ids=[str(annotation) for annotation, _ in FIELDS])
def test_samples_are_what_the_class_could_have_written(known: EventType) -> None:
    samples = plain_samples(known._record)
    assert samples
    for sample in samples:
        assert encode_value(sample, allow_nonfinite=False)
        again = known.to_plain(known.from_plain(sample))
        if known.cls is not Node and "Node" not in str(known.cls.__annotations__):
            assert schemas.same(again, sample)
    assert [encode_value(each, allow_nonfinite=False) for each in plain_samples(known._record)] == [
        encode_value(each, allow_nonfinite=False) for each in samples
    ]


def test_samples_have_every_alternative() -> None:
    @dataclass
    class Wide:
        colour: Colour
        flags: Flags
        choice: Literal["a", "b", None]
        union: int | str | list[Line] | None
        line: Line | None = None
        more: dict[str, Line] = field(default_factory=dict)

    samples = plain_samples(register(Wide)._record)

    def values(name: str) -> list[Any]:
        return [sample[name] for sample in samples if name in sample]

    assert {str(value) for value in values("colour")} == {str(member.value) for member in Colour}
    assert set(values("flags")) == {1, 2, 3}
    assert set(values("choice")) == {"a", "b", None}
    assert {type(value) for value in values("union")} == {int, str, list, type(None)}
    assert [] in values("union")
    assert {type(value) for value in values("line")} == {dict, type(None)}
    assert {} in values("more")
    assert samples[-1].keys() == {"colour", "flags", "choice", "union"}
    # As many as the widest field needs, and the one without defaults.
    assert len(samples) == 6


def test_many_classes_that_hold_one_another_have_few_samples() -> None:
    names = [f"Part{number}" for number in range(12)]
    parts: dict[str, Any] = {name: type(name, (), {"__annotations__": {"label": str}}) for name in names}
    for cls in parts.values():
        for name, other in parts.items():
            cls.__annotations__[name] = list[other]  # type: ignore[valid-type]
            setattr(cls, name, field(default_factory=list))
    known = register([dataclass(cls) for cls in parts.values()][0])
    samples = plain_samples(known._record)
    assert 1 < len(samples) < 10
    assert sum(len(encode_value(sample, allow_nonfinite=False)) for sample in samples) < 20_000
    assert changes(known, known) == []


def test_a_class_that_never_ends_has_no_sample() -> None:
    @dataclass
    class Endless:
        inner: Endless

    assert plain_samples(register(Endless)._record) == []


# -- definitions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [each for each, _ in HOLDERS], ids=[str(annotation) for annotation, _ in FIELDS])
def test_a_definition_is_a_plain_value_that_is_one(known: EventType) -> None:
    described = definition(known)
    assert encode_value(described, allow_nonfinite=False)
    assert checked_definition(described) is described
    assert all(text_of(each["type"]) for fields in described["classes"].values() for each in fields.values())


def test_classes_of_one_name_are_told_apart() -> None:
    def local(hint: Any) -> Any:
        return make_dataclass("Same", [("x", hint)])

    described = definition(holder(tuple[local(int), local(str)]))
    assert len(described["classes"]) == 3
    assert changes(holder(tuple[local(int), local(str)]), holder(tuple[local(int), local(str)])) == []
    assert changes(holder(tuple[local(int), local(str)]), holder(tuple[local(str), local(str)])) != []


GOOD: dict[str, Any] = {"class": "a.B", "classes": {"a.B": {"x": {"type": "int", "required": True}}}}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"class": "a.B"},
        GOOD | {"more": 1},
        GOOD | {"class": "a.C"},
        GOOD | {"class": None},
        GOOD | {"classes": []},
        {"class": "B", "classes": {"B": []}},
        {"class": "B", "classes": {"B": {"x": "int"}}},
        {"class": "B", "classes": {"B": {"x": {"type": "int"}}}},
        {"class": "B", "classes": {"B": {"x": {"type": "int", "required": 1}}}},
        *(
            {"class": "B", "classes": {"B": {"x": {"type": type_, "required": True}}}}
            for type_ in (
                "integer",
                None,
                1,
                [],
                {},
                {"list": "int", "map": "int"},
                {"list": "integer"},
                {"list": ["int"]},
                {"tuple": []},
                {"union": []},
                {"union": "int"},
                {"union": ["int", {"union": ["str"]}]},
                {"class": "C"},
                {"class": ["B"]},
                {"literal": []},
                {"literal": "a"},
                {"enum": {}},
                {"enum": ["a"]},
                {"set": "int"},
            )
        ),
    ],
)
def test_what_is_no_definition_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        checked_definition(value)


def test_a_change_is_a_report() -> None:
    [change] = changes_between(definition(holder(int)), definition(holder(str)))
    assert change.to_dict() == {"where": "Holder.x", "what": "type_changed", "safe": False, "text": change.text}
    assert change == SchemaChange("Holder.x", "type_changed", safe=False, text=change.text)
    assert "raise the version" in change.text
