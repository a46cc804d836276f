"""TypedDicts."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Required, get_args, get_origin

from batpak._schemas.families.family import Build, MapFamily, annotations_of, check_parameters
from batpak._schemas.hints import Field, hints_of, schema_error
from batpak._schemas.shapes import Misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ_ONLY = ("typing.ReadOnly", "typing_extensions.ReadOnly")


class TypedDicts(MapFamily):
    """``TypedDict`` of ``typing`` and of ``typing_extensions``: the values are dicts, and know nothing of the class."""

    lacking = absent = "missing, and {} requires it"

    def owns(self, cls: type) -> bool:
        """Return whether it is a TypedDict."""
        extensions = sys.modules.get("typing_extensions")
        return typing.is_typeddict(cls) or (extensions is not None and bool(extensions.is_typeddict(cls)))

    def check(self, cls: type) -> None:
        """Refuse type parameters, and keys that are not named."""
        check_parameters(cls)
        extra = getattr(cls, "__extra_items__", None)
        if extra is not None and "NoExtraItems" not in repr(extra) and "Never" not in repr(extra):
            raise schema_error(cls, "with extra_items its keys are not named: make them a key of dict[str, T]")

    def annotations(self, cls: type) -> Mapping[str, object]:
        """Return the annotations, those of the bases included."""
        return annotations_of(cls)

    def fields(self, cls: Any) -> list[Field]:
        """Return the keys. What an annotation says of being required goes before what ``total`` says."""
        # With annotations as text, ``__required_keys__`` knows of ``total`` only.
        found = []
        for name, each in hints_of(cls, extras=True).items():
            hint, required = _qualified(each, required=name in cls.__required_keys__)
            found.append(Field(name, hint, required, name))
        return found

    def builder(self, cls: type, fields: list[Field]) -> Build:
        """Return ``dict``."""
        del cls, fields
        return dict

    def source(self, cls: type) -> type:
        """Return ``dict``."""
        del cls
        return dict

    def members(self, value: Any) -> dict[Any, Any]:
        """Return a copy, which no other thread changes."""
        copy: dict[Any, Any] = value.copy()
        for key in copy:
            if type(key) is not str:
                raise Misfit(f"expected str keys, found a key of type {type(key).__qualname__}")
        return copy


def _qualified(hint: Any, *, required: bool) -> tuple[Any, bool]:
    """Return ``hint`` without ``Required``, ``NotRequired`` and ``ReadOnly``, and whether the key is required."""
    while True:
        origin = get_origin(hint)
        if origin is Required or origin is NotRequired:
            required = origin is Required
        elif origin is not Annotated and repr(origin) not in _READ_ONLY:
            return hint, required
        hint = get_args(hint)[0]
