"""The workloads of batpak itself; every payload is a dict, every append makes a receipt, nothing is left out."""

import math
import os
import signal
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast
from uuid import UUID

import batpak

from .clock import BATCH, GETS_MAX, THREADS, WARM_SHARE, Clock, Reading
from .event import ENTITIES, Event, coordinate_names, events, scramble

Item = tuple[batpak.Coordinate, Event]
KIND: Final = batpak.Kind(0xF, 1)
SEALING_SEGMENT_BYTES: Final = 8 * 2**20
NEAR_NS: Final = 100_000_000
SHARES: Final = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def _items(count: int) -> tuple[list[Item], list[Item]]:
    """Return the events to warm up with and the events to time, made before the clock starts."""
    coordinates = [batpak.Coordinate(entity, scope) for entity, scope in coordinate_names()]
    items = [(coordinates[index % ENTITIES], payload) for index, payload in enumerate(events(count))]
    warm = count // WARM_SHARE
    return items[:warm], items[warm:]


def _append_each(store: batpak.Store, items: Sequence[Item]) -> None:
    append = store.append
    for coordinate, payload in items:
        append(coordinate, payload, kind=KIND)


def _append_and_root(store: batpak.Store, items: Sequence[Item]) -> None:
    _append_each(store, items)
    store.root()


def _append_batches(store: batpak.Store, items: Sequence[Item]) -> None:
    for start in range(0, len(items), BATCH):
        drafts = [batpak.Draft(coordinate, payload, kind=KIND) for coordinate, payload in items[start : start + BATCH]]
        store.append_batch(drafts)


def _append_threads(store: batpak.Store, items: Sequence[Item]) -> None:
    failures: list[BaseException] = []

    def work(share: Sequence[Item]) -> None:
        try:
            _append_each(store, share)
        except BaseException as failure:  # A thread cannot raise into the one that joins it.
            failures.append(failure)
            raise

    threads = [threading.Thread(target=work, args=(items[number::THREADS],)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _fill(
    directory: Path,
    count: int,
    *,
    work: Callable[[batpak.Store, Sequence[Item]], None] = _append_each,
    durability: Literal["interval", "always"] = "interval",
    signed: bool = False,
) -> Reading:
    warm, timed = _items(count)
    clock = Clock()
    key = batpak.SigningKey.generate() if signed else None
    with batpak.Store.open(directory, durability=durability, signing_key=key) as store:
        work(store, warm)
        with clock:
            work(store, timed)
    return clock.read(len(timed))


def append(directory: Path, count: int) -> Reading:
    """Append one by one from one thread; a background sync every 50 ms."""
    return _fill(directory, count)


def append_killed(directory: Path, count: int) -> Reading:
    """Append as `append` does, then die by SIGKILL with the store open."""
    store = batpak.Store.open(directory, durability="interval")
    for items in _items(count):
        _append_each(store, items)
    os.kill(os.getpid(), signal.SIGKILL)
    message = "survived SIGKILL"
    raise RuntimeError(message)


def append_synced(directory: Path, count: int) -> Reading:
    """Append one by one; each receipt follows its sync."""
    return _fill(directory, count, durability="always")


def append_sealing(directory: Path, count: int) -> Reading:
    """Append as `append` does, to segments so small that several are sealed; time each append near a rotation.

    Near is what begins with the append that rotates and up to 100 ms later, while the sealed segment's index is made.
    """
    warm, timed = _items(count)
    clock = Clock()
    starts, ends = [0] * len(timed), [0] * len(timed)
    now = time.perf_counter_ns
    with batpak.Store.open(directory, segment_bytes=SEALING_SEGMENT_BYTES) as store:
        _append_each(store, warm)
        first = len(store)
        append = store.append
        with clock:
            for number, (coordinate, payload) in enumerate(timed):
                starts[number] = now()
                append(coordinate, payload, kind=KIND)
                ends[number] = now()
    # One thread appended, and the store wrote nothing between: the names of the segments say which appends rotated.
    names = sorted(int(log.stem) for log in (directory / "segments").glob("*.log"))
    rotations = [name - first for name in names if name > first]
    if not rotations:
        message = f"{count} events fill no segment of {SEALING_SEGMENT_BYTES} bytes"
        raise RuntimeError(message)
    near: set[int] = set()
    for rotation in rotations:
        end = bisect_right(starts, starts[rotation] + NEAR_NS)
        near.update(range(rotation, end))
    by_length = sorted((ends[number] - starts[number]) / 1e3 for number in near)
    latencies_us = {
        **{name: by_length[math.ceil(share * len(by_length)) - 1] for name, share in SHARES.items()},
        "max": by_length[-1],
        "max of those that did not rotate": max(
            (ends[number] - starts[number]) / 1e3 for number in near.difference(rotations)
        ),
    }
    return clock.read(len(near), latencies_us=latencies_us)


def append_signed(directory: Path, count: int) -> Reading:
    """Append one by one with a signing key."""
    return _fill(directory, count, signed=True)


def append_rooted(directory: Path, count: int) -> Reading:
    """Append as `append` does, then ask for the root of the tree over all events."""
    return _fill(directory, count, work=_append_and_root)


def verify(directory: Path, count: int) -> Reading:
    """Verify the journal that an earlier workload left behind; nothing may be found."""
    clock = Clock()
    with clock:
        verdict = batpak.verify(directory)
    if not verdict.ok or verdict.events < count:
        message = f"expected {count} events without a finding: {verdict}"
        raise RuntimeError(message)
    return clock.read(verdict.events)


def threads_synced(directory: Path, count: int) -> Reading:
    """Append from sixteen threads; each receipt follows its sync."""
    return _fill(directory, count, work=_append_threads, durability="always")


def batch(directory: Path, count: int) -> Reading:
    """Append lists of 1,000 drafts; building the drafts is on the clock."""
    return _fill(directory, count, work=_append_batches)


def batch_signed(directory: Path, count: int) -> Reading:
    """Append lists of 1,000 drafts with a signing key."""
    return _fill(directory, count, work=_append_batches, signed=True)


def open_store(directory: Path, count: int) -> Reading:
    """Open the store that an earlier workload left behind, which must hold all `count` events."""
    clock = Clock()
    with clock:
        store = batpak.Store.open(directory, create=False)
    with store:
        _ids(store, count)
    return clock.read(count)


def _gets(directory: Path, count: int, references: Callable[[batpak.Store, int], Sequence[UUID | int]]) -> Reading:
    """Read random events, named as `references` names them, and decode their payloads into dicts."""
    clock = Clock()
    with batpak.Store.open(directory, create=False) as store:
        known = references(store, count)
        picks = [known[scramble(index) % count] for index in range(min(count, GETS_MAX))]
        warm = len(picks) // WARM_SHARE
        for reference in picks[:warm]:
            _ = store.get(reference).payload
        with clock:
            for reference in picks[warm:]:
                _ = store.get(reference).payload
    return clock.read(len(picks) - warm)


def get(directory: Path, count: int) -> Reading:
    """Read random events by id."""
    return _gets(directory, count, _ids)


def get_sequence(directory: Path, count: int) -> Reading:
    """Read random events by sequence, as the peers do."""
    return _gets(directory, count, lambda store, _: [event.sequence for event in store.query(kind=KIND)])


def _whole(directory: Path, count: int, work: Callable[[batpak.Store], int], expected: int) -> Reading:
    """Go through all events once to warm up, and once on the clock."""
    clock = Clock()
    with batpak.Store.open(directory, create=False) as store:
        work(store)
        with clock:
            found = work(store)
    if found != expected:
        message = f"expected {expected}, found {found}"
        raise RuntimeError(message)
    return clock.read(count)


def replay(directory: Path, count: int) -> Reading:
    """Fold over all events with a Python function that reads the payload, decoded into a dict."""
    return _whole(directory, count, _fold, count * (count - 1) // 2)


def scan(directory: Path, count: int) -> Reading:
    """Count all events."""
    return _whole(directory, count, lambda store: cast("int", store.aggregate("count")), count)


def aggregate(directory: Path, count: int) -> Reading:
    """Sum a field of all events."""
    total = count * (count - 1) // 2
    return _whole(directory, count, lambda store: cast("int", store.aggregate("sum", "step")), total)


def aggregate_groups(directory: Path, count: int) -> Reading:
    """Count all events by entity."""
    return _whole(directory, count, lambda store: sum(store.aggregate("count", by="entity").values()), count)


def _at_once(directory: Path, count: int, work: Callable[[batpak.Store], int], threads: int) -> Reading:
    """Have each of so many threads go through all events of one store and count them; the events of all count."""
    clock = Clock()
    with batpak.Store.open(directory, create=False) as store:
        expected = [work(store)] * threads
        with ThreadPoolExecutor(threads) as pool, clock:
            # What one of them raises is raised here.
            found = list(pool.map(work, [store] * threads))
    if found != expected or found[0] < count:
        message = f"expected {expected} and at least {count}, found {found}"
        raise RuntimeError(message)
    return clock.read(count * threads)


def _fold(store: batpak.Store) -> int:
    """Return the sum of a field, which is more than the number of events."""

    def step(state: int, event: batpak.Event) -> int:
        return state + cast("int", event.payload["step"])

    return store.project(step, initial=0)


def _iterate(store: batpak.Store) -> int:
    return sum(1 for _ in store.query())


def _count(store: batpak.Store) -> int:
    return cast("int", store.aggregate("count", threads=1))


def _sum(store: batpak.Store) -> int:
    return cast("int", store.aggregate("sum", "step", threads=1))


def verify_on_one(directory: Path, count: int) -> Reading:
    """Verify with one processor: what `verify` gains by both."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return verify(directory, count)


def _ids(store: batpak.Store, count: int) -> list[UUID]:
    """Return the ids of all events, which must be `count`: a store that lost some is not worth timing."""
    ids = [event.event_id for event in store.query(kind=KIND)]
    if len(ids) != count:
        message = f"expected {count} events, found {len(ids)}"
        raise RuntimeError(message)
    return ids


WORKLOADS: Final = {
    "append": append,
    "append-killed": append_killed,
    "append-sealing": append_sealing,
    "append-synced": append_synced,
    "append-rooted": append_rooted,
    "append-signed": append_signed,
    "threads-synced": threads_synced,
    "batch": batch,
    "batch-signed": batch_signed,
    "open": open_store,
    "verify": verify,
    "get": get,
    "get-sequence": get_sequence,
    "replay": replay,
    "scan": scan,
    "aggregate": aggregate,
    "aggregate-groups": aggregate_groups,
    "verify-on-one": verify_on_one,
    **{
        f"{name}-by-{threads}": partial(_at_once, work=work, threads=threads)
        for name, work in (("fold", _fold), ("iterate", _iterate), ("count", _count), ("sum", _sum))
        for threads in (1, 2)
    },
}
