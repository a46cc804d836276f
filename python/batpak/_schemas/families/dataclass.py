"""Dataclasses, and those of pydantic, which are dataclasses with another constructor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from batpak._schemas.families.family import Build, Family, check_call, check_parameters, faithful
from batpak._schemas.families.model import check_settings
from batpak._schemas.hints import Field, hints_of, schema_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class Dataclasses(Family):
    """``dataclasses``, and those of pydantic, which are dataclasses with another constructor."""

    def owns(self, cls: type) -> bool:
        """Return whether it is a dataclass, or derived from one."""
        return dataclasses.is_dataclass(cls)

    def check(self, cls: type) -> None:
        """Refuse what ``dataclasses`` does not hand to the constructor, or the constructor does not take."""
        if "__dataclass_fields__" not in cls.__dict__:
            raise schema_error(cls, "not a dataclass itself, only its base is: put @dataclass on it too")
        check_parameters(cls)
        for name, pseudo in cls.__dict__["__dataclass_fields__"].items():
            # dataclasses has no public way to tell an InitVar from a field.
            if repr(getattr(pseudo, "_field_type", None)) == "_FIELD_INITVAR":
                raise schema_error(
                    cls, f"{name} is an InitVar, which is not stored and so not restored: make it a field"
                )
        for field in dataclasses.fields(cls):
            if not field.init:
                raise schema_error(cls, f"{field.name} has init=False and cannot be restored: make it a property")
        check_settings(cls, _by_pydantic(cls), getattr(cls, "__pydantic_config__", None) or {})
        check_call(cls, cls, (field.name for field in dataclasses.fields(cls)), "__init__")

    def annotations(self, cls: type) -> Mapping[str, object]:
        """Return what ``dataclasses.fields`` tells."""
        return {field.name: field.type for field in dataclasses.fields(cls)}

    def fields(self, cls: type) -> list[Field]:
        """Return the fields; of a pydantic dataclass, pydantic knows which are required."""
        hints, infos = hints_of(cls), _by_pydantic(cls)
        found = []
        for field in dataclasses.fields(cls):
            default: Any = field.default_factory if field.default is dataclasses.MISSING else field.default
            required = default is dataclasses.MISSING
            if field.name in infos:
                required = infos[field.name].is_required()
                default = infos[field.name].default_factory or infos[field.name].default
            found.append(Field(field.name, hints[field.name], required, field.name, None if required else default))
        return found

    def builder(self, cls: type, fields: list[Field]) -> Build:
        """Return the class; a pydantic dataclass, which validates, must not change what it is given."""
        return faithful(cls, [field.name for field in fields]) if _by_pydantic(cls) else cls


def _by_pydantic(cls: type) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cls.__dict__.get("__pydantic_fields__") or {}
    return found
