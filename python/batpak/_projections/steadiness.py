"""What in a projection's functions gives something else each time, so that replays of the same events would differ."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from batpak._projections.code import functions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSTEADY_MODULES: Final = frozenset({"time", "random", "secrets"})
_UNSTEADY_FUNCTIONS: Final = {
    "uuid": frozenset({"uuid1", "uuid4"}),
    "os": frozenset({"urandom", "getrandom", "getpid", "environ", "getenv"}),
    "datetime": frozenset({"now", "utcnow", "today"}),
    "date": frozenset({"today"}),
}
_HOMES: Final = {"posix": "os", "nt": "os"}


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
