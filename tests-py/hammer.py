"""Runs in other processes, for test_readers: a writer whose every event can be told from its position, and readers who check.

hammer.py write PATH DURABILITY SEED       until it is killed, or its standard input ends
hammer.py read PATH VISIBILITY SEED OUT    until its standard input ends; hashes by sequence go to OUT
"""

from __future__ import annotations

import json
import random
import select
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import batpak
from batpak import Coordinate, Draft, Event, Store
from plain_reader.codec import DecodeError
from plain_reader.frame import decode_checkpoints_header, decode_frontier, decode_head, read_entry, scan_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEGMENT_BYTES = [4096, 8192, 65536]


def entity_at(n: int) -> str:
    """Some are rare, one is below another, and one begins as another does."""
    if n % 101 == 0:
        return "rare"
    return ["e", "e:1", "e:1:x", "ee", "f"][n % 5]


def draft_at(n: int) -> Draft:
    """What is written as event ``n``, whoever writes it."""
    return Draft(
        Coordinate(entity_at(n), f"s{n % 3}"),
        {"n": n, "fill": bytes(n * 37 % 700)},
        kind=[0xF001, 0xF002, 0x1000][n % 3],
        correlation_id=UUID(int=n // 4),
        metadata={"declared": str(n % 6), "other": str(n % 7)} if n % 2 else None,
    )


def ended() -> bool:
    """Whether whoever started this closed its end."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def write(path: str, durability: Any, seed: str) -> None:
    chance = random.Random(seed)
    options: dict[str, Any] = {
        "segment_bytes": chance.choice(SEGMENT_BYTES),
        "interval_ms": 5,
        "durability": durability,
    }
    while True:
        with Store.open(path, index_metadata=["declared"], **options) as store:
            print("open", flush=True)
            for _ in range(chance.randrange(1, 400)):
                if ended():
                    return
                first = len(store)
                if chance.random() < 0.3:
                    count = chance.randrange(1, 12)
                    store.append_batch([draft_at(first + n) for n in range(count)])
                else:
                    count = 1
                    one = draft_at(first)
                    store.append(
                        one.coordinate, one.payload, kind=one.kind, metadata=one.metadata,
                        correlation_id=one.correlation_id,  # type: ignore[arg-type]
                    )  # fmt: skip
                assert len(store) == first + count
                if chance.random() < 0.02:
                    store.sync()
                # The pace, so that the readers have the time to look at everything more than once.
                select.select([sys.stdin], [], [], 0.001)


class Known:
    """What one process has seen: an event never changes."""

    def __init__(self) -> None:
        self.hashes: dict[int, bytes] = {}
        self.ids: dict[int, UUID] = {}
        self.system: dict[int, bool] = {}

    def take(self, event: Event) -> None:
        n = event.sequence
        assert self.hashes.setdefault(n, event.event_hash) == event.event_hash, n
        self.ids[n] = event.event_id
        self.system[n] = event.is_system
        if not event.is_system:
            self.check(event)

    @staticmethod
    def check(event: Event) -> None:
        n = event.sequence
        expected = draft_at(n)
        assert event.payload == expected.payload, n
        assert event.coordinate == expected.coordinate, n
        assert event.kind.code == expected.kind, n
        assert event.correlation_id == expected.correlation_id, n
        assert event.metadata == (expected.metadata or {}), n


def promised(path: str, wanted: int) -> bool:
    """Whether something says that so many events are synced: the frontier, as a rule; or the log, or a head."""
    if decode_frontier(Path(path, "frontier").read_bytes()).synced_through >= wanted:
        return True
    logs = sorted(Path(path, "segments").glob("*.log"))[-2:]
    if int(logs[-1].stem) >= wanted:
        return True
    for data in (log.read_bytes() for log in logs):
        if any(frame.synced_through >= wanted for frame in scan_segment(data, data[28:44]).frames):
            return True
    data, offset = Path(path, "checkpoints").read_bytes(), 32
    journal_id = decode_checkpoints_header(data)
    while offset < len(data):
        try:
            body = read_entry(data, offset, journal_id)
        except DecodeError:  # it is being written
            return False
        if body[0] == 1 and decode_head(body, offset).size >= wanted:
            return True
        offset += 8 + len(body)
    return False


class Looker:
    """Looks at a store in every way there is, and knows what it must find."""

    def __init__(self, store: Store, path: str, known: Known, chance: random.Random, *, durable: bool) -> None:
        self.store, self.path, self.known, self.chance, self.durable = store, path, known, chance, durable
        self.visible = 0

    def refresh(self) -> None:
        before = self.visible
        self.visible = self.store.refresh()
        assert self.visible >= before
        assert len(self.store) >= self.visible
        if self.durable:
            assert promised(self.path, self.visible), (before, self.visible)

    def span(self, longest: int = 300) -> tuple[int, int]:
        """A range of events, more often at the end than elsewhere: its first, and the one behind its last."""
        before = self.visible if self.chance.random() < 0.5 else self.chance.randrange(self.visible) + 1
        return max(0, before - self.chance.randrange(1, longest)), before

    def query(self) -> None:
        first, before = self.span()
        reverse = self.chance.random() < 0.5
        found = []
        for event in self.store.query(
            after=first - 1 if first else None, until=before - 1, system=True, reverse=reverse
        ):
            self.known.take(event)
            found.append(event.sequence)
        expected = range(first, before)
        assert found == list(reversed(expected) if reverse else expected)

    def query_everything(self) -> None:
        """What became visible meanwhile may be in it, and without a gap."""
        if self.visible > 3000:
            return
        found = [event.sequence for event in self.store.query(system=True)]
        assert found == list(range(len(found)))
        assert len(found) >= self.visible

    def filtered(self) -> None:
        first, before = self.span(2000)
        n = self.chance.randrange(first, before)
        filters: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
            ({"entity": entity_at(n)}, lambda each: entity_at(each) == entity_at(n)),
            ({"entity_prefix": "e"}, lambda each: entity_at(each) in ("e", "e:1", "e:1:x")),
            ({"scope": f"s{n % 3}"}, lambda each: each % 3 == n % 3),
            ({"kind": 0x1000}, lambda each: each % 3 == 2),
            ({"category": 15}, lambda each: each % 3 != 2),
            ({"correlation": UUID(int=n // 4)}, lambda each: each // 4 == n // 4),
            ({"metadata": {"declared": str(n % 6)}}, lambda each: each % 2 == 1 and each % 6 == n % 6),
            ({"metadata": {"other": str(n % 7)}}, lambda each: each % 2 == 1 and each % 7 == n % 7),
        ]
        every = {
            event.sequence: event for event in self.store.query(after=first - 1 if first else None, until=before - 1)
        }
        assert all(first <= each < before for each in every)
        for filters_, fits in self.chance.sample(filters, 3):
            reverse = self.chance.random() < 0.5
            found = list(
                self.store.query(after=first - 1 if first else None, until=before - 1, reverse=reverse, **filters_)
            )
            expected = [each for each in sorted(every, reverse=reverse) if fits(each)]
            assert [event.sequence for event in found] == expected, filters_
            for event in found:
                self.known.take(event)

    def get(self) -> None:
        first, before = self.span()
        n = self.chance.randrange(first, before)
        event = self.store.get(n)
        assert event.sequence == n
        self.known.take(event)
        assert self.store.get(event.event_id).event_hash == event.event_hash
        assert self.store.get(self.known.ids[n]).sequence == n

    def nothing_beyond(self) -> None:
        try:
            self.store.get(self.visible + 1_000_000)
        except batpak.EventNotFound:
            return
        raise AssertionError("an event that there is not")

    def entity(self) -> None:
        name = "rare" if self.visible > 3000 else self.chance.choice(["e", "e:1", "rare", "batpak"])
        before = None
        for clock, event in enumerate(self.store.entity(name)):
            self.known.take(event)
            assert (event.entity, event.clock) == (name, clock)
            if before is not None:
                assert (event.prev_sequence, event.prev_hash) == (before.sequence, before.event_hash)
            before = event

    def ancestors(self) -> None:
        n = self.chance.randrange(self.visible)
        clock = None
        for event in self.store.walk_ancestors(n, limit=30):
            self.known.take(event)
            assert clock is None or event.clock == clock - 1
            clock = event.clock

    def stats(self) -> None:
        stats = self.store.stats()
        assert stats.events >= self.visible
        assert stats.index_failure is None
        assert stats.read_only

    def look(self) -> None:
        self.refresh()
        ways = [
            self.query, self.query, self.query_everything, self.filtered, self.filtered, self.get, self.get,
            self.entity, self.ancestors, self.nothing_beyond,
        ]  # fmt: skip
        for _ in range(5):
            self.chance.choice(ways)()
        if self.chance.random() < 0.05:
            self.stats()


class Ends:
    """Set once the process is to end."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.failures: list[str] = []

    def guard(self, work: Callable[[], None]) -> Callable[[], None]:
        def body() -> None:
            try:
                work()
            except BaseException:  # noqa: BLE001 - told to whoever started this
                self.failures.append(traceback.format_exc())
                self.event.set()

        return body


def followed(store: Store, ends: Ends, last: Callable[[], int], **filters: Any) -> Iterator[Event]:
    """Events until the process is to end and nothing follows."""
    follow = store.follow(timeout=0.2, **filters)
    at = -1
    while True:
        for event in follow:
            assert event.sequence > at
            at = event.sequence
            yield event
        if ends.event.is_set() and at <= last():
            return


def follow_all(store: Store, ends: Ends, known: Known, after: int | None) -> None:
    expected = 0 if after is None else after + 1
    for event in followed(store, ends, lambda: len(store), system=True, after=after):
        assert event.sequence == expected
        known.take(event)
        expected += 1
    assert expected == len(store)


def follow_entity(store: Store, ends: Ends, known: Known, name: str) -> None:
    """The chain tells whether one is missing."""
    before = None
    for event in followed(store, ends, lambda: len(store), entity=name):
        known.take(event)
        assert event.prev_sequence == before
        before = event.sequence


def look_at_the_end(store: Store, known: Known) -> None:
    visible = store.refresh()
    for event in store.query(system=True, until=visible - 1):
        known.take(event)
    # A durable reader that was opened later may know more: an open asks the heads too.
    assert sorted(known.hashes) == list(range(len(known.hashes)))
    assert len(known.hashes) >= visible


def read(path: str, visibility: Any, seed: str, out: str) -> None:
    chance = random.Random(seed)
    known, ends = Known(), Ends()
    options: dict[str, Any] = {"read_only": True, "visibility": visibility}
    durable = visibility == "durable"
    with Store.open(path, **options) as shared, Store.open(path, **options) as own:

        def look_at_shared(seed: float) -> None:
            looker = Looker(shared, path, known, random.Random(seed), durable=durable)
            while not ends.event.is_set():
                looker.look()

        def look_at_new() -> None:
            inner = random.Random(chance.random())
            while not ends.event.is_set():
                with Store.open(path, **options) as store:
                    looker = Looker(store, path, known, inner, durable=durable)
                    for _ in range(inner.randrange(1, 10)):
                        looker.look()

        works: list[Callable[[], None]] = [
            lambda: look_at_shared(chance.random()),
            lambda: look_at_shared(chance.random()),
            look_at_new,
            lambda: follow_all(own, ends, known, None),
            lambda: follow_all(shared, ends, known, chance.randrange(50)),
            lambda: follow_entity(shared, ends, known, "e:1"),
            lambda: follow_entity(own, ends, known, "rare"),
        ]
        threads = [threading.Thread(target=ends.guard(work), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        print("open", flush=True)
        while not ends.event.is_set():
            if select.select([sys.stdin], [], [], 0.1)[0]:
                ends.event.set()
        for thread in threads:
            thread.join()
        if not ends.failures:
            ends.guard(lambda: look_at_the_end(own, known))()
    Path(out).write_text(json.dumps({str(n): known.hashes[n].hex() for n in sorted(known.hashes)}))
    for failure in ends.failures:
        print(failure, flush=True)
    print("done" if not ends.failures else "failed", flush=True)


def main() -> None:
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
