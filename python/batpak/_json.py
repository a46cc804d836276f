"""The lossless JSON form of a value: FORMAT.md, section 14.

JSON has one kind of number, no bytes and no dates. What it cannot hold is written as an object with one key that begins
with ``$``, so that every value comes back as it was: 1 and 1.0 differ, -0.0 and the exponent of a decimal are kept.

Writing has one form for each value. Reading takes a little more, where it can mean one thing only: a plain integer of
any size, ``$int`` and ``$map`` where they are not needed, numbers of more digits than a float64 has (rounded to the
nearest), ``Z`` for ``+00:00``, one to six digits of a second's fraction, and any plain spelling of a decimal.
All else is refused: duplicate keys, literal NaN and Infinity, unknown tags.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from batpak._errors import InvalidValue, LimitExceeded
from batpak._schemas.shapes import SCALARS, Misfit, member_step

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH_MAX = 128
BIG_INTEGER_BYTES_MAX = 8192
SAFE_INTEGER_MAX = 2**53 - 1
# Integers are converted in parts, because Python refuses long ones, at a length that a program may lower to 640.
_PART_DIGITS = 500

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{6})?)?)"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

_SURROGATE = re.compile("[\ud800-\udfff]")
# DEL, C1 controls, line and paragraph separators, and the marks that reorder text: a terminal must show what is there.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_ADVICE: tuple[tuple[type, str], ...] = (
    (Enum, "take its .value"),
    (tuple, "call list(...)"),
    (set, "call sorted(...)"),
    (frozenset, "call sorted(...)"),
    *((wanted, f"exact types only, make it {wanted.__qualname__}") for wanted in (*SCALARS[1:], list, dict)),
)


class _Refused(str):
    """Why the parser cannot accept something; it stands in its place until the walk over the result knows the path."""

    __slots__ = ()


def to_tagged(value: object) -> object:
    r"""Return the tagged form of ``value``, made of what ``json.dumps`` writes without loss.

    Args:
        value: None, bool, int, float, str, bytes, datetime (with a time zone), date, time (without one), timedelta,
            Decimal, UUID, or lists and dicts (with str keys) of these. Exact types: subclasses are refused.

    Returns:
        None, bool, int, float, str, list or dict; dicts keep their order.

    Raises:
        InvalidValue: there is something else in ``value``, a naive datetime, a time with a zone, a decimal that is not
            finite, or text with a lone surrogate; ``path`` says where, and begins with ``payload``.
        LimitExceeded: nested deeper than 128 levels, or an integer of more than 8192 bytes.

    Thread-safety: safe, as long as no other thread changes ``value`` meanwhile.

    Example:
        >>> to_tagged({"id": b"\x01", "price": 1.0, "big": 2**53})
        {'id': {'$bytes': '01'}, 'price': 1.0, 'big': {'$int': '9007199254740992'}}

    """
    return _walk(_tag, value)


def from_tagged(obj: object) -> object:
    r"""Return the value whose tagged form is ``obj``.

    Args:
        obj: what ``to_tagged`` returned, or what a JSON parser made of the same text.

    Returns:
        The value; a datetime has the fixed offset that was written.

    Raises:
        InvalidValue: an unknown or malformed tag, a key that begins with ``$`` and is not one, or something that JSON
            does not have; ``path`` says where, and begins with ``payload``.
        LimitExceeded: nested deeper than 128 levels, or an integer of more than 8192 bytes.

    Thread-safety: safe, as long as no other thread changes ``obj`` meanwhile.

    Example:
        >>> from_tagged({"id": {"$bytes": "01"}, "price": {"$decimal": "1.00"}})
        {'id': b'\x01', 'price': Decimal('1.00')}

    """
    return _walk(_untag, obj)


def dumps(value: object, *, indent: int | None = None) -> str:
    r"""Return ``value`` as tagged JSON text that is safe to print.

    Control characters, line separators and marks that reorder text are escaped; all else beyond ASCII stays as it is.

    Args:
        value: as for ``to_tagged``.
        indent: spaces per level, from 0; None writes one line.

    Returns:
        The text, without a newline at its end.

    Raises:
        InvalidValue, LimitExceeded: as ``to_tagged``.

    Thread-safety: safe, as long as no other thread changes ``value`` meanwhile.

    Example:
        >>> dumps({"x": 1, "y": 1.0, "z": b"\xff"})
        '{"x": 1, "y": 1.0, "z": {"$bytes": "ff"}}'

    """
    text = json.dumps(to_tagged(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def loads(text: str) -> object:
    """Return the value that tagged JSON text stands for.

    Args:
        text: JSON as ``dumps`` writes it, or by hand; the module's description says what more is read.

    Returns:
        The value.

    Raises:
        InvalidValue: not JSON, a duplicate key, a literal NaN or Infinity, or a number beyond float64.
        InvalidValue, LimitExceeded: as ``from_tagged``.

    Thread-safety: safe.

    Example:
        >>> loads('{"x": 1, "when": {"$date": "2026-01-02"}}')
        {'x': 1, 'when': datetime.date(2026, 1, 2)}

    """
    return from_tagged(parse(text))


def parse(text: str) -> object:
    """JSON text as ``from_tagged`` takes it, which refuses a duplicate key and the like where the path is known."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        message = f"payload: not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidValue(message, path="payload") from None
    except RecursionError:
        raise _too_deep() from None


def _walk(convert: Callable[[object, int], object], top: object) -> object:
    try:
        return convert(top, 0)
    except Misfit as error:
        message = f"{error.path}: {error.message}"
        raise InvalidValue(message, path=error.path) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | _Refused:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(key for key, _ in pairs)
    return _Refused(f"the key {counts.most_common(1)[0][0]!a} is there twice")


def _too_deep() -> LimitExceeded:
    message = f"payload: nested deeper than {DEPTH_MAX} levels"
    return LimitExceeded(message, what="nesting of values", actual=None, limit=DEPTH_MAX)


def _check_size(bits: int) -> None:
    size = (bits + 7) // 8
    if size > BIG_INTEGER_BYTES_MAX:
        message = f"payload: an integer of {size} bytes; at most {BIG_INTEGER_BYTES_MAX} are possible"
        raise LimitExceeded(message, what="magnitude of a big integer", actual=size, limit=BIG_INTEGER_BYTES_MAX)


def _integer(text: str) -> int:
    digits = text.removeprefix("-")
    # Before the conversion, whose time grows with the square of the length.
    _check_size(math.floor((len(digits) - 1) * math.log2(10)))
    number = 0
    for start in range(0, len(digits), _PART_DIGITS):
        part = digits[start : start + _PART_DIGITS]
        number = number * 10 ** len(part) + int(part)
    _check_size(number.bit_length())
    return -number if text.startswith("-") else number


def _digits(number: int) -> str:
    rest = abs(number)
    text = ""
    while rest >= 10**_PART_DIGITS:
        rest, low = divmod(rest, 10**_PART_DIGITS)
        text = f"{low:0{_PART_DIGITS}d}{text}"
    return f"{'-' if number < 0 else ''}{rest}{text}"


def _check_text(text: str) -> str:
    if not text.isascii() and _SURROGATE.search(text):
        message = "text holds a lone surrogate, which UTF-8 cannot encode"
        raise Misfit(message)
    return text


def _tag_int(value: int) -> object:
    _check_size(value.bit_length())
    return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else {"$int": _digits(value)}


def _tag_float(value: float) -> object:
    return value if math.isfinite(value) else {"$float": str(value)}


def _tag_datetime(value: datetime) -> object:
    if value.utcoffset() is None:
        message = "a naive datetime: give it a time zone, for instance with .replace(tzinfo=timezone.utc)"
        raise Misfit(message)
    return {"$datetime": value.isoformat()}


def _tag_time(value: time) -> object:
    if value.tzinfo is not None:
        message = "a time with a time zone: store a datetime, or .replace(tzinfo=None)"
        raise Misfit(message)
    return {"$time": value.isoformat()}


def _tag_decimal(value: Decimal) -> object:
    if not value.is_finite():
        message = "a decimal that is not finite: store None or a text instead"
        raise Misfit(message)
    return {"$decimal": str(value).upper()}  # a context may ask for a small e


_TAGGERS: dict[type, Callable[[Any], object]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: _tag_int,
    float: _tag_float,
    str: _check_text,
    bytes: lambda value: {"$bytes": value.hex()},
    datetime: _tag_datetime,
    date: lambda value: {"$date": value.isoformat()},
    time: _tag_time,
    timedelta: lambda value: {"$duration": [value.days, value.seconds, value.microseconds]},
    Decimal: _tag_decimal,
    UUID: lambda value: {"$uuid": str(value)},
}


def _tag(value: object, depth: int) -> object:
    tagger = _TAGGERS.get(type(value))
    if tagger is not None:
        return tagger(value)
    if type(value) is list:
        return _each(value, _tag, depth)
    if type(value) is not dict:
        found = type(value)
        advice = next((advice for base, advice in _ADVICE if issubclass(found, base)), "convert it to a supported type")
        message = f"{found.__qualname__} has no exact encoding: {advice}"
        raise Misfit(message)
    members = _members(value.items(), _tag, depth)
    if any(key.startswith("$") for key in members):
        return {"$map": [[key, each] for key, each in members.items()]}
    return members


def _each(items: Any, convert: Callable[[object, int], object], depth: int) -> list[object]:
    if depth >= DEPTH_MAX:
        raise _too_deep()
    done: list[object] = []
    try:
        for each in items:
            done.append(convert(each, depth + 1))  # noqa: PERF401 - its length tells which one failed
    except Misfit as error:
        error.inside(f"[{len(done)}]")
        raise
    return done


def _members(pairs: Any, convert: Callable[[object, int], object], depth: int) -> dict[str, object]:
    if depth >= DEPTH_MAX:
        raise _too_deep()
    done: dict[str, object] = {}
    for key, each in pairs:
        if type(key) is not str:
            message = f"map keys are str, found {type(key).__qualname__}"
            raise Misfit(message)
        try:
            done[_check_text(key)] = convert(each, depth + 1)
        except Misfit as error:
            error.inside(member_step(key))
            raise
    return done


# Reading: one function for each tag. They return None for what is malformed; no tag stands for None.


def _matching(pattern: str, make: Callable[[str], object]) -> Callable[[object], object]:
    whole = re.compile(pattern)
    return lambda content: make(content) if isinstance(content, str) and whole.fullmatch(content) else None


def _duration(content: object) -> timedelta | None:
    if type(content) is not list or [type(part) for part in content] != [int, int, int]:
        return None
    duration = timedelta(*content)
    return duration if [duration.days, duration.seconds, duration.microseconds] == content else None


def _datetime(text: str) -> datetime:
    # Apart, because datetime.fromisoformat drops the microseconds of an offset of less than a second.
    start = max(map(text.rfind, "+-Z"))
    offset = time.fromisoformat(text[start + 1 :] or "00:00")
    amount = timedelta(0, offset.second, offset.microsecond, 0, offset.minute, offset.hour)
    return datetime.fromisoformat(text[:start]).replace(tzinfo=timezone(-amount if text[start] == "-" else amount))


_READERS: dict[str, Callable[[object], object]] = {
    "$int": _matching("0|-?[1-9][0-9]*", _integer),
    "$float": _matching("nan|-?inf", float),
    "$bytes": _matching("[0-9a-f]*", bytes.fromhex),
    "$datetime": _matching(f"{_DATE}T{_CLOCK}{_OFFSET}", _datetime),
    "$date": _matching(_DATE, date.fromisoformat),
    "$time": _matching(_CLOCK, time.fromisoformat),
    "$duration": _duration,
    "$decimal": _matching(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", Decimal),
    "$uuid": _matching("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", UUID),
}


def _untag(obj: Any, depth: int) -> object:
    kind = type(obj)
    if kind is dict and any(isinstance(key, str) and key.startswith("$") for key in obj):
        return _untag_object(obj, depth)
    if kind is dict:
        return _members(obj.items(), _untag, depth)
    if kind is list:
        return _each(obj, _untag, depth)
    if kind is str:
        return _check_text(obj)
    if kind is int:
        _check_size(obj.bit_length())
    if kind in (bool, int, type(None)) or (kind is float and math.isfinite(obj)):
        return obj
    if kind is _Refused:
        raise Misfit(str(obj))
    message = 'NaN, Infinity and numbers beyond float64 are not JSON: write $decimal, or {"$float": "nan"}'
    raise Misfit(message if kind is float else f"{kind.__qualname__} is not JSON")


def _untag_object(obj: dict[str, object], depth: int) -> object:
    tag, content = next(iter(obj.items()))
    if len(obj) == 1 and tag == "$map":
        return _untag_map(content, depth)
    if len(obj) > 1 or tag not in _READERS:
        message = 'an unknown tag; a map with a key that begins with $ is written {"$map": [[key, value], ...]}'
        raise Misfit(message)
    try:
        value = _READERS[tag](content)
    except LimitExceeded:  # a ValueError too
        raise
    except (ValueError, ArithmeticError):  # an odd number of digits, no such day, an exponent beyond all limits
        value = None
    # NaN is what a decimal context without traps makes of an impossible exponent.
    if value is None or (isinstance(value, Decimal) and not value.is_finite()):
        message = f"what {tag} holds is not what FORMAT.md, section 14, says"
        raise Misfit(message)
    return value


def _untag_map(content: Any, depth: int) -> dict[str, object]:
    if type(content) is not list or any(type(pair) is not list or len(pair) != 2 for pair in content):
        message = "$map holds a list of [key, value]"
        raise Misfit(message)
    members = _members(content, _untag, depth)
    if len(members) != len(content):
        message = "a key is there twice"
        raise Misfit(message)
    return members
