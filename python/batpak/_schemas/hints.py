"""The annotations of a class, evaluated: what ``typing`` knows, without the wrappers that change no value."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, NewType, get_args, get_origin

from batpak._errors import SchemaError, UnsupportedAnnotation

if TYPE_CHECKING:
    from collections.abc import Mapping

# Classes that only annotate: the values are of the type on the right.
_MARKERS = {
    "pydantic.types.AwareDatetime": datetime,
    "pydantic.types.PastDatetime": datetime,
    "pydantic.types.FutureDatetime": datetime,
    "pydantic.types.PastDate": date,
    "pydantic.types.FutureDate": date,
    "pydantic.networks.EmailStr": str,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class: its ``name`` is the attribute and the key that is stored, whatever aliases say.

    ``required``: there is no default, so a stored map must have it. ``keyword`` is what the constructor calls it.
    ``default``: what the class declares as its default, or the callable that makes it.
    """

    name: str
    hint: Any
    required: bool
    keyword: str
    default: object = None


def full_name(cls: type) -> str:
    """Return the module and qualified name of ``cls``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def schema_error(cls: type, problem: str) -> SchemaError:
    """Return the exception that says which ``problem`` the class has."""
    return SchemaError(f"{cls.__qualname__}: {problem}", type_name=cls.__qualname__)


def unwrap(hint: Any) -> Any:
    """Return what ``hint`` stands for, without ``Annotated``, ``NewType``, a ``type`` alias and pydantic's markers.

    Raises ``NameError`` for a forward reference that nobody has evaluated yet.
    """
    while True:
        if isinstance(hint, NewType):
            hint = hint.__supertype__
        elif get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif type(hint).__name__ == "TypeAliasType":  # of typing, or of typing_extensions on Python 3.11
            hint = hint.__value__
        elif isinstance(hint, str | ForwardRef):
            name = hint if isinstance(hint, str) else hint.__forward_arg__
            raise NameError(f"name {name!r} is not defined", name=name)
        elif isinstance(hint, type) and get_origin(hint) is None:
            return _MARKERS.get(full_name(hint), hint)
        else:
            return type(None) if hint is None else hint  # list[None] holds None itself


def hints_of(cls: type, *, extras: bool = False) -> Mapping[str, Any]:
    """Return the annotations of ``cls``, evaluated; with the ``extras`` of ``Annotated`` and the like if asked for.

    Raises ``NameError`` if a name in them does not exist (yet), ``UnsupportedAnnotation`` if anything else is wrong.
    """
    # The class's own name comes first: while it is being decorated, its module lacks it or still has an older one.
    names = {name: value for name, value in vars(cls).items() if isinstance(value, type)} | {cls.__name__: cls}
    try:
        return typing.get_type_hints(cls, localns=names, include_extras=extras)
    except NameError:
        raise
    except Exception as error:
        message = f"{cls.__qualname__}: an annotation cannot be evaluated: {error}"
        raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=None) from error


def undefined(cls: type, annotations: Mapping[str, object], error: NameError) -> UnsupportedAnnotation:
    """Return the exception for a forward reference of ``cls`` that still names nothing when it is needed."""
    field = next((name for name, annotation in annotations.items() if str(error.name) in repr(annotation)), "?")
    message = (
        f"{cls.__qualname__}.{field}: its annotation names {error.name}, which does not exist; define or import it at "
        "the top level of the module, not in a function and not under TYPE_CHECKING alone"
    )
    return UnsupportedAnnotation(message, type_name=cls.__qualname__, field=field)
