"""What a materialised projection gives: the state, and how far and how fresh it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from batpak._reports import Report

if TYPE_CHECKING:
    from batpak._frontier import Mark
    from batpak._receipt import Hlc

State = TypeVar("State")

_SHOWN_MAX: Final = 1000
"""So many characters of a state are shown."""


@dataclass(frozen=True, slots=True)
class Projected(Report, Generic[State]):
    """A state, with what it was made of.

    Attributes:
        state: the state. Everybody who reads before the next change is given the same object: leave it as it is. What
            becomes of it changes nothing in the view.
        watermark: the last event of the journal that was looked at, whatever its kind; None if there was none.
        events: events that handlers took, from the first one of the journal on.
        folded_now: how many of them this call had handlers take.
        behind: events of the journal that readers see and that were not looked at yet.
        fresh: whether there is none.
        age_s: seconds since the state was brought up to date in this process; None if that never happened, and the
            state is that of a snapshot.
        rebuilt: why the state was made anew from the first event on, in place of a kept one; None if a snapshot was
            gone on from. It stays for as long as the view goes on from that state: ``folded_now`` is what this call
            cost.
        state_hash: hash of the state's canonical bytes, 32 bytes.
    """

    state: State
    watermark: Mark | None
    events: int
    folded_now: int
    behind: int
    fresh: bool
    age_s: float | None
    rebuilt: str | None
    state_hash: bytes

    def __repr__(self) -> str:
        """As of any dataclass, but a long state is cut."""
        state = repr(self.state)
        rest = (f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name != "state")
        shown = state if len(state) <= _SHOWN_MAX else f"{state[:_SHOWN_MAX]}..."
        return f"{type(self).__qualname__}({', '.join([f'state={shown}', *rest])})"

    def _repr_html_(self) -> str:
        from batpak._html import table

        shown = {name: getattr(self, name) for name in self.__slots__}
        return table(type(self).__name__, {**shown, "state": f"{self.state!r:.500}"})

    @property
    def sequence(self) -> int | None:
        """The sequence of the watermark."""
        return None if self.watermark is None else self.watermark.sequence

    @property
    def hlc(self) -> Hlc | None:
        """The hybrid logical clock of the watermark."""
        return None if self.watermark is None else self.watermark.hlc
