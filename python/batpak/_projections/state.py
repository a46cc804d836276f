"""The state of a projection between what handlers see and what is kept: a plain value and its canonical bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batpak._batpak import decode_value, encode_value
from batpak._errors import InvalidInput, InvalidValue, LimitExceeded, PayloadMismatch, UnsupportedAnnotation
from batpak._schemas.annotations import shape_of
from batpak._schemas.families import family_of
from batpak._schemas.hints import undefined
from batpak._schemas.records import Record, record_of
from batpak._schemas.shapes import SCALARS, Misfit, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

# Of these types nothing can be changed in place, so one object may be handed out and folded on.
_IMMUTABLE = frozenset(SCALARS)


@dataclass(frozen=True, slots=True)
class StateForm:
    """Both directions of a state. ``definition`` tells two layouts apart."""

    type_name: str
    to_plain: Callable[[Any], object] | None
    from_plain: Callable[[Any], object] | None
    definition: Callable[[], object]

    def encoded(self, state: object) -> bytes:
        """The canonical bytes of the plain form.

        Raises:
            InvalidValue: it has none; ``path`` says where inside the state.
            LimitExceeded: it is nested too deeply, or has more than 16 MiB.
        """
        try:
            plain = state if self.to_plain is None else self.to_plain(state)
            return encode_value(plain, allow_nonfinite=True)
        except Misfit as error:
            path = _state_path(error.path)
            raise InvalidValue(f"{path}: {error.message}", path=path) from error.cause
        except InvalidValue as error:
            path = _state_path(error.path or "")
            message = _state_path(error.message)
            if path == "state" and self.to_plain is None and family_of(type(state)) is not None:
                name = type(state).__qualname__
                message = f"state: {name} is no plain value; write state = {name} in the class {self.type_name}"
            raise InvalidValue(message, path=path) from None
        except LimitExceeded as error:
            raise LimitExceeded(
                f"state: {error.what} is {error.actual}, and at most {error.limit} can be kept; divide it among "
                "projections with filters, or use Store.project, which keeps nothing",
                what=f"state: {error.what}",
                actual=error.actual,
                limit=error.limit,
            ) from None
        except RecursionError:
            raise LimitExceeded(
                "state: nested too deeply; does it contain itself?", what="nesting of values", actual=None, limit=128
            ) from None

    def decoded(self, data: bytes) -> Any:
        """A new state of canonical bytes.

        Raises:
            InvalidEncoding: they are none.
            PayloadMismatch: they do not fit what the projection declares.
        """
        return self.restored(decode_value(data))

    def restored(self, plain: object) -> Any:
        """A new state of its plain form; raises PayloadMismatch."""
        if self.from_plain is None:
            return plain
        try:
            return self.from_plain(plain)
        except Misfit as error:
            path = _state_path(error.path)
            raise PayloadMismatch(f"{path}: {error.message}", type_name=self.type_name, path=path) from error.cause


def cannot_change(state: object) -> bool:
    """Whether no handler can change this object in place."""
    return type(state) in _IMMUTABLE


def _state_path(path: str) -> str:
    return "state" + path.removeprefix("payload")


def form_of(cls: type, declared: object) -> StateForm:
    """How the state that a projection declares is kept; None for plain values.

    Raises:
        UnsupportedAnnotation, SchemaError: it has no exact encoding.
    """
    name = cls.__qualname__
    if declared is None:
        return StateForm(name, None, None, lambda: None)
    known: dict[type, Record] = {}

    def nested(inner: type) -> Shape | None:
        family = family_of(inner)
        if family is None:
            return None
        # A record gives the shape of what it holds, its own class included.
        return record_of(inner, family, known)._nested(inner)

    if isinstance(declared, str):
        raise InvalidInput(f"{name}.state is the text {declared!r:.100}; write the class itself")
    try:
        shape = shape_of(declared, cls, "state", nested)
    except NameError as error:
        raise undefined(cls, {"state": declared}, error) from error
    except RecursionError:
        raise UnsupportedAnnotation(f"{name}.state never ends", type_name=name, field="state") from None

    def definition() -> object:
        layouts = {type_.__qualname__: record.definition() for type_, record in known.items()}
        return [shape.expected, layouts]

    return StateForm(name, shape.to_plain, shape.from_plain, definition)
