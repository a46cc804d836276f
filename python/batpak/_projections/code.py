"""What the code of a projection is: a digest that changes with it."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import encode_value, report_hash
from batpak._errors import BatpakError, InvalidInput
from batpak._projections.description import described, described_members, functions_in
from batpak._projections.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON: Final = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
"""Bytecode has a meaning in one version only."""

# Of what a projection class holds, this is told in a form of its own, or follows from the rest.
_TOLD_OTHERWISE: Final = frozenset({"_form", "_handlers", "_optional", "_typed", "name", "state", "version"})
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
        "class": {name: _described_member(cls, value) for name, value in _members(cls)},
        "instance": _parameters(projection),
    }
    return report_hash(encode_value(described, allow_nonfinite=True))


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """What the classes above ``Projection`` define, nearest first, each under a name of its own."""
    for depth, base in enumerate(cls.__mro__):
        if base in (Projection, object) or base.__module__ == "typing":
            continue
        for name, value in sorted(vars(base).items()):
            # Python's own are no functions.
            dunder = name.startswith("__") and next(functions_in(value), None) is None
            if dunder or name in _TOLD_OTHERWISE:
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


def _described_member(cls: type, value: object) -> object:
    """A member of the class; a class that is written inside of it by what it has."""
    if isinstance(value, type) and value.__qualname__.startswith(f"{cls.__qualname__}."):
        return described_members(value, lambda base, name: base is value and not name.startswith("__"))
    return described(value)


def functions_of(cls: type) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions that the class and its bases below ``Projection`` define, as they were written."""
    for name, value in _members(cls):
        for function in functions_in(value):
            yield name.partition(" ")[2], function
