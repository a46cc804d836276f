"""Values that a class could have stored, made from nothing but its annotations: the same ones each time.

Together they hold every alternative of every field: each member of an ``Enum``, each member of a union, None, an empty
list and a full one; and one of them lacks every field that has a default. There are as many as the field with the most
alternatives has, not as many as there are combinations.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from batpak._schemas.records import Record
    from batpak._schemas.shapes import Form, Shape

SCALAR_SAMPLES: Final[dict[type, object]] = {
    type(None): None,
    bool: True,
    int: 1,
    float: 1.5,
    str: "text",
    bytes: b"bytes",
    datetime: datetime(2026, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=1))),
    date: date(2026, 1, 2),
    time: time(3, 4, 5, 678901),
    timedelta: timedelta(days=1, seconds=2, microseconds=3),
    Decimal: Decimal("1.50"),
    UUID: UUID("01234567-89ab-4cde-8f01-23456789abcd"),
}

Plain = dict[str, object]


def plain_samples(record: Record) -> list[Plain]:
    """Return plain values of the class; none if it can only hold itself without end."""
    return _Sampling().of_record(record)


class _Sampling:
    """Each class gives all its alternatives where it is met first; elsewhere, and inside itself, the least of them."""

    def __init__(self) -> None:
        self.met: set[Record] = set()

    def of_record(self, record: Record) -> list[Plain]:
        if record in self.met:
            least = _least_record(record, frozenset())
            return [] if least is None else [least]
        self.met.add(record)
        choices: dict[str, list[object]] = {}
        required: set[str] = set()
        for name, shape, is_required in record.resolved_steps():
            values = self.of_shape(shape)
            if is_required:
                required.add(name)
                if not values:
                    return []
            if values:
                choices[name] = values
        count = max(map(len, choices.values()), default=1)
        samples = [{name: values[n % len(values)] for name, values in choices.items()} for n in range(count)]
        if len(required) < len(choices):
            samples.append({name: values[0] for name, values in choices.items() if name in required})
        return samples

    def of_shape(self, shape: Shape) -> list[object]:
        form = shape.form
        if form.record is not None:
            return list(self.of_record(form.record))
        if form.name in ("any", "scalar", "literal", "enum"):
            return _single_values(form)
        parts = [self.of_shape(part) for part in form.parts]
        if form.name == "union":
            return [value for values in parts for value in values]
        if form.name == "tuple":
            count = max(map(len, parts)) if all(parts) else 0
            return [[values[n % len(values)] for values in parts] for n in range(count)]
        [values] = parts
        if form.name == "list":
            return [values, []] if values else [[]]
        return [{f"key {n}": value for n, value in enumerate(values, 1)}, {}] if values else [{}]


def _single_values(form: Form) -> list[object]:
    if form.name == "any":
        return [{"any": ["text", 1, None]}]
    if form.name == "scalar":
        return [SCALAR_SAMPLES[form.of]]
    if form.name == "literal":
        return list(form.options)
    members: list[enum.Enum] = list(form.of)  # type: ignore[call-overload]
    values: list[object] = [member.value for member in members]
    if issubclass(form.of, enum.Flag) and len(members) > 1:
        combined: Any = members[0]
        for member in members[1:]:
            combined |= member
        values.append(combined.value)
    return values


_NOTHING: Final = object()


def _least_record(record: Record, around: frozenset[Record]) -> Plain | None:
    """Only what is required, and the least of that; None if there is no end to it."""
    if record in around:
        return None
    plain: Plain = {}
    for name, shape, required in record.resolved_steps():
        if required:
            plain[name] = _least(shape, around | {record})
            if plain[name] is _NOTHING:
                return None
    return plain


def _least(shape: Shape, around: frozenset[Record]) -> object:
    form = shape.form
    if form.record is not None:
        least = _least_record(form.record, around)
        return _NOTHING if least is None else least
    if form.name == "list":
        return []
    if form.name == "map":
        return {}
    parts = (_least(part, around) for part in form.parts)
    if form.name == "union":
        return next((value for value in parts if value is not _NOTHING), _NOTHING)
    if form.name == "tuple":
        values = list(parts)
        return _NOTHING if _NOTHING in values else values
    return _single_values(form)[0]
