"""Writes ZIP files byte by byte, honest and otherwise."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

_DATE = 33  # 1980-01-01


@dataclass
class Entry:
    """A member. ``local`` and ``central`` put something else into one of its two headers."""

    name: bytes
    content: bytes
    method: int = 0
    flags: int = 0
    extra: bytes = b""
    remark: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)

    @property
    def stored(self) -> bytes:
        """The bytes as they lie in the file."""
        if self.method == 0:
            return self.content
        # One block of DEFLATE that packs nothing, so that the bytes are the same whatever library there is.
        length = len(self.content)
        return b"\x01" + struct.pack("<HH", length, length ^ 0xFFFF) + self.content

    def fields(self) -> dict[str, Any]:
        """What both headers say."""
        return {
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "stored": len(self.stored),
            "length": len(self.content),
            "name": self.name,
            "extra": self.extra,
        }


def _common(said: dict[str, Any]) -> bytes:
    date = said.get("date", _DATE)
    numbers = said["flags"], said["method"], 0, date, said["crc"], said["stored"], said["length"]
    return struct.pack("<HHHHHIII", said.get("needs", 20), *numbers) + struct.pack(
        "<HH", len(said["name"]), len(said["extra"])
    )


def pack(
    entries: list[Entry],
    *,
    comment: bytes = b"",
    before: bytes = b"",
    between: bytes = b"",
    end: dict[str, int] | None = None,
) -> bytes:
    """A ZIP file.

    Args:
        entries: the members.
        comment: of the file.
        before: bytes before the first member.
        between: bytes before the directory.
        end: other numbers of the last record: ``here`` (how many members in this part), ``count``, ``length``,
            ``offset``.
    """
    body, offsets = before, []
    for entry in entries:
        said = {**entry.fields(), **entry.local}
        offsets.append(len(body))
        body += b"PK\x03\x04" + _common(said) + said["name"] + said["extra"] + said.get("data", entry.stored)
    body, directory = body + between, b""
    for entry, offset in zip(entries, offsets, strict=True):
        said = {**entry.fields(), "offset": offset, **entry.central}
        rest = struct.pack("<HHHII", len(entry.remark), 0, 0, said.get("attributes", 0), said["offset"])
        directory += b"PK\x01\x02" + struct.pack("<H", said.get("made_by", 20)) + _common(said) + rest
        directory += said["name"] + said["extra"] + entry.remark
    last = {"count": len(entries), "length": len(directory), "offset": len(body), **(end or {})}
    here = last.get("here", last["count"])
    numbers = 0, 0, here, last["count"], last["length"], last["offset"], len(comment)
    return body + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", *numbers) + comment


def plain(members: dict[str, bytes]) -> list[Entry]:
    """Honest members."""
    return [Entry(name.encode(), content) for name, content in members.items()]
