"""Classes of attrs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from batpak._schemas.families.family import Build, Family, annotations_of, check_call, check_parameters, faithful
from batpak._schemas.hints import Field, hints_of, schema_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class Attrs(Family):
    """Classes of attrs, whichever decorator made them."""

    def owns(self, cls: type) -> bool:
        """Return whether it is a class of attrs, or derived from one."""
        return hasattr(cls, "__attrs_attrs__")

    def check(self, cls: type) -> None:
        """Refuse what has no annotation or is not handed to the constructor."""
        if "__attrs_attrs__" not in cls.__dict__:
            raise schema_error(cls, "not an attrs class itself, only its base is: put @attrs.define on it too")
        check_parameters(cls)
        for attribute in _attributes(cls):
            if not attribute.init:
                raise schema_error(cls, f"{attribute.name} has init=False and cannot be restored: make it a property")
            if attribute.type is None or (isinstance(attribute.type, str) and not _is_annotated(cls, attribute.name)):
                raise schema_error(cls, f"{attribute.name} has no annotation: write {attribute.name}: T")
        check_call(cls, cls, map(_keyword, _attributes(cls)), "__init__")

    def annotations(self, cls: type) -> Mapping[str, object]:
        """Return the types that attrs noted."""
        return {attribute.name: attribute.type for attribute in _attributes(cls)}

    def fields(self, cls: type) -> list[Field]:
        """Return the attributes; ``attr.ib(type=)`` counts as an annotation."""
        hints, nothing = hints_of(cls), sys.modules["attr"].NOTHING
        return [
            Field(each.name, hints.get(each.name, each.type), each.default is nothing, _keyword(each), _default(each))
            for each in _attributes(cls)
        ]

    def builder(self, cls: type, fields: list[Field]) -> Build:
        """Return the class, called with the aliases; converters must leave stored values as they are."""
        keywords = {field.name: field.keyword for field in fields}

        def with_aliases(**values: object) -> object:
            return cls(**{keywords[name]: value for name, value in values.items()})

        build: Build = cls if all(name == keyword for name, keyword in keywords.items()) else with_aliases
        converted = [each.name for each in _attributes(cls) if each.converter is not None]
        return faithful(build, converted) if converted else build


def _attributes(cls: type) -> tuple[Any, ...]:
    found: tuple[Any, ...] = cls.__dict__["__attrs_attrs__"]
    return found


def _is_annotated(cls: type, name: str) -> bool:
    return any(name in annotations_of(base) for base in cls.__mro__)


def _default(attribute: Any) -> object:
    """What is declared as the default, or the callable that makes it."""
    attr = sys.modules["attr"]
    if attribute.default is attr.NOTHING:
        return None
    return attribute.default.factory if isinstance(attribute.default, attr.Factory) else attribute.default


def _keyword(attribute: Any) -> str:
    """What the constructor calls an attribute; versions of attrs before 22.2 do not say."""
    return getattr(attribute, "alias", None) or str(attribute.name).lstrip("_")
