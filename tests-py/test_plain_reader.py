"""The plain reader, written from FORMAT.md alone, over journals that the store wrote: both see the same, and find the same damage."""

from __future__ import annotations

import random
import shutil
import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import batpak
from batpak import Coordinate, Draft, Store
from plain_reader import read_journal
from plain_reader.frame import crc32c
from support import KIND, contents, log_of, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROMISES = ("manual", "interval", "always")


def fill(store: Store, rounds: int = 6) -> None:
    """A little of everything that a record can hold."""
    cause = store.append(Coordinate("first", "s"), None, kind=KIND)
    for number in range(rounds):
        coordinate = Coordinate(f"e:{number % 3}", f"scope {number % 2}")
        store.append(
            coordinate,
            {"n": number, "list": [number, 1.5, "é", b"\0", None, True], "big": 10**30, "d": {"$": -number}},
            kind=0x2000 + number,
            version=number,
            correlation_id=bytes([number] * 16),
            causation_id=cause.event_id,
            metadata={"b": "2", "a": "1"},
            private_metadata={"name": ["alice", number]},
            durability=PROMISES[number % 3],  # type: ignore[arg-type]
        )
        store.append(coordinate, bytes(number), kind=KIND)
        store.append_batch(
            [
                Draft(coordinate, {"in": "batch"}, kind=KIND),
                Draft(Coordinate("other", "s"), b"raw", kind=KIND, causation_id=0),
                (coordinate, number),
            ],
            kind=0x1001,
        )


def assert_same(path: Path) -> None:
    """Every field of every event is the same for both readers, and neither finds anything wrong."""
    plain = read_journal(path)
    assert plain.findings == []
    with Store.open(path, read_only=True) as store:
        assert (plain.name, UUID(bytes=plain.journal_id)) == (store.name, store.journal_id)
        events = list(store.query(system=True))
        assert len(events) == len(plain.events)
        for event, theirs in zip(events, plain.events, strict=True):
            expected: dict[str, Any] = {
                "header_version": 1,
                "journal_id": event.journal_id.bytes,
                "entity": event.entity,
                "scope": event.scope,
                "kind": event.kind.code,
                "payload_version": event.payload_version,
                "encoding": ("raw", "value").index(event.encoding),
                "correlation_id": event.correlation_id and event.correlation_id.bytes,
                "causation_id": event.causation_id and event.causation_id.bytes,
                "idempotency_key": None,
                "metadata": event.metadata,
                "payload_commitment": event.payload_commitment,
                "promise": PROMISES.index(event.promise),
                "sequence": event.sequence,
                "event_id": event.event_id,
                "clock": event.clock,
                "hlc_wall_us": event.hlc.wall_us,
                "hlc_counter": event.hlc.counter,
                "skew_us": event.skew_us,
                "prev_sequence": event.prev_sequence,
                "prev_hash": event.prev_hash,
                "event_hash": event.event_hash,
                "salt": event.salt,
                "private": event.private_metadata,
                "payload": event.raw_payload,
                "value": event.payload,
            }
            assert {name: getattr(theirs, name) for name in expected} == expected
        assert store.verify().ok
        # Beside a writer, a sync may have come between the two readers.
        assert read_journal(path).synced >= store.open_report.durable_events
    assert batpak.verify(path).ok


def test_unsigned(path: Path) -> None:
    with Store.open(path, name="plain.example") as store:
        fill(store)
    assert_same(path)


def test_signed(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path, signing_key=key) as store:
        fill(store, 3)
    assert_same(path)
    assert read_journal(path).keys == {key.key_id: key.public_key.to_bytes()}


def test_signed_from_some_time_on(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path) as store:
        fill(store, 1)
    for adopt_key in (True, False):
        with Store.open(path, signing_key=key, adopt_key=adopt_key) as store:
            fill(store, 1)
    assert_same(path)


def test_rotation_and_reopening(path: Path) -> None:
    for _ in range(4):
        with Store.open(path, segment_bytes=4096) as store:
            fill(store, 4)
    assert len(list((path / "segments").iterdir())) > 4
    assert_same(path)
    plain = read_journal(path)
    assert {head.reason for head in plain.heads} == {1, 2}
    assert plain.frontier is not None
    assert (plain.frontier.incarnation, plain.frontier.synced_through) == (4, len(plain.events))


def test_while_the_writer_runs(path: Path) -> None:
    with Store.open(path, segment_bytes=4096) as store:
        for _ in range(5):
            fill(store, 1)
            store.sync()  # the two look one after the other, and a sync between them is no difference
            assert_same(path)


def test_killed(path: Path) -> None:
    code = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], segment_bytes=4096)
for number in range(40):
    store.append(batpak.Coordinate(f"e:{number % 3}", "s"), {"n": number}, kind=0xF001)
os._exit(9)
"""
    assert run_child(code, path).returncode == 9
    assert_same(path)
    with log_of(path).open("ab") as file:
        file.write(b"torn")
    assert read_journal(path).tail_bytes >= 4
    with Store.open(path) as store:
        assert store.open_report.path_taken == "recovered"
    assert_same(path)


def test_a_payload_that_holds_frames_and_segments(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, 2)
        for _ in range(3):
            data = log_of(path).read_bytes().rstrip(b"\0")
            store.append(Coordinate("inside", "s"), data, kind=KIND)
            store.append(Coordinate("inside", "s"), data[64:], kind=KIND)
    assert_same(path)
    # Even when the log is damaged in front of them, they are not taken for frames.
    log = log_of(path)
    damaged = bytearray(log.read_bytes())
    damaged[80] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(batpak.JournalDamaged):
        Store.open(path)
    assert read_journal(path).findings
    assert not batpak.verify(path).ok


# -- damage -----------------------------------------------------------------------------------------------------------


def small(path: Path, key: batpak.SigningKey | None) -> None:
    with Store.open(path, signing_key=key, segment_bytes=4096, durability="manual", index_metadata=["tenant"]) as store:
        store.append_batch([(Coordinate("a", "b"), bytes(1800)), (Coordinate("a", "b"), "x")], kind=KIND)
        store.append(Coordinate("a", "b"), bytes(2000), kind=KIND, metadata={"tenant": "t"}, correlation_id=bytes(16))


@pytest.mark.parametrize("with_key", [False, True])
def test_flipped_bits_are_found_by_both_or_harmless(
    path: Path, tmp_path: Path, key: batpak.SigningKey, with_key: bool
) -> None:
    small(path, key if with_key else None)
    original = contents(path)
    assert {name.rpartition(".")[2] for name in original} >= {"log", "idx", "run"}
    with Store.open(path, read_only=True) as reader:
        hashes = [event.event_hash for event in reader.query(system=True)]
    chance = random.Random(3)
    places = [(name, at) for name, data in original.items() for at in range(len(data)) if name != "LOCK"]
    for name, at in chance.sample(places, 250):
        changed = bytearray(original[name])
        changed[at] ^= 1 << chance.randrange(8)
        (path / name).write_bytes(changed)
        verdict, plain = batpak.verify(path), read_journal(path)
        found = bool(plain.findings)
        if name in {"frontier", "journal.meta"} or (name == "checkpoints" and verdict.ok):
            # Copies, and a last head that looks torn: nothing of the log is at stake.
            pass
        else:
            assert not verdict.ok, (name, at)
            assert verdict.findings
            assert found, (name, at)
        try:
            with Store.open(path, read_only=True) as reader:
                assert [event.event_hash for event in reader.query(system=True)] == hashes, (name, at)
        except batpak.StoreError as error:
            assert isinstance(error, batpak.JournalDamaged | batpak.UnsupportedFormat | batpak.NotAJournal)
        (path / name).write_bytes(original[name])
    assert_same(path)


def last_bytes_off(path: Path) -> None:
    log = log_of(path)
    log.write_bytes(log.read_bytes()[:-1])


def segment_away(which: int) -> Callable[[Path], None]:
    return lambda path: sorted((path / "segments").glob("*.log"))[which].unlink()


def segment_renamed(path: Path) -> None:
    log = log_of(path)
    log.rename(log.with_name(f"{99:020d}.log"))


def segment_of_another(path: Path) -> None:
    other = path.with_name("other")
    small(other, None)
    shutil.copy(log_of(other), log_of(path))


def heads_away(path: Path) -> None:
    (path / "checkpoints").unlink()


def heads_of_another(path: Path) -> None:
    other = path.with_name("other")
    small(other, None)
    shutil.copy(other / "checkpoints", path / "checkpoints")


def zeros_for_the_last_frame(path: Path) -> None:
    log = log_of(path)
    data = log.read_bytes()
    log.write_bytes(data[:64] + bytes(len(data) - 64))


def a_frame_edited_with_right_checksums(path: Path) -> None:
    """The first event's payload is another, and both CRCs of the frame fit it."""
    log = min((path / "segments").glob("*.log"))
    data = bytearray(log.read_bytes())
    nonce = bytes(data[28:44])
    length = struct.unpack_from("<I", data, 64)[0]
    body = bytes(data[88 : 88 + length])
    changed = body.replace(b"batpak.local", b"batpak.locaX")
    place = nonce + struct.pack("<QI", 64, length)
    count, synced = struct.unpack_from("<IQ", data, 76)
    body_crc = crc32c(place + changed)
    header_crc = crc32c(place + struct.pack("<IIQ", body_crc, count, synced))
    data[64:88] = struct.pack("<IIIIQ", length, header_crc, body_crc, count, synced)
    data[88 : 88 + length] = changed
    assert bytes(data) != log.read_bytes()
    log.write_bytes(data)


TAMPERINGS: list[Callable[[Path], None]] = [
    last_bytes_off, segment_away(0), segment_away(-1), segment_renamed, segment_of_another, heads_of_another,
    zeros_for_the_last_frame, a_frame_edited_with_right_checksums, heads_away,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__qualname__)
def test_tampering_is_found_by_both(path: Path, tamper: Callable[[Path], None]) -> None:
    small(path, None)
    tamper(path)
    verdict, plain = batpak.verify(path), read_journal(path)
    assert not verdict.ok
    assert verdict.outcome == "invalid"
    assert plain.findings or (tamper is heads_away and plain.notes)
    before = contents(path)
    for options in ({"read_only": True}, {}):
        with pytest.raises(batpak.StoreError):
            Store.open(path, **options).close()  # type: ignore[arg-type]
    before.pop("LOCK", None)
    after = contents(path)
    after.pop("LOCK", None)
    assert after == before


def test_stripped_signatures_are_found_by_both(path: Path, key: batpak.SigningKey) -> None:
    """The whole log rewritten without signatures, every CRC right, heads and frontier as they were."""
    with Store.open(path, signing_key=key) as store:
        store.append(Coordinate("a", "b"), 1, kind=KIND)
    log = log_of(path)
    data = log.read_bytes()
    nonce, out, at = data[28:44], bytearray(data[:64]), 64
    while at < len(data):
        length, _, _, count_and_flags, synced = struct.unpack_from("<IIIIQ", data, at)
        body = data[at + 24 + 96 : at + 24 + length]
        count = count_and_flags & 0xFFFFFF
        place = nonce + struct.pack("<QI", len(out), len(body))
        body_crc = crc32c(place + body)
        header_crc = crc32c(place + struct.pack("<IIQ", body_crc, count, synced))
        out += struct.pack("<IIIIQ", len(body), header_crc, body_crc, count, synced) + body
        at += 24 + length
    log.write_bytes(out)
    verdict = batpak.verify(path)
    assert verdict.axes.signatures == "failed"
    assert "signature_missing" in {finding.code for finding in verdict.findings}
    assert "signature_missing" in {finding.message for finding in read_journal(path).findings}
