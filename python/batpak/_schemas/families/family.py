"""What one family of classes is like, and what several of them share."""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from batpak._schemas.hints import Field, schema_error
from batpak._schemas.shapes import Misfit, member_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Build = Callable[..., object]

NO_VALUE: Final = "the instance has no value for this field"


class Family(ABC):
    """What one kind of class is like. The methods take a class of the family.

    The fields of its instances are attributes, unless the family is a ``MapFamily``.
    """

    # What is wrong with a map that lacks a field.
    lacking: ClassVar[str] = "missing, and {} has no default for it"

    @abstractmethod
    def owns(self, cls: type) -> bool:
        """Return whether ``cls`` is of this family."""

    @abstractmethod
    def check(self, cls: type) -> None:
        """Raise ``SchemaError`` unless instances of ``cls`` can be made again from their fields."""

    @abstractmethod
    def annotations(self, cls: type) -> Mapping[str, object]:
        """Return the annotations of the fields as they were written, evaluated or not."""

    @abstractmethod
    def fields(self, cls: type) -> list[Field]:
        """Return the fields in their order. Raises ``NameError`` if an annotation names what does not exist (yet)."""

    def builder(self, cls: type, fields: list[Field]) -> Build:
        """Return what makes an instance, or raises, from the values of ``fields``: keyword arguments by their names."""
        del fields
        return cls

    def source(self, cls: type) -> type:
        """Return of which class the values are."""
        return cls


class MapFamily(Family):
    """A family whose instances have, or are, a map of their fields."""

    # What is wrong with an instance that lacks a field.
    absent: ClassVar[str] = NO_VALUE

    @abstractmethod
    def members(self, value: Any) -> dict[Any, Any]:
        """Return the map that holds the fields of ``value``. Raises ``Misfit``."""


def check_parameters(cls: type) -> None:
    """Raise ``SchemaError`` if ``cls`` has free type parameters."""
    if getattr(cls, "__parameters__", ()):
        raise schema_error(cls, "a generic class has no one layout: write a class without type parameters")


def check_call(cls: type, call: Callable[..., object], keywords: Iterable[str], name: str) -> None:
    """Raise ``SchemaError`` unless ``call``, which users know as ``name``, takes all ``keywords``."""
    try:
        inspect.signature(call).bind(**dict.fromkeys(keywords))
    except (TypeError, ValueError):
        problem = f"its own {name} does not take every field by keyword, so no instance could be restored"
        raise schema_error(cls, problem) from None


def faithful(build: Build, names: list[str]) -> Build:
    """Return ``build``, which runs converters again, with a look at what they make of the fields ``names``."""

    def build_faithfully(**values: object) -> object:
        instance = build(**values)
        for name in names:
            if name not in values:
                continue
            before, after = values[name], getattr(instance, name)
            if after is not before and not (type(after) is type(before) and after == before):
                raise Misfit("a converter or validator of the class made another value of it", None, member_step(name))
        return instance

    return build_faithfully


def derives(cls: type, module: str, name: str) -> bool:
    """Return whether ``cls`` derives from the class ``name`` of a module that somebody else imported."""
    base = getattr(sys.modules.get(module), name, None)
    return isinstance(base, type) and cls is not base and issubclass(cls, base)


def annotations_of(cls: type) -> Mapping[str, object]:
    """Return the annotations that the class itself has, as they were written."""
    try:
        return inspect.get_annotations(cls)
    except NameError:  # from Python 3.14 on they are evaluated when they are looked at
        return {}
