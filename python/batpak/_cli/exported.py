"""An event as ``export`` writes it and ``import`` reads it: what it says, where it is from, and what proves the two.

``header`` is the whole event header: its hash is ``event_hash``, and with ``salt`` it commits to the private metadata
and the payload. Whoever holds the line can therefore check it without the journal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from batpak import _batpak, _json

from .events import time_text
from .kinds import kind_text
from .lines import MEMBERS, payload_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak import Event

MARK: Final = "batpak_event"
"""The member that tells an exported line from one that was written by hand."""

VERSION: Final = 1

# Covered by the payload's commitment; the header says the rest.
_COMMITTED: Final = frozenset({"payload", "private_metadata"})
_RAW: Final = "raw"


def exported(event: Event) -> dict[str, object]:
    """The members of an event's line, in their order."""
    return {
        **_stated(event),
        "private_metadata": _json.to_tagged(event.private_metadata),
        "payload": _json.to_tagged(event.value),
    }


def _stated(event: Event) -> dict[str, object]:
    """The members that the header says, and what it takes to check the others."""
    return {
        MARK: VERSION,
        "journal_id": str(event.journal_id),
        "sequence": event.sequence,
        "event_id": str(event.event_id),
        "event_hash": event.event_hash.hex(),
        "time": time_text(event),
        "entity": event.entity,
        "scope": event.scope,
        "kind": kind_text(event.kind),
        "version": event.payload_version,
        "correlation_id": None if event.correlation_id is None else str(event.correlation_id),
        "causation_id": None if event.causation_id is None else str(event.causation_id),
        "metadata": dict(event.metadata),
        "encoding": event.encoding,
        "salt": event.salt.hex(),
        "header": event.header.hex(),
    }


def is_exported(members: Mapping[str, object]) -> bool:
    """Whether a line says that it was exported."""
    return MARK in members


def checked(members: Mapping[str, object]) -> Event:
    """The event of an exported line, if the line is what was exported.

    Args:
        members: as ``lines.members_of`` returns them.

    Raises:
        ValueError: it was changed since, is not whole, or is of a newer version.
    """
    if type(members[MARK]) is not int or members[MARK] != VERSION:
        raise ValueError(f'"{MARK}" is not {VERSION}: a newer batpak wrote this; upgrade')
    try:
        event = _batpak.event_from_record(_record(members))
    except KeyError as error:
        raise ValueError(f"an exported line without {error}; {_ADVICE}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"not what was exported: {error}; {_ADVICE}") from None
    given = {name: member for name, member in members.items() if name not in _COMMITTED}
    stated = _stated(event)
    if _text(given) != _text(stated):
        missing = given.keys() ^ stated.keys()
        changed = sorted(
            missing | {name for name in given.keys() & stated.keys() if _text(given[name]) != _text(stated[name])}
        )
        raise ValueError(f"not what was exported: {', '.join(map(repr, changed))} contradicts the header; {_ADVICE}")
    return event


_ADVICE: Final = f"to write it as an event of its own, leave no members but {', '.join(sorted(MEMBERS))}"


def _text(member: object) -> str:
    """What two members are compared by: True is not 1 there, and 1.0 is not 1."""
    return json.dumps(member, sort_keys=True)


def _record(members: Mapping[str, object]) -> bytes:
    """The event's bytes as they lay in the journal (FORMAT.md, section 5)."""
    payload = payload_of(members["payload"])
    private = payload_of(members["private_metadata"], name="private_metadata")
    if not isinstance(payload, bytes) or members["encoding"] != _RAW:
        payload = _batpak.encode_value(payload, allow_nonfinite=True)
    encoded_private = _batpak.encode_value(private, allow_nonfinite=True) if private else b""
    return (
        _sized(_bytes(members, "header"))
        + b"\x01"
        + _bytes(members, "salt")
        + _sized(encoded_private)
        + _sized(payload)
    )


def _bytes(members: Mapping[str, object], name: str) -> bytes:
    text = members[name]
    if type(text) is not str:
        raise ValueError(f'"{name}" is not text')
    return bytes.fromhex(text)


def _sized(data: bytes) -> bytes:
    """``data`` after its length as a varint."""
    prefix = bytearray()
    rest = len(data)
    while rest > 0x7F:
        prefix.append(rest & 0x7F | 0x80)
        rest >>= 7
    prefix.append(rest)
    return bytes(prefix) + data
