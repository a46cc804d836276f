"""How one annotation turns a field's value into a plain one and back, exactly.

An annotation is read once, at registration, and becomes a ``Shape``: two functions, one for each direction.
Neither coerces anything: a value of another type, a subclass included, is a ``Misfit``.

Rules that concern the value and not its type (no NaN, no naive datetime, sizes) belong to the encoder, which sees all.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

from batpak._errors import SchemaError, UnsupportedAnnotation

Convert = Callable[[Any], object]

SCALARS = (type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID)

# The first base that fits decides, so the narrow ones come first.
_ADVICE: tuple[tuple[type, str], ...] = (
    (enum.Enum, "give it members, with plain scalars as values, for instance str or int, and not None"),
    (tuple, "write a dataclass"),
    (bytearray, "write bytes"),
    (memoryview, "write bytes"),
    (complex, "write tuple[float, float]"),
    *((wanted, f"write {wanted.__qualname__}, which holds exactly that type") for wanted in SCALARS[1:]),
    (AbstractSet, "write list[T], and convert with sorted() and set()"),
    (Mapping, "write dict[str, T]"),
    (Iterable, "write list[T]"),
)


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
class Shape:
    """Both directions of one annotation. A value of type ``exact`` is its own plain form, others need a function."""

    expected: str
    exact: type | None
    to_plain: Convert
    from_plain: Convert


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
    return Shape(expected, wanted, check, check)


_SCALAR_SHAPES = {wanted: _scalar(wanted) for wanted in SCALARS}
_ANYTHING = Shape("any value", None, lambda value: value, lambda value: value)


def _optional(inner: Shape) -> Shape:
    expected = inner.expected if inner.exact is type(None) else f"{inner.expected} | None"

    def direction(convert: Convert) -> Convert:
        def or_none(value: object) -> object:
            return None if value is None else convert(value)

        return or_none

    if inner.exact is None:
        return Shape(expected, None, direction(inner.to_plain), direction(inner.from_plain))
    check = direction(_exactly(inner.exact, expected))
    return Shape(expected, inner.exact, check, check)


def _literal(options: tuple[object, ...]) -> Shape:
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

    return Shape(expected, None, check, check)


def _enum(cls: type[enum.Enum]) -> Shape:
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
                return cls(value)
            except ValueError as error:
                raise Misfit(message, error) from None
        raise Misfit(message)

    return Shape(name, None, to_plain, from_plain)


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


def _list(item: Shape) -> Shape:
    expected = f"list[{item.expected}]"
    to_plain = _sequence(list, expected, item, item.to_plain, list)
    return Shape(expected, None, to_plain, _sequence(list, expected, item, item.from_plain, list))


def _tuple_of_any_length(item: Shape) -> Shape:
    expected = f"tuple[{item.expected}, ...]"
    to_plain = _sequence(tuple, expected, item, item.to_plain, list)
    return Shape(expected, None, to_plain, _sequence(list, f"list for {expected}", item, item.from_plain, tuple))


def _tuple_of_fixed_length(items: list[Shape]) -> Shape:
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
    return Shape(expected, None, to_plain, from_plain)


def _mapping(item: Shape) -> Shape:
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

    return Shape(expected, None, direction(item.to_plain), direction(item.from_plain))


def _advice(hint: object) -> str:  # noqa: PLR0911 - a table in the shape of code
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        return "write one type, T | None, or object"
    if origin is Literal:
        return "a Literal holds str, int, bool and None only"
    if origin is tuple:
        return "write tuple[T, ...] or tuple[A, B]"
    if isinstance(origin, type):
        if typing.is_typeddict(origin):
            return "write a dataclass"
        if dataclasses.is_dataclass(origin):
            return "write a dataclass without type parameters"
        if origin.__module__.partition(".")[0] == "numpy":
            return "write int, float or list[float], and convert with .item() or .tolist()"
        for base, advice in _ADVICE:
            if issubclass(origin, base):
                return advice
    return "write a supported type, a dataclass of them, or object for an untyped value"


def _unwrap(hint: Any) -> Any:
    while True:
        if isinstance(hint, NewType):
            hint = hint.__supertype__
        elif get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        else:
            return type(None) if hint is None else hint  # list[None] holds None itself


def _container(origin: object, args: tuple[Any, ...], inner: Callable[[object], Shape]) -> Shape | None:
    if origin is list and args:
        return _list(inner(args[0]))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return _tuple_of_any_length(inner(args[0]))
    if origin is tuple and args:
        return _tuple_of_fixed_length([inner(part) for part in args])
    if origin is dict and args and _unwrap(args[0]) is str:
        return _mapping(inner(args[1]))
    return None


def _plain_class(hint: type, record: Callable[[type], Shape]) -> Shape | None:
    if hint in _SCALAR_SHAPES:
        return _SCALAR_SHAPES[hint]
    if issubclass(hint, enum.Enum):
        values = [member.value for member in hint.__members__.values()]
        # A member whose value is None could not be told from the None of ``hint | None``.
        return _enum(hint) if values and all(type(value) in SCALARS[1:] for value in values) else None
    if dataclasses.is_dataclass(hint) and not getattr(hint, "__parameters__", ()):
        return record(hint)
    return None


def shape_of(hint: Any, cls: type, field: str, record: Callable[[type], Shape]) -> Shape:
    """Return the shape of ``hint``, the annotation of ``field`` in ``cls``; ``record`` gives the shape of a dataclass.

    Raises ``UnsupportedAnnotation`` for everything that has no exact encoding.
    """

    def inner(part: object) -> Shape:
        return shape_of(part, cls, field, record)

    hint = _unwrap(hint)
    origin, args = get_origin(hint), get_args(hint)
    shape: Shape | None = None
    if hint is Any or hint is object:
        shape = _ANYTHING
    elif origin in (Union, types.UnionType):
        others = [each for each in args if each is not type(None)]
        if len(others) == 1:
            shape = _optional(inner(others[0]))
    elif origin is Literal:
        if all(type(option) in (str, int, bool, type(None)) for option in args):
            shape = _literal(args)
    elif origin is not None:
        shape = _container(origin, args, inner)
    elif isinstance(hint, type):
        shape = _plain_class(hint, record)
    if shape is not None:
        return shape
    text = hint.__qualname__ if isinstance(hint, type) and origin is None else str(hint)
    message = f"{cls.__qualname__}.{field}: {text} has no exact encoding: {_advice(hint)}"
    raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=field)


def full_name(cls: type) -> str:
    """Return the module and qualified name of ``cls``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def schema_error(cls: type, problem: str) -> SchemaError:
    """Return the exception that says which ``problem`` the class has."""
    return SchemaError(f"{cls.__qualname__}: {problem}", type_name=cls.__qualname__)


def check_fields(cls: type) -> None:
    """Raise ``SchemaError`` unless instances of the dataclass ``cls`` can be rebuilt from their fields."""
    if "__dataclass_fields__" not in cls.__dict__:
        raise schema_error(cls, "not a dataclass itself, only its base is: put @dataclass on it too")
    if getattr(cls, "__parameters__", ()):
        raise schema_error(cls, "a generic class has no one layout: write a dataclass without type parameters")
    for name, pseudo in cls.__dict__["__dataclass_fields__"].items():
        # dataclasses has no public way to tell an InitVar from a field.
        if repr(getattr(pseudo, "_field_type", None)) == "_FIELD_INITVAR":
            raise schema_error(cls, f"{name} is an InitVar, which is not stored and so not restored: make it a field")
    for field in dataclasses.fields(cls):
        if not field.init:
            raise schema_error(cls, f"{field.name} has init=False and cannot be restored: make it a property")
    try:
        inspect.signature(cls).bind(**{field.name: None for field in dataclasses.fields(cls)})
    except (TypeError, ValueError):
        problem = "its own __init__ does not take every field by keyword, so no instance could be restored"
        raise schema_error(cls, problem) from None


def hints_of(cls: type) -> Mapping[str, Any]:
    """Return the annotations of ``cls``, evaluated, without the extras of ``Annotated``.

    Raises ``NameError`` if a name in them does not exist (yet), ``UnsupportedAnnotation`` if anything else is wrong.
    """
    # The class's own name comes first: while it is being decorated, its module lacks it or still has an older one.
    names = {name: value for name, value in vars(cls).items() if isinstance(value, type)} | {cls.__name__: cls}
    try:
        return typing.get_type_hints(cls, localns=names)
    except NameError:
        raise
    except Exception as error:
        message = f"{cls.__qualname__}: an annotation cannot be evaluated: {error}"
        raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=None) from error


def undefined(cls: type, error: NameError) -> UnsupportedAnnotation:
    """Return the exception for a forward reference of ``cls`` that still names nothing when it is needed."""
    field = next((field.name for field in dataclasses.fields(cls) if str(error.name) in repr(field.type)), "?")
    message = (
        f"{cls.__qualname__}.{field}: its annotation names {error.name}, which does not exist; define or import it at "
        "the top level of the module, not in a function and not under TYPE_CHECKING alone"
    )
    return UnsupportedAnnotation(message, type_name=cls.__qualname__, field=field)
