"""Which shape an annotation has. An annotation is read once, at registration; what has no exact encoding is refused."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal, Self, Union, get_args, get_origin

from batpak._errors import UnsupportedAnnotation
from batpak._schemas import shapes
from batpak._schemas.hints import unwrap
from batpak._schemas.shapes import SCALARS, Shape
from batpak._schemas.unions import Indistinct, union

# The first base that fits decides, so the narrow ones come first.
_ADVICE: tuple[tuple[type, str], ...] = (
    (enum.Enum, "give it members, with plain scalars as values, for instance str or int, and not None"),
    (tuple, "write a dataclass"),
    (bytearray, "write bytes"),
    (memoryview, "write bytes"),
    (complex, "write tuple[float, float]"),
    *((wanted, f"write {wanted.__qualname__}, which holds exactly that type") for wanted in SCALARS[1:]),
    (AbstractSet, "write list[T], and convert with sorted() and set()"),
    (Mapping, "write dict[str, T]"),
    (Iterable, "write list[T]"),
)


def _advice(hint: object) -> str:
    origin = get_origin(hint) or hint
    if origin is Literal:
        return "a Literal holds str, int, bool and None only"
    if origin is tuple:
        return "write tuple[T, ...] or tuple[A, B]"
    if isinstance(origin, type):
        if getattr(origin, "__parameters__", ()):
            return "write a class without type parameters"
        if origin.__module__.partition(".")[0] == "numpy":
            return "write int, float or list[float], and convert with .item() or .tolist()"
        for base, advice in _ADVICE:
            if issubclass(origin, base):
                return advice
    return "write a supported type, a dataclass of them, or object for an untyped value"


def _container(origin: object, args: tuple[Any, ...], inner: Callable[[object], Shape]) -> Shape | None:
    if origin is list and args:
        return shapes.list_(inner(args[0]))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return shapes.tuple_of_any_length(inner(args[0]))
    if origin is tuple and args:
        return shapes.tuple_of_fixed_length([inner(part) for part in args])
    if origin is dict and args and unwrap(args[0]) is str:
        return shapes.mapping(inner(args[1]))
    return None


def _plain_class(hint: type, record: Callable[[type], Shape | None]) -> Shape | None:
    if hint in shapes.SCALAR_SHAPES:
        return shapes.SCALAR_SHAPES[hint]
    if issubclass(hint, enum.Enum):
        values = [member.value for member in hint.__members__.values()]
        # A member whose value is None could not be told from the None of ``hint | None``.
        return shapes.enum_(hint) if values and all(type(value) in SCALARS[1:] for value in values) else None
    if getattr(hint, "__parameters__", ()):
        return None
    return record(hint)


def _literal(options: tuple[object, ...]) -> Shape | None:
    return shapes.literal(options) if all(type(each) in (str, int, bool, type(None)) for each in options) else None


def _union(args: tuple[object, ...], inner: Callable[[object], Shape]) -> Shape:
    parts: list[Any] = []
    for each in map(unwrap, args):
        if each not in parts:  # ``Annotated[T, 1] | Annotated[T, 2]`` is T
            parts.append(each)
    others = [each for each in parts if each is not type(None)]
    if len(others) == 1:
        return inner(others[0]) if len(parts) == 1 else shapes.optional(inner(others[0]))
    # ``Literal["a"] | Literal["b"]`` is one Literal.
    options = tuple(option for each in parts if get_origin(each) is Literal for option in get_args(each))
    members = [each for each in parts if get_origin(each) is not Literal]
    if options:
        members.append(Literal[options])
    return inner(members[0]) if len(members) == 1 else union([inner(each) for each in members])


def shape_of(hint: Any, cls: type, field: str, record: Callable[[type], Shape | None]) -> Shape:
    """Return the shape of ``hint``, the annotation of ``field`` in ``cls``.

    ``record`` gives the shape of a class with fields, or None if it is no such class.

    Raises ``UnsupportedAnnotation`` for everything that has no exact encoding, ``NameError`` for a forward reference
    that nobody has evaluated.
    """

    def inner(part: object) -> Shape:
        return shape_of(part, cls, field, record)

    hint = unwrap(hint)
    if hint is Self:
        hint = cls
    origin, args = get_origin(hint), get_args(hint)
    shape: Shape | None = None
    advice: str | None = None
    if hint is Any or hint is object:
        shape = shapes.ANYTHING
    elif origin in (Union, types.UnionType):
        try:
            shape = _union(args, inner)
        except Indistinct as indistinct:
            advice = str(indistinct)
    elif origin is Literal:
        shape = _literal(args)
    elif origin is not None:
        shape = _container(origin, args, inner)
    elif isinstance(hint, type):
        shape = _plain_class(hint, record)
    if shape is not None:
        return shape
    text = hint.__qualname__ if isinstance(hint, type) and origin is None else str(hint)
    message = f"{cls.__qualname__}.{field}: {text} has no exact encoding: {advice or _advice(hint)}"
    raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=field)
