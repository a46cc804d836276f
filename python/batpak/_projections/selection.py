"""Which events a projection is made of, in a form that can be kept and compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from batpak._batpak import encode_value, report_hash
from batpak._errors import InvalidInput
from batpak._filters import Conditions, in_one_form, moment, number
from batpak._proving.proofs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak._proving.proving import Proving


class Selection(Conditions, total=False):
    """The conditions of ``Store.query`` that choose what is folded; ``query`` says what they mean."""

    after: int | None
    since: datetime | None
    before: datetime | None


Until = int | Checkpoint | datetime | None

_NAMES: Final = Selection.__optional_keys__


def selected(filters: Mapping[str, Any]) -> Selection:
    """The conditions that were given, checked, each in one form, so that equal ones are equal.

    Raises:
        InvalidInput, InvalidKind: one is out of range, empty or naive.
        TypeError: one is of another type, or there is none of that name.
    """
    unknown = sorted(set(filters) - _NAMES)
    if unknown:
        raise TypeError(f"there is no filter {unknown[0]}; there are {', '.join(sorted(_NAMES))}")
    return cast("Selection", in_one_form(filters))


def selection_digest(selection: Selection) -> str:
    """A short name of the conditions; empty if there are none."""
    return report_hash(encode_value(dict(selection), allow_nonfinite=False))[:8].hex() if selection else ""


def bounded(store: Proving, selection: Selection, until: Until) -> tuple[Selection, int | None]:
    """The conditions that ``until`` leaves, and the last sequence that it lets in; -1 if it is before the first.

    Raises:
        InvalidInput: it is out of range, naive, or a checkpoint of another history.
        TypeError: it is of another type.
    """
    if isinstance(until, Checkpoint):
        if until.size > store._core.events() or store.root(until.size) != until.root:
            raise InvalidInput(
                f"until is a checkpoint of {until.size} events of another history than this journal has; take one of "
                "store.checkpoints(), or the sequence that you mean"
            )
        return selection, until.size - 1
    if isinstance(until, datetime):
        try:
            behind = moment(until, "until") + timedelta(microseconds=1)
        except OverflowError:
            return selection, None
        before = selection.get("before")
        return {**selection, "before": behind if before is None else min(before, behind)}, None
    if until is not None and (isinstance(until, bool) or not hasattr(until, "__index__")):
        raise TypeError(f"until must be an int, a batpak.Checkpoint or an aware datetime, not {type(until).__name__}")
    return selection, number(until, "until")
