"""The regenerable files: the plain reader makes every one of them again from the log, and finds what the store finds."""

from __future__ import annotations

import random
import shutil
import struct
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Coordinate, Draft, Store
from handmade import Writer, axes
from plain_reader import Told, ToldIndex, ToldRun, read_journal, verify
from plain_reader.blake3 import blake3
from plain_reader.codec import DecodeError, encode_varint
from plain_reader.frame import crc32c, read_entry
from plain_reader.indexes import BLOCK, cache_file, index_content, run_content
from plain_reader.told import decode_told, newest_indexes, runs_in_use
from support import KIND, contents, run_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TENANTS = ("acme", "", "日本", "z" * 40)
CLOSED_UNINDEXED = 1 << 20


def append(store: Store, number: int, payload: object = None) -> None:
    """Some events have a correlation id or a declared key, some have none."""
    metadata = {"tenant": TENANTS[number % 4]} if number % 3 else {}
    if number % 7 == 0:
        metadata["region"] = f"r{number % 5}"
    store.append(
        Coordinate(f"e:{number % 5}", f"scope {number % 2}"),
        {"n": number} if payload is None else payload,
        kind=0x2000 + number % 3,
        correlation_id=bytes([number % 6]) * 16 if number % 4 else None,
        metadata=metadata,
    )


def fill(path: Path, keys: list[str], count: int = 60, segment_bytes: int = 4096) -> None:
    with Store.open(path, segment_bytes=segment_bytes, index_metadata=keys) as store:
        for number in range(count):
            append(store, number)


def assert_all_is_told_of(path: Path) -> tuple[dict[int, ToldIndex], list[ToldRun]]:
    """Nothing is found; each index file is told of, and the runs in use cover all sealed segments without a gap."""
    journal = read_journal(path)
    assert journal.findings == []
    verdict = batpak.verify(path)
    assert verdict.ok
    assert verdict.axes.indexes == "passed"
    indexes = {index.first_sequence: index for index in newest_indexes(journal.told)}
    runs = runs_in_use(journal.told)
    there = {str(file.relative_to(path)) for file in [*path.glob("segments/*.idx"), *path.glob("heads/*")]}
    assert there == {index.file for index in indexes.values()} | {run.file for run in runs}
    firsts = [int(file.stem) for file in sorted(path.glob("segments/*.log"))]
    assert {*firsts[:-1]} <= {*indexes} <= {*firsts}
    for first, end in pairwise(firsts):
        assert indexes[first].count == end - first
    assert [firsts[-1], *(run.first for run in runs)] == [*(run.end for run in runs), 0]
    return indexes, runs


# -- what the store writes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [[], ["tenant"], ["tenant", "region", "nobody has it"]], ids=len)
def test_declared_keys_and_reopenings(path: Path, keys: list[str]) -> None:
    for _ in range(3):
        fill(path, keys)
        indexes, _ = assert_all_is_told_of(path)
        assert len(indexes) > 2
        assert {tuple(index.declared_keys) for index in indexes.values()} == {tuple(sorted(keys))}
    steering = [sequence for index in indexes.values() for sequence in index.steering]
    assert steering == [0]
    assert len([index for index in indexes.values() if index.last_opened is not None]) == 2


def test_other_keys_at_each_opening(path: Path) -> None:
    for keys in ([], ["tenant"], ["region"], ["region", "tenant"]):
        fill(path, keys, 30)
        indexes, _ = assert_all_is_told_of(path)
        assert {tuple(index.declared_keys) for index in indexes.values()} == {tuple(keys)}


def test_keys_and_recoveries_are_steering_events(path: Path, key: batpak.SigningKey) -> None:
    fill(path, [])
    with max(path.glob("segments/*.log")).open("ab") as file:
        file.write(b"torn")
    with Store.open(path, segment_bytes=4096, signing_key=key, adopt_key=True) as store:
        assert store.open_report.path_taken == "recovered"
        for number in range(60):
            append(store, number)
    indexes, _ = assert_all_is_told_of(path)
    kinds = {event.sequence: event.kind for event in read_journal(path).events}
    assert sorted(kinds[at] for index in indexes.values() for at in index.steering) == [0x0001, 0x0003, 0x0006]


def test_many_openings_with_few_events(path: Path) -> None:
    for number in range(25):
        with Store.open(path, segment_bytes=4096, index_metadata=["tenant"]) as store:
            append(store, number)
    indexes, _ = assert_all_is_told_of(path)
    assert len(indexes) > 1


def test_a_batch_larger_than_a_segment(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store:
        for entity in ("a", "b"):
            store.append_batch([Draft(Coordinate(entity, "s"), bytes(80), kind=KIND) for _ in range(200)])
    indexes, runs = assert_all_is_told_of(path)
    assert max(index.count for index in indexes.values()) == 200
    assert runs[0].end == 201


def test_a_partial_index_at_a_clean_close(path: Path) -> None:
    def big(count: int) -> None:
        with Store.open(path, index_metadata=["tenant"], segment_bytes=2_000_000) as store:
            draft = Draft(Coordinate("e", "s"), bytes(800), kind=KIND, metadata={"tenant": "t"})
            store.append_batch([draft] * count)

    big(100)
    assert read_journal(path).told == []
    big(1400)
    indexes, runs = assert_all_is_told_of(path)
    assert [(index.first_sequence, index.count, index.steering, index.last_opened) for index in indexes.values()] == [
        (0, 1502, [0], 101)
    ]
    assert runs == []
    log, index = min(path.glob("segments/*.log")), min(path.glob("segments/*.idx"))
    assert indexes[0].end == log.stat().st_size > CLOSED_UNINDEXED
    assert indexes[0].file_bytes == index.stat().st_size > BLOCK  # more than one block
    data = index.read_bytes()
    for at in (0, BLOCK - 1, BLOCK, len(data) - 105, len(data) - 1):
        index.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        assert not batpak.verify(path).ok
    assert [(finding.axis, finding.offset) for finding in verify(path)] == [("indexes", len(data) - 1)]
    index.write_bytes(data)
    big(1)  # what follows does not belong to it
    assert assert_all_is_told_of(path)[0] == indexes
    assert index.read_bytes() == data
    big(600)  # and now the segment is sealed
    whole, runs = assert_all_is_told_of(path)
    assert whole[0].count == 1505
    assert whole[0].last_opened == 1504
    assert [run.end for run in runs] == [1505]
    assert index.read_bytes() != data


def test_killed_while_it_indexes(path: Path) -> None:
    code = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], segment_bytes=4096, index_metadata=["tenant"])
for number in range(int(sys.argv[2])):
    store.append(batpak.Coordinate(f"e:{number % 3}", "s"), {"n": number}, kind=0xF001, metadata={"tenant": "t"})
os._exit(9)
"""
    told = []
    for count in (30, 55, 80, 105):
        assert run_child(code, path, count).returncode == 9
        journal = read_journal(path)
        assert journal.findings == []
        assert batpak.verify(path).ok
        told.append(len(journal.told))
    assert told == sorted(told)
    fill(path, ["tenant"], 1)
    assert_all_is_told_of(path)


# -- files that are away, and files that are others --------------------------------------------------------------------


def test_deleted_files_are_no_finding_and_come_back_to_the_byte(path: Path) -> None:
    fill(path, ["tenant"])
    files = {name: data for name, data in contents(path).items() if name.endswith((".idx", ".run"))}
    assert len(files) > 3
    for name, data in files.items():
        (path / name).unlink()
        assert verify(path) == []
        assert batpak.verify(path).ok
        (path / name).write_bytes(data)
    for name in files:
        (path / name).unlink()
    (path / "heads").rmdir()
    assert verify(path) == []
    assert batpak.verify(path).ok
    with Store.open(path, segment_bytes=4096, index_metadata=["tenant"]) as store:
        assert store.open_report.indexes_rebuilt > 0
    assert_all_is_told_of(path)
    assert {name: (path / name).read_bytes() for name in files} == files


def test_changed_files_are_found_by_both_at_the_same_place(path: Path) -> None:
    fill(path, ["tenant", "region"])
    chance = random.Random(5)
    originals = {name: data for name, data in contents(path).items() if name.endswith((".idx", ".run"))}
    for name, data in originals.items():
        at = chance.randrange(len(data))
        flipped = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        for changed, where in ((flipped, at), (data[:-1], len(data) - 1), (data + b"\0", len(data)), (b"", 0)):
            (path / name).write_bytes(changed)
            verdict = batpak.verify(path)
            assert verdict.axes.indexes == "failed"
            assert {finding.code for finding in verdict.findings} == {"index_mismatch"}
            found = [(finding.axis, finding.file, finding.offset) for finding in verify(path)]
            assert found == [("indexes", name, where)]
        (path / name).write_bytes(data)
    assert_all_is_told_of(path)


def test_the_files_of_another_journal(path: Path, tmp_path: Path) -> None:
    for each in (path, tmp_path / "other"):
        fill(each, [])
    for folder in ("segments/*.idx", "heads/*"):
        for file in (tmp_path / "other").glob(folder):
            if (path / file.relative_to(tmp_path / "other")).exists():
                shutil.copy(file, path / file.relative_to(tmp_path / "other"))
    assert {finding.axis for finding in verify(path)} == {"indexes"}
    assert batpak.verify(path).axes.indexes == "failed"


def test_files_that_nothing_tells_of_are_passed_over(path: Path) -> None:
    fill(path, [])
    last = max(path.glob("segments/*.log"))
    (path / "segments" / f"{last.stem}.idx").write_bytes(b"no index")
    (path / "heads" / f"{0:020}-{3:020}.run").write_bytes(b"no run")
    assert verify(path) == []
    assert batpak.verify(path).ok


# -- what checkpoints tells --------------------------------------------------------------------------------------------


def entries(path: Path) -> Iterator[bytes]:
    data, at = (path / "checkpoints").read_bytes(), 32
    while at < len(data):
        body = read_entry(data, at, data[12:28])
        yield body
        at += 8 + len(body)


def write_entries(path: Path, bodies: list[bytes]) -> None:
    """All of them, every checksum right."""
    data = (path / "checkpoints").read_bytes()
    out = data[:32]
    for body in bodies:
        crc = crc32c(data[12:28] + struct.pack("<QI", len(out), len(body)) + body)
        out += struct.pack("<II", len(body), crc) + body
    (path / "checkpoints").write_bytes(out)


def told_body(told: Told) -> bytes:
    if isinstance(told, ToldRun):
        return b"\x03" + b"".join(map(encode_varint, (told.first, told.end, told.file_bytes))) + told.digest
    numbers = (told.first_sequence, told.count, told.end, told.file_bytes)
    out = b"\x02" + b"".join(map(encode_varint, numbers)) + told.digest
    keys = [key.encode() for key in told.declared_keys]
    out += encode_varint(len(keys)) + b"".join(encode_varint(len(key)) + key for key in keys)
    out += encode_varint(len(told.steering)) + b"".join(map(encode_varint, told.steering))
    return out + (b"\x00" if told.last_opened is None else b"\x01" + encode_varint(told.last_opened))


INDEX = ToldIndex(7, 300, 5, 4000, 700, b"\x11" * 32, ["a", "é"], [300, 302], 303)
RUN = ToldRun(7, 0, 300, 160, b"\x22" * 32)
TOLD_INDEX = "02ac0205a01fbc05" + "11" * 32 + "02016102c3a9" + "02ac02ae02" + "01af02"
TOLD_RUN = "0300ac02a001" + "22" * 32


@pytest.mark.parametrize(("told", "expected"), [(INDEX, TOLD_INDEX), (RUN, TOLD_RUN)])
def test_what_is_told_of_a_file_is_these_bytes(told: Told, expected: str) -> None:
    body = bytes.fromhex(expected)
    assert told_body(told) == body
    assert decode_told(body, 7) == told
    for wrong in (body + b"\x00", b"\x04" + body[1:], *(body[:at] for at in range(len(body)))):
        with pytest.raises(DecodeError):
            decode_told(wrong, 7)


@pytest.mark.parametrize(
    ("whole", "old", "new"),
    [
        (TOLD_INDEX, "0205a01f", "028500a01f"),  # an overlong varint
        (TOLD_INDEX, "0205a01f", "028080808010a01f"),  # a count of 2^32
        (TOLD_INDEX, "016102c3a9", "016102c328"),  # a key that is not UTF-8
        (TOLD_INDEX, "02016102c3a9", "21" + "0161" * 33),  # more keys than there may be
        (TOLD_INDEX, "01af02", "02af02"),
        (TOLD_RUN, "00ac02", "8000ac02"),
    ],
)
def test_what_is_told_but_is_not_canonical(path: Path, whole: str, old: str, new: str) -> None:
    assert whole.count(old) == 1
    body = bytes.fromhex(whole.replace(old, new))
    with pytest.raises(DecodeError):
        decode_told(body, 0)
    fill(path, [], 2)
    write_entries(path, [*entries(path), body])
    assert "content" in axes(path)
    assert not batpak.verify(path).ok


INDEX_CHANGES: dict[str, Callable[[ToldIndex], ToldIndex]] = {
    "digest": lambda index: replace(index, digest=bytes(32)),
    "end": lambda index: replace(index, end=index.end - 1),
    "bytes": lambda index: replace(index, file_bytes=index.file_bytes + 1),
    "fewer events": lambda index: replace(index, count=index.count - 1),
    "fewer keys": lambda index: replace(index, declared_keys=index.declared_keys[:1]),
    "another key": lambda index: replace(index, declared_keys=["region", "tenanT"]),
    "keys in another order": lambda index: replace(index, declared_keys=index.declared_keys[::-1]),
    "no steering events": lambda index: replace(index, steering=[]),
    "more steering events": lambda index: replace(index, steering=[0, 1]),
    "steering events of another segment": lambda index: replace(index, steering=[0, 100]),
    "an opened event": lambda index: replace(index, last_opened=1),
}


@pytest.mark.parametrize("change", INDEX_CHANGES.values(), ids=INDEX_CHANGES)
def test_an_index_that_is_told_of_wrongly(path: Path, change: Callable[[ToldIndex], ToldIndex]) -> None:
    fill(path, ["region", "tenant"])
    index = newest_indexes(read_journal(path).told)[0]
    assert told_body(index) in entries(path)
    write_entries(path, [*entries(path), told_body(change(index))])
    assert axes(path) == {"indexes"}
    verdict = batpak.verify(path)
    assert (verdict.outcome, verdict.axes.indexes) == ("invalid", "failed")
    write_entries(path, [*entries(path), told_body(index)])  # the newest entry is the one that counts
    assert_all_is_told_of(path)


@pytest.mark.parametrize("first", [1, 10_000])
def test_an_index_of_no_segment_is_found(path: Path, first: int) -> None:
    fill(path, [])
    write_entries(path, [*entries(path), told_body(ToldIndex(0, first, 5, 4000, 700, bytes(32), [], [], None))])
    assert axes(path) == {"indexes"}


@pytest.mark.parametrize("more", [-10_000, 1, 10_000])
def test_an_index_of_events_that_are_not_in_the_segment_is_found(path: Path, more: int) -> None:
    fill(path, [])
    index = newest_indexes(read_journal(path).told)[0]
    write_entries(path, [*entries(path), told_body(replace(index, count=max(0, index.count + more)))])
    assert axes(path) == {"indexes"}


def test_runs_that_are_told_of_wrongly(path: Path) -> None:
    fill(path, [])
    before = list(entries(path))
    run = runs_in_use(read_journal(path).told)[0]
    for wrong in (replace(run, digest=bytes(32)), replace(run, file_bytes=run.file_bytes + 24)):
        write_entries(path, [*before, told_body(wrong)])
        assert axes(path) == {"indexes"}
        assert batpak.verify(path).axes.indexes == "failed"
        write_entries(path, [*before, told_body(wrong), told_body(run)])
        assert axes(path) == set()
        assert batpak.verify(path).ok
    for first, end in ((0, 5), (0, 10_000), (run.end, run.end + 1), (5, 5), (7, 3)):
        write_entries(path, [*before, told_body(ToldRun(0, first, end, 88, bytes(32)))])
        assert axes(path) == {"indexes"}


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ([], []),
        ([(0, 20)], [(0, 20)]),
        ([(0, 20), (20, 40), (0, 40), (40, 60)], [(40, 60), (0, 40)]),
        ([(0, 20), (20, 40), (40, 60), (20, 60)], [(20, 60), (0, 20)]),
        ([(20, 40), (0, 20), (40, 60)], [(40, 60), (20, 40), (0, 20)]),
        ([(0, 60), (0, 20), (20, 40)], [(20, 40), (0, 20)]),  # all of them made again, as far as they came
        ([(0, 20), (40, 60)], [(40, 60)]),
        ([(0, 5), (5, 5)], [(5, 5)]),
    ],
)
def test_which_runs_are_in_use(path: Path, told: list[tuple[int, int]], used: list[tuple[int, int]]) -> None:
    runs: list[Told] = [ToldRun(at, first, end, 0, b"") for at, (first, end) in enumerate(told)]
    assert [(run.first, run.end) for run in runs_in_use(runs)] == used


# -- the files themselves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_cache_file(size: int) -> None:
    content = bytes(at % 251 for at in range(size))
    file, digest = cache_file(content, b"j" * 16)
    blocks = [blake3(content[:BLOCK]), blake3(content[BLOCK:])][: (size > 0) + (size > BLOCK)]
    end = b"".join(blocks) + b"batpakX1" + b"j" * 16 + b"\x01\x00" + size.to_bytes(6, "little")
    assert file == content + end
    assert digest == blake3(end)


def test_an_index_and_a_run_written_out(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j")
    writer.frame([(entity, 0x1001, b"\x00") for entity in ("b", "a", "b")])
    events = read_journal(writer.path).events
    u32 = struct.Struct("<I").pack

    def numbers(*values: int) -> bytes:
        return b"".join(map(u32, values))

    def bitmap(*which: int) -> bytes:
        return b"\x01" + sum(1 << each for each in which).to_bytes(8, "little")

    fields = [
        ("entity", numbers(1, 2, 8), [b"a", b"b", b"batpak"], [bitmap(2), bitmap(1, 3), bitmap(0)]),
        ("scope", numbers(6), [b"batpak"], [bitmap(0, 1, 2, 3)]),
        ("kind", numbers(2, 4), [b"\x00\x01", b"\x10\x01"], [bitmap(0), bitmap(1, 2, 3)]),
        ("correlation_id", b"", [], []),
        ("causation_id", numbers(16), [b"\x09" * 16], [bitmap(0, 1, 2, 3)]),
        ("idempotency_key", b"", [], []),
        ("metadata:k", numbers(1), [b"v"], [bitmap(0, 1, 2, 3)]),
        ("metadata:none", b"", [], []),
    ]
    expected = struct.pack("<QQII", 0, len(writer.segment), 4, 8)
    for name, _, terms, lists in fields:
        expected += numbers(len(name), len(terms), len(b"".join(terms)), 9 * len(lists))
    expected += "".join(name for name, *_ in fields).encode()
    for event in events:
        expected += numbers(event.offset, event.length)
    assert [writer.segment[e.offset : e.offset + e.length].count(e.payload_commitment) for e in events] == [1] * 4
    expected += b"".join(event.event_id.bytes for event in events) + b"".join(event.event_hash for event in events)
    for _, ends, terms, lists in fields:
        expected += ends + numbers(*(9 * (at + 1) for at in range(len(lists)))) + b"".join(terms) + b"".join(lists)
    assert index_content(events, ["k", "none"]) == expected
    heads = sorted((blake3(name)[:16], at) for name, at in ((b"batpak", 0), (b"a", 2), (b"b", 3)))
    assert run_content(events) == b"".join(name + struct.pack("<Q", at) for name, at in heads)


def test_short_lists_and_bitmaps_of_many_words(path: Path) -> None:
    """Of 96 events three are a list of numbers, and four make a bitmap of two words."""
    with Store.open(path, segment_bytes=4096) as store:
        names = ["three"] * 3 + ["four"] * 4 + ["rest"] * 89
        store.append_batch([Draft(Coordinate(name, "s"), None, kind=KIND) for name in names])
        append(store, 0)
    indexes, _ = assert_all_is_told_of(path)
    assert indexes[1].count == 96
    data = (path / indexes[1].file).read_bytes()
    assert b"\x00" + struct.pack("<3I", 0, 1, 2) in data
    assert b"\x01" + struct.pack("<2Q", 0b1111000, 0) in data
    assert b"\x01" + struct.pack("<2Q", (1 << 64) - (1 << 7), (1 << 32) - 1) in data


def test_a_handmade_journal_with_told_files(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j")
    writer.frame([(f"e:{number % 3}", 0x1001, b"\x00") for number in range(10)])
    writer.head(1)
    writer.begin_segment()
    writer.frame([("e:1", 0x1001, b"\x00")])
    writer.sync()
    events = read_journal(writer.path).events[:11]
    journal_id = events[0].journal_id
    (writer.path / "heads").mkdir()
    index_file, index_digest = cache_file(index_content(events, ["k"]), journal_id)
    run_file, run_digest = cache_file(run_content(events), journal_id)
    end = events[-1].offset + events[-1].length
    index = ToldIndex(0, 0, 11, end, len(index_file), index_digest, ["k"], [0], None)
    run = ToldRun(0, 0, 11, len(run_file), run_digest)
    write_entries(writer.path, [*entries(writer.path), told_body(index), told_body(run)])
    assert verify(writer.path) == []
    (writer.path / index.file).write_bytes(index_file)
    (writer.path / run.file).write_bytes(run_file)
    assert verify(writer.path) == []
    assert read_journal(writer.path).told[0].offset == len(writer.heads)
    assert [body[:1] for body in entries(writer.path)][-2:] == [b"\x02", b"\x03"]
    (writer.path / run.file).write_bytes(index_file)
    assert axes(writer.path) == {"indexes"}
