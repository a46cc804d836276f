"""What survives: a writer killed with SIGKILL at any moment, many times over the same directory, in every mode."""

from __future__ import annotations

import random
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import Store
from plain_reader import read_journal
from plain_reader.frame import scan_segment
from support import COORD, KIND, child_says, log_of, running_child

ROUNDS = 20
MODES = ["always", "interval", "manual"]

# What is printed was returned: sequence and hash of each event, in lines that are flushed one by one.
WRITER = """
import sys, batpak
path, durability, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = batpak.Store.open(path, durability=durability, interval_ms=5, segment_bytes=8192)
say = sys.stdout.write
say("open\\n"); sys.stdout.flush()
number = 0
while True:
    entity = batpak.Coordinate(f"e:{number % 3}", "s")
    if number % 7 == 3:
        receipts = store.append_batch([(entity, b"x" * size)] * (1 + number % 5), kind=0xF001)
        batch = list(receipts)
    else:
        batch = [store.append(entity, {"n": number}, kind=0xF002)]
    for receipt in batch:
        say(f"{receipt.sequence} {receipt.event_hash.hex()} {len(batch)}\\n")
    sys.stdout.flush()
    number += 1
"""


def killed(path: Path, durability: str, size: int, after_s: float) -> dict[int, bytes]:
    """Let a writer append until it is killed; return the hashes of the events that it was told of, by sequence."""
    with running_child(WRITER, path, durability, size) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        time.sleep(after_s)
        child.kill()
        lines = child.stdout.read().split("\n")
        child.wait()
    told: dict[int, bytes] = {}
    for line in lines[:-1]:  # the last one may be torn
        sequence, event_hash, _ = line.split()
        told[int(sequence)] = bytes.fromhex(event_hash)
    return told


@pytest.mark.timeout(120)
@pytest.mark.parametrize("durability", MODES)
def test_kill_rounds(path: Path, durability: str) -> None:
    chance = random.Random(durability)
    known: dict[int, bytes] = {}
    cuts = 0
    for round_number in range(ROUNDS):
        told = killed(path, durability, chance.choice([0, 100, 3000]), chance.uniform(0, 0.06))
        known.update(told)
        before = log_of(path).read_bytes()
        scan = scan_segment(before, before[28:44])
        with Store.open(path, durability="manual") as store:
            report = store.open_report
            events = list(store.query(system=True))
            hashes = [event.event_hash for event in events]
            assert [event.sequence for event in events] == list(range(len(store)))
            assert all(hashes[sequence] == event_hash for sequence, event_hash in known.items())
            # Nothing is half there: a batch is one frame, and an event that nobody was told of was at most being returned.
            unknown = [event for event in events if event.sequence not in known and not event.is_system]
            assert len(unknown) <= 5 * (round_number + 1)
            assert store.verify().ok
            assert all(store.verify_receipt(receipt).ok for receipt in [store.append(COORD, "more", kind=KIND)])
            known[len(store) - 1] = store.get(len(store) - 1).event_hash
            # Bytes were cut only if some were there that are no frame; space written ahead is no loss.
            torn = scan.rest == "other"
            assert (report.path_taken, report.tail_bytes > 0) == ("recovered" if torn else "clean", torn)
            cuts += torn
            assert report.incarnation == 2 * (round_number + 1)
        assert cuts == len(list(path.glob("recovered/*")))
        assert batpak.verify(path).ok
    journal = read_journal(path)
    assert journal.findings == []
    assert {event.sequence: event.event_hash for event in journal.events}.items() >= known.items()
    assert journal.tail_bytes == 0


OPENER = """
import sys, batpak
for number in range(100_000):
    with batpak.Store.open(sys.argv[1], durability=sys.argv[2], segment_bytes=4096) as store:
        receipt = store.append(batpak.Coordinate("a", "b"), bytes(900), kind=0xF001)
        print(receipt.sequence, receipt.event_hash.hex(), flush=True)
"""
CREATOR = """
import sys, batpak
for number in range(100_000):
    store = batpak.Store.open(f"{sys.argv[1]}/{number}", signing_key=batpak.SigningKey.generate() if number % 2 else None)
    print(number, store.journal_id.hex, store.append(batpak.Coordinate("a", "b"), 1, kind=0xF001).sequence, flush=True)
    store.close()
"""


@pytest.mark.timeout(120)
def test_kill_during_open_rotation_and_close(path: Path) -> None:
    chance = random.Random(7)
    known: dict[int, str] = {}
    for _ in range(ROUNDS):
        with running_child(OPENER, path, chance.choice(MODES)) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            child.kill()
            told = [line.split() for line in child.stdout.read().split("\n")[:-1]]
            child.wait()
        known.update({int(sequence): event_hash for sequence, event_hash in told})
        with Store.open(path, segment_bytes=4096) as store:
            found = {event.sequence: event.event_hash.hex() for event in store.query(system=True)}
            assert list(found) == list(range(len(store)))
            assert found.items() >= known.items()
            assert store.verify().findings == ()
        assert not list(path.rglob("*.tmp"))
    assert read_journal(path).findings == []


@pytest.mark.timeout(120)
def test_kill_during_creation(tmp_path: Path) -> None:
    chance = random.Random(11)
    for round_number in range(8):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        with running_child(CREATOR, folder) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(chance.uniform(0, 0.02))
            child.kill()
            told = [line.split() for line in (first + child.stdout.read()).split("\n")[:-1]]
            child.wait()
        assert told
        for number, journal_id, sequence in told[-3:]:
            with Store.open(folder / number, read_only=True) as reader:
                assert (reader.journal_id.hex, reader.get(int(sequence)).payload) == (journal_id, 1)
        # The one that was being made is a journal, or nothing that stands in the way of a new one.
        last = max(folder.iterdir(), key=lambda each: int(each.name))
        try:
            with Store.open(last) as store:
                assert store.verify().ok
        except batpak.KeyRequired:
            assert int(last.name) % 2
        assert read_journal(last).findings == []


@pytest.mark.parametrize("durability", MODES)
def test_a_killed_journal_reads_the_same_before_and_after_recovery(path: Path, durability: str) -> None:
    told = killed(path, durability, 10, 0.05)
    with Store.open(path, read_only=True) as reader:
        seen = [event.event_hash for event in reader.query(system=True)]
        assert reader.verify().ok
    assert all(seen[sequence] == event_hash for sequence, event_hash in told.items())
    plain = read_journal(path)
    assert (plain.findings, [event.event_hash for event in plain.events]) == ([], seen)
    with Store.open(path) as store:
        assert [event.event_hash for event in store.query(system=True, until=len(seen) - 1)] == seen


THREE = """
import os, sys, batpak
key = batpak.SigningKey.load(sys.argv[2]) if len(sys.argv) > 2 else None
store = batpak.Store.open(sys.argv[1], durability="manual", signing_key=key)
store.append(batpak.Coordinate("a", "b"), "first", kind=0xF001)
store.append_batch([(batpak.Coordinate("a", "b"), "second"), (batpak.Coordinate("c", "b"), "last")], kind=0xF001)
os._exit(0)
"""


@pytest.mark.parametrize("with_key", [False, True])
def test_a_tail_torn_at_every_byte(path: Path, tmp_path: Path, key: batpak.SigningKey, with_key: bool) -> None:
    key.save(tmp_path / "key.pem")
    child_says(THREE, path, *([tmp_path / "key.pem"] if with_key else []))
    log = log_of(path)
    data = log.read_bytes().rstrip(b"\0")
    frame = scan_segment(data, data[28:44]).frames[-1]
    assert (frame.end, frame.count) == (len(data), 2)
    # A signature only makes the frame longer, so there a part of the places will do.
    for end in range(frame.offset, len(data), 8 if with_key else 1):
        torn = tmp_path / "torn"
        shutil.copytree(path, torn)
        (torn / "segments" / log.name).write_bytes(data[:end])
        with Store.open(torn, signing_key=key if with_key else None, durability="manual") as store:
            report = store.open_report
            assert [event.payload for event in store.query()] == ["first"]
            assert report.tail_bytes == end - frame.offset
            if end == frame.offset:
                assert report.path_taken == "clean"
            else:
                assert (report.path_taken, report.first_cut_sequence) == ("recovered", 2)
                assert report.recovered_file is not None
                assert (torn / "recovered" / report.recovered_file).read_bytes() == data[frame.offset : end]
                (told,) = store.query(system=True, kind=0x0006)
                assert (told.sequence, told.payload["first_cut_sequence"], told.payload["offset"]) == (
                    2,
                    2,
                    frame.offset,
                )
            assert store.verify().ok
        if end % 16 == 0:
            assert read_journal(torn).findings == []
            with Store.open(torn, read_only=True) as reader:
                assert reader.open_report.tail_bytes == 0
        shutil.rmtree(torn)


def test_receipts_of_what_a_crash_took(path: Path) -> None:
    with Store.open(path) as store:
        store.sync()
        size = log_of(path).stat().st_size
    code = """
import sys, os, batpak
store = batpak.Store.open(sys.argv[1], durability="manual")
store.sync()
end = store.stats().log_bytes
for durability in "manual", "always":
    receipt = batpak.AppendReceipt  # the frontier is put back below, as if the machine had lost power
    print(store.append(batpak.Coordinate("a", "b"), durability, kind=0xF001, durability="manual").to_json())
print(end, flush=True)
os._exit(0)
"""
    first, second, end = child_says(code, path).splitlines()
    assert int(end) > size
    log = log_of(path)
    data = log.read_bytes()
    log.write_bytes(data[: int(end)] + b"\xff" * 30)
    receipts = [batpak.AppendReceipt.from_json(line) for line in (first, second)]
    with Store.open(path) as store:
        assert store.open_report.first_cut_sequence == receipts[0].sequence
        for receipt in receipts:
            verdict = store.verify_receipt(receipt)
            assert (verdict.ok, verdict.reason_code) == (False, "lost_unsynced")
            assert verdict.axes.completeness == "failed"
        store.append(COORD, 1, kind=KIND)
        assert [store.verify_receipt(receipt).reason_code for receipt in receipts] == ["lost_unsynced"] * 2


# -- the modes --------------------------------------------------------------------------------------------------------


def durable_after(store: Store, within_s: float) -> int:
    """Number of durable events once all are, or when the time is over."""
    deadline = time.monotonic() + within_s
    while store.stats().durable_events < len(store) and time.monotonic() < deadline:
        time.sleep(0.002)
    return store.stats().durable_events


def test_always_is_synced_when_it_returns(path: Path) -> None:
    with Store.open(path, durability="always") as store:
        for number in range(5):
            receipt = store.append(COORD, number, kind=KIND)
            assert store.stats().durable_events == receipt.sequence + 1
            assert read_journal(path).synced >= receipt.sequence + 1
        assert store.get(receipt.sequence).promise == "always"


def test_interval_syncs_by_itself(path: Path) -> None:
    with Store.open(path, durability="interval", interval_ms=10) as store:
        store.append(COORD, 1, kind=KIND)
        assert durable_after(store, 20) == 2
        assert read_journal(path).synced == 2


def test_a_long_interval_waits(path: Path) -> None:
    with Store.open(path, durability="interval", interval_ms=60_000) as store:
        durable = store.stats().durable_events
        store.append(COORD, 1, kind=KIND)
        time.sleep(0.2)
        assert store.stats().durable_events == durable < len(store)
        # Another thread's wait, or one stronger promise, serves all.
        store.append(COORD, 2, kind=KIND, durability="always")
        assert store.stats().durable_events == len(store)


def test_manual_waits_for_sync(path: Path) -> None:
    with Store.open(path, durability="manual", interval_ms=1) as store:
        receipt = store.append(COORD, 1, kind=KIND)
        time.sleep(0.1)
        assert store.stats().durable_events <= receipt.sequence
        assert store.sync() == len(store) == store.stats().durable_events
        store.append(COORD, 2, kind=KIND)
        store.append(COORD, 3, kind=KIND, durability="interval")
        assert durable_after(store, 20) == len(store)
    assert read_journal(path).synced == 4


@pytest.mark.parametrize("durability", MODES)
def test_close_makes_everything_durable(path: Path, durability: Any) -> None:
    with Store.open(path, durability=durability, interval_ms=60_000, segment_bytes=4096) as store:
        for number in range(50):
            store.append(COORD, bytes(300), kind=KIND)
            assert len(store) == number + 2
    journal = read_journal(path)
    assert (journal.synced, journal.findings, journal.spare_bytes) == (51, [], 0)
    assert journal.heads[-1].size == 51
    with Store.open(path, read_only=True) as reader:
        assert reader.open_report.durable_events == 51
        assert reader.stats().segments > 3


def test_a_sync_is_for_what_other_threads_wrote_and_nobody_sees_yet(tmp_path: Path) -> None:
    with batpak.Store.open(tmp_path / "journal", durability="manual", visibility="durable") as store:
        place = batpak.Coordinate("a", "b")
        writer = threading.Thread(target=store.append, args=(place, {}), kwargs={"kind": 0xF001})
        writer.start()
        writer.join()
        assert store.sync() == 2
        assert [event.sequence for event in store.query()] == [1]


def test_a_copy_beside_a_writer_as_the_documentation_makes_it(path: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "durability.md").read_text(encoding="utf-8")
    function = re.search(r"^def copied\(.*?(?=^\S)", page, re.MULTILINE | re.DOTALL)
    assert function is not None
    names: dict[str, Any] = {"Path": Path, "shutil": shutil}
    exec(function[0], names)  # noqa: S102 - what the page shows is what is tested
    stop = threading.Event()

    def segments() -> int:
        return len(list((path / "segments").glob("*.log")))

    def write(store: Store) -> None:
        with store.cursor("c") as cursor:
            while not stop.wait(0.005):
                for number in range(20):
                    store.append(batpak.Coordinate(f"order:{number}", "shop"), bytes(500), kind=KIND)
                cursor.commit(cursor.batch(20)[-1])
                store.checkpoint()

    with Store.open(path, segment_bytes=20_000, interval_ms=1) as store:
        writing = threading.Thread(target=write, args=(store,))
        writing.start()
        try:
            for attempt in range(10):
                sealed = segments()
                while segments() == sealed and writing.is_alive():
                    time.sleep(0.001)
                copy = tmp_path / f"copy {attempt}"
                names["copied"](path, copy)
                assert batpak.verify(copy).findings == ()
                with Store.open(copy, read_only=True) as reader:
                    assert len(reader) <= len(store)
        finally:
            stop.set()
            writing.join()
    assert segments() > 10
