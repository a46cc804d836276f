"""How far a cursor has come, and the small file that remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from batpak import _batpak
from batpak._consuming.cursor_query import query_hash
from batpak._errors import (
    CursorDamaged,
    EventNotFound,
    InvalidEncoding,
    InvalidInput,
    JournalDamaged,
    UnsupportedFormat,
)
from batpak._filters import SEQUENCE_MAX
from batpak._reports import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOM: Final = "cursors"
VERSION: Final = 1
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class CursorPosition(Report):
    """How far a cursor has come, as its file says.

    Attributes:
        name: the cursor's name.
        sequence: everything up to and including this sequence is done; None before the first event.
        event_hash: the hash of the event there, 32 bytes, by which a changed history is noticed; None before the first.
        query: the conditions that the cursor is bound to, those that were given, as plain values.
        journal_id: the journal, or the lineage of it, in which it was committed.
        committed_at: when, by the wall clock; aware, in UTC.
    """

    name: str
    sequence: int | None
    event_hash: bytes | None
    query: Mapping[str, Any]
    journal_id: UUID
    committed_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: bytes as lower-case hex, ids and times as text."""
        return {
            "name": self.name,
            "sequence": self.sequence,
            "event_hash": None if self.event_hash is None else self.event_hash.hex(),
            "query": {key: str(value) if isinstance(value, UUID) else value for key, value in self.query.items()},
            "journal_id": str(self.journal_id),
            "committed_at": self.committed_at.isoformat(),
        }


def anchor(core: _batpak.CoreStore, events: int) -> tuple[int | None, bytes | None]:
    """What names the place behind the first so many events, which exist: the last of them, and its hash."""
    if not events:
        return None, None
    return events - 1, core.get(events - 1).event_hash


def keep_position(
    core: _batpak.CoreStore, name: str, query: Mapping[str, Any], sequence: int | None, event_hash: bytes | None
) -> CursorPosition:
    """Write how far a cursor has come. What it names is durable before, so no crash leaves it ahead of the log."""
    if sequence is not None:
        core.sync()
    position = CursorPosition(name, sequence, event_hash, query, core.journal_id, datetime.now(UTC))
    content = {
        "version": VERSION,
        "name": name,
        "journal_id": position.journal_id,
        "query": query,
        "query_hash": query_hash(query),
        "sequence": sequence,
        "event_hash": event_hash,
        "committed_at": position.committed_at,
    }
    _batpak.keep(core, ROOM, name, _batpak.encode_value(content, allow_nonfinite=False))
    return position


def kept_position(core: _batpak.CoreStore, name: str) -> CursorPosition | None:
    """What the file of a cursor says; None if there is none."""
    try:
        content = _batpak.kept(core, ROOM, name)
    except JournalDamaged as error:
        raise CursorDamaged(_refusal(name, error.message), name=name, file=error.file, offset=error.offset) from error
    return None if content is None else _read(core, name, content)


def event_hash_at(core: _batpak.CoreStore, sequence: int) -> bytes | None:
    """The hash of the event there, or None if the journal has none."""
    try:
        return core.get(sequence).event_hash
    except EventNotFound:
        return None


def _read(core: _batpak.CoreStore, name: str, content: bytes) -> CursorPosition:
    """Take nothing for granted: another program, or a hand, may have written this."""
    try:
        found = _batpak.decode_value(content)
    except InvalidEncoding as error:
        raise CursorDamaged(_refusal(name, "its content is no value"), name=name) from error
    fields: dict[str, Any] = found if isinstance(found, dict) else {}
    version = fields.get("version")
    if type(version) is int and version > VERSION:
        message = f"cursor {name!r} was written by a newer version of this software; use that one"
        raise UnsupportedFormat(message, file=ROOM, version=version)
    sequence, event_hash, query = fields.get("sequence"), fields.get("event_hash"), fields.get("query")
    at_the_beginning = "sequence" in fields and sequence is None and event_hash is None
    somewhere = (
        type(sequence) is int
        and 0 <= sequence < SEQUENCE_MAX
        and type(event_hash) is bytes
        and len(event_hash) == HASH_BYTES
    )
    whole = (
        type(version) is int
        and version == VERSION
        and isinstance(query, dict)
        and fields.get("query_hash") == _hash_of(query)
        and isinstance(fields.get("journal_id"), UUID)
        and (at_the_beginning or somewhere)
        and isinstance(fields.get("committed_at"), datetime)
    )
    if not whole:
        raise CursorDamaged(_refusal(name, "its fields are not those of a position"), name=name)
    if fields.get("name") != name:
        raise CursorDamaged(_refusal(name, "its file is that of another cursor"), name=name)
    if fields["journal_id"] not in _lineages(core, fields["journal_id"]):
        raise CursorDamaged(_refusal(name, "its file is of another journal"), name=name)
    return CursorPosition(
        name,
        cast("int | None", sequence),
        cast("bytes | None", event_hash),
        cast("dict[str, Any]", query),
        fields["journal_id"],
        fields["committed_at"],
    )


def _hash_of(query: Mapping[str, Any]) -> bytes | None:
    """The hash of a description that is none of ours, or None if it holds what none of ours does."""
    try:
        return query_hash(query)
    except InvalidInput:
        return None


def _lineages(core: _batpak.CoreStore, wanted: UUID) -> set[UUID]:
    """The ids that events of this journal carry; only the present one if that is what is wanted."""
    if core.journal_id == wanted:
        return {core.journal_id}
    return {core.get(0).journal_id, *(ids[0] for ids, *_ in core.lineages())}


def _refusal(name: str, problem: str) -> str:
    return (
        f"cursor {name!r} cannot say how far it had come: {problem}; restore its file from a copy, "
        f"or call drop_cursor({name!r}) and open it again with start="
    )
