"""A worker killed with SIGKILL at any moment, again and again: every event has one answer in the end."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import Coordinate, Store

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 8
KIND, ANSWER = batpak.Kind(0xF, 1), batpak.Kind(0xF, 2)

WORKER = """
import sys, threading, time, batpak
from batpak import Coordinate, Kind

path, every, durability = sys.argv[1], int(sys.argv[2]), sys.argv[3]
print("opening", flush=True)
store = batpak.Store.open(path, durability=durability, interval_ms=5, segment_bytes=8192)

def feed():
    while True:
        number = len(store)
        store.append(Coordinate(f"order:{number % 5}", "shop"), number, kind=Kind(0xF, 1))
        time.sleep(0.003)

begun = False

def handler(event, reaction):
    global begun
    if not begun:
        begun = True
        print("handling", flush=True)
    # Otherwise every time: what a run did that did not live to remember it stands all the same.
    for part in range(1 + event.payload % 3):
        reaction.add(Coordinate("bill:1", "bills"), [event.payload, part, time.time_ns()], kind=Kind(0xF, 2))

threading.Thread(target=feed, daemon=True).start()
store.react(handler, "billing", scope="shop", commit_every=every, timeout=None)
"""


@pytest.mark.parametrize(("every", "durability"), [(1, "interval"), (20, "manual")])
def test_every_event_has_one_answer(path: Path, every: int, durability: str) -> None:
    chance = random.Random(every)
    handled = 0
    for number in range(KILLS):
        # What a killed worker left may be told of in a warning.
        command = [sys.executable, "-c", WORKER, str(path), str(every), durability]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline() == b"opening\n"
                # However slow the machine is, every other one comes to work.
                if number % 2:
                    assert child.stdout.readline() == b"handling\n"
                time.sleep(chance.uniform(0, 0.2))
            finally:
                alive = child.poll() is None
                child.kill()
        assert alive, "the worker ended by itself"
        if (path / "journal.meta").exists():
            with Store.open(path, read_only=True) as reader:
                positions = reader.cursors()
                come = positions[0].sequence if positions and positions[0].sequence is not None else 0
                assert come >= handled, "a committed position went back"
                handled = come
                # Whatever is committed was answered.
                asked = list(reader.query(kind=KIND, until=come))
                causes = {event.causation_id for event in reader.query(kind=ANSWER)}
                assert all(event.event_id in causes for event in asked)
    assert handled > 0

    def bill(event: batpak.Event, reaction: batpak.PendingReaction) -> None:
        for part in range(1 + event.payload % 3):
            reaction.add(Coordinate("bill:1", "bills"), [event.payload, part, 0], kind=ANSWER)

    with Store.open(path, segment_bytes=8192) as store:
        report = store.react(bill, "billing", scope="shop", commit_every=100)
        assert report.position == max(event.sequence for event in store.query(kind=KIND))
        expected = [(event.event_id, part) for event in store.query(kind=KIND) for part in range(1 + event.payload % 3)]
        found = [(event.causation_id, event.payload[1]) for event in store.query(kind=ANSWER)]
        assert sorted(found, key=str) == sorted(expected, key=str)
        assert len(expected) >= KILLS / 2
        assert store.verify().ok
