"""The plain reader's integers, values and tagged JSON, on known answers."""

import datetime
import math
from decimal import Decimal
from uuid import UUID

import pytest

from plain_reader import DecodeError, decode_value, to_tagged_json
from plain_reader.codec import Reader, encode_varint


def test_varint() -> None:
    for number in (0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1):
        reader = Reader(encode_varint(number))
        assert reader.varint() == number
        reader.done()


@pytest.mark.parametrize("encoded", ["8000", "808000", "ff00", "", "80", "ffffffffffffffffff02", "ff" * 10 + "01"])
def test_varint_that_is_overlong_too_large_or_cut(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(encoded)).varint()


def test_zigzag() -> None:
    numbers = [Reader(encode_varint(n)).zigzag() for n in (0, 1, 2, 3, 2**64 - 2, 2**64 - 1)]
    assert numbers == [0, -1, 1, -2, 2**63 - 1, -(2**63)]


CET = datetime.timezone(datetime.timedelta(hours=1))
VALUES = [
    ("00", None, "null"),
    ("01", False, "false"),
    ("02", True, "true"),
    ("0303", -2, "-2"),
    ("03feffffffffffffff1f", 2**60 - 1, '{"$int": "1152921504606846975"}'),
    ("0400088000000000000000", 2**63, '{"$int": "9223372036854775808"}'),
    ("0401088000000000000001", -(2**63) - 1, '{"$int": "-9223372036854775809"}'),
    ("05000000000000f03f", 1.0, "1.0"),
    ("050000000000000080", -0.0, "-0.0"),
    ("05000000000000f0ff", -math.inf, '{"$float": "-inf"}'),
    ("0602c3a9", "é", '"é"'),
    ("070200ff", b"\x00\xff", '{"$bytes": "00ff"}'),
    ("08020001", [None, False], "[null, false]"),
    ("090201610001620302", {"a": None, "b": 1}, '{"a": null, "b": 1}'),
    ("0901022478" + "00", {"$x": None}, '{"$map": [["$x", null]]}'),
    (
        "0aea0f0102" + "03040506" + "80909de91a",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6, CET),
        '{"$datetime": "2026-01-02T03:04:05.000006+01:00"}',
    ),
    ("0be80f021d", datetime.date(2024, 2, 29), '{"$date": "2024-02-29"}'),
    ("0c03040500", datetime.time(3, 4, 5), '{"$time": "03:04:05"}'),
    ("0d01010f", datetime.timedelta(-1, 1, 15), '{"$duration": [-1, 1, 15]}'),
    ("0e00030164", Decimal("1.00"), '{"$decimal": "1.00"}'),
    ("0e010000", Decimal("-0"), '{"$decimal": "-0"}'),
    ("0f" + "01" * 16, UUID(bytes=b"\x01" * 16), '{"$uuid": "01010101-0101-0101-0101-010101010101"}'),
]


@pytest.mark.parametrize(("encoded", "value", "tagged"), VALUES)
def test_values_and_their_tagged_json(encoded: str, value: object, tagged: str) -> None:
    decoded = decode_value(bytes.fromhex(encoded))
    assert type(decoded) is type(value)
    assert repr(decoded) == repr(value)  # repr tells -0.0 from 0.0 and 1.0 from 1.00
    assert to_tagged_json(decoded) == tagged
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded + "00"))
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded)[:-1])


def test_the_one_nan_and_a_very_long_integer() -> None:
    nan = decode_value(bytes.fromhex("05000000000000f87f"))
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert to_tagged_json(nan) == '{"$float": "nan"}'
    long = b"\x04\x00" + encode_varint(8192) + b"\xff" * 8192
    assert decode_value(long) == 256**8192 - 1
    assert len(to_tagged_json(decode_value(long))) == len('{"$int": ""}') + 19729
    assert isinstance(decode_value(b"\x0e\x00\x00" + encode_varint(8192) + b"\xff" * 8192), Decimal)
    with pytest.raises(DecodeError):
        decode_value(b"\x04\x00" + encode_varint(8193) + b"\xff" * 8193)


REJECTED = [
    "",
    "10",
    "ff",
    "038000",
    "040001ff",  # fits 64 bits
    "0401088000000000000000",  # -2^63 fits too
    "04000900" + "80" + "00" * 7,
    "040208" + "ff" * 8,
    "05010000000000f87f",
    "05000000000000f8ff",
    "0601ff",
    "0603eda080",  # a surrogate
    "0902016200016100",
    "0902016100016100",
    "09010000ff",
    "0aea0f0102" + "03040506" + "ffffbadd8305",  # -24 h
    "0a" + "ea0f0102" + "03040506" + "8080bbdd8305",  # +24 h
    "0be70f021d",
    "0b00" + "0101",
    "0b904e" + "0101",
    "0be80f000101",
    "0c180000" + "00",
    "0c003c00" + "00",
    "0c00003c" + "00",
    "0c000000" + "c0843d",
    "0d00" + "80a305" + "00",
    "0d0000" + "c0843d",
    "0d80a8d6b907" + "0000",
    "0e020000",
    "0e00000100",
    "0e00" + "feffffffffffffffff01" + "0101",
    "0f" + "00" * 15,
]


@pytest.mark.parametrize("encoded", REJECTED)
def test_values_that_are_not_canonical(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_value(bytes.fromhex(encoded))


def test_nesting() -> None:
    assert decode_value(b"\x08\x01" * 128 + b"\x00") is not None
    with pytest.raises(DecodeError):
        decode_value(b"\x08\x01" * 129 + b"\x00")
    with pytest.raises(DecodeError):
        decode_value(b"\x08\x01" * 100_000)
