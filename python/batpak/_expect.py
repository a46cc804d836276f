"""What an append expects of its entity."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Expect(Enum):
    """What the last event of an entity must be for the next one to be written; a clock is given as an int."""

    ANY = "any"
    """Anything."""
    NEW = "new"
    """There is none: the entity has no event yet."""

    def __repr__(self) -> str:
        return f"batpak.{self.name}"


ANY: Final[Literal[Expect.ANY]] = Expect.ANY
NEW: Final[Literal[Expect.NEW]] = Expect.NEW
