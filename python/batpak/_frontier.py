"""How far events have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batpak._reports import Report

if TYPE_CHECKING:
    from batpak._receipt import Hlc

MarkName = Literal["accepted", "written", "durable", "visible"]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """The last event that came so far.

    Attributes:
        sequence: its sequence.
        hlc: its hybrid logical clock.
    """

    sequence: int
    hlc: Hlc


@dataclass(frozen=True, slots=True)
class Frontier(Report):
    """How far events have come; each mark names the last event that reached it, or is None if none did.

    Always accepted >= written >= durable and accepted >= visible. No mark ever goes back, but in a reader whose
    journal was rewound by recovery (``JournalRewound``).

    Attributes:
        accepted: it has its place in the order. A store stamps and writes an event in one step, so this is ``written``.
        written: the operating system has it: the end of the process, however sudden, does not lose it.
        durable: it is synced: a power cut does not lose it.
        visible: readers of this store see it.
        applied: a projection has taken it in; None as long as the store keeps none.
    """

    accepted: Mark | None
    written: Mark | None
    durable: Mark | None
    visible: Mark | None
    applied: Mark | None = None
