"""Kinds on the command line: how they are read and shown."""

from __future__ import annotations

import argparse
from typing import Final

from batpak import Kind

_CATEGORY_MAX: Final = 0xF
_TYPE_ID_MAX: Final = 0xFFF
_CODE_MAX: Final = 0xFFFF

FORMS: Final = "C:T (category and type id, for instance 0xF:1) or the 16-bit code (for instance 0xF001)"


def parse_kind(text: str) -> Kind:
    """A kind from ``"C:T"`` or its 16-bit code, decimal or with ``0x``.

    Raises:
        ValueError: it is neither.
    """
    category, colon, type_id = text.partition(":")
    try:
        if colon:
            return _from_pair(int(category, 0), int(type_id, 0))
        return _from_code(int(text, 0))
    except ValueError:
        raise ValueError(f"{text!r} is not a kind: write {FORMS}") from None


def kind_from_json(value: object) -> Kind:
    """A kind from a member of a JSON line: ``[category, type_id]``, a code, or text as on the command line.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str):
        return parse_kind(value)
    if type(value) is int:
        return _from_code(value)
    if isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value):
        return _from_pair(value[0], value[1])
    raise ValueError('"kind" is [category, type_id], "0xF001" or a number')


def kind_argument(text: str) -> Kind:
    """``parse_kind`` for argparse."""
    try:
        return parse_kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def kind_text(kind: Kind) -> str:
    """The kind as its code, for instance ``0xF001``: the form that every command accepts."""
    return f"0x{kind.code:04X}"


def _from_pair(category: int, type_id: int) -> Kind:
    if not 0 <= category <= _CATEGORY_MAX:
        raise ValueError(f"category {category} is not in 0..15")
    if not 0 <= type_id <= _TYPE_ID_MAX:
        raise ValueError(f"type id {type_id} is not in 0..4095")
    return Kind(category, type_id)


def _from_code(code: int) -> Kind:
    if not 0 <= code <= _CODE_MAX:
        raise ValueError(f"kind {code} is not in 0..65535")
    return Kind.from_code(code)
