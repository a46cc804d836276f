"""Tagged JSON: every value comes back as it was, everything else is refused with its path."""

import contextlib
import json
import math
import struct
import sys
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, localcontext
from enum import IntEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batpak._errors import InvalidValue, LimitExceeded
from batpak._json import dumps, from_tagged, loads, to_tagged

SAFE = 2**53 - 1
BIGGEST = 2 ** (8 * 8192) - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = TEXT | st.builds("${}".format, TEXT) | st.sampled_from(["$int", "$map", "$bytes", "$"])
OFFSETS = st.timedeltas(timedelta(hours=-24, microseconds=1), timedelta(hours=24, microseconds=-1)).map(timezone)
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(SAFE - 2, SAFE + 2),
    st.integers(-SAFE - 2, -SAFE + 2),
    st.floats(),
    TEXT,
    st.binary(max_size=5),
    st.datetimes(timezones=OFFSETS | st.just(UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.builds(
        Decimal, st.tuples(st.integers(0, 1), st.lists(st.integers(0, 9)).map(tuple), st.integers(-(10**9), 10**9))
    ),
    st.uuids(),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def same(left: Any, right: Any) -> bool:  # noqa: PLR0911
    """Equal to the last bit, types included."""
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) is dict:
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    if type(left) is float:
        return struct.pack("<d", left) == struct.pack("<d", right) or (math.isnan(left) and math.isnan(right))
    if type(left) is Decimal:
        return bool(left.as_tuple() == right.as_tuple())
    if type(left) is datetime:
        return left.isoformat() == str(right.isoformat())
    return bool(left == right)


def hex_size(number: int) -> str:
    """Name a number by its size: Python does not print long ones."""
    return f"{number.bit_length()} bits"


# -- there and back --------------------------------------------------------------------------------------------------


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_every_value_comes_back_as_it_was(value: object, indent: int | None) -> None:
    assert same(from_tagged(to_tagged(value)), value)
    text = dumps(value, indent=indent)
    assert same(loads(text), value)
    assert same(json.loads(text), to_tagged(value))


@given(VALUES)
def test_each_value_has_one_text(value: object) -> None:
    assert dumps(loads(dumps(value))) == dumps(value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)


@given(JSON_VALUES)
def test_any_json_is_read_exactly_or_refused(obj: object) -> None:
    try:
        value = from_tagged(obj)
    except InvalidValue:
        return
    assert same(from_tagged(to_tagged(value)), value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidValue):
        loads(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_for_a_terminal_holds_no_control_character(text: str) -> None:
    written = dumps({text: text})
    assert loads(written) == {text: text}
    for character in written:
        assert unicodedata.category(character) not in ("Cc", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "PDF",
            "LRO",
            "RLO",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x200E, 0x200F, 0x202E, 0x2066])
def test_unsafe_characters_are_escaped(code: int) -> None:
    text = dumps(chr(code))
    assert text.isascii()
    assert text.isprintable()
    assert loads(text) == chr(code)


def test_other_characters_stay_as_they_are() -> None:
    assert dumps("Zoë 日本 🦇 \xa0") == '"Zoë 日本 🦇 \xa0"'


FORMS: list[tuple[object, str]] = [
    (None, "null"),
    (True, "true"),
    (1, "1"),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (1e22, "1e+22"),
    (5e-324, "5e-324"),
    (math.nan, '{"$float": "nan"}'),
    (-math.nan, '{"$float": "nan"}'),
    (math.inf, '{"$float": "inf"}'),
    (-math.inf, '{"$float": "-inf"}'),
    (SAFE, "9007199254740991"),
    (-SAFE, "-9007199254740991"),
    (SAFE + 1, '{"$int": "9007199254740992"}'),
    (-SAFE - 1, '{"$int": "-9007199254740992"}'),
    ("a", '"a"'),
    (b"", '{"$bytes": ""}'),
    (b"\x00\xff", '{"$bytes": "00ff"}'),
    ([], "[]"),
    ({}, "{}"),
    ([1, {"a": None}], '[1, {"a": null}]'),
    ({"b": 1, "a": 2}, '{"b": 1, "a": 2}'),
    ({"$x": 1}, '{"$map": [["$x", 1]]}'),
    ({"a": 1, "$": 2.0}, '{"$map": [["a", 1], ["$", 2.0]]}'),
    ({"$map": []}, '{"$map": [["$map", []]]}'),
    (
        datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1))),
        '{"$datetime": "2026-01-02T03:04:05.000006+01:00"}',
    ),
    (datetime(1, 1, 1, tzinfo=UTC), '{"$datetime": "0001-01-01T00:00:00+00:00"}'),
    (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), '{"$datetime": "9999-12-31T23:59:59.999999+00:00"}'),
    (datetime(2026, 1, 2, tzinfo=timezone(-timedelta(seconds=1))), '{"$datetime": "2026-01-02T00:00:00-00:00:01"}'),
    (
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, seconds=7, microseconds=8))),
        '{"$datetime": "2026-01-02T00:00:00+05:00:07.000008"}',
    ),
    (
        datetime(2026, 1, 2, tzinfo=timezone(-timedelta(microseconds=1))),
        '{"$datetime": "2026-01-02T00:00:00-00:00:00.000001"}',
    ),
    (date(2026, 1, 2), '{"$date": "2026-01-02"}'),
    (time(3, 4, 5), '{"$time": "03:04:05"}'),
    (time(3, 4, 5, 60), '{"$time": "03:04:05.000060"}'),
    (timedelta(-1, 2, 3), '{"$duration": [-1, 2, 3]}'),
    (timedelta.min, '{"$duration": [-999999999, 0, 0]}'),
    (timedelta.max, '{"$duration": [999999999, 86399, 999999]}'),
    (Decimal("1.00"), '{"$decimal": "1.00"}'),
    (Decimal("-0"), '{"$decimal": "-0"}'),
    (Decimal("0E+3"), '{"$decimal": "0E+3"}'),
    (Decimal("1E-999999999"), '{"$decimal": "1E-999999999"}'),
    (UUID(int=0x018F << 112), '{"$uuid": "018f0000-0000-0000-0000-000000000000"}'),
]


@pytest.mark.parametrize(("value", "text"), FORMS, ids=[text for _, text in FORMS])
def test_the_form_of_each_type(value: object, text: str) -> None:
    assert dumps(value) == text
    assert same(loads(text), value)


def test_an_indented_text_has_lines() -> None:
    assert dumps({"a": [1]}, indent=1) == '{\n "a": [\n  1\n ]\n}'


def test_a_zone_becomes_its_offset() -> None:
    summer = datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    restored = loads(dumps(summer))
    assert isinstance(restored, datetime)
    assert restored.tzinfo == timezone(timedelta(hours=2))
    assert restored == summer


def test_the_decimal_context_changes_nothing() -> None:
    value = [Decimal("1E+5"), Decimal("1.234567890123456789")]
    with localcontext(Context(prec=2, capitals=0, traps=[])):
        assert dumps(value) == '[{"$decimal": "1E+5"}, {"$decimal": "1.234567890123456789"}]'
        assert same(loads(dumps(value)), value)
        with pytest.raises(InvalidValue):
            loads('{"$decimal": "1E+9999999999999999999"}')


@pytest.fixture
def shortest_digit_limit() -> Iterator[None]:
    """Set the shortest limit that a program may set on the conversion of integers."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield
    sys.set_int_max_str_digits(before)


@pytest.mark.usefixtures("shortest_digit_limit")
@pytest.mark.parametrize(
    "number", [10**499, 10**500, 10**500 - 1, 10**1000, 10**1000 + 7, -(10**1999), BIGGEST, -BIGGEST], ids=hex_size
)
def test_long_integers_do_not_meet_the_limit_of_python(number: int) -> None:
    tagged = to_tagged(number)
    assert isinstance(tagged, dict)
    assert from_tagged(tagged) == number
    assert loads(tagged["$int"]) == number


# -- what is read beyond what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("-0", 0),
        ("1E2", 100.0),
        ("0.1000000000000000055511151231257827", 0.1),
        ("1e-400", 0.0),
        ('{"$int": "5"}', 5),
        ('{"$map": [["a", 1]]}', {"a": 1}),
        ('{"$map": []}', {}),
        ('{"$datetime": "2026-01-02T03:04:05Z"}', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ('{"$datetime": "2026-01-02T03:04:05.25-00:00"}', datetime(2026, 1, 2, 3, 4, 5, 250000, UTC)),
        ('{"$time": "03:04:05.5"}', time(3, 4, 5, 500000)),
        ('{"$decimal": "1e5"}', Decimal("1E+5")),
        ('{"$decimal": "100E-2"}', Decimal("1.00")),
        (' {"a" : [ ] }\n', {"a": []}),
        ('"\\u0041\\ud83e\\udd87"', "A🦇"),
    ],
)
def test_what_can_mean_one_thing_only_is_read(text: str, value: object) -> None:
    assert same(loads(text), value)


# -- refusals --------------------------------------------------------------------------------------------------------


class Level(IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int


Text = type("Text", (str,), {})
Stamp = type("Stamp", (datetime,), {})


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ((1,), "payload", r"tuple .* call list\(\.\.\.\)"),
        ({"a": [{1}]}, "payload.a[0]", r"set .* call sorted\(\.\.\.\)"),
        ([frozenset()], "payload[0]", r"frozenset .* call sorted\(\.\.\.\)"),
        ({"a b": Level.LOW}, "payload['a b']", r"Level .* \.value"),
        (Text("a"), "payload", "Text .* exact types only, make it str"),
        (OrderedDict(), "payload", "OrderedDict .* exact types only, make it dict"),
        (Stamp(2026, 1, 2, tzinfo=UTC), "payload", "make it datetime"),
        (Point(1), "payload", "Point has no exact encoding"),
        (bytearray(b"a"), "payload", "bytearray has no exact encoding"),
        (1j, "payload", "complex has no exact encoding"),
        ({"a": {1: 2}}, "payload.a", "map keys are str, found int"),
        ({Text("a"): 2}, "payload", "map keys are str, found Text"),
        ([datetime(2026, 1, 2)], "payload[0]", "naive datetime"),  # noqa: DTZ001
        (time(1, tzinfo=UTC), "payload", "a time with a time zone"),
        (Decimal("NaN"), "payload", "not finite"),
        (Decimal("-Infinity"), "payload", "not finite"),
        (["\ud800"], "payload[0]", "lone surrogate"),
        ({"\udfff": 1}, "payload['\\udfff']", "lone surrogate"),
        ({"$x": [b"", (1,)]}, "payload['$x'][1]", "tuple"),
    ],
    ids=repr,
)
def test_what_has_no_exact_form_is_not_written(value: object, path: str, message: str) -> None:
    for write in (to_tagged, dumps):
        with pytest.raises(InvalidValue, match=message) as caught:
            write(value)
        assert caught.value.path == path


MALFORMED: dict[str, list[object]] = {
    "$int": ["", "-", "-0", "01", "+1", "1.0", " 1", "1_0", "\u0661", 1, None, ["1"]],
    "$float": ["", "1.5", "NaN", "+inf", "infinity", 1.5, None],
    "$bytes": ["0", "FF", "0g", " 00", "00 00", [], None],
    "$datetime": [
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05z",
        "20260102T030405Z",
        "2026-01-02T03:04Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "2026-02-29T03:04:05Z",
        "0000-01-02T03:04:05Z",
        "2026-01-02T03:04:05.1234567Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02T03:04:05+0100",
        "2026-W01-1T03:04:05Z",
        "2026-01-02T03:04:05Z\n",
        1,
    ],
    "$date": ["2026-13-01", "2026-02-30", "20260102", "2026-W01-1", "0000-01-01", "2026-1-2", "10000-01-01", None],
    "$time": ["24:00:00", "03:04", "3:04:05", "03:04:05Z", "03:04:05+00:00", "T03:04:05", "03:04:05.", None],
    "$duration": [
        *([], [1, 2], [1, 2, 3, 4], [0, 86400, 0], [0, 0, 1000000], [0, -1, 0], [10**9, 0, 0], [-(10**9), 0, 0]),
        *([1.0, 0, 0], [True, 0, 0], ["1", 0, 0], "1", None, [10**400, 0, 0], {"days": 1}),
    ],
    "$decimal": [
        "",
        "NaN",
        "sNaN",
        "Infinity",
        "1.",
        ".5",
        "+1",
        " 1",
        "1_0",
        "\u0661",
        "1E+9999999999999999999",
        1,
        1.5,
    ],
    "$uuid": ["018f", "018F0000-0000-0000-0000-000000000000", "{018f0000-0000-0000-0000-000000000000}", "0" * 32, 1],
    "$map": [{}, [1], [["a"]], [["a", 1, 2]], [[1, 2]], [["a", 1], ["a", 2]], "a", None, [{"a": 1}]],
}


@pytest.mark.parametrize(
    ("tag", "content"), [(tag, content) for tag, contents in MALFORMED.items() for content in contents]
)
def test_a_malformed_tag_is_refused(tag: str, content: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_tagged([{"a": {tag: content}}])
    assert caught.value.path == "payload[0].a"
    with pytest.raises(InvalidValue):
        loads(json.dumps({tag: content}))


@pytest.mark.parametrize(
    ("obj", "path", "message"),
    [
        ({"$unknown": 1}, "payload", "an unknown tag"),
        ({"$": 1}, "payload", "an unknown tag"),
        ({"$bytes": "00", "x": 1}, "payload", "an unknown tag"),
        ({"x": 1, "$bytes": "00"}, "payload", "an unknown tag"),
        ({"a": {"$int": "1", "$bytes": "00"}}, "payload.a", "an unknown tag"),
        ({"$map": [["a", [b""]]]}, "payload.a[0]", "bytes is not JSON"),
        ((1,), "payload", "tuple is not JSON"),
        ({"a": date(2026, 1, 2)}, "payload.a", "date is not JSON"),
        ([math.nan], "payload[0]", "are not JSON"),
        ({1: 2}, "payload", "map keys are str, found int"),
        ("\ud800", "payload", "lone surrogate"),
        ({"\ud800": 1}, "payload['\\ud800']", "lone surrogate"),
        (Text("a"), "payload", "Text is not JSON"),
    ],
    ids=repr,
)
def test_what_is_no_tagged_form_is_refused(obj: object, path: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as caught:
        from_tagged(obj)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("", "payload", "not JSON: .* line 1, column 1"),
        ("{", "payload", "not JSON"),
        ("[1,]", "payload", "not JSON"),
        ("[1] 2", "payload", "not JSON"),
        ("01", "payload", "not JSON"),
        ("'a'", "payload", "not JSON"),
        ('"\x01"', "payload", "not JSON"),
        ("\ufeff1", "payload", "not JSON"),
        ("[NaN]", "payload[0]", "are not JSON"),
        ('{"a": Infinity}', "payload.a", "are not JSON"),
        ("-Infinity", "payload", "are not JSON"),
        ('{"a": [1e400]}', "payload.a[0]", "numbers beyond float64"),
        ("-1e400", "payload", "numbers beyond float64"),
        ('{"a": 1, "a": 1}', "payload", "the key 'a' is there twice"),
        ('[{"b": {"a": 1, "c": 2, "\\u0061": 1}}]', "payload[0].b", "the key 'a' is there twice"),
        ('{"$int": "1", "$int": "1"}', "payload", "there twice"),
        ('{"$map": [["a", {"b": 1, "b": 2}]]}', "payload.a", "the key 'b' is there twice"),
        ('{"$bytes": {"b": 1, "b": 2}}', "payload", r"\$bytes"),
        ('"\\ud800"', "payload", "lone surrogate"),
    ],
)
def test_text_that_is_no_tagged_json_is_refused(text: str, path: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as caught:
        loads(text)
    assert caught.value.path == path


# -- limits ----------------------------------------------------------------------------------------------------------


def nested(levels: int, key: str | None) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if key is None else {key: value}
    return value


@pytest.mark.parametrize("key", [None, "a", "$a"])
def test_values_nest_to_the_limit_and_no_deeper(key: str | None) -> None:
    deepest, deeper = nested(128, key), nested(129, key)
    assert loads(dumps(deepest)) == deepest
    with pytest.raises(LimitExceeded) as caught:
        to_tagged(deeper)
    assert (caught.value.what, caught.value.limit) == ("nesting of values", 128)
    tagged = nested(1, key) if key != "$a" else to_tagged(nested(1, key))
    for _ in range(128):
        tagged = [tagged]
    with pytest.raises(LimitExceeded):
        from_tagged(tagged)
    with pytest.raises(LimitExceeded):
        loads(json.dumps(tagged))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_text_far_too_deep_is_refused(text: str) -> None:
    with pytest.raises(LimitExceeded):
        loads(text)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(LimitExceeded):
        dumps(value)


@pytest.mark.parametrize("number", [BIGGEST + 1, -BIGGEST - 1, 1 << 10**6], ids=hex_size)
def test_integers_beyond_the_limit_are_refused(number: int) -> None:
    for convert in (to_tagged, from_tagged):
        with pytest.raises(LimitExceeded) as caught:
            convert(number)
        assert (caught.value.what, caught.value.limit) == ("magnitude of a big integer", 8192)
        assert caught.value.actual == (number.bit_length() + 7) // 8


@pytest.mark.parametrize("digits", [19_729, 19_730, 10**7])
def test_texts_of_integers_beyond_the_limit_are_refused(digits: int) -> None:
    for text in ("9" * digits, f"-{'9' * digits}", f'{{"$int": "{"9" * digits}"}}'):
        with pytest.raises(LimitExceeded):
            loads(text)
