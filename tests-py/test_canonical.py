"""One encoding for each value: bytes that are none are refused, and both decoders agree on which these are."""

from __future__ import annotations

from datetime import time, timedelta, timezone
from decimal import localcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import batpak
from batpak import _json
from plain_reader import DecodeError, decode_value, to_tagged_json
from support import decode, encode, same

if TYPE_CHECKING:
    from collections.abc import Iterator


# -- bytes that are no value ------------------------------------------------------------------------------------------

NOT_CANONICAL = {
    "empty": "",
    "unknown tag": "10",
    "high tag": "ff",
    "left over": "0000",
    "overlong varint": "038000",
    "varint of 11 bytes": "03ffffffffffffffffffff01",
    "varint beyond 64 bits": "03ffffffffffffffffff02",
    "small number as a big one": "0400" + "01" + "05",
    "2^63 - 1 as a big one": "0400" + "08" + "7fffffffffffffff",
    "-2^63 as a big one": "0401" + "08" + "8000000000000000",
    "leading zero": "0400" + "0a" + "00ff" + "ff" * 8,
    "sign": "0402" + "09" + "ff" * 9,
    "zero as a big one": "0400" + "00",
    "short float": "0500000000",
    "another NaN": "05010000000000f87f",
    "negative NaN": "05000000000000f8ff",
    "signalling NaN": "05010000000000f07f",
    "not UTF-8": "0601ff",
    "surrogate": "0603eda080",
    "overlong UTF-8": "0602c080",
    "text too short": "060561",
    "text of 2^63 bytes": "06ffffffffffffffffff01",
    "list too short": "0802" + "00",
    "list of 2^60": "08" + "ffffffffffffffff7f",
    "map of 2^60": "09" + "ffffffffffffffff7f",
    "keys not sorted": "0902" + "016200" + "016100",
    "key twice": "0902" + "016100" + "016100",
    "key is no text": "0901" + "00",
    "map without value": "0901" + "0161",
    "month 13": "0b" + "ea0f" + "0d" + "01",
    "30 February": "0b" + "ea0f" + "02" + "1e",
    "29 February 2026": "0b" + "ea0f" + "02" + "1d",
    "year 0": "0b" + "00" + "01" + "01",
    "year 10000": "0b" + "904e" + "01" + "01",
    "hour 24": "0c" + "18000000",
    "second 60": "0c" + "00003c00",
    "a million microseconds": "0c" + "000000" + "c0843d",
    "offset of 24 h": "0a" + "ea0f0101" + "00000000" + "8080bbdd8305",
    "86400 seconds": "0d" + "00" + "80a305" + "00",
    "a billion days": "0d" + "80a8d6b907" + "00" + "00",
    "decimal sign": "0e02" + "00" + "00",
    "decimal leading zero": "0e00" + "00" + "0100",
    "short uuid": "0f" + "00" * 15,
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_not_canonical(name: str) -> None:
    data = bytes.fromhex(NOT_CANONICAL[name])
    with pytest.raises(batpak.InvalidEncoding) as caught:
        decode(data)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(data)
    with pytest.raises(DecodeError):
        decode_value(data)


@pytest.mark.parametrize("exponent", [10**18, 2**62, 2**63 - 1, -(2**63), -2 * 10**18])
@pytest.mark.parametrize("coefficient", ["00", "0101", "02ffff"])
def test_exponents_beyond_any_decimal(exponent: int, coefficient: str) -> None:
    """They have an encoding and no Python value: a typed error, and never a NaN, whatever the context traps."""
    zigzag = exponent << 1 if exponent >= 0 else (-exponent << 1) - 1
    varint = bytearray()
    while zigzag >= 0x80:
        varint.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    data = b"\x0e\x00" + varint + bytes([zigzag]) + bytes.fromhex(coefficient)
    for trapped in (True, False):
        with localcontext() as context:
            context.traps = dict.fromkeys(context.traps, trapped)
            with pytest.raises(batpak.BatpakError):
                decode(data)


# -- properties -------------------------------------------------------------------------------------------------------

OFFSETS = st.timedeltas(timedelta(hours=-24, microseconds=1), timedelta(hours=24, microseconds=-1)).map(timezone)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(), st.binary(), st.datetimes(timezones=OFFSETS), st.dates(), st.times(), st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False), st.uuids(),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def without_fold(value: object) -> bool:
    return not any(isinstance(each, time) and each.fold for each in leaves(value))


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


@given(VALUES.filter(without_fold))
def test_identity(value: object) -> None:
    encoded = encode(value)
    back, plain = decode(encoded), decode_value(encoded)
    assert same(back, value)
    assert same(plain, value)
    assert encode(back) == encoded
    assert _json.dumps(back) == _json.dumps(plain)
    assert same(_json.loads(to_tagged_json(plain)), value)


@given(VALUES.filter(without_fold), VALUES.filter(without_fold))
def test_one_encoding_for_each_value(left: object, right: object) -> None:
    assert (encode(left) == encode(right)) == same(left, right)


@given(st.binary(max_size=60))
@example(bytes.fromhex("0e00") + b"\xfe" * 9 + b"\x01\x00")
def test_random_bytes(data: bytes) -> None:
    """Both decoders agree on what is a value; what is one has these bytes as its only encoding."""
    try:
        value = decode(data)
    except batpak.InvalidEncoding:
        with pytest.raises(DecodeError):
            decode_value(data)
    else:
        assert same(value, decode_value(data))
        assert encode(value, allow_nonfinite=True) == data


@given(VALUES.filter(without_fold), st.data())
def test_every_changed_byte_is_another_value_or_none(value: object, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        back = decode(bytes(encoded))
    except batpak.InvalidEncoding:
        with pytest.raises(DecodeError):
            decode_value(bytes(encoded))
    else:
        assert not same(back, value)
        assert encode(back, allow_nonfinite=True) == encoded
        assert same(back, decode_value(bytes(encoded)))
