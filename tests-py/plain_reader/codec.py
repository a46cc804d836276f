"""Section 1 (conventions), section 2 (values) and section 14 (tagged JSON)."""

import json
import math
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

Value = (
    None
    | bool
    | int
    | float
    | str
    | bytes
    | list["Value"]
    | dict[str, "Value"]
    | datetime
    | date
    | time
    | timedelta
    | Decimal
    | UUID
)
T = TypeVar("T")

MAX_NESTING = 128
MAX_MAGNITUDE = 8192
MAX_EXACT_JSON_INTEGER = 2**53 - 1
CANONICAL_NAN = bytes.fromhex("000000000000f87f")


class DecodeError(ValueError):
    """The bytes are not the one encoding of anything."""


class Reader:
    """Reads the notations of section 1 from the front of some bytes."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise DecodeError(f"{count} bytes wanted, {len(self.data) - self.position} left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def fixed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        result = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift > 0:
                    raise DecodeError("varint is longer than needed")
                if result >= 1 << 64:
                    raise DecodeError("varint exceeds 2^64 - 1")
                return result
        raise DecodeError("varint is longer than 10 bytes")

    def zigzag(self) -> int:
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def byte_string(self) -> bytes:
        return self.take(self.varint())

    def text(self) -> str:
        try:
            return self.byte_string().decode("utf-8")
        except UnicodeDecodeError:
            raise DecodeError("text is not valid UTF-8") from None

    def option(self, read: Callable[[], T]) -> T | None:
        match self.u8():
            case 0:
                return None
            case 1:
                return read()
        raise DecodeError("option starts with neither 00 nor 01")

    def option_of(self, size: int) -> bytes | None:
        return self.option(lambda: self.take(size))

    def hashes(self) -> list[bytes]:
        return [self.take(32) for _ in range(self.varint())]

    def within(self, low: int, high: int, number: int, what: str) -> int:
        if not low <= number <= high:
            raise DecodeError(f"{what} is {number}, outside {low}..{high}")
        return number

    def done(self) -> None:
        if self.position != len(self.data):
            raise DecodeError(f"{len(self.data) - self.position} bytes left over")


def _magnitude(reader: Reader) -> int:
    encoded = reader.byte_string()
    if len(encoded) > MAX_MAGNITUDE:
        raise DecodeError("magnitude exceeds the limit")
    if encoded[:1] == b"\0":
        raise DecodeError("magnitude has a leading zero byte")
    return int.from_bytes(encoded, "big")


def _big_integer(reader: Reader) -> int:
    negative = reader.within(0, 1, reader.u8(), "sign")
    magnitude = _magnitude(reader)
    number = -magnitude if negative else magnitude
    if -(2**63) <= number < 2**63:
        raise DecodeError("a 64-bit integer has the tag of a big one")
    return number


def _float(reader: Reader) -> float:
    encoded = reader.take(8)
    number: float = struct.unpack("<d", encoded)[0]
    if math.isnan(number) and encoded != CANONICAL_NAN:
        raise DecodeError("NaN has other bits than the canonical one")
    return number


def _date(reader: Reader) -> date:
    year = reader.within(1, 9999, reader.varint(), "year")
    month = reader.within(1, 12, reader.u8(), "month")
    day = reader.u8()
    try:
        return date(year, month, day)
    except ValueError:
        raise DecodeError(f"month {month} of {year} has no day {day}") from None


def _time(reader: Reader) -> time:
    hour = reader.within(0, 23, reader.u8(), "hour")
    minute = reader.within(0, 59, reader.u8(), "minute")
    second = reader.within(0, 59, reader.u8(), "second")
    return time(hour, minute, second, reader.within(0, 999_999, reader.varint(), "microsecond"))


def _datetime(reader: Reader) -> datetime:
    day, moment = _date(reader), _time(reader)
    day_us = 86_400_000_000
    offset = reader.within(-day_us + 1, day_us - 1, reader.zigzag(), "offset")
    return datetime.combine(day, moment, timezone(timedelta(microseconds=offset)))


def _duration(reader: Reader) -> timedelta:
    days = reader.within(-999_999_999, 999_999_999, reader.zigzag(), "days")
    seconds = reader.within(0, 86_399, reader.varint(), "seconds")
    return timedelta(days, seconds, reader.within(0, 999_999, reader.varint(), "microseconds"))


def _decimal(reader: Reader) -> Decimal:
    sign = reader.within(0, 1, reader.u8(), "sign")
    exponent = reader.zigzag()
    digits = Decimal(_magnitude(reader)).as_tuple().digits  # not by way of str(), which refuses very long integers
    try:
        return Decimal((sign, digits, exponent))
    except ArithmeticError:
        raise DecodeError("exponent is outside what a decimal can hold") from None


def _list(reader: Reader, depth: int) -> list[Value]:
    return [read_value(reader, depth) for _ in range(reader.varint())]


def _map(reader: Reader, depth: int) -> dict[str, Value]:
    result: dict[str, Value] = {}
    last: bytes | None = None
    for _ in range(reader.varint()):
        key = reader.text()
        if last is not None and key.encode() <= last:
            raise DecodeError("map keys do not ascend")
        last = key.encode()
        result[key] = read_value(reader, depth)
    return result


def read_value(reader: Reader, depth: int = 0) -> Value:
    """One value; `depth` counts the lists and maps around it."""
    match reader.u8():
        case 0x00:
            return None
        case 0x01:
            return False
        case 0x02:
            return True
        case 0x03:
            return reader.zigzag()
        case 0x04:
            return _big_integer(reader)
        case 0x05:
            return _float(reader)
        case 0x06:
            return reader.text()
        case 0x07:
            return reader.byte_string()
        case 0x08 | 0x09 if depth >= MAX_NESTING:
            raise DecodeError("value is nested too deeply")
        case 0x08:
            return _list(reader, depth + 1)
        case 0x09:
            return _map(reader, depth + 1)
        case 0x0A:
            return _datetime(reader)
        case 0x0B:
            return _date(reader)
        case 0x0C:
            return _time(reader)
        case 0x0D:
            return _duration(reader)
        case 0x0E:
            return _decimal(reader)
        case 0x0F:
            return UUID(bytes=reader.take(16))
        case tag:
            raise DecodeError(f"unknown tag {tag:02x}")


def decode_value(data: bytes) -> Value:
    reader = Reader(data)
    value = read_value(reader)
    reader.done()
    return value


def encode_varint(number: int) -> bytes:
    """The one encoder that a verifier needs: the commitment covers the length of the private metadata."""
    result = bytearray()
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def to_tagged(value: Value) -> object:
    """The tagged form as the objects that `json.dumps` takes."""
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) <= MAX_EXACT_JSON_INTEGER:
                return value
            return {"$int": format(Decimal(value), "f")}
        case float():
            if math.isfinite(value):
                return value
            return {"$float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
        case bytes():
            return {"$bytes": value.hex()}
        case list():
            return [to_tagged(item) for item in value]
        case dict():
            if any(key.startswith("$") for key in value):
                return {"$map": [[key, to_tagged(item)] for key, item in value.items()]}
            return {key: to_tagged(item) for key, item in value.items()}
        case datetime():  # before date, of which it is a subclass
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case time():
            return {"$time": value.isoformat()}
        case timedelta():
            return {"$duration": [value.days, value.seconds, value.microseconds]}
        case Decimal():
            return {"$decimal": str(value)}
        case UUID():
            return {"$uuid": str(value)}


def to_tagged_json(value: Value) -> str:
    return json.dumps(to_tagged(value), ensure_ascii=False, allow_nan=False)
