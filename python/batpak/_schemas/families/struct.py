"""Structs of msgspec."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from batpak._schemas.families.family import Family, annotations_of, check_parameters, derives
from batpak._schemas.hints import Field, hints_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Structs(Family):
    """``msgspec.Struct``. ``rename``, ``tag`` and ``omit_defaults`` are about msgspec's own encoding."""

    def owns(self, cls: type) -> bool:
        """Return whether it derives from ``Struct``."""
        return derives(cls, "msgspec", "Struct")

    def check(self, cls: type) -> None:
        """Refuse generic ones; a Struct cannot have a constructor of its own."""
        check_parameters(cls)

    def annotations(self, cls: Any) -> Mapping[str, object]:
        """Return the annotations of the class and of its bases."""
        found = {name: each for base in reversed(cls.__mro__) for name, each in annotations_of(base).items()}
        return {name: found.get(name) for name in cls.__struct_fields__}

    def fields(self, cls: Any) -> list[Field]:
        """Return the fields, by the names of the attributes."""
        hints = hints_of(cls)
        names, nothing = cls.__struct_fields__, sys.modules["msgspec"].NODEFAULT
        defaults = [nothing] * (len(names) - len(cls.__struct_defaults__)) + list(cls.__struct_defaults__)
        return [
            Field(name, hints[name], default is nothing, name, _default(default))
            for name, default in zip(names, defaults, strict=True)
        ]


def _default(default: Any) -> object:
    """What is declared as the default, or the callable that makes it, which msgspec wraps."""
    wrapped = type(default).__qualname__ == "Factory" and type(default).__module__.startswith("msgspec")
    return default.factory if wrapped else default
