"""A long history is gone through by several threads at once, and the answer is the one that a single thread gives."""

from __future__ import annotations

import itertools
import math
import random
import sys
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Kind, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = Kind(0xF, 1)
PART = 32_768
"""Sequences that a thread takes at once; what lies behind so many is found by another one."""
COUNT = 3 * PART
FLOATS = random.Random(5)


def numbers(sequence: int) -> dict[str, Any]:
    x = FLOATS.choice([sequence, FLOATS.uniform(-1, 1) * 10.0 ** FLOATS.randrange(-40, 40)])
    return {"n": sequence, "x": x, "name": f"{sequence * 7919 % COUNT:07}", "rare": 1} if sequence % 5 else {"x": -x}


def fill(path: Path, payloads: list[dict[str, Any]]) -> None:
    with Store.open(path, durability="manual", segment_bytes=2**22, allow_nonfinite=True) as store:
        for begin in range(0, len(payloads), 1000):
            batch = itertools.islice(enumerate(payloads), begin, begin + 1000)
            store.append_batch([(Coordinate(f"e:{at % 11}", f"s:{at // PART}"), each) for at, each in batch], kind=KIND)


@pytest.fixture(scope="module")
def payloads() -> list[dict[str, Any]]:
    return [numbers(sequence) for sequence in range(COUNT)]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, Any]]) -> Path:
    path = tmp_path_factory.mktemp("threads") / "journal"
    fill(path, payloads)
    return path


@pytest.fixture
def store(journal: Path) -> Iterator[Store]:
    with Store.open(journal, read_only=True) as store:
        yield store


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 64])
def test_the_answer_is_that_of_a_plain_loop(store: Store, payloads: list[dict[str, Any]], threads: int | None) -> None:
    assert store.aggregate("count", threads=threads) == COUNT
    assert store.aggregate("count", "n", threads=threads) == sum("n" in each for each in payloads)
    assert store.aggregate("sum", "x", threads=threads) == float(sum(Fraction(each["x"]) for each in payloads))
    for measure, python in (("min", min), ("max", max)):
        for field in ("x", "name"):
            expected = python(each[field] for each in payloads if field in each)
            assert store.aggregate(measure, field, threads=threads) == expected
    found = [event.sequence for event in store.query() if "n" in event.payload]
    first, last = (store.aggregate(measure, "n", threads=threads) for measure in ("first", "last"))
    assert (first.sequence, last.sequence) == (found[0], found[-1])


@pytest.mark.parametrize("by", ["entity", "scope", "payload.rare", ["scope", "payload.n"]])
def test_groups_come_in_the_order_of_their_first_events(store: Store, by: Any) -> None:
    one = store.aggregate("sum", "x", by=by, threads=1)
    for threads in (2, 3):
        assert list(store.aggregate("sum", "x", by=by, threads=threads).items()) == list(one.items())
    spans = store.aggregate("last", every=timedelta(milliseconds=20), threads=3)
    assert list(spans.items()) == list(store.aggregate("last", every=timedelta(milliseconds=20), threads=1).items())


@pytest.mark.parametrize("limit", [1, PART + 5, COUNT + 5])
def test_a_limit_counts_through_all_parts(store: Store, limit: int) -> None:
    assert store.aggregate("count", limit=limit, threads=4) == min(limit, COUNT)
    assert store.aggregate("count", entity="e:3", limit=limit, threads=4) == min(limit, COUNT // 11 + 1)
    between = {"after": PART - 2, "until": 2 * PART}
    rare = sum("n" in event.payload for event in store.query(**between))
    assert store.aggregate("sum", "rare", threads=4, **between) == rare


def test_what_cannot_be_compared_is_named_by_its_first_event(tmp_path: Path) -> None:
    fill(tmp_path / "journal", [{"n": at if at < PART + 700 else str(at)} for at in range(PART + 900)])
    fill(tmp_path / "exact", [{"n": at if at <= PART else str(at)} for at in range(PART + 900)])
    for path, changed in ((tmp_path / "journal", PART + 700), (tmp_path / "exact", PART + 1)):
        with Store.open(path, read_only=True) as store:
            first = next(event.sequence for event in store.query() if event.payload["n"] == str(changed))
            said = set()
            for threads in (1, 2, 3):
                with pytest.raises(batpak.InvalidInput, match=f"event {first} ") as caught:
                    store.aggregate("max", "n", threads=threads)
                said.add(str(caught.value))
                with pytest.raises(batpak.InvalidInput, match=f"event {first} is a text"):
                    store.aggregate("sum", "n", threads=threads)
            assert len(said) == 1


MAX = sys.float_info.max


@pytest.mark.parametrize(
    ("extreme", "expected"),
    [
        ([1e308, 1e308, -1e308], 1e308),
        ([1e308, 1e308, -1e308, -1e308], 0.0),
        ([1e308, -1e308, 5e-324], 5e-324),
        ([2.0**960, 1e-300, -(2.0**959), -(2.0**959)], 1e-300),
        ([MAX, 2.0**970], math.inf),
        ([MAX, 2.0**970, -(2.0**917)], MAX),
        ([MAX, 2.0**969, 5e-324], MAX),
        ([2.0**1023, 2.0**970, 5e-324], 2.0**1023 + 2.0**971),
        ([2.0**1023, 2.0**970, -5e-324], 2.0**1023),
        ([-MAX, -MAX, MAX, -1e308], -math.inf),
        ([math.inf, -1e308, -1e308], math.inf),
        ([1e308, 1e308, -math.inf], -math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
        ([2**63 - 1, 0.5, -(2**63)], -0.5),
    ],
)
def test_sums_at_the_end_of_the_range_are_exact(tmp_path: Path, extreme: list[float], expected: float) -> None:
    values: list[Any] = ["no field"] * (PART + 8_000)
    for at, value in zip(range(PART - 1_500, len(values), 1_000), extreme, strict=False):
        values[at] = value
    fill(tmp_path / "journal", [{} if value == "no field" else {"x": value} for value in values])
    with Store.open(tmp_path / "journal", read_only=True) as store:
        answers = {repr(store.aggregate("sum", "x", threads=threads)) for threads in (1, 2, 3)}
    assert answers == {repr(float(expected))}


def test_a_changed_byte_in_the_part_of_another_thread_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "journal", [{"n": at} for at in range(PART + 900)])
    with Store.open(tmp_path / "journal", read_only=True) as store:
        victim = PART + 800
        event = store.get(victim)
        for log in (tmp_path / "journal" / "segments").glob("*.log"):
            data = log.read_bytes()
            at = data.find(event.event_id.bytes)
            if at >= 0:
                log.write_bytes(data[: at + 9] + bytes([data[at + 9] ^ 1]) + data[at + 10 :])
        for threads in (1, 2, 4):
            with pytest.raises(batpak.JournalDamaged) as caught:
                store.aggregate("count", threads=threads)
            assert caught.value.sequence == victim


@pytest.mark.parametrize(("threads", "error"), [(0, ValueError), (65, ValueError), (-1, ValueError), ("2", TypeError)])
def test_numbers_of_threads_that_there_are_not(store: Store, threads: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="threads"):
        store.aggregate("count", threads=threads)
