"""What a cursor is bound to: the conditions that its events fulfil, as plain values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from batpak import _batpak
from batpak._batpak import Kind
from batpak._filters import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping


class CursorFilters(TypedDict, total=False):
    """The conditions of ``Store.cursor``; ``Store.query`` says what they mean."""

    entity: str | None
    entity_prefix: str | None
    scope: str | None
    kind: Kind | int | None
    category: int | None
    correlation: UUID | bytes | None
    causation: UUID | bytes | None
    metadata: Mapping[str, str] | None
    system: bool


def described(filters: CursorFilters) -> dict[str, Any]:
    """The conditions that were given, each in the one form that is kept; ``Store.query`` has accepted them before."""
    plain: dict[str, Any] = {}
    for name in ("entity", "entity_prefix", "scope"):
        text = filters.get(name)
        if isinstance(text, str):
            # Exactly a text, whatever subclass of it was given.
            plain[name] = str.__str__(text)
    kind = filters.get("kind")
    if kind is not None:
        plain["kind"] = kind.code if isinstance(kind, Kind) else int(kind)
    category = filters.get("category")
    if category is not None:
        plain["category"] = int(category)
    for name in ("correlation", "causation"):
        link = filters.get(name)
        if isinstance(link, UUID):
            plain[name] = UUID(int=link.int)
        elif isinstance(link, bytes):
            plain[name] = UUID(bytes=bytes(link))
    given = pairs(filters.get("metadata"))
    if given:
        plain["metadata"] = {str.__str__(key): str.__str__(value) for key, value in given}
    if filters.get("system"):
        plain["system"] = True
    return plain


def query_hash(query: Mapping[str, Any]) -> bytes:
    """SHA-256 of the description's canonical bytes."""
    return hashlib.sha256(_batpak.encode_value(query, allow_nonfinite=False)).digest()


def difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """In which conditions two descriptions differ, for a message."""
    told = [
        f"{name}: {_shown(expected, name)} and not {_shown(found, name)}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]
    return ", ".join(told)


def _shown(query: Mapping[str, Any], name: str) -> str:
    if name not in query:
        return "any" if name != "system" else "False"
    value = query[name]
    return str(value) if isinstance(value, UUID) else f"{value!r:.100}"
