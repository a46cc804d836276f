"""How cost grows: one store of each subject grows through the sizes and is measured at each of them.

Reads are measured on the store itself, each round in a fresh process. Appends and the open after a kill are measured on
a copy, fresh for each round, so that a store has exactly the size it is said to have.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Final

from .driver import NEXT, next_count
from .event import ENTITIES
from .measure import Bench, Measurement, MeasurementError
from .rows import DECLARED, INDEXED, INDEXED_PEERS, Subject, Unit

SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
PEERS: Final = {peer.store.removesuffix("-indexed"): peer for peer in INDEXED_PEERS}


class Entities(Enum):
    """How many entities a store of a curve has."""

    SHARED = f"{ENTITIES:,} entities"
    OWN = "an entity for each event"


@dataclass(frozen=True, slots=True)
class Step:
    """What is measured at each size if the operation `name` is asked for: a figure of a workload on a grown store.

    `then`, on a copy that the workload left killed, is one more.
    """

    name: str
    title: str
    unit: Unit
    workload: str
    then: "Step | None" = None


OPEN: Final = "open"
APPEND: Final = "append"


def _page(name: str, what: str) -> tuple[Step, ...]:
    return (
        Step(name, f"first page of 100 by {what}", Unit.MICROSECONDS_PER_PAGE, f"{name}-first"),
        Step(name, f"page of 100 by {what}, from a random place", Unit.MICROSECONDS_PER_PAGE, name),
        Step(name, "the same, payloads not decoded", Unit.MICROSECONDS_PER_PAGE, f"{name}-bare"),
    )


def _append(title: str, workload: str) -> Step:
    killed = Step(
        OPEN, f"open after a kill, {next_count():,} events after the last clean close", Unit.MILLISECONDS, "open"
    )
    return Step(APPEND, f"{title}, the next {NEXT:,} one by one, buffered", Unit.EVENTS_PER_S, workload, killed)


READS: Final = (
    Step(OPEN, "open after a clean close", Unit.MILLISECONDS, "open"),
    Step(OPEN, "memory of a process that opened the store and read one event", Unit.MEBIBYTES, "memory"),
    Step("prove", "inclusion proofs of random events (20,000/s is 50 us)", Unit.EVENTS_PER_S, "prove"),
    Step("get", "get random events by id, decoded into dicts", Unit.EVENTS_PER_S, "get"),
)
STEPS: Final = {
    Entities.SHARED: (
        *READS,
        *_page("page-entity", "entity"),
        *_page("page-kind", "kind"),
        *_page("page-metadata", "a metadata key"),
        _append("append", "next-killed"),
    ),
    Entities.OWN: (
        *READS,
        Step("page-entity", "all of an entity, which is one event", Unit.MICROSECONDS_PER_PAGE, "page-entity-own"),
        replace(_append("append to new entities", "next-new-killed"), then=None),
        _append("append to known entities", "next-known-killed"),
    ),
}
OPERATIONS: Final = tuple(dict.fromkeys(step.name for step in STEPS[Entities.SHARED]))


@dataclass(slots=True)
class Series:
    """The measurements of one step and subject, by size, a list of one for each round; or why it ended."""

    entities: Entities
    step: Step
    subject: Subject
    by_size: dict[int, list[Measurement]] = field(default_factory=dict[int, list[Measurement]])
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """What is to be measured; `each` grows ours one event at a time instead of by batches of 1,000."""

    operations: tuple[str, ...]
    sizes: tuple[int, ...]
    entities: tuple[Entities, ...]
    peers: tuple[Subject, ...]
    rounds: int
    each: bool


def measure_curve(bench: Bench, curve: Curve, progress: Callable[[str], None]) -> list[Series]:
    """Measure everything that `curve` asks for, shape by shape, size by size, subjects in turn."""
    results: list[Series] = []
    for entities in curve.entities:
        ours = DECLARED if entities is Entities.SHARED and "page-metadata" in curve.operations else INDEXED
        grown = [_Grown(bench, entities, subject, curve) for subject in (ours, *curve.peers)]
        for size in curve.sizes:
            for store in grown:
                progress(f"{entities.value}, growing to {size:,}: {store.subject.label}")
                store.grow(size)
            for turn in range(curve.rounds):
                first = turn % len(grown)
                for store in (*grown[first:], *grown[:first]):
                    progress(f"{entities.value}, {size:,} events, round {turn + 1}: {store.subject.label}")
                    store.measure(size)
        for store in grown:
            store.remove()
        # By step and then by subject, as they are read.
        results += [series for several in zip(*(store.series for store in grown), strict=True) for series in several]
    return results


class _Grown:
    """One store of one subject, as it grows."""

    def __init__(self, bench: Bench, entities: Entities, subject: Subject, curve: Curve) -> None:
        self.subject = subject
        self._bench = bench
        each = "-each" if curve.each and subject not in curve.peers else ""
        self._fill = ("fill-own" if entities is Entities.OWN else "fill") + each
        self._directory = bench.directory / f"{subject.store}-{entities.name.lower()}"
        self._by_step = {
            step: Series(entities, step, subject)
            for first in STEPS[entities]
            for step in (first, first.then)
            if step is not None and step.name in curve.operations
        }
        self._steps = [step for step in STEPS[entities] if self._wants(step)]

    @property
    def series(self) -> Sequence[Series]:
        return list(self._by_step.values())

    def _wants(self, step: Step) -> bool:
        return step in self._by_step or (step.then is not None and step.then in self._by_step)

    def grow(self, size: int) -> None:
        if all(series.failure is not None for series in self.series):
            return
        try:
            self._bench.prepare(self.subject, self._fill, self._directory, size)
        except MeasurementError as failure:
            for series in self.series:
                series.failure = f"growing to {size:,}: {failure}"

    def measure(self, size: int) -> None:
        for step in self._steps:
            chain = [one for one in (step, step.then) if one is not None]
            wanted = [self._by_step[one] for one in chain if one in self._by_step]
            if any(series.failure is not None for series in wanted):
                continue
            try:
                taken = self._bench.quietest(partial(self._take, chain, size))
            except MeasurementError as failure:
                for series in wanted:
                    series.failure = f"at {size:,}: {failure}"
                continue
            for one, measurement in zip(chain, taken, strict=True):
                if one in self._by_step:
                    self._by_step[one].by_size.setdefault(size, []).append(measurement)

    def _take(self, chain: Sequence[Step], size: int) -> tuple[Measurement, ...]:
        """Measure the first step on the store, or what appends on a copy of it, and the rest on what that leaves."""
        first, *rest = chain
        if first.name != APPEND:
            return (self._bench.take(self._doing(first), first.unit, self._directory, size),)
        copy = self._directory.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._directory, copy)
        taken = [self._bench.take(self._doing(first), first.unit, copy, size)]
        taken += [self._bench.take(self._doing(step), step.unit, copy, size + next_count()) for step in rest]
        shutil.rmtree(copy)
        return tuple(taken)

    def _doing(self, step: Step) -> Subject:
        # An open waits for the disk; the rest computes, but for the log of sqlite3.
        computes = step.name != OPEN and (step.name != APPEND or self.subject.store != "sqlite3")
        return replace(self.subject, workload=step.workload, cpu_bound=computes)

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        shutil.rmtree(self._directory.with_name("copy"), ignore_errors=True)
