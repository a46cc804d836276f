"""The value rules, to the letter: what has exactly one encoding comes back as it was, all else is refused with its path."""

from __future__ import annotations

import collections
import enum
import math
import struct
import threading
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

import batpak
from plain_reader import decode_value
from support import COORD, KIND, contents, decode, encode, same

if TYPE_CHECKING:
    from pathlib import Path


# -- what is refused --------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    x: int


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Raw(bytes):
    pass


class Table(dict[str, int]):
    pass


class Row(list[int]):
    pass


class Moment(datetime):
    pass


class Scalar:
    """Looks like a scalar of numpy."""

    dtype = "float64"

    def tolist(self) -> float:
        return 1.0


class Float64(float):
    """``numpy.float64`` is a subclass of float too."""

    dtype = "float64"

    def tolist(self) -> float:
        return 1.0


NAIVE = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - it is to be refused

# The value, the path of the culprit below the payload, and a word of the advice.
REFUSALS: list[tuple[object, str, str]] = [
    ((1, 2), "", "list"),
    ({"a": [1, (2,)]}, ".a[1]", "list"),
    ({"a": Pair(1)}, ".a", "list"),
    ({"a": {1, 2}}, ".a", "list"),
    ([frozenset()], "[0]", "list"),
    ({"a": {"b": {"c": Colour.RED}}}, ".a.b.c", ".value"),
    ([1, 2, Level.LOW], "[2]", ".value"),
    ({"x": Name.A}, ".x", ".value"),
    ({"x": Scalar()}, ".x", ".tolist()"),
    ({"x": Float64(1)}, ".x", ".tolist()"),
    (Text("a"), "", "subclass"),
    ([Whole(1)], "[0]", "subclass"),
    ([Real(1)], "[0]", "subclass"),
    ([Raw(b"1")], "[0]", "subclass"),
    ({"t": Table(a=1)}, ".t", "dict"),
    ({"t": collections.OrderedDict(a=1)}, ".t", "dict"),
    ({"t": collections.defaultdict(int)}, ".t", "dict"),
    ([Row([1])], "[0]", "list"),
    ([collections.deque([1])], "[0]", "list"),
    ([range(3)], "[0]", "list"),
    ([(number for number in range(3))], "[0]", "list"),
    ([Moment(2026, 1, 1, tzinfo=UTC)], "[0]", "exact"),
    ([bytearray(b"x")], "[0]", ""),
    ([memoryview(b"x")], "[0]", ""),
    ([1j], "[0]", "exact"),
    ([object()], "[0]", "exact"),
    ([int], "[0]", "exact"),
    ([len], "[0]", "exact"),
    ([...], "[0]", "exact"),
    ({"a": {1: 2}}, ".a", "str"),
    ({"a": {None: 2}}, ".a", "str"),
    ({"a": {True: 2}}, ".a", "str"),
    ({"a": {b"k": 2}}, ".a", "str"),
    ({"a": {("x",): 2}}, ".a", "str"),
    ({"a": {Text("k"): 2}}, ".a", "str"),
    ({"a": {Name.A: 2}}, ".a", "str"),
    ([math.nan], "[0]", "finite"),
    ({"x": math.inf}, ".x", "finite"),
    ({"x": [-math.inf]}, ".x[0]", "finite"),
    ({"when": NAIVE}, ".when", "time zone"),
    ({"when": time(1, 2, tzinfo=UTC)}, ".when", "time zone"),
    ({"when": time(1, 2, fold=1)}, ".when", "fold"),
    ({"d": Decimal("NaN")}, ".d", "finite"),
    ({"d": Decimal("sNaN123")}, ".d", "finite"),
    ({"d": [Decimal("-Infinity")]}, ".d[0]", "finite"),
    ({"t": "\ud800"}, ".t", "surrogate"),
    ({"t": ["ok", "a\udfffb"]}, ".t[1]", "surrogate"),
    ({"a": {"\udc80": 1}}, ".a", "surrogate"),
]


@pytest.mark.parametrize(("value", "path", "advice"), REFUSALS)
def test_refusals(value: object, path: str, advice: str) -> None:
    with pytest.raises(batpak.InvalidValue) as caught:
        encode(value)
    assert caught.value.path == f"payload{path}"
    assert advice in str(caught.value)
    assert str(caught.value).startswith(f"payload{path}: ")


def test_a_store_refuses_them_too_and_writes_nothing(store: batpak.Store, path: Path) -> None:
    store.sync()
    before = contents(path)
    for value, _, _ in REFUSALS:
        for payload in (value, [value], {"x": value}):
            with pytest.raises(batpak.BatpakError) as caught:
                store.append(COORD, payload, kind=KIND)
            assert isinstance(caught.value, batpak.InvalidValue | batpak.UnregisteredType)
        with pytest.raises(batpak.InvalidValue) as refused:
            store.append(COORD, {}, kind=KIND, private_metadata={"x": value})
        assert refused.value.path is not None
        assert refused.value.path.startswith("private_metadata.x")
    assert contents(path) == before


@pytest.mark.parametrize("key", ["a b", "", "1", "é", "\x1b[2J", "\u202e", "a.b", "a'b", "\n"])
def test_paths_are_printable(key: str) -> None:
    with pytest.raises(batpak.InvalidValue) as caught:
        encode({key: [(1,)]})
    assert caught.value.path is not None
    assert caught.value.path.startswith("payload")
    assert caught.value.path.endswith("[0]")
    assert str(caught.value).isprintable()


def nested(levels: int, *, lists: bool) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


@pytest.mark.parametrize("lists", [True, False])
def test_nesting(lists: bool) -> None:
    deepest = nested(128, lists=lists)
    assert decode(encode(deepest)) == deepest == decode_value(encode(deepest))
    for levels in (129, 1000, 100_000):
        too_deep = nested(levels, lists=lists)
        with pytest.raises(batpak.LimitExceeded) as caught:
            encode(too_deep)
        assert caught.value.limit == 128
        while isinstance(too_deep, list | dict) and too_deep:  # or dropping it would recurse as deep
            too_deep = too_deep.pop() if isinstance(too_deep, list) else too_deep.pop("a")
    inner = encode(nested(128, lists=lists))
    with pytest.raises(batpak.InvalidEncoding):
        decode((b"\x08\x01" if lists else b"\x09\x01\x01a") + inner)


def test_cycles() -> None:
    row: list[object] = [1]
    row.append(row)
    table: dict[str, object] = {}
    table["self"] = [table]
    for cyclic in (row, table):
        with pytest.raises(batpak.LimitExceeded):
            encode(cyclic)


class Meddling(tzinfo):
    """Changes its container while it is walked."""

    def __init__(self, meddle: Any) -> None:
        self.meddle = meddle

    def utcoffset(self, _when: datetime | None) -> timedelta:
        self.meddle()
        return timedelta(0)

    def tzname(self, _when: datetime | None) -> str:
        return "?"

    def dst(self, _when: datetime | None) -> None:
        return None


def test_containers_that_change_meanwhile() -> None:
    def around(meddle: Any) -> datetime:
        return datetime(2026, 1, 1, tzinfo=Meddling(meddle))

    shrinking: list[object] = []
    shrinking += [around(shrinking.clear), 1, 2]
    with pytest.raises(batpak.InvalidValue):
        encode(shrinking)
    growing: list[object] = []
    growing += [around(lambda: growing.append(1)), 1]
    table: dict[str, object] = {}
    table |= {"a": around(table.clear), "b": 1}
    for changing in (growing, table):
        try:
            encoded = encode(changing)
        except batpak.InvalidValue:
            continue
        assert encode(decode(encoded)) == encoded


def test_a_time_zone_that_raises_or_lies() -> None:
    def fail() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        encode([datetime(2026, 1, 1, tzinfo=Meddling(fail))])


# -- what is kept -----------------------------------------------------------------------------------------------------

KOLKATA = timezone(timedelta(hours=5, minutes=30))
SECONDS = timezone(-timedelta(hours=1, seconds=1, microseconds=1))
KEPT: list[object] = [
    None, True, False, 0, 1, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**400, -(10**400),
    256**8192 - 1, -(256**8192 - 1),
    0.0, -0.0, 1.0, 5e-324, -5e-324, 1.7976931348623157e308, 0.1,
    "", "a\0b", "\U0010ffff", "é", "e\u0301", "\u202e", b"", bytes(range(256)), [], {}, [[], {}], {"": {"": []}},
    datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=SECONDS),
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=KOLKATA), datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=-1))),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=24) - timedelta(microseconds=1))),
    datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=24) + timedelta(microseconds=1))),
    date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29), time(0, 0), time(23, 59, 59, 999_999),
    timedelta.min, timedelta.max, timedelta.resolution, -timedelta.resolution, timedelta(0),
    Decimal(0), Decimal("-0"), Decimal("0.00"), Decimal("-0E+7"), Decimal("1.0"), Decimal("1.00"), Decimal("1E+2"),
    Decimal(100), Decimal("1E-999999"), Decimal("1E+999999"), Decimal("-123.456"), Decimal("9" * 19_000),
    Decimal("1E+999999999999999999"), Decimal("9E-999999999999999999"), Decimal((1, (0, 0, 1), -2)),
    uuid.UUID(int=0), uuid.UUID(int=2**128 - 1),
]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    KEPT,
    ids=lambda value: f"{type(value).__name__}-{str(value)[:30]!a}" if type(value) is not int else hex(value)[:20],
)
def test_kept(value: object) -> None:
    encoded = encode(value)
    for back in (decode(encoded), decode_value(encoded)):
        assert same(back, value)
    assert encode(decode(encoded)) == encoded


def test_equal_numbers_that_differ() -> None:
    differ = [
        1,
        1.0,
        True,
        Decimal(1),
        Decimal("1.0"),
        Decimal("1.00"),
        "1",
        b"1",
        [1],
        0,
        0.0,
        -0.0,
        Decimal("-0"),
        False,
        None,
    ]
    assert len({encode(value) for value in differ}) == len(differ)


def test_dict_order() -> None:
    keys = ["b", "a", "", "\uffff", "\U00010000", "Z", "aa", "é"]
    by_bytes = sorted(keys, key=lambda key: key.encode())
    assert by_bytes != sorted(keys, key=lambda key: key.encode("utf-16-be"))
    forward, backward = dict.fromkeys(keys), dict.fromkeys(reversed(keys))
    assert encode(forward) == encode(backward)
    assert list(decode(encode(forward))) == by_bytes == list(decode_value(encode(forward)))  # type: ignore[arg-type]


def test_nonfinite_when_asked_for(tmp_path: Path) -> None:
    odd_nan = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]
    for value in (math.inf, -math.inf, math.nan, -math.nan, odd_nan):
        encoded = encode(value, allow_nonfinite=True)
        assert same(abs(decode(encoded)), abs(decode_value(encoded)))  # type: ignore[arg-type]
        if math.isnan(value):
            assert encoded == bytes.fromhex("05000000000000f87f")
        else:
            assert decode(encoded) == value
    with pytest.raises(batpak.InvalidValue):
        encode(Decimal("NaN"), allow_nonfinite=True)
    with batpak.Store.open(tmp_path, allow_nonfinite=True) as store:
        receipt = store.append(COORD, [math.nan], kind=KIND, private_metadata={"x": math.inf})
        assert math.isnan(store.get(receipt.sequence).payload[0])
        assert store.verify().ok


def test_zone_names_are_dropped_and_offsets_kept() -> None:
    zone = ZoneInfo("Europe/Berlin") if _has_zones() else timezone(timedelta(hours=2), "CEST")
    for fold in (0, 1):
        moment = datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold)
        back = decode(encode(moment))
        assert back.utcoffset() == moment.utcoffset()
        assert back.replace(tzinfo=None) == moment.replace(tzinfo=None, fold=0)
        assert type(back.tzinfo) is timezone


def _has_zones() -> bool:
    try:
        ZoneInfo("Europe/Berlin")
    except LookupError:
        return False
    return True


def test_digits_beyond_pythons_limit() -> None:
    for digits in (4_301, 10_000, 19_728):
        for sign in (0, 1):
            value = Decimal((sign, (9,) * digits if digits < 19_728 else (1,) + (0,) * 19_727, -5))
            assert same(decode(encode(value)), value)
        assert decode(encode(10**digits - 1)) == 10**digits - 1 or digits == 19_728


@pytest.mark.parametrize(
    "value",
    [
        256**8192,
        -(256**8192),
        10**20_000,
        Decimal("9" * 20_000),
        Decimal("-" + "9" * 100_000),
        Decimal((0, (9,) * 19_729, 0)),
    ],
    ids=["int", "negative", "20k digits", "decimal", "100k digits", "one too many"],
)
def test_too_large_numbers(value: object) -> None:
    with pytest.raises(batpak.InvalidInput) as caught:
        encode({"n": value})
    assert isinstance(caught.value, batpak.LimitExceeded | batpak.InvalidValue)


def test_the_users_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        context.Emax = 5
        context.Emin = -5
        context.traps = dict.fromkeys(context.traps, False)
        for value in (Decimal("123456.789"), Decimal("1E+1000"), Decimal("-0E-1000")):
            assert same(decode(encode(value)), value)


def test_keys_of_maps_come_back_however_many_there_are_and_whoever_decodes() -> None:
    keys = [f"{'k' * (number % 50)}{number:x}\u00e9"[: number % 60] + str(number) for number in range(4_000)]
    maps: list[Any] = [
        {key: index for index, key in enumerate(keys[begin : begin + 40])} for begin in range(0, 4_000, 40)
    ]
    encoded = [encode(each) for each in maps]
    wrong: list[object] = []

    def read() -> None:
        for _ in range(3):
            for value, data in zip(maps, encoded, strict=True):
                if decode(data) != value:
                    wrong.append(value)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
