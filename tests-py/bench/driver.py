"""The workloads of a store that finds its events by entity, kind and tenant; each store brings its own operations.

Loops lie inside a store's operations, so that nothing but the store's own work is on the clock.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from .clock import BATCH, GETS_MAX, WARM_SHARE, Clock, Reading
from .event import Event, scramble
from .placed import PAGE, By, Placed, parts, place

PART: Final = 10 * BATCH
"""So many events are made at a time: a journal of 10 million must not need 10 million dicts."""
PAGES: Final = 1_000
NEXT: Final = 20_000
"""Appended to a grown store, after a few to warm up."""

Item = TypeVar("Item")
Key = TypeVar("Key")
Workload = Callable[[Path, int], Reading]

_left_open: Final[list[object]] = []
"""Stores of workloads that end by SIGKILL: collecting one would close it."""


class Indexed(ABC, Generic[Item, Key]):
    """One open store; `Item` is an event as its appends take it, `Key` what a get takes."""

    @abstractmethod
    def prepare(self, events: Sequence[Placed]) -> list[Item]:
        """Return `events` as the appends take them; not timed, so nothing is encoded here."""

    @abstractmethod
    def append_each(self, items: Sequence[Item]) -> None:
        """Append one by one."""

    @abstractmethod
    def append_batch(self, items: Sequence[Item]) -> None:
        """Append all at once."""

    @abstractmethod
    def keys(self, indexes: Sequence[int]) -> list[Key]:
        """Return the keys of events; not timed."""

    @abstractmethod
    def get_each(self, keys: Sequence[Key]) -> None:
        """Read events one by one and decode each into a dict."""

    @abstractmethod
    def page(self, by: By, number: int, after: int | None) -> Sequence[Any]:
        """Return the first PAGE events of a class, or those after a sequence number, as they are before decoding."""

    @abstractmethod
    def payloads(self, page: Sequence[Any]) -> list[Event]:
        """Decode the payloads of a page."""

    @abstractmethod
    def count(self) -> int:
        """Return how many events of the workload there are; not timed."""

    @abstractmethod
    def close(self) -> None:
        """Close it cleanly."""


Open = Callable[[Path], Indexed[Any, Any]]


def workloads(open_store: Open) -> dict[str, Workload]:
    """Return all workloads of a store that `open_store` opens, by name."""
    return {
        "fill": partial(_fill, open_store),
        "fill-each": partial(_fill, open_store, each=True),
        "fill-own": partial(_fill, open_store, own=True),
        "fill-own-each": partial(_fill, open_store, own=True, each=True),
        "fill-killed": partial(_fill, open_store, killed=True),
        "open": partial(_open, open_store),
        "memory": partial(_memory, open_store),
        "get": partial(_get, open_store),
        "page-entity": partial(_pages, open_store, By.ENTITY),
        "page-entity-first": partial(_pages, open_store, By.ENTITY, first=True),
        "page-entity-own": partial(_pages_own, open_store),
        "page-kind": partial(_pages, open_store, By.KIND),
        "page-kind-first": partial(_pages, open_store, By.KIND, first=True),
        "page-metadata": partial(_pages, open_store, By.METADATA),
        "page-metadata-first": partial(_pages, open_store, By.METADATA, first=True),
        "page-entity-bare": partial(_pages, open_store, By.ENTITY, decoded=False),
        "page-kind-bare": partial(_pages, open_store, By.KIND, decoded=False),
        "page-metadata-bare": partial(_pages, open_store, By.METADATA, decoded=False),
        "next-killed": partial(_next, open_store, lambda index, _: place(index)),
        "next-new-killed": partial(_next, open_store, lambda index, _: place(index, index)),
        "next-known-killed": partial(_next, open_store, lambda index, count: place(index, scramble(index) % count)),
    }


def next_count() -> int:
    """Return how many events the workloads called next append."""
    return NEXT + NEXT // WARM_SHARE


def rss_bytes() -> int:
    """Return the resident memory of this process, pages of mapped files included."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _fill(
    open_store: Open, directory: Path, count: int, *, each: bool = False, own: bool = False, killed: bool = False
) -> Reading:
    """Append, one by one or in batches, until the store holds `count` events; only the appends are timed."""
    clock = Clock()
    store = open_store(directory)
    start, timed = store.count(), 0
    for number, part in enumerate(parts(start, count, PART, own=own)):
        items = store.prepare(part)
        if number == 0 and count - start > PART:
            # The first part warms up, unless it is all there is.
            _append(store, items, each=each)
            continue
        with clock:
            _append(store, items, each=each)
        timed += len(items)
    _end(store, killed=killed)
    return clock.read(timed)


def _append(store: Indexed[Any, Any], items: Sequence[Any], *, each: bool) -> None:
    if each:
        store.append_each(items)
        return
    for start in range(0, len(items), BATCH):
        store.append_batch(items[start : start + BATCH])


def _next(open_store: Open, make: Callable[[int, int], Placed], directory: Path, count: int) -> Reading:
    """Append the next 20,000 events one by one to a store of `count`, and leave it open for the kill."""
    clock = Clock()
    store = open_store(directory)
    _check_count(store, count)
    items = store.prepare([make(index, count) for index in range(count, count + next_count())])
    warm = len(items) - NEXT
    store.append_each(items[:warm])
    timed = items[warm:]
    with clock:
        store.append_each(timed)
    _end(store, killed=True)
    return clock.read(len(timed))


def _open(open_store: Open, directory: Path, count: int) -> Reading:
    """Open the store that an earlier workload left behind, which must hold all `count` events."""
    clock = Clock()
    with clock:
        store = open_store(directory)
    _check_count(store, count)
    store.close()
    return clock.read(count)


def _memory(open_store: Open, directory: Path, count: int) -> Reading:
    """Open the store, read one event, and tell how much memory this process then has."""
    clock = Clock()
    with clock:
        store = open_store(directory)
        store.get_each(store.keys([count // 2]))
    reading = clock.read(1, rss_bytes=rss_bytes())
    _check_count(store, count)
    store.close()
    return reading


def _get(open_store: Open, directory: Path, count: int) -> Reading:
    """Read random events by id and decode their payloads into dicts."""
    clock = Clock()
    store = open_store(directory)
    _check_count(store, count)
    keys = store.keys([scramble(number) % count for number in range(min(count, GETS_MAX))])
    warm = len(keys) // WARM_SHARE
    store.get_each(keys[:warm])
    timed = keys[warm:]
    with clock:
        store.get_each(timed)
    store.close()
    return clock.read(len(timed))


def _pages(
    open_store: Open, by: By, directory: Path, count: int, *, first: bool = False, decoded: bool = True
) -> Reading:
    """Read pages of random classes, each from its first event on or from a random place of the store."""
    # Not so near the end that a page would be short, if the store has full ones at all.
    starts = 1 if first else max(1, count - (PAGE + 1) * by.value)
    classes = min(by.value, count)
    picks: list[tuple[int, int | None]] = []
    for number in range(PAGES):
        start = scramble(number + PAGES) % starts
        picks.append((scramble(number) % classes, start - 1 if start else None))
    return _read_pages(open_store, by, picks, directory, count, by.value, decoded=decoded)


def _pages_own(open_store: Open, directory: Path, count: int) -> Reading:
    """Read the whole page of random entities that have one event each."""
    picks = [(scramble(number) % count, None) for number in range(PAGES)]
    return _read_pages(open_store, By.ENTITY, picks, directory, count, count)


def _read_pages(
    open_store: Open,
    by: By,
    picks: Sequence[tuple[int, int | None]],
    directory: Path,
    count: int,
    distance: int,
    *,
    decoded: bool = True,
) -> Reading:
    clock = Clock()
    store = open_store(directory)
    _check_count(store, count)
    warm = len(picks) // WARM_SHARE
    for number, after in picks[:warm]:
        store.payloads(store.page(by, number, after))
    found: list[tuple[int, Sequence[Any]]] = []
    with clock:
        for number, after in picks[warm:]:
            page = store.page(by, number, after)
            if decoded:
                page = store.payloads(page)
            found.append((len(page), (page[0], page[-1])))
    ends = [ends if decoded else store.payloads(ends) for _, ends in found]
    store.close()
    for (number, after), (length, _), (first, last) in zip(picks[warm:], found, ends, strict=True):
        _check_page(number, after, (length, int(first["step"]), int(last["step"])), count, distance)
    events = sum(length for length, _ in found)
    return clock.read(len(found), page_events=events / len(found))


def _check_page(number: int, after: int | None, page: tuple[int, int, int], count: int, distance: int) -> None:
    """Refuse a page with a gap, of another class, or shorter than it should be: `page` is length, first and last."""
    length, first, last = page
    whole = length == PAGE or last + distance >= count
    begins = first == number if after is None else first % distance == number
    if not (whole and begins and last == first + (length - 1) * distance):
        message = f"wrong page of {number} after {after}: {length} events from {first} to {last}"
        raise RuntimeError(message)


def _check_count(store: Indexed[Any, Any], count: int) -> None:
    """Refuse a store that lost events or got more: it is not worth timing."""
    if (found := store.count()) != count:
        message = f"expected {count} events, found {found}"
        raise RuntimeError(message)


def _end(store: Indexed[Any, Any], *, killed: bool) -> None:
    if killed:
        _left_open.append(store)
    else:
        store.close()
