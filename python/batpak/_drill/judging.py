"""Asks the library what it makes of an attacked journal, layer by layer: nothing here knows what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import batpak

if TYPE_CHECKING:
    from pathlib import Path

    from batpak._proving.keys import PublicKey
    from batpak._verification import Verification

Layer = Literal["journal", "key", "pin", "proof", "others"]
"""What it takes to see an attack: the journal alone, its public key from elsewhere, the pin, the receipt or proof that
whoever is to be deceived has in hand, or what others could hold."""

_TOLD: Final = 3
_RUNG_OF_AXIS: Final = {"content": 0, "signatures": 2}
_RUNG_OF_CODE: Final = {"rollback_detected": 3, "fork_detected": 3}


@dataclass(frozen=True, slots=True)
class Catch:
    """That an attack was seen.

    Attributes:
        layer: what it took to see it.
        by: which operation of the library: "open", "verify", "consistency proof" and so on.
        what: the axis and code of a finding, or the class and code of an exception.
        rung: of the ladder: which kind of protection it was.
    """

    layer: Layer
    by: str
    what: str
    rung: int


def verdict_catch(verdict: Verification, layer: Layer, by: str) -> list[Catch]:
    """What a verdict says is wrong; nothing if it accepts."""
    if verdict.ok:
        return []
    if not verdict.findings:
        return [Catch(layer, by, str(verdict.reason_code), 1)]
    found = min(_RUNG_OF_CODE.get(each.code, _RUNG_OF_AXIS.get(each.axis, 1)) for each in verdict.findings)
    what = dict.fromkeys(f"{each.axis}: {each.code}" for each in verdict.findings)
    return [Catch(layer, by, ", ".join(list(what)[:_TOLD]), found)]


def error_catch(error: batpak.BatpakError, layer: Layer, by: str) -> Catch:
    """An exception as a catch."""
    found = _RUNG_OF_CODE.get(error.code, 0 if type(error) is batpak.JournalDamaged else 1)
    return Catch(layer, by, f"{type(error).__name__}: {error.code}", found)


def judge(directory: Path, *, public_key: PublicKey | None, pins: Path | None, held: Path | None) -> list[Catch]:
    """Have the library open and verify a journal, with ever more from outside.

    Args:
        directory: the journal; nothing is written to it.
        public_key: the key that whoever judges was given.
        pins: the pins that whoever judges has.
        held: a directory with the pin that somebody could hold: what it would have told.

    Returns:
        What was seen, the least demanding layer first.
    """
    catches: list[Catch] = []
    try:
        batpak.Store.open(directory, create=False, read_only=True, registry=batpak.Registry()).close()
    except batpak.BatpakError as error:
        catches.append(error_catch(error, "journal", "open"))
    catches += verdict_catch(batpak.verify(directory), "journal", "verify")
    if public_key is not None:
        catches += verdict_catch(batpak.verify(directory, public_key=public_key), "key", "verify with the public key")
    if pins is not None:
        catches += _judge_pins(directory, pins, "pin", "the pin")
    if held is not None:
        catches += _judge_pins(directory, held, "others", "a checkpoint held elsewhere")
    return catches


def _judge_pins(directory: Path, pins: Path, layer: Layer, name: str) -> list[Catch]:
    found = batpak.verify(directory, pins=pins).findings
    codes = [finding for finding in found if finding.code in _RUNG_OF_CODE]
    return [Catch(layer, f"verify with {name}", f"{each.axis}: {each.code}", 3) for each in codes[:1]]
