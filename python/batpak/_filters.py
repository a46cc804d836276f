"""The conditions of a query as users give them, checked before they go to the core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, TypedDict
from uuid import UUID

from batpak._batpak import Kind
from batpak._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEQUENCE_MAX: Final = 2**64 - 1


class Conditions(TypedDict, total=False):
    """The conditions of ``Store.query`` that concern an event and not its place; ``query`` says what they mean."""

    entity: str | None
    entity_prefix: str | None
    scope: str | None
    kind: Kind | int | type[Any] | None
    category: int | None
    correlation: UUID | bytes | None
    causation: UUID | bytes | None
    metadata: Mapping[str, str] | None
    system: bool


class Filters(Conditions, total=False):
    """All conditions of ``Store.query``, which says what they mean."""

    after: int | None
    until: int | None
    since: datetime | None
    before: datetime | None
    limit: int | None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def number(value: int | None, argument: str, most: int = SEQUENCE_MAX, *, least: int = 0) -> int | None:
    """A whole number from ``least`` to ``most``, or None if that was given; a bool is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
    value = value.__index__()
    if not least <= value <= most:
        # Python refuses to print a very long number.
        shown = value if value.bit_length() <= 256 else f"a number of {value.bit_length()} bits"
        raise InvalidInput(f"{argument} is {shown}; it must be {least} to {most}")
    return value


def text(value: str | None, argument: str) -> str | None:
    """A text that is not empty: no event has an empty name, so an empty one is a mistake."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{argument} must be a str, not {type(value).__name__}")
    if value == "":
        raise InvalidInput(f"{argument} is empty; leave it out to have any")
    return value


def pairs(metadata: Mapping[str, str] | None) -> list[tuple[str, str]] | None:
    """Metadata as pairs."""
    if metadata is None:
        return None
    if not hasattr(metadata, "items"):
        raise TypeError(f"metadata must be a dict of str to str, not {type(metadata).__name__}")
    given = list(metadata.items())
    for pair in given:
        for each in pair:
            if not isinstance(each, str):
                raise TypeError(f"metadata must be a dict of str to str; it holds {type(each).__name__}")
    return given


def microseconds(moment: datetime | None, argument: str) -> int | None:
    """Microseconds since 1970; what lies before is 0, since no event does."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise TypeError(f"{argument} must be an aware datetime, not {type(moment).__name__}")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidInput(f"{argument} is naive; give it a zone, for instance with .astimezone() or tzinfo=UTC")
    return max(0, (moment - _EPOCH) // _MICROSECOND)


def in_one_form(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions that were given, each as a plain value in one form: equal ones are equal, and can be kept.

    What asks for nothing (None, no metadata, no system events) is left out.

    Raises:
        InvalidInput, InvalidKind: one is out of range, empty or naive.
        TypeError: one is of another type.
    """
    given = {name: _FORMS[name](filters[name], name) for name in sorted(filters) if filters[name] is not None}
    return {name: value for name, value in given.items() if value is not False and value != {}}


def _exact(value: object, name: str) -> str:
    """Exactly a text, whatever subclass of it was given."""
    return str.__str__(text(value, name) or "")  # type: ignore[arg-type]


def _texts(value: Any, _: str) -> dict[str, str]:
    return {str.__str__(key): str.__str__(each) for key, each in pairs(value) or ()}


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def kind_code(kind: object, _: str = "kind") -> int:
    """The number of a kind; InvalidKind or TypeError if it is none."""
    if isinstance(kind, Kind):
        return kind.code
    if isinstance(kind, bool) or not isinstance(kind, SupportsIndex):
        found = f"the class {kind.__qualname__}" if isinstance(kind, type) else type(kind).__name__
        raise TypeError(f"kind must be a batpak.Kind or an int, not {found}")
    return Kind.from_code(kind.__index__()).code


def _id(value: object, name: str) -> UUID:
    if isinstance(value, UUID):
        return UUID(int=value.int)
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be a UUID or 16 bytes, not {type(value).__name__}")
    if len(value) != 16:
        raise InvalidInput(f"{name} has {len(value)} bytes; it must have 16")
    return UUID(bytes=bytes(value))


def moment(value: object, name: str) -> datetime:
    """An aware datetime in UTC."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be an aware datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(f"{name} is naive; give it a zone, for instance with .astimezone() or tzinfo=UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} is outside the years 1 to 9999 in UTC") from None


_FORMS: Final[Mapping[str, Callable[[Any, str], object]]] = {
    "entity": _exact,
    "entity_prefix": _exact,
    "scope": _exact,
    "kind": kind_code,
    "category": lambda value, name: number(value, name, 15),
    "correlation": _id,
    "causation": _id,
    "metadata": _texts,
    "after": number,
    "until": number,
    "since": moment,
    "before": moment,
    "limit": number,
    "system": _flag,
}
