"""How events are shown: one line of text, or one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batpak import _json

from . import output
from .audit_text import audit_summary
from .kinds import kind_text

if TYPE_CHECKING:
    from batpak import Event

SUMMARY_MAX: Final = 160
"""The longest payload summary, in characters; what is longer ends in an ellipsis."""

_SYSTEM_NAMES: Final = {
    0x0001: "created",
    0x0002: "opened",
    0x0003: "key added",
    0x0004: "key revoked",
    0x0005: "denied",
    0x0006: "recovered",
    0x0007: "lineage",
    0x0009: "bypassed",
}
_AUDIT_CATEGORY: Final = 0xE


def time_text(event: Event) -> str:
    """The event's time in UTC with microseconds, as ISO 8601."""
    try:
        text: str = event.timestamp.isoformat(timespec="microseconds")
    except (OverflowError, ValueError):
        # Past the year 9999: only a broken clock gets there, and its journal must still be readable.
        return f"{event.hlc.wall_us}us"
    return text.removesuffix("+00:00") + "Z"


def event_line(event: Event) -> str:
    """Sequence, time, entity, scope, kind and a summary of the payload, on one line."""
    return f"{event.sequence:>8}  {time_text(event)}  {coordinate_text(event)}  {what_text(event)}"


def coordinate_text(event: Event) -> str:
    """Entity and scope."""
    return f"{output.escape(event.entity)}  {output.escape(event.scope)}"


def what_text(event: Event) -> str:
    """Kind and a summary of the payload of at most ``SUMMARY_MAX`` characters."""
    payload = event.payload
    code = event.kind.code
    text: str | None = None
    if event.is_system:
        text = f"{_SYSTEM_NAMES.get(code, 'system')} {payload_text(payload)}"
    elif event.kind.category == _AUDIT_CATEGORY and isinstance(payload, dict):
        text = audit_summary(event.kind.type_id, payload)
    text = payload_text(payload) if text is None else output.sanitize(text)
    shown = text if len(text) <= SUMMARY_MAX else text[: SUMMARY_MAX - 1] + "…"
    return f"{kind_text(event.kind)}  {shown}"


def payload_text(payload: object, *, indent: int | None = None) -> str:
    """A payload as tagged JSON for people: characters as they are, unless they are unsafe."""
    text = _json.dumps(payload, indent=indent)
    # The only raw line ends are those of the indentation.
    return "\n".join(output.sanitize(line) for line in text.split("\n"))


def event_json(event: Event) -> dict[str, object]:
    """Every header field and the payload, byte strings in hex and values as tagged JSON."""
    return {
        "sequence": event.sequence,
        "event_id": str(event.event_id),
        "journal_id": str(event.journal_id),
        "time": time_text(event),
        "entity": event.entity,
        "scope": event.scope,
        "kind": kind_text(event.kind),
        "version": event.payload_version,
        "encoding": event.encoding,
        "correlation_id": _id_text(event.correlation_id),
        "causation_id": _id_text(event.causation_id),
        "metadata": dict(event.metadata),
        "private_metadata": _json.to_tagged(event.private_metadata),
        "promise": event.promise,
        "clock": event.clock,
        "hlc": [event.hlc.wall_us, event.hlc.counter],
        "skew_us": event.skew_us,
        "prev_sequence": event.prev_sequence,
        "prev_hash": event.prev_hash.hex(),
        "event_hash": event.event_hash.hex(),
        "salt": event.salt.hex(),
        "payload": _json.to_tagged(event.payload),
    }


def _id_text(value: object) -> str | None:
    return None if value is None else str(value)
