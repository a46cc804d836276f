"""Tables for notebooks; everything is escaped."""

from __future__ import annotations

from html import escape
from reprlib import Repr
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak._batpak import Event

_SHOWN: Final = 500
"""So many characters of a payload are shown."""


def table(title: str, rows: Mapping[str, object]) -> str:
    """A table of names and values under a title."""
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{body}</tbody></table>"


def _short(value: object) -> str:
    """The beginning of a payload, as Python writes it; a long one is never written out."""
    if isinstance(value, bytes):
        return f"{value[:_SHOWN]!r}..." if len(value) > _SHOWN else repr(value)
    shown = Repr()
    shown.maxlevel = 4
    shown.maxdict = shown.maxlist = 20
    shown.maxstring = shown.maxother = shown.maxlong = 100
    text = shown.repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def event_table(event: Event) -> str:
    """An event, and the beginning of what was stored as its payload."""
    return table(
        f"Event {event.sequence}",
        {
            "id": event.event_id,
            "time": event.timestamp.isoformat(),
            "kind": event.kind,
            "entity": event.entity,
            "scope": event.scope,
            "clock": event.clock,
            "payload": _short(event.value),
            "stored as": f"{len(event.raw_payload)} bytes ({event.encoding})",
            "caused by": event.causation_id,
            "correlation": event.correlation_id,
            "metadata": event.metadata,
            "hash": event.event_hash.hex(),
        },
    )


def plain(value: object) -> str:
    """An object's repr."""
    return f"<code>{escape(repr(value))}</code>"
