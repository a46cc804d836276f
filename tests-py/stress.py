"""Sixteen threads that append and wait, one that looks at the marks, and readers in other processes that follow.

stress.py                            BATPAK_STRESS_S (30) seconds in each mode, and a line about each
stress.py follow PATH VISIBILITY     until its standard input ends and everything was seen; tells how many events that were
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak
from batpak import Coordinate, Event, Frontier, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MODES = ("always", "interval", "manual")
VISIBILITIES = ("written", "durable")
THREADS = 16
KIND = batpak.Kind(0xF, 1)
SEGMENT_BYTES = 256 * 1024
SECONDS = 30.0


class Lawful:
    """Frontiers of one store as one thread sees them: each in order, and none behind the one before."""

    def __init__(self) -> None:
        self.before: Frontier | None = None
        self.looks = 0

    def look(self, store: Store) -> Frontier:
        now = store.frontier()
        accepted, written, durable, visible = (
            (-1, None) if mark is None else (mark.sequence, mark.hlc)
            for mark in (now.accepted, now.written, now.durable, now.visible)
        )
        assert accepted >= written >= durable, now
        assert accepted >= visible, now
        if self.before is not None:
            for name in ("accepted", "written", "durable", "visible"):
                earlier, later = getattr(self.before, name), getattr(now, name)
                assert earlier is None or (later is not None and later >= earlier), (name, self.before, now)
        self.before = now
        self.looks += 1
        return now


class Ordered:
    """Events as they come: each one once, in the one order that there is."""

    def __init__(self) -> None:
        self.last: Event | None = None
        self.events = 0

    def take(self, event: Event) -> None:
        assert event.sequence == self.events, (event.sequence, self.events)
        if self.last is not None:
            assert event.hlc > self.last.hlc
            assert event.event_id > self.last.event_id
        self.last = event
        self.events += 1


def ended() -> bool:
    """Whether whoever started this closed its end."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def follow(path: str, visibility: Any) -> None:
    """See every event once and in order, until the writer is gone and nothing follows."""
    ordered, lawful = Ordered(), Lawful()
    with Store.open(path, read_only=True, visibility=visibility) as store:
        print("open", flush=True)
        events = store.follow(system=True, timeout=0.05)
        while True:
            # Asked first: what the writer left is then there before the last look.
            last = ended()
            for event in events:
                ordered.take(event)
                if event.sequence % 64 == 0:
                    frontier = lawful.look(store)
                    assert frontier.visible is not None
                    assert frontier.visible.sequence >= event.sequence
                    if visibility == "durable":
                        assert frontier.durable is not None
                        assert frontier.durable.sequence >= event.sequence
            lawful.look(store)
            if last:
                break
        assert ordered.events == len(store)
    print(ordered.events, flush=True)


class Crew:
    """Threads that stop at the first failure of any of them."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.failures: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, work: Callable[[], object]) -> None:
        def body() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - raised by `join`
                self.failures.append(failure)
                self.over.set()

        self.threads.append(threading.Thread(target=body))
        self.threads[-1].start()

    def join(self, seconds: float) -> None:
        self.over.wait(seconds)
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a thread waits for ever"
        if self.failures:
            raise self.failures[0]


def append_and_wait(store: Store, crew: Crew, thread: int, told: list[Sequence[batpak.AppendReceipt]]) -> None:
    """Append in every way, and wait for every mark; what was waited for is so, and marks are in order."""
    chance, lawful = random.Random(thread), Lawful()
    own = Coordinate(f"own:{thread}", "stress")
    clock = number = 0
    while not crew.over.is_set():
        number += 1
        # Nobody else writes to this entity: the clock is known.
        expect: Any = clock - 1 if clock else batpak.NEW
        key = f"{thread}:{number}" if number % 5 == 0 else None
        if number % 4 == 3:
            items = [
                (own, {"thread": thread, "number": number, "item": item}) for item in range(chance.randrange(1, 9))
            ]
            receipts: Sequence[batpak.AppendReceipt] = store.append_batch(items, kind=KIND)
        else:
            payload = {"thread": thread, "number": number, "fill": bytes(chance.randrange(400))}
            receipts = [store.append(own, payload, kind=KIND, expect=expect, key=key)]
            if key is not None:
                again = store.append(own, payload, kind=KIND, expect=expect, key=key)
                assert again.to_bytes() == receipts[0].to_bytes()
        assert [receipt.clock for receipt in receipts] == list(range(clock, clock + len(receipts)))
        clock += len(receipts)
        told.append(receipts)
        last = receipts[-1].sequence
        mark: Any = ("durable", "written", "durable", "visible", "accepted")[number % 5]
        store.wait_for(mark, receipts, timeout=chance.choice([None, 30]))
        reached = getattr(lawful.look(store), mark)
        assert reached is not None
        assert reached.sequence >= last, (mark, reached, last)


@dataclass
class Tally:
    """What there was to check."""

    events: int = 0
    looks: int = 0
    seen: tuple[int, ...] = ()

    def __str__(self) -> str:
        seen = " and ".join(map(str, self.seen))
        return f"{self.events} events of {THREADS} threads, {self.looks} looks at the marks, {seen} events seen by followers"


def in_order(told: Iterable[Sequence[batpak.AppendReceipt]]) -> int:
    """The receipts of all threads are one order without a gap but the journal's own events; returns how many there are."""
    every = sorted((receipt for receipts in told for receipt in receipts), key=lambda receipt: receipt.sequence)
    for one, next_ in zip(every, every[1:], strict=False):
        assert next_.sequence == one.sequence + 1
        assert next_.hlc > one.hlc
        assert next_.event_id > one.event_id
    return len(every)


def run(path: Path, durability: Any, seconds: float) -> Tally:
    """Have everybody work for so long; AssertionError if anything is not as it must be."""
    crew, lawful, tally = Crew(), Lawful(), Tally()
    told: list[list[Sequence[batpak.AppendReceipt]]] = [[] for _ in range(THREADS)]
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(path, durability=durability, interval_ms=5, segment_bytes=SEGMENT_BYTES))
        followers = []
        for visibility in VISIBILITIES:
            command = [sys.executable, __file__, "follow", str(path), visibility]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
            stack.enter_context(child)
            stack.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            followers.append(child)

        def look() -> None:
            while not crew.over.is_set():
                lawful.look(store)

        crew.start(look)
        for thread in range(THREADS):
            crew.start(partial(append_and_wait, store, crew, thread, told[thread]))
        crew.join(seconds)
        store.close()
        tally.events = in_order(chain.from_iterable(told))
        tally.looks = lawful.looks
        seen = []
        for child in followers:
            out, _ = child.communicate(timeout=120)
            assert child.returncode == 0, out
            seen.append(int(out))
        tally.seen = tuple(seen)
    verdict = batpak.verify(path)
    assert (verdict.ok, verdict.findings) == (True, ())
    # A clean close made everything durable, and one event is the journal's own.
    assert tally.seen == (tally.events + 1,) * len(VISIBILITIES)
    return tally


def main() -> None:
    if sys.argv[1:2] == ["follow"]:
        follow(*sys.argv[2:])
        return
    seconds = float(os.environ.get("BATPAK_STRESS_S", str(SECONDS)))
    with tempfile.TemporaryDirectory() as directory:
        for durability in MODES:
            print(f"{durability}: {run(Path(directory, durability), durability, seconds)}", flush=True)
    print("every mark kept its law, and every follower saw every event once and in order", flush=True)


if __name__ == "__main__":
    main()
