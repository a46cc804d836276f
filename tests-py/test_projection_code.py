"""The digest of a projection's code: whatever the class holds that can make another state makes another digest."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak._projections.code import code_digest
from projections_support import add

if TYPE_CHECKING:
    from batpak import Store


@dataclass(frozen=True)
class Rate:
    cents: int


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


def times(number: int, factor: int) -> int:
    return number * factor


def made(**members: Any) -> batpak.Projection[int]:
    def initial(self: Any) -> int:
        return 0

    def added(self: Any, state: int, event: batpak.Event) -> int:
        return state + 1

    body = {"name": "made", "initial": initial, "added": batpak.on(0xF001)(added), "__qualname__": "Made", **members}
    return type("Made", (batpak.Projection,), body)()  # type: ignore[no-any-return]


def nested(rate: int) -> type:
    inner = type("Inner", (), {"rate": rate})
    inner.__qualname__ = "Made.Inner"
    return inner


def closure(factor: int) -> Callable[[int], int]:
    def inner(number: int) -> int:
        return number * factor

    return lambda number: inner(number)


def mutual(factor: int) -> Callable[[int], int]:
    """Two functions that hold each other."""

    def even(number: int) -> int:
        return factor if number == 0 else odd(number - 1)

    def odd(number: int) -> int:
        return -factor if number == 0 else even(number - 1)

    return even


def decorated(default: int) -> Callable[..., int]:
    def handler(self: Any, state: int, event: batpak.Event, step: int = default) -> int:
        return state + step

    return batpak.on(0xF002)(lambda self, state, event: handler(self, state, event))


def prepared(factor: int) -> Callable[[Any], None]:
    def init(self: Any) -> None:
        self._factor = factor

    return init


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(lambda n: {"rate": functools.cached_property(lambda _, n=n: n)}, id="cached property"),
        pytest.param(lambda n: {"rate": property(lambda _, n=n: n)}, id="property"),
        pytest.param(lambda n: {"rate": functools.partialmethod(times, n)}, id="partial method"),
        pytest.param(lambda n: {"rate": functools.partial(times, factor=n)}, id="partial"),
        pytest.param(lambda n: {"__init__": prepared(n)}, id="init"),
        pytest.param(lambda n: {"RATE": re.compile(f"ab[0-{n}]")}, id="pattern"),
        pytest.param(lambda n: {"RATE": Rate(n)}, id="dataclass"),
        pytest.param(lambda n: {"RATE": [Rate(1), {"a": Rate(n)}]}, id="dataclass in a list"),
        pytest.param(lambda n: {"RATE": Size(n)}, id="enum"),
        pytest.param(lambda n: {"RATE": range(n)}, id="range"),
        pytest.param(lambda n: {"RATES": {"a": lambda number, factor=n: number * factor}}, id="default in a dict"),
        pytest.param(lambda n: {"RATES": {"a": closure(n)}}, id="closure in a dict"),
        pytest.param(lambda n: {"rate": staticmethod(mutual(n))}, id="functions that hold each other"),
        pytest.param(lambda n: {"Inner": nested(n)}, id="class inside"),
        pytest.param(lambda n: {"more": decorated(n)}, id="default under a decorator"),
    ],
)
def test_what_the_class_holds_is_in_the_digest(member: Callable[[int], dict[str, Any]]) -> None:
    one, same, other = (code_digest(made(**member(number))) for number in (1, 1, 2))
    assert one == same
    assert one != other


def test_what_is_nowhere_the_same_is_not() -> None:
    assert code_digest(made(tool=object())) == code_digest(made(tool=object()))


def test_a_projection_that_changed_meanwhile_is_not_kept(store: Store) -> None:
    class Times(batpak.Projection[int]):
        name = "times"

        def __init__(self, factor: int) -> None:
            self.factor = factor

        def initial(self) -> int:
            return 0

        @batpak.on(0xF001)
        def added(self, state: int, event: batpak.Event) -> int:
            return state + event.payload * self.factor

    add(store, 1, 2)
    projection = Times(1)
    view = store.materialise(projection)
    projection.factor = 10
    with pytest.raises(batpak.InvalidInput, match="was changed after the view was made"):
        view.save()
    with pytest.raises(batpak.InvalidInput, match="was changed after the view was made"):
        view.attest()
    assert store.materialise(Times(1)).read().state == 3
