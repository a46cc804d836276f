"""How a field's value turns into a plain one and back, exactly: one ``Shape`` for each way of being stored.

A shape is two functions, one for each direction. Neither coerces anything: a value of another type, a subclass
included, is a ``Misfit``. Which annotation has which shape is the business of ``annotations``.

Rules that concern the value and not its type (no NaN, no naive datetime, sizes) belong to the encoder, which sees all.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

if TYPE_CHECKING:
    from batpak._schemas.hints import Field
    from batpak._schemas.records import Record

Convert = Callable[[Any], object]

SCALARS = (type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID)


class Misfit(Exception):
    """A value does not fit. Each container that the exception passes adds its step: a value that fits pays no path."""

    def __init__(self, message: str, cause: Exception | None = None, *steps: str) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self._steps = list(steps)

    def inside(self, step: str) -> None:
        """Note that the value sits at ``step`` of its container."""
        self._steps.append(step)

    @property
    def path(self) -> str:
        """Where the value is, for instance ``payload.items[3]``."""
        return "payload" + "".join(reversed(self._steps))


def member_step(key: str) -> str:
    """Return the step of a path that leads to ``key`` of a map, in ASCII: paths are printed, whatever keys hold."""
    return f".{key}" if key.isascii() and key.isidentifier() else f"[{key!a}]"


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """What a shape is made of, for those who describe it or make values for it: ``parts`` are the shapes inside.

    ``options`` are what a literal may be, and ``of`` the class of a scalar or of an ``Enum``. A ``Record`` is there for
    classes alone.
    """

    name: Literal["any", "scalar", "literal", "enum", "union", "list", "tuple", "map", "class"]
    parts: tuple[Shape, ...] = ()
    options: tuple[object, ...] = ()
    of: type = object
    record: Record | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """Both directions of one annotation. A value of type ``exact`` is its own plain form, others need a function.

    ``written`` are the exact types that values have, ``stored`` those of their plain forms; both are None if any value
    will do. ``fields`` is there for classes alone: what unions of classes are told apart by.
    """

    expected: str
    exact: type | None
    to_plain: Convert
    from_plain: Convert
    written: frozenset[type] | None
    stored: frozenset[type] | None
    form: Form
    fields: Callable[[], list[Field]] | None = None


def misfit(expected: str, value: object) -> Misfit:
    """Return the exception for ``value`` where ``expected`` belongs. It tells the type only: values may be personal."""
    found = type(value)
    if found is int and expected == "float":
        return Misfit("expected float, found int; nothing is converted silently: write float(...)")
    if found.__qualname__ == expected:
        return Misfit(f"expected {expected}, found another class of that name: register the new definition too")
    return Misfit(f"expected {expected}, found {'None' if value is None else found.__qualname__}")


def _exactly(wanted: type, expected: str) -> Convert:
    def check(value: object) -> object:
        if type(value) is wanted:
            return value
        raise misfit(expected, value)

    return check


def _scalar(wanted: type) -> Shape:
    expected = "None" if wanted is type(None) else wanted.__qualname__
    check = _exactly(wanted, expected)
    return Shape(expected, wanted, check, check, frozenset((wanted,)), frozenset((wanted,)), Form("scalar", of=wanted))


SCALAR_SHAPES = {wanted: _scalar(wanted) for wanted in SCALARS}
ANYTHING = Shape("any value", None, lambda value: value, lambda value: value, None, None, Form("any"))

_LIST = frozenset((list,))
_DICT = frozenset((dict,))


def optional(inner: Shape) -> Shape:
    """Return the shape of ``inner`` or None."""
    expected = inner.expected if inner.exact is type(None) else f"{inner.expected} | None"

    def direction(convert: Convert) -> Convert:
        def or_none(value: object) -> object:
            return None if value is None else convert(value)

        return or_none

    written = None if inner.written is None else inner.written | {type(None)}
    stored = None if inner.stored is None else inner.stored | {type(None)}
    form = Form("union", (inner, SCALAR_SHAPES[type(None)]))
    if inner.exact is None:
        return Shape(expected, None, direction(inner.to_plain), direction(inner.from_plain), written, stored, form)
    check = direction(_exactly(inner.exact, expected))
    return Shape(expected, inner.exact, check, check, written, stored, form)


def literal(options: tuple[object, ...]) -> Shape:
    """Return the shape of a ``Literal`` of ``options``, which are str, int, bool and None."""
    # The type is part of the key because 1 == True == 1.0.
    allowed = {(type(option), option) for option in options}
    allowed_types = {type(option) for option in options}
    expected = "one of " + ", ".join(map(repr, options))

    def check(value: object) -> object:
        if type(value) in allowed_types and (type(value), value) in allowed:
            return value
        if type(value) in allowed_types:
            message = f"expected {expected}, found another {type(value).__qualname__}"
            raise Misfit(message)
        raise misfit(expected, value)

    form = Form("literal", options=options)
    return Shape(expected, None, check, check, frozenset(allowed_types), frozenset(allowed_types), form)


def enum_(cls: type[enum.Enum]) -> Shape:
    """Return the shape of an ``Enum`` whose members have plain scalars as values: the value is stored."""
    members = {(type(member.value), member.value): member for member in cls.__members__.values()}
    value_types = {type(member.value) for member in cls.__members__.values()}
    name = cls.__qualname__
    expected = f"a value of {name}"

    def to_plain(value: enum.Enum) -> object:
        if type(value) is cls:
            return value.value
        raise misfit(name, value)

    def from_plain(value: object) -> object:
        if type(value) not in value_types:
            raise misfit(expected, value)
        member = members.get((type(value), value))
        if member is not None:
            return member
        message = f"expected {expected}, found {type(value).__qualname__} that no member has"
        if issubclass(cls, enum.Flag):  # a combination of flags is a value without a name
            try:
                member = cls(value)
            except ValueError as error:
                raise Misfit(message, error) from None
            if member.value == value:  # Python 3.11.2 takes -1 for all flags
                return member
        raise Misfit(message)

    return Shape(name, None, to_plain, from_plain, frozenset((cls,)), frozenset(value_types), Form("enum", of=cls))


def _sequence(source: type[Any], expected: str, item: Shape, convert: Convert, target: type) -> Convert:
    exact = item.exact
    only = {exact}

    def convert_all(value: Any) -> object:
        if type(value) is not source:
            raise misfit(expected, value)
        items = list(value)
        if exact is None or not only.issuperset(map(type, items)):
            done: list[object] = []
            try:
                for each in items:
                    # A comprehension could not tell which one failed.
                    done.append(each if type(each) is exact else convert(each))  # noqa: PERF401
            except Misfit as error:
                error.inside(f"[{len(done)}]")
                raise
            items = done
        return items if target is list else target(items)

    return convert_all


def list_(item: Shape) -> Shape:
    """Return the shape of a list of ``item``."""
    expected = f"list[{item.expected}]"
    to_plain = _sequence(list, expected, item, item.to_plain, list)
    return Shape(
        expected,
        None,
        to_plain,
        _sequence(list, expected, item, item.from_plain, list),
        _LIST,
        _LIST,
        Form("list", (item,)),
    )


def tuple_of_any_length(item: Shape) -> Shape:
    """Return the shape of a tuple of ``item``, which is stored as a list."""
    expected = f"tuple[{item.expected}, ...]"
    to_plain = _sequence(tuple, expected, item, item.to_plain, list)
    from_plain = _sequence(list, f"list for {expected}", item, item.from_plain, tuple)
    return Shape(expected, None, to_plain, from_plain, frozenset((tuple,)), _LIST, Form("list", (item,)))


def tuple_of_fixed_length(items: list[Shape]) -> Shape:
    """Return the shape of a tuple with a shape for each place, which is stored as a list."""
    expected = f"tuple[{', '.join(item.expected for item in items)}]"

    def direction(source: type[Any], wanted: str, converts: list[Convert], target: type) -> Convert:
        def convert_all(value: Any) -> object:
            if type(value) is not source:
                raise misfit(wanted, value)
            if len(value) != len(converts):
                message = f"expected {len(converts)} items for {expected}, found {len(value)}"
                raise Misfit(message)
            done: list[object] = []
            try:
                for each, convert in zip(value, converts, strict=True):
                    done.append(convert(each))
            except Misfit as error:
                error.inside(f"[{len(done)}]")
                raise
            return target(done)

        return convert_all

    to_plain = direction(tuple, expected, [item.to_plain for item in items], list)
    from_plain = direction(list, f"list for {expected}", [item.from_plain for item in items], tuple)
    return Shape(expected, None, to_plain, from_plain, frozenset((tuple,)), _LIST, Form("tuple", tuple(items)))


def mapping(item: Shape) -> Shape:
    """Return the shape of a dict from str to ``item``."""
    expected = f"dict[str, {item.expected}]"
    exact = item.exact

    def direction(convert: Convert) -> Convert:
        def convert_all(value: Any) -> object:
            if type(value) is not dict:
                raise misfit(expected, value)
            plain: dict[object, object] = {}
            for key, each in value.copy().items():
                if type(key) is not str:
                    message = f"expected str keys, found a key of type {type(key).__qualname__}"
                    raise Misfit(message)
                if type(each) is exact:
                    plain[key] = each
                    continue
                try:
                    plain[key] = convert(each)
                except Misfit as error:
                    error.inside(member_step(key))
                    raise
            return plain

        return convert_all

    return Shape(
        expected, None, direction(item.to_plain), direction(item.from_plain), _DICT, _DICT, Form("map", (item,))
    )
