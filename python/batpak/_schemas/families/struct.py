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
        names, defaults = cls.__struct_fields__, cls.__struct_defaults__
        nothing = sys.modules["msgspec"].NODEFAULT
        has_default = [False] * (len(names) - len(defaults)) + [each is not nothing for each in defaults]
        return [Field(name, hints[name], not has, name) for name, has in zip(names, has_default, strict=True)]
