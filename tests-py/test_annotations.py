"""Annotations of typed payloads: which are refused and what is advised, names that come later, and nesting."""

import collections.abc
import enum
import fractions
import sys
import threading
import types
import typing
from dataclasses import dataclass, field, make_dataclass
from typing import Any, Generic, Literal, NamedTuple, Optional, Self, TypedDict, TypeVar, Union

import pytest
from typing_extensions import TypeAliasType

from batpak._errors import InvalidValue, LimitExceeded, UnsupportedAnnotation
from schemas import Colour, Level, Node, Point, Text, holder, register, same

T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    x: T


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


# -- aliases and Self -------------------------------------------------------------------------------------------------

Whole = TypeAliasType("Whole", int)
Wholes = TypeAliasType("Wholes", list[Whole | None])


@dataclass
class Chain:
    wholes: Wholes
    next: Self | None = None
    rest: "list[Self]" = field(default_factory=list)


@dataclass
class LongChain(Chain):
    more: Whole = 0


def test_an_alias_is_what_it_stands_for() -> None:
    known = register(Chain)
    instance = Chain([1, None], Chain([]), [Chain([2])])
    assert same(known.from_plain(known.to_plain(instance)), instance)


def test_self_is_the_class_that_is_registered() -> None:
    known = register(LongChain)
    instance = LongChain([1], LongChain([], more=2))
    assert same(known.from_plain(known.to_plain(instance)), instance)
    with pytest.raises(InvalidValue, match=r"payload\.next: expected LongChain, found Chain"):
        known.to_plain(LongChain([1], Chain([])))  # type: ignore[arg-type]


def test_an_annotation_that_never_ends_is_refused() -> None:
    class TypeAliasType:
        """As ``type Json = list[Json]`` is, which Python 3.11 has no syntax for."""

        @property
        def __value__(self) -> object:
            return types.GenericAlias(list, (self,))

    with pytest.raises(UnsupportedAnnotation, match="Holder: an annotation never ends: write a class"):
        holder(types.GenericAlias(list, (TypeAliasType(),)))
