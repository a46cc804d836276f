"""Which events a projection is made of, in a form that can be kept and compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast
from uuid import UUID

from batpak._batpak import Kind, encode_value, report_hash
from batpak._errors import InvalidInput
from batpak._filters import number, pairs, text
from batpak._proofs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak._proving import Proving


class Selection(TypedDict, total=False):
    """The conditions of ``Store.query`` that choose what is folded; ``query`` says what they mean."""

    entity: str | None
    entity_prefix: str | None
    scope: str | None
    kind: Kind | int | None
    category: int | None
    correlation: UUID | bytes | None
    causation: UUID | bytes | None
    metadata: Mapping[str, str] | None
    after: int | None
    since: datetime | None
    before: datetime | None
    system: bool


Until = int | Checkpoint | datetime | None

_NAMES: Final = frozenset(Selection.__annotations__)
_TEXTS: Final = ("entity", "entity_prefix", "scope")
_TIMES: Final = ("since", "before")
_IDS: Final = ("correlation", "causation")


def selected(filters: Mapping[str, Any]) -> Selection:
    """The conditions that were given, checked, each in one form, so that equal ones are equal.

    Raises:
        InvalidInput, InvalidKind: one is out of range, empty or naive.
        TypeError: one is of another type, or there is none of that name.
    """
    unknown = sorted(set(filters) - _NAMES)
    if unknown:
        raise TypeError(f"there is no filter {unknown[0]}; there are {', '.join(sorted(_NAMES))}")
    found: dict[str, Any] = {}
    for name in sorted(filters):
        value = filters[name]
        if value is not None and (name != "system" or value):
            found[name] = _in_one_form(name, value)
    return cast("Selection", found)


def _in_one_form(name: str, value: Any) -> object:
    if name in _TEXTS:
        return text(value, name)
    if name in _TIMES:
        return _moment(value, name)
    if name in _IDS:
        return _id(value, name)
    if name == "metadata":
        return dict(pairs(value) or ())
    if name in ("kind", "system"):
        return kind_code(value) if name == "kind" else _flag(value, name)
    return number(value, name, 15) if name == "category" else number(value, name)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def kind_code(kind: object) -> int:
    """The number of a kind; InvalidKind or TypeError if it is none."""
    if isinstance(kind, Kind):
        return kind.code
    if isinstance(kind, bool) or not isinstance(kind, int):
        raise TypeError(f"kind must be a batpak.Kind or an int, not {type(kind).__name__}")
    return Kind.from_code(kind).code


def _id(value: object, name: str) -> UUID:
    if isinstance(value, UUID):
        return value
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be a UUID or 16 bytes, not {type(value).__name__}")
    if len(value) != 16:
        raise InvalidInput(f"{name} has {len(value)} bytes; it must have 16")
    return UUID(bytes=value)


def _moment(value: object, name: str) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be an aware datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(f"{name} is naive; give it a zone, for instance with .astimezone() or tzinfo=UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} is outside the years 1 to 9999 in UTC") from None


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
            behind = _moment(until, "until") + timedelta(microseconds=1)
        except OverflowError:
            return selection, None
        before = selection.get("before")
        return {**selection, "before": behind if before is None else min(before, behind)}, None
    if until is not None and (isinstance(until, bool) or not hasattr(until, "__index__")):
        raise TypeError(f"until must be an int, a batpak.Checkpoint or an aware datetime, not {type(until).__name__}")
    return selection, number(until, "until")
