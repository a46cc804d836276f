"""What the code of a projection is: a digest that changes with it, and what in it would make replays differ."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import encode_value, report_hash
from batpak._errors import BatpakError, InvalidInput
from batpak._projections.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON: Final = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
"""Bytecode has a meaning in one version only."""

DEPTH_MAX: Final = 16
"""Containers in containers are told apart so far down."""

_UNSTEADY_MODULES: Final = frozenset({"time", "random", "secrets"})
_UNSTEADY_FUNCTIONS: Final = {
    "uuid": frozenset({"uuid1", "uuid4"}),
    "os": frozenset({"urandom", "getrandom", "getpid", "environ", "getenv"}),
    "datetime": frozenset({"now", "utcnow", "today"}),
    "date": frozenset({"today"}),
}
_HOMES: Final = {"posix": "os", "nt": "os"}


def code_digest(projection: Projection[Any]) -> bytes:
    """32 bytes that change when the functions or plain values of the class, or of the instance, do.

    Line numbers and file names do not count. What the functions call elsewhere is not seen.

    Raises:
        InvalidInput: the instance has an attribute that is no plain value, so nobody could tell two of them apart.
    """
    cls = type(projection)
    described: dict[str, object] = {
        "python": PYTHON,
        "handlers": {f"{code:04x}": name for code, name in cls._handlers.items()},
        "state": cls._form.definition(),
        "class": {name: _described(value) for name, value in _members(cls)},
        "instance": _parameters(projection),
    }
    return report_hash(encode_value(described, allow_nonfinite=True))


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """What the classes above ``Projection`` define, nearest first, each under a name of its own."""
    for depth, base in enumerate(cls.__mro__):
        if base in (Projection, object) or base.__module__ == "typing":
            continue
        for name, value in sorted(vars(base).items()):
            if name.startswith("__") or name in ("_handlers", "_form", "_optional", "name", "version", "state"):
                continue
            yield f"{depth} {name}", value


def _parameters(projection: Projection[Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in _attributes(projection):
        if name.startswith("_"):
            continue
        try:
            encode_value(value, allow_nonfinite=True)
        except BatpakError as error:
            raise InvalidInput(
                f"{type(projection).__qualname__}.{name} is no plain value, so a snapshot could not say what it was "
                "made with; begin its name with an underscore if it does not change the result"
            ) from error
        found[name] = value
    return found


def _attributes(projection: Projection[Any]) -> Iterator[tuple[str, Any]]:
    yield from sorted(vars(projection).items())
    for base in type(projection).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType) and hasattr(projection, name):
                yield name, getattr(projection, name)


def functions_of(cls: type) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions that the class and its bases below ``Projection`` define, as they were written."""
    for name, value in _members(cls):
        for function in _unwrapped(value):
            yield name.partition(" ")[2], function


def _unwrapped(value: Any) -> Iterator[types.FunctionType]:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        for each in (value.fget, value.fset):
            yield from _unwrapped(each)
    while isinstance(value, types.FunctionType):
        yield value
        value = getattr(value, "__wrapped__", None)


def _described(value: Any) -> object:
    return [_described_function(function) for function in _unwrapped(value)] or _constant(value)


def _described_function(function: types.FunctionType) -> object:
    closed = [_constant(cell.cell_contents) for cell in function.__closure__ or () if _filled(cell)]
    return [
        _described_code(function.__code__),
        [_constant(value) for value in function.__defaults__ or ()],
        sorted([name, _constant(value)] for name, value in (function.__kwdefaults__ or {}).items()),
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
    if isinstance(value, types.CodeType | types.FunctionType):
        return ["code", _described_code(value if isinstance(value, types.CodeType) else value.__code__)]
    if value is Ellipsis or isinstance(value, complex):
        return ["other", repr(value)]
    inside = _constants_inside(value, depth + 1) if depth < DEPTH_MAX else None
    if inside is not None:
        return [type(value).__name__, inside]
    try:
        encode_value(value, allow_nonfinite=True)
    except BatpakError:
        # A class, a logger and the like: what it is called is all that stays the same.
        return ["object", f"{type(value).__module__}.{type(value).__qualname__}"]
    return value


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
    return None


def unsteady_names(cls: type) -> list[tuple[str, str]]:
    """What the functions of a class use that gives something else each time: pairs of function and name, sorted."""
    found: set[tuple[str, str]] = set()
    for name, function in functions_of(cls):
        found.update((name, used) for used in _unsteady(function.__code__, function.__globals__))
    return sorted(found)


def _unsteady(code: types.CodeType, names: dict[str, Any]) -> Iterator[str]:
    import dis

    attributes = set(code.co_names)
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield from _of_object(names.get(str(step.argval)), attributes)
        elif step.opname == "IMPORT_NAME":
            module = str(step.argval)
            yield from _of_module(module, attributes)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _unsteady(constant, names)


def _of_module(module: str, attributes: set[str]) -> Iterator[str]:
    if module in _UNSTEADY_MODULES:
        yield module
    for each in sorted(_UNSTEADY_FUNCTIONS.get(module, frozenset()) & attributes):
        yield f"{module}.{each}"


def _of_object(used: object, attributes: set[str]) -> Iterator[str]:
    """What is unsteady about a global that a function uses, beside attributes of these names."""
    if isinstance(used, types.ModuleType):
        yield from _of_module(used.__name__, attributes)
    elif isinstance(used, type):
        if used.__module__ == "datetime":
            yield from _of_module(used.__name__, attributes)
    else:
        owner = getattr(used, "__self__", None)
        home = owner.__class__.__module__ if owner is not None else None
        if home in (None, "builtins", "abc", "module"):
            home = getattr(used, "__module__", None)
        module = _HOMES.get(str(home), str(home))
        name = str(getattr(used, "__name__", ""))
        if module in _UNSTEADY_MODULES:
            yield module
        elif name in _UNSTEADY_FUNCTIONS.get(module, frozenset()):
            yield f"{module}.{name}"
