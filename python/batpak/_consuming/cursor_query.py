"""What a cursor is bound to: the conditions that its events fulfil, as plain values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from batpak import _batpak

if TYPE_CHECKING:
    from collections.abc import Mapping


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
