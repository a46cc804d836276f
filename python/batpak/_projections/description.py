"""What functions, classes and values are, as plain values that are the same in every process: digests are made of them.

Line numbers and file names do not count, nor what functions call elsewhere.
"""

from __future__ import annotations

import enum
import functools
import re
import types
from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import encode_value
from batpak._errors import BatpakError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPTH_MAX: Final = 16
"""Containers in containers are told apart so far down."""

FUNCTIONS_DEPTH_MAX: Final = 4
"""And functions that functions hold, which may hold each other."""


def described(value: Any, depth: int = 0) -> object:
    """A function, or what wraps some, by its code; any other value as far as it can be told from others."""
    if isinstance(value, functools.partial | functools.partialmethod):
        bound = [_constant(value.args, depth + 1), _constant(dict(value.keywords), depth + 1)]
        return ["partial", described(value.func, depth + 1), bound]
    return [_described_function(function, depth) for function in functions_in(value)] or _constant(value, depth)


def described_callable(function: object) -> object:
    """What a callable does: its code, that of its class if it is an object, or its name."""
    if isinstance(function, types.MethodType):
        return ["method", described_callable(function.__func__), described_value(function.__self__)]
    told = isinstance(function, type | functools.partial | types.BuiltinFunctionType)
    if told or next(functions_in(function), None) is not None:
        return described(function)
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its code is wanted
    return ["object", described_value(function), described(call)]


def described_value(value: object) -> object:
    """A value with what it has in it."""
    attributes = vars(value) if hasattr(value, "__dict__") and not isinstance(value, type) else {}
    inside = {name: _constant(each) for name, each in attributes.items()}
    return [_constant(value), inside]


def described_members(cls: type, wanted: Callable[[type, str], bool]) -> list[object]:
    """The functions and plain values that a class and its bases have under the names that are ``wanted``."""
    return [
        [depth, name, described(value)]
        for depth, base in enumerate(cls.__mro__)
        for name, value in sorted(vars(base).items())
        if wanted(base, name)
    ]


def functions_in(value: Any) -> Iterator[types.FunctionType]:
    """The functions of a function, method, property or the like, as they were written; none of any other value."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, functools.cached_property | functools.partialmethod):
        value = value.func
    if isinstance(value, property):
        for each in (value.fget, value.fset):
            yield from functions_in(each)
    while isinstance(value, types.FunctionType):
        yield value
        value = getattr(value, "__wrapped__", None)


def _described_function(function: types.FunctionType, depth: int) -> object:
    if depth > FUNCTIONS_DEPTH_MAX:
        return [_described_code(function.__code__)]
    closed = [_constant(cell.cell_contents, depth + 1) for cell in function.__closure__ or () if _filled(cell)]
    return [
        _described_code(function.__code__),
        [_constant(value, depth + 1) for value in function.__defaults__ or ()],
        sorted([name, _constant(value, depth + 1)] for name, value in (function.__kwdefaults__ or {}).items()),
        closed,
    ]


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _described_code(code: types.CodeType) -> object:
    return [
        code.co_code,
        getattr(code, "co_exceptiontable", b""),
        [_constant(value) for value in code.co_consts],
        list(code.co_names),
        list(code.co_varnames),
        list(code.co_freevars),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
    ]


def _constant(value: object, depth: int = 0) -> object:
    """A constant as a plain value that is the same in every process: sets have an order of their own in each."""
    if isinstance(value, types.CodeType):
        return ["code", _described_code(value)]
    if isinstance(value, types.FunctionType | functools.partial):
        return ["code", described(value, depth + 1)]
    named = _named(value)
    if named is not None:
        return named
    inside = _constants_inside(value, depth + 1) if depth < DEPTH_MAX else None
    if inside is not None:
        return [type(value).__name__, inside]
    try:
        encode_value(value, allow_nonfinite=True)
    except BatpakError:
        # A logger and the like: what its class is called is all that stays the same.
        return ["object", type(value).__qualname__]
    return value


def _named(value: object) -> list[object] | None:
    """A value whose name says which it is; None if it is no such value.

    Without the module: the same file has another module name when it is run than when it is imported.
    """
    if isinstance(value, types.BuiltinFunctionType | type):
        return ["name", value.__qualname__]
    if isinstance(value, enum.Enum):
        return ["enum", type(value).__qualname__, value.name]
    if isinstance(value, re.Pattern):
        return ["pattern", _constant(value.pattern), value.flags]
    if value is Ellipsis or isinstance(value, complex | range | slice):
        return ["other", repr(value)]
    return None


def _constants_inside(value: object, depth: int) -> list[object] | None:
    """What a container holds; None if it is none."""
    if isinstance(value, tuple | list):
        return [_constant(each, depth) for each in value]
    if isinstance(value, dict):
        return [[_constant(key, depth), _constant(each, depth)] for key, each in value.items()]
    if isinstance(value, frozenset | set):
        inside: list[object] = []
        inside.extend(sorted(encode_value(_constant(each, depth), allow_nonfinite=True) for each in value))
        return inside
    fields = _fields_of(type(value))
    return None if fields is None else [[name, _constant(getattr(value, name, None), depth)] for name in fields]


def _fields_of(cls: type) -> list[str] | None:
    """The names of the fields of a dataclass or attrs class; None if it is neither."""
    dataclass, attrs = getattr(cls, "__dataclass_fields__", None), getattr(cls, "__attrs_attrs__", None)
    if dataclass is not None:
        return sorted(dataclass)
    return None if attrs is None else sorted(each.name for each in attrs)
