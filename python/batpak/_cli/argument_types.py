"""What option values are: text in, typed value out, or one sentence that says what to write."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Final
from uuid import UUID

import batpak

_SEQUENCE_MAX: Final = 2**64 - 1
_CATEGORY_MAX: Final = 0xF
_BATCH_EVENTS_MAX: Final = 65_536
_EXAMPLE: Final = "2026-01-02T03:04:05Z or 2026-01-02T03:04:05.5+01:00"


def sequence(text: str) -> int:
    """The place of an event in the journal, or a number of events: from 0 on."""
    return _integer(text, 0, _SEQUENCE_MAX)


def category(text: str) -> int:
    """The category of kinds: 0 to 15, decimal or with ``0x``."""
    return _integer(text, 0, _CATEGORY_MAX)


def batch_events(text: str) -> int:
    """How many events a batch may have."""
    return _integer(text, 1, _BATCH_EVENTS_MAX)


def identifier(text: str) -> UUID:
    """A UUID, with or without hyphens."""
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a UUID") from None


def moment(text: str) -> datetime:
    """A time with its offset from UTC, in ISO 8601."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time in ISO 8601: write {_EXAMPLE}") from None
    if parsed.tzinfo is None:
        complete = parsed.isoformat()
        raise ArgumentTypeError(f"{text!r} has no offset: write {complete}Z for UTC, or for instance {complete}+01:00")
    return parsed


def expectation(text: str) -> batpak.Expect | int:
    """``new``, or the clock of an entity's last event."""
    if text == "new":
        return batpak.NEW
    try:
        return _integer(text, 0, _SEQUENCE_MAX)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}: write the clock of the entity's last event, or new") from None


def pair(text: str) -> tuple[str, str]:
    """``KEY=VALUE``; the key ends at the first ``=``."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _integer(text: str, least: int, most: int) -> int:
    try:
        number = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not least <= number <= most:
        raise ArgumentTypeError(f"{text} is not in {least}..{most}")
    return number
