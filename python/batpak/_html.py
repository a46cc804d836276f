"""Tables for notebooks; everything is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak._batpak import Event


def table(title: str, rows: Mapping[str, object]) -> str:
    """A table of names and values under a title."""
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{body}</tbody></table>"


def event_table(event: Event) -> str:
    """An event without its payload, which may be large or personal."""
    return table(
        f"Event {event.sequence}",
        {
            "id": event.event_id,
            "time": event.timestamp.isoformat(),
            "kind": event.kind,
            "entity": event.entity,
            "scope": event.scope,
            "clock": event.clock,
            "payload": f"{len(event.raw_payload)} bytes ({event.encoding})",
            "caused by": event.causation_id,
            "correlation": event.correlation_id,
            "metadata": event.metadata,
            "hash": event.event_hash.hex(),
        },
    )


def plain(value: object) -> str:
    """An object's repr."""
    return f"<code>{escape(repr(value))}</code>"
