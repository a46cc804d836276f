"""Encoded values: FORMAT.md section 2."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from corpus.cases import accept, reject
from handmade import lengthed, map_value, text_value
from plain_reader.codec import encode_varint

if TYPE_CHECKING:
    from corpus.cases import Case

NULL, TRUE = b"\x00", b"\x02"
DAY_US = 86_400_000_000


def zigzag(number: int) -> bytes:
    """A signed number (section 1)."""
    return encode_varint(number << 1 if number >= 0 else (-number << 1) - 1)


def integer(number: int) -> bytes:
    """An integer of 64 bits."""
    return b"\x03" + zigzag(number)


def big(magnitude: bytes, sign: int = 0) -> bytes:
    """Any other integer."""
    return b"\x04" + bytes([sign]) + lengthed(magnitude)


def number(bits: str) -> bytes:
    """A float by its bits, written with the most significant byte first."""
    return b"\x05" + bytes.fromhex(bits)[::-1]


def nested(depth: int, innermost: bytes) -> bytes:
    """A value within so many lists."""
    return b"\x08\x01" * depth + innermost


def day(year: int, month: int, day_of_month: int) -> bytes:
    """A date without its tag."""
    return encode_varint(year) + bytes([month, day_of_month])


def clock(hour: int, minute: int, second: int, microsecond: int) -> bytes:
    """A time without its tag."""
    return bytes([hour, minute, second]) + encode_varint(microsecond)


def duration(days: int, seconds: int, microseconds: int) -> bytes:
    """A duration."""
    return b"\x0d" + zigzag(days) + encode_varint(seconds) + encode_varint(microseconds)


def decimal(sign: int, exponent: int, coefficient: bytes) -> bytes:
    """A decimal."""
    return b"\x0e" + bytes([sign]) + zigzag(exponent) + lengthed(coefficient)


def _good() -> list[tuple[str, str, bytes, object]]:
    two_63 = bytes([128, *bytes(7)])
    midnight = clock(0, 0, 0, 0)
    return [
        ("null", "Tag 00 alone is null.", NULL, None),
        ("false", "Tag 01 alone is false.", b"\x01", False),
        ("true", "Tag 02 alone is true.", TRUE, True),
        ("int-zero", "The number 0 is the varint of one byte 00.", b"\x03\x00", 0),
        ("int-minus-one", "Zigzag maps -1 to 1.", b"\x03\x01", -1),
        ("int-two-bytes", "64 is the first number whose zigzag needs two bytes.", b"\x03\x80\x01", 64),
        ("int-largest", "2^63 - 1 is the largest integer of tag 03.", integer(2**63 - 1), {"$int": str(2**63 - 1)}),
        ("int-smallest", "-2^63 is the smallest integer of tag 03.", integer(-(2**63)), {"$int": str(-(2**63))}),
        ("bigint-first", "2^63 is the first integer that needs tag 04.", big(two_63), {"$int": str(2**63)}),
        (
            "bigint-first-negative",
            "-2^63 - 1 is the first negative integer that needs tag 04; its magnitude is the absolute value.",
            big(two_63[:-1] + b"\x01", 1),
            {"$int": str(-(2**63) - 1)},
        ),
        ("float-minus-zero", "-0.0 is kept.", number("8000000000000000"), -0.0),
        ("float-half", "The bits of 0.5, least significant byte first.", number("3fe0000000000000"), 0.5),
        ("float-nan", "The one NaN.", number("7ff8000000000000"), {"$float": "nan"}),
        ("float-infinity", "Infinity is a float.", number("7ff0000000000000"), {"$float": "inf"}),
        ("float-minus-infinity", "Minus infinity is a float.", number("fff0000000000000"), {"$float": "-inf"}),
        ("text-empty", "A text may be empty.", text_value(""), ""),
        ("text-last-scalar", "U+10FFFF is UTF-8 of four bytes.", text_value("\U0010ffff"), "\U0010ffff"),
        ("text-nul", "A text may hold U+0000; only coordinates may not.", text_value("a\0b"), "a\0b"),
        ("text-not-nfc", "Nothing is normalised: e and a combining accent stay two.", text_value("e\u0301"), "e\u0301"),
        ("bytes-any", "Bytes need not be UTF-8.", b"\x07" + lengthed(b"\xff\x00"), {"$bytes": "ff00"}),
        ("list-empty", "A list may be empty.", b"\x08\x00", []),
        (
            "list-mixed",
            "The values of a list may be of different types.",
            b"\x08\x03" + NULL + integer(1) + b"\x08\x00",
            [None, 1, []],
        ),
        ("map-empty", "A map may be empty.", b"\x09\x00", {}),
        ("map-empty-key", "A key may be the empty text.", map_value({"": TRUE, "a": NULL}), {"": True, "a": None}),
        (
            "map-order-is-of-bytes",
            "Keys ascend by their UTF-8 bytes, in which U+FFFF comes before U+10000; in UTF-16 it would not.",
            b"\x09\x03"
            + lengthed(b"Z")
            + NULL
            + lengthed("\uffff".encode())
            + NULL
            + lengthed("\U00010000".encode())
            + NULL,
            {"Z": None, "\uffff": None, "\U00010000": None},
        ),
        ("nesting-128", "128 lists inside one another are as many as may be.", nested(127, b"\x08\x00"), _lists(128)),
        ("date-first", "The first day of year 1.", b"\x0b" + day(1, 1, 1), {"$date": "0001-01-01"}),
        ("date-last", "The last day of year 9999.", b"\x0b" + day(9999, 12, 31), {"$date": "9999-12-31"}),
        ("date-leap-day", "2000 is a leap year.", b"\x0b" + day(2000, 2, 29), {"$date": "2000-02-29"}),
        (
            "time-last",
            "The last microsecond of a day.",
            b"\x0c" + clock(23, 59, 59, 999_999),
            {"$time": "23:59:59.999999"},
        ),
        (
            "datetime-largest-offset",
            "An offset is a number of microseconds strictly below 24 hours.",
            b"\x0a" + day(2026, 1, 2) + midnight + zigzag(DAY_US - 1),
            {"$datetime": "2026-01-02T00:00:00+23:59:59.999999"},
        ),
        (
            "datetime-smallest-offset",
            "An offset is a number of microseconds strictly above -24 hours.",
            b"\x0a" + day(2026, 1, 2) + midnight + zigzag(1 - DAY_US),
            {"$datetime": "2026-01-02T00:00:00-23:59:59.999999"},
        ),
        (
            "duration-below-zero",
            "Only the days of a duration are negative: this is a microsecond less than nothing.",
            duration(-1, 86_399, 999_999),
            {"$duration": [-1, 86_399, 999_999]},
        ),
        (
            "duration-longest",
            "The largest number of days.",
            duration(999_999_999, 0, 0),
            {"$duration": [999_999_999, 0, 0]},
        ),
        (
            "decimal-one",
            "1.0 has the coefficient 10 and the exponent -1.",
            decimal(0, -1, b"\x0a"),
            {"$decimal": "1.0"},
        ),
        ("decimal-one-longer", "1.00 is another decimal than 1.0.", decimal(0, -2, b"\x64"), {"$decimal": "1.00"}),
        (
            "decimal-minus-zero",
            "A zero coefficient is the empty string and may have either sign.",
            decimal(1, 0, b""),
            {"$decimal": "-0"},
        ),
        (
            "uuid",
            "The sixteen bytes of a UUID in their order, whatever its version.",
            b"\x0f" + bytes(range(16)),
            {"$uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"},
        ),
    ]


def _lists(depth: int) -> object:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _bad() -> list[tuple[str, str, bytes]]:
    date, midnight = b"\x0b", clock(0, 0, 0, 0)
    return [
        ("empty", "No bytes are no value.", b""),
        ("unknown-tag", "The first tag behind the last of the table.", b"\x10"),
        ("unknown-tag-ff", "No tag has the high bit set.", b"\xff"),
        ("trailing-byte", "A payload is exactly one value, and here a byte is left over.", NULL + NULL),
        ("int-overlong", "The varint of 0 in two bytes is not minimal (section 1).", b"\x03\x80\x00"),
        ("int-too-large", "A varint of ten bytes above 2^64 - 1 (section 1).", b"\x03" + b"\xff" * 9 + b"\x02"),
        ("int-eleven-bytes", "A varint of eleven bytes (section 1).", b"\x03" + b"\x80" * 10 + b"\x01"),
        ("int-cut-off", "The last byte of the varint still says that another follows.", b"\x03\x80"),
        (
            "bigint-of-64-bits",
            "2^63 - 1 fits tag 03, so tag 04 is a second encoding of it.",
            big(b"\x7f" + b"\xff" * 7),
        ),
        (
            "bigint-of-64-bits-negative",
            "-2^63 fits tag 03, so tag 04 is a second encoding of it.",
            big(bytes([128, *bytes(7)]), 1),
        ),
        ("bigint-leading-zero", "A magnitude has no leading zero byte.", big(bytes([0, 255, *bytes(7)]))),
        ("bigint-zero", "Zero is an integer of tag 03, and not an empty magnitude.", big(b"")),
        ("bigint-sign", "A sign is 0 or 1.", big(b"\xff" * 9, 2)),
        ("bigint-too-long", "A magnitude of 8193 bytes is one more than may be (section 15).", big(b"\x01" * 8193)),
        ("float-nan-payload", "A NaN with other bits than the one that has an encoding.", number("7ff8000000000001")),
        ("float-nan-negative", "The canonical NaN with its sign set.", number("fff8000000000000")),
        ("float-nan-signalling", "A signalling NaN.", number("7ff0000000000001")),
        ("float-cut-off", "Seven bytes of a float.", b"\x05" + bytes(7)),
        ("text-not-utf8", "ff is in no UTF-8 text.", b"\x06" + lengthed(b"\xff")),
        ("text-surrogate", "Half of a surrogate pair is not UTF-8.", b"\x06" + lengthed(bytes.fromhex("eda080"))),
        ("text-overlong-utf8", "The slash in two bytes is not UTF-8.", b"\x06" + lengthed(bytes.fromhex("c0af"))),
        ("text-above-unicode", "U+110000 is not UTF-8.", b"\x06" + lengthed(bytes.fromhex("f4908080"))),
        ("text-overlong-length", "The length of a text is a varint and so minimal (section 1).", b"\x06\x81\x00a"),
        ("text-cut-off", "A text that is shorter than its length says.", b"\x06\x02a"),
        ("bytes-huge-length", "A length of 2^63 bytes that are not there.", b"\x07" + encode_varint(2**63)),
        ("list-cut-off", "A list of two values that has one.", b"\x08\x02\x00"),
        ("list-huge-count", "A list of 2^64 - 1 values that are not there.", b"\x08" + encode_varint(2**64 - 1)),
        ("map-keys-descend", "The keys of a map ascend, and here b comes before a.", b"\x09\x02\x01b\x00\x01a\x00"),
        (
            "map-key-twice",
            "The keys of a map ascend strictly, and here a is there twice.",
            b"\x09\x02\x01a\x00\x01a\x00",
        ),
        (
            "map-order-of-utf16",
            "U+10000 before U+FFFF is the order of UTF-16, and not that of the UTF-8 bytes.",
            b"\x09\x02" + lengthed("\U00010000".encode()) + NULL + lengthed("\uffff".encode()) + NULL,
        ),
        ("map-key-not-utf8", "A key is text, and so UTF-8.", b"\x09\x01\x01\xff\x00"),
        ("map-without-value", "A key without its value.", b"\x09\x01\x01a"),
        ("nesting-129", "A list inside 128 others is one too many, although it is empty.", nested(128, b"\x08\x00")),
        ("nesting-129-map", "An empty map inside 128 lists is one too many.", nested(128, b"\x09\x00")),
        (
            "nesting-endless",
            "Ten thousand lists inside one another; a decoder must not run out of stack.",
            nested(10_000, NULL),
        ),
        ("date-year-zero", "Years begin with 1.", date + day(0, 1, 1)),
        ("date-year-10000", "Years end with 9999.", date + day(10_000, 1, 1)),
        ("date-month-zero", "Months begin with 1.", date + day(2026, 0, 1)),
        ("date-month-13", "Months end with 12.", date + day(2026, 13, 1)),
        ("date-day-zero", "Days begin with 1.", date + day(2026, 1, 0)),
        ("date-april-31", "April has no day 31.", date + day(2026, 4, 31)),
        ("date-no-leap-day", "1900 is not a leap year.", date + day(1900, 2, 29)),
        ("time-hour-24", "Hours end with 23.", b"\x0c" + clock(24, 0, 0, 0)),
        ("time-minute-60", "Minutes end with 59.", b"\x0c" + clock(0, 60, 0, 0)),
        ("time-second-60", "Seconds end with 59: there is no leap second.", b"\x0c" + clock(23, 59, 60, 0)),
        ("time-microsecond", "A million microseconds of a time are a second.", b"\x0c" + clock(0, 0, 0, 1_000_000)),
        (
            "datetime-offset-24h",
            "An offset of 24 hours is not strictly below 24 hours.",
            b"\x0a" + day(2026, 1, 2) + midnight + zigzag(DAY_US),
        ),
        (
            "datetime-offset-minus-24h",
            "An offset of -24 hours is not strictly above -24 hours.",
            b"\x0a" + day(2026, 1, 2) + midnight + zigzag(-DAY_US),
        ),
        ("datetime-without-offset", "A datetime has an offset.", b"\x0a" + day(2026, 1, 2) + midnight),
        ("duration-days", "A billion days are one too many.", duration(1_000_000_000, 0, 0)),
        ("duration-seconds", "86400 seconds are a day.", duration(0, 86_400, 0)),
        ("duration-microseconds", "A million microseconds of a duration are a second.", duration(0, 0, 1_000_000)),
        ("decimal-sign", "The sign of a decimal is 0 or 1.", decimal(2, 0, b"\x01")),
        ("decimal-leading-zero", "A coefficient has no leading zero byte.", decimal(0, 0, b"\x00\x01")),
        ("decimal-zero-with-a-byte", "Zero is the empty coefficient, and not a zero byte.", decimal(0, 0, b"\x00")),
        ("uuid-short", "Fifteen bytes of a UUID.", b"\x0f" + bytes(15)),
        ("uuid-long", "Seventeen bytes behind the tag of a UUID.", b"\x0f" + bytes(17)),
    ]


def cases() -> list[Case]:
    """All cases."""
    largest = struct.pack(">B", 1) * 8192
    return [
        *(
            accept(f"value-{name}", f"{says} Section 2.", bytes=data.hex(), json=value)
            for name, says, data, value in _good()
        ),
        accept(
            "value-bigint-longest",
            "A magnitude of 8192 bytes is as long as may be. Sections 2 and 15.",
            bytes=big(largest).hex(),
        ),
        *(
            reject(f"value-{name}", f"{says} Section 2.", "invalid_encoding", bytes=data.hex())
            for name, says, data in _bad()
        ),
    ]
