"""The conditions of a query as users give them, checked before they go to the core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypedDict

from batpak._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from batpak._batpak import Kind

SEQUENCE_MAX: Final = 2**64 - 1


class Filters(TypedDict, total=False):
    """The conditions of ``Store.query``, which says what they mean."""

    entity: str | None
    entity_prefix: str | None
    scope: str | None
    kind: Kind | int | None
    category: int | None
    correlation: UUID | bytes | None
    causation: UUID | bytes | None
    metadata: Mapping[str, str] | None
    after: int | None
    until: int | None
    since: datetime | None
    before: datetime | None
    limit: int | None
    system: bool


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def number(value: int | None, argument: str, most: int = SEQUENCE_MAX) -> int | None:
    """A whole number from 0 to ``most``; a bool is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
    value = value.__index__()
    if not 0 <= value <= most:
        # Python refuses to print a very long number.
        shown = value if value.bit_length() <= 256 else f"a number of {value.bit_length()} bits"
        raise InvalidInput(f"{argument} is {shown}; it must be 0 to {most}")
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
