"""Verdicts: what was checked, what was found, and how far the proof reaches. Never one green tick."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal

AxisState = Literal["passed", "failed", "not_checked", "absent"]
Outcome = Literal["signed", "unsigned_accepted", "invalid", "unverifiable"]

RUNGS: Final = (
    "checksummed",
    "chained",
    "signed checkpoint",
    "pinned outside the directory",
    "time-stamped",
    "witnessed",
)
"""The ladder: what each rung adds to the one below it."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The separate axes of a verdict.

    Each is "passed", "failed", "not_checked" (what it needs was not there) or "absent" (nothing to check).

    Attributes:
        content: bytes, encodings and payload commitments.
        order: sequence, id, clocks and hash chains agree on one order.
        completeness: what was promised to be there is there.
        anchors: heads fit the log.
        signatures: every frame that must be signed is, validly.
        indexes: files that can be made again from the log are those that it makes.
    """

    content: AxisState
    order: AxisState
    completeness: AxisState
    anchors: AxisState
    signatures: AxisState
    indexes: AxisState = "absent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        axis: the axis that it concerns.
        code: stable identifier of the kind of finding.
        message: for people.
        file: the file, if one is concerned.
        offset: the byte in it.
        sequence: the event.
    """

    axis: str
    code: str
    message: str
    file: str | None
    offset: int | None
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict about a journal or a receipt.

    It has no truth value of its own: look at ``ok``, ``outcome`` and the axes.

    Attributes:
        outcome: "signed" (valid signatures over everything), "unsigned_accepted" (nothing wrong, not everything
            signed), "invalid"
            (something checked is wrong) or "unverifiable" (what would decide could not be checked).
        reason_code: why it is not accepted, or None.
        rung: 0 to 5, an index of ``RUNGS``: how far the proof reaches.
        axes: what became of each axis.
        events: how many events were looked at.
        complete_to: complete up to this many events from the beginning; None if nothing says so.
        erased: events whose payload was erased.
        unverifiable: things present that could not be checked.
        findings: what is wrong, in the order found, at most 100.
        checkpoint_size: how many events the last valid signed checkpoint covers; None if there is none.
    """

    outcome: Outcome
    reason_code: str | None
    rung: int
    axes: Axes
    events: int
    complete_to: int | None
    erased: int
    unverifiable: int
    findings: tuple[Finding, ...]
    checkpoint_size: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing that was checked failed."""
        return self.outcome != "invalid" and "failed" not in dataclasses.astuple(self.axes)

    def __bool__(self) -> bool:
        """Raise TypeError: a verdict is not a yes or no."""
        raise TypeError("a Verification has several axes; look at .ok, .outcome or .axes")

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, for JSON; ``ok`` and the rung's name included."""
        return {**dataclasses.asdict(self), "ok": self.ok, "rung_name": RUNGS[self.rung]}

    @classmethod
    def _from_core(cls, fields: dict[str, Any]) -> Verification:
        findings = tuple(Finding(**finding) for finding in fields["findings"])
        return cls(**{**fields, "axes": Axes(**fields["axes"]), "findings": findings})

    def _repr_html_(self) -> str:
        from batpak._html import table

        rows: dict[str, object] = {"outcome": self.outcome, "rung": f"{self.rung} ({RUNGS[self.rung]})"}
        rows |= {field.name: getattr(self.axes, field.name) for field in dataclasses.fields(self.axes)}
        rows |= {f"finding {index}": finding.message for index, finding in enumerate(self.findings, 1)}
        return table("Verification", rows)
