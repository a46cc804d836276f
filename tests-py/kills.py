"""Writers killed with SIGKILL at any moment, many times over: what they were told of must be there, byte for byte.

kills.py                                  so many kills in each mode as BATPAK_KILLS says (200), and a line about each
kills.py write PATH DURABILITY ROUND OUT  until it is killed; receipts go to OUT, a line for each append
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak
from batpak import AppendReceipt, Coordinate, Draft, Event, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODES = ("always", "interval", "manual")
THREADS = 4
KIND = batpak.Kind(0xF, 1)
SEGMENT_BYTES = 8192
KILLS = 200
# So many lives one directory has: a whole look at it after each must not take longer than the lives.
LIVES = 10


def drafts_at(round_number: int, thread: int, step: int) -> list[Draft]:
    """What a thread appends as its step: one event or several, with keys or without."""
    items = (1, 1, 3, 1, 7, 2, 1)[step % 7]
    keyed = step % 7 in (1, 4, 5) or step % 11 == 3
    return [
        Draft(
            Coordinate(f"e:{(step + item) % 5}", f"s:{thread}"),
            {"at": [round_number, thread, step, item], "fill": bytes((step * 37 + item) % 900)},
            kind=KIND,
            key=f"{round_number}:{thread}:{step}:{item}" if keyed else None,
        )
        for item in range(items)
    ]


def append(store: Store, drafts: Sequence[Draft]) -> list[AppendReceipt]:
    """Append them as a user would: one for itself, several as a batch."""
    if len(drafts) > 1:
        return list(store.append_batch(drafts))
    draft = drafts[0]
    return [store.append(draft.coordinate, draft.payload, kind=draft.kind, key=draft.key)]


def write(path: str, durability: Any, round_number: str, out: str) -> None:
    """Append from several threads. A line is in the operating system's hands before the next append begins."""
    lines = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("opening", flush=True)
    store = Store.open(path, durability=durability, interval_ms=5, segment_bytes=SEGMENT_BYTES)

    def work(thread: int) -> None:
        for step in count():
            receipts = append(store, drafts_at(int(round_number), thread, step))
            told = " ".join(receipt.to_bytes().hex() for receipt in receipts)
            os.write(lines, f"{thread} {step} {told}\n".encode())

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


@dataclass
class Journal:
    """One directory, and everything that was ever told about it."""

    path: Path
    durability: Any
    hashes: dict[int, bytes] = field(default_factory=dict)
    lives: int = 0

    def killed(self, round_number: int, after_s: float) -> dict[tuple[int, int], list[AppendReceipt]]:
        """Let a writer live so long; return what it was told, by thread and step."""
        out = self.path.with_suffix(f".{round_number}")
        command = [sys.executable, __file__, "write", self.path, self.durability, round_number, out]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            try:
                assert child.stdout.readline() == b"opening\n"
                time.sleep(after_s)
            finally:
                alive = child.poll() is None
                child.kill()
        assert alive, "the writer ended by itself"
        self.lives += 1
        told: dict[tuple[int, int], list[AppendReceipt]] = {}
        if out.exists():
            # The last line may be torn: what it tells of was told to nobody.
            for line in out.read_text("ascii").split("\n")[:-1]:
                thread, step, *receipts = line.split()
                told[int(thread), int(step)] = [AppendReceipt.from_bytes(bytes.fromhex(each)) for each in receipts]
        return told


@dataclass
class Tally:
    """What there was to check."""

    kills: int = 0
    receipts: int = 0
    retried: int = 0
    unfinished: int = 0
    cuts: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.receipts} receipts, {self.retried} events retried under their keys, "
            f"{self.unfinished} appends without an answer, {self.cuts} torn tails set aside"
        )


def run(directory: Path, durability: str, kills: int, seed: str) -> Tally:
    """Kill so many writers, and look after each; AssertionError if anything is not as it was told."""
    chance = random.Random(seed)
    tally = Tally()
    journal = Journal(directory / "0", durability)
    for round_number in range(kills):
        if journal.lives == LIVES:
            journal = Journal(directory / str(round_number), durability)
        told = journal.killed(round_number, chance.choice([chance.uniform(0, 0.02), chance.uniform(0, 0.3)]))
        check(journal, round_number, told, tally)
        tally.kills += 1
    return tally


def check(journal: Journal, round_number: int, told: dict[tuple[int, int], list[AppendReceipt]], tally: Tally) -> None:
    """Look at what a killed writer left, first without touching it."""
    for receipts in told.values():
        journal.hashes.update({receipt.sequence: receipt.event_hash for receipt in receipts})
        tally.receipts += len(receipts)
    before: list[bytes] = []
    if (journal.path / "journal.meta").exists():
        with Store.open(journal.path, read_only=True) as reader:
            before = [event.event_hash for event in reader.query(system=True)]
            assert all(before[sequence] == known for sequence, known in journal.hashes.items())
    else:
        assert not told
    with Store.open(journal.path, durability="manual", segment_bytes=SEGMENT_BYTES) as store:
        found = list(store.query(system=True))
        assert [event.sequence for event in found] == list(range(len(store)))
        # What was visible to a reader is there: the kill lost nothing, and the open invented nothing but its own events.
        assert [event.event_hash for event in found[: len(before)]] == before
        assert all(event.is_system for event in found[len(before) :])
        tally.cuts += store.open_report.path_taken == "recovered"
        whole(found)
        for receipts in told.values():
            assert all(store.verify_receipt(receipt).ok for receipt in receipts)
        retry(store, round_number, told, tally)
        assert whole(store.query()) >= {(round_number, *place): len(each) for place, each in told.items()}.items()
        verdict = store.verify()
        assert (verdict.ok, verdict.findings) == (True, ())
        journal.hashes.update({event.sequence: event.event_hash for event in store.query(after=len(found) - 1)})
    verdict = batpak.verify(journal.path)
    assert (verdict.ok, verdict.findings) == (True, ())
    assert not list(journal.path.rglob("*.tmp"))


def retry(store: Store, round_number: int, told: dict[tuple[int, int], list[AppendReceipt]], tally: Tally) -> None:
    """Ask again for what has keys: receipts come back as they were; what was being appended is there once afterwards."""
    for (thread, step), receipts in told.items():
        drafts = drafts_at(round_number, thread, step)
        if all(draft.key is not None for draft in drafts):
            size = len(store)
            again = append(store, drafts)
            assert [each.to_bytes() for each in again] == [each.to_bytes() for each in receipts]
            assert len(store) == size
            tally.retried += len(again)
    for thread in range(THREADS):
        step = 1 + max((step for writer, step in told if writer == thread), default=-1)
        drafts = drafts_at(round_number, thread, step)
        if all(draft.key is not None for draft in drafts):
            first, second = append(store, drafts), append(store, drafts)
            assert [each.to_bytes() for each in first] == [each.to_bytes() for each in second]
            tally.unfinished += 1


def whole(events: Iterator[Event] | list[Event]) -> Any:
    """How many items of each append there are; each is there once, and with all of its items."""
    places = [tuple(event.payload["at"]) for event in events if not event.is_system]
    assert len(places) == len(set(places)), "an event is there twice"
    items = Counter(place[:3] for place in places)
    for place, there in items.items():
        assert there == len(drafts_at(*place)), f"of {place} only a part is there"
    return items.items()


def main() -> None:
    if sys.argv[1:2] == ["write"]:
        write(*sys.argv[2:])
        return
    kills = int(os.environ.get("BATPAK_KILLS", str(KILLS)))
    total = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        for durability in MODES:
            folder = Path(directory, durability)
            folder.mkdir()
            tally = run(folder, durability, kills, durability)
            total += tally.kills
            print(f"{durability}: {tally}", flush=True)
    print(f"{total} kills in {time.monotonic() - begun:.0f} s: everything that was told is there", flush=True)


if __name__ == "__main__":
    main()
