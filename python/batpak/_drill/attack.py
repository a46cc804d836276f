"""What an attack is, and the decorator that puts it into the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from batpak._drill.judging import Catch, Layer
    from batpak._drill.scene import Scene

POWERS: Final = {
    "write": "writes to the directory",
    "fit": "makes all checksums and hashes fit",
    "key": "holds the signing key, if there is one",
    "copy": "has an older copy",
    "own key": "has another key",
    "send": "hands out proofs",
    "read": "knows a header",
}


@dataclass(frozen=True, slots=True)
class Attack:
    """A row of the threat table.

    Attributes:
        name: what it is called.
        does: what the attacker does.
        powers: keys of ``POWERS``.
        caught_by: which layers must catch it, where they are there.
        else_by: what would, where none of them is there.
        run: performs it on copies, and returns what the library saw.
    """

    name: str
    does: str
    powers: tuple[str, ...]
    caught_by: frozenset[Layer]
    else_by: str
    run: Callable[[Scene], list[Catch]]


ATTACKS: Final[list[Attack]] = []
"""The threat table, in the order in which it is performed."""


def attack(
    name: str, does: str, *, powers: str, caught_by: tuple[Layer, ...], else_by: str = ""
) -> Callable[[Callable[[Scene], list[Catch]]], Callable[[Scene], list[Catch]]]:
    """Put a function into the table. ``powers`` are separated by commas."""

    def enter(run: Callable[[Scene], list[Catch]]) -> Callable[[Scene], list[Catch]]:
        held = tuple(power.strip() for power in powers.split(","))
        ATTACKS.append(Attack(name, does, held, frozenset(caught_by), else_by, run))
        return run

    return enter
