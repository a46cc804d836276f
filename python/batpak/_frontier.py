"""How far events have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from batpak._errors import InvalidInput
from batpak._reports import Report

if TYPE_CHECKING:
    from batpak._receipt import Hlc

MarkName = Literal["accepted", "written", "durable", "visible"]
_NAMES: Final = ("accepted", "written", "durable", "visible")


def checked_mark(mark: MarkName) -> MarkName:
    """The name of a mark; InvalidInput or TypeError if it is none."""
    if not isinstance(mark, str):
        raise TypeError(f"a mark must be a str, not {type(mark).__name__}")
    if mark not in _NAMES:
        raise InvalidInput(f'mark is {mark!r:.100}; it must be "accepted", "written", "durable" or "visible"')
    return mark


def waiting(reach: MarkName | None, timeout: float | None) -> float | None:
    """The seconds to wait for ``reach``: what is wrong with them is said before anything is written."""
    if reach is not None:
        checked_mark(reach)
    elif timeout is not None:
        raise InvalidInput('timeout is for reach=; name the mark, for instance reach="durable"')
    return seconds_of(timeout)


def seconds_of(timeout: float | None) -> float | None:
    """A time to wait; None for as long as it takes."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, float | int):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise InvalidInput(f"timeout is {timeout} seconds; it must be 0 or more, or None")
    # Longer than any program runs is for ever.
    return None if timeout > 1e9 else float(timeout)


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

    Always accepted >= written >= durable and accepted >= visible >= applied. No mark ever goes back, but in a reader
    whose journal was rewound by recovery (``JournalRewound``), and ``applied`` when a view is added.

    Attributes:
        accepted: it has its place in the order. A store stamps and writes an event in one step, so this is ``written``.
        written: the operating system has it: the end of the process, however sudden, does not lose it.
        durable: it is synced: a power cut does not lose it.
        visible: readers of this store see it.
        applied: every view of this store (``Store.materialise``) that somebody holds has looked at it; None if there is
            no view, or one that was not read yet.
    """

    accepted: Mark | None
    written: Mark | None
    durable: Mark | None
    visible: Mark | None
    applied: Mark | None = None
