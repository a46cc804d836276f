"""Projections against a plain list over random histories: appends, saves, reopenings, lost files, changed versions."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import batpak
from batpak import Coordinate, Event, Projection, Store
from readers_support import index_files

KINDS = [0xF001, 0xF002, 0xE003]
ENTITIES = ["a", "b:1", "b:2"]


class Numbers(Projection[dict[str, list[int]]]):
    """What was appended for each entity, of two kinds, in order."""

    name = "numbers"
    version = 1

    def initial(self) -> dict[str, list[int]]:
        return {}

    @batpak.on(0xF001, 0xE003)
    def added(self, state: dict[str, list[int]], event: Event) -> dict[str, list[int]]:
        return {**state, event.entity: [*state.get(event.entity, []), event.payload]}


class NumbersAgain(Projection[dict[str, list[int]]]):
    """Another version of it, which is mutable about its state: nobody must see that."""

    name = "numbers"
    version = 2

    def initial(self) -> dict[str, list[int]]:
        return {}

    @batpak.on(0xF001, 0xE003)
    def added(self, state: dict[str, list[int]], event: Event) -> dict[str, list[int]]:
        state.setdefault(event.entity, []).append(-event.payload)
        return state


class Everything(Projection[int]):
    name = "everything"

    def initial(self) -> int:
        return 0

    def otherwise(self, state: int, event: Event) -> int:
        return state * 31 % 1_000_003 + event.sequence


VERSIONS: list[type[Projection[dict[str, list[int]]]]] = [Numbers, NumbersAgain]
FILTERS: list[dict[str, Any]] = [
    {},
    {"entity": "a"},
    {"entity_prefix": "b"},
    {"kind": 0xE003},
    {"category": 0xF, "after": 5},
]


def wanted(known: tuple[int, str, int, int], filters: dict[str, Any]) -> bool:
    sequence, entity, kind, _ = known
    return (
        filters.get("entity", entity) == entity
        and ("entity_prefix" not in filters or entity.split(":")[0] == filters["entity_prefix"])
        and filters.get("kind", kind) == kind
        and filters.get("category", kind >> 12) == kind >> 12
        and sequence > filters.get("after", -1)
    )


class Projections(RuleBasedStateMachine):
    @initialize(segment_bytes=st.sampled_from([4096, 2**20]), every=st.sampled_from([None, 1, 3, 1000]))
    def begin(self, segment_bytes: int, every: int | None) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.options: dict[str, Any] = {"segment_bytes": segment_bytes, "durability": "manual"}
        self.every = every
        self.log: list[tuple[int, str, int, int]] = []
        self.views: dict[tuple[int, int], batpak.View[Any]] = {}
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.directory / "journal", **self.options)
        self.views.clear()

    @rule(
        items=st.lists(
            st.tuples(st.sampled_from(ENTITIES), st.sampled_from(KINDS), st.integers(0, 9)), min_size=1, max_size=8
        )
    )
    def append(self, items: list[tuple[str, int, int]]) -> None:
        for entity, kind, number in items:
            receipt = self.store.append(Coordinate(entity, "s"), number, kind=kind, private_metadata={"pad": "x" * 300})
            self.log.append((receipt.sequence, entity, kind, number))

    def model(
        self, version: int, filters: dict[str, Any], until: int | None = None
    ) -> tuple[dict[str, list[int]], int]:
        state: dict[str, list[int]] = {}
        count = 0
        for known in self.log:
            sequence, entity, kind, number = known
            if wanted(known, filters) and kind != 0xF002 and (until is None or sequence <= until):
                state.setdefault(entity, []).append(-number if version else number)
                count += 1
        return state, count

    @rule(version=st.integers(0, 1), filters=st.integers(0, len(FILTERS) - 1), until=st.none() | st.integers(0, 60))
    def project(self, version: int, filters: int, until: int | None) -> None:
        chosen = FILTERS[filters]
        model, _ = self.model(version, chosen, until)
        assert self.store.project(VERSIONS[version], until=until, **chosen) == model
        both = self.store.project_all([Everything(), VERSIONS[version], Everything], until=until, **chosen)
        everything = self.store.project(Everything, until=until, **chosen)
        assert both == [everything, model, everything]
        folded = self.store.project(
            lambda state, event: [*state, event.sequence], initial=list[int](), until=until, **chosen
        )
        assert folded == [
            known[0] for known in self.log if wanted(known, chosen) and (until is None or known[0] <= until)
        ]

    def view(self, version: int, filters: int) -> batpak.View[Any]:
        key = version, filters
        if key not in self.views:
            self.views[key] = self.store.materialise(VERSIONS[version], snapshot_every=self.every, **FILTERS[filters])
        return self.views[key]

    @rule(version=st.integers(0, 1), filters=st.integers(0, len(FILTERS) - 1))
    def read(self, version: int, filters: int) -> None:
        view = self.view(version, filters)
        applied = view.applied
        projected = view.read()
        model, count = self.model(version, FILTERS[filters])
        assert (projected.state, projected.events) == (model, count)
        assert (projected.fresh, projected.behind, projected.sequence) == (True, 0, len(self.store) - 1)
        assert projected.watermark == view.applied == self.store.frontier().visible
        assert projected.folded_now <= count
        if applied is not None:
            assert view.read().folded_now == 0
        stale = view.read(max_stale="any")
        assert (stale.state, stale.state_hash, stale.folded_now) == (model, projected.state_hash, 0)
        # What a reader does with it is the reader's business.
        projected.state.clear()
        self.views.pop((version, filters))

    @rule(version=st.integers(0, 1), filters=st.integers(0, len(FILTERS) - 1))
    def stale(self, version: int, filters: int) -> None:
        view = self.view(version, filters)
        projected = view.read(max_stale="any")
        assert (projected.state, projected.events) == self.model(version, FILTERS[filters], projected.sequence)
        assert projected.behind == len(self.store) - 1 - (projected.sequence or 0)

    @rule(version=st.integers(0, 1), filters=st.integers(0, len(FILTERS) - 1))
    def save(self, version: int, filters: int) -> None:
        view = self.view(version, filters)
        assert view.save() == view.applied

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def lose_what_can_be_made_again(self) -> None:
        self.store.close()
        for file in index_files(self.directory / "journal"):
            file.unlink()
        self.open()

    @rule()
    def lose_snapshots(self) -> None:
        shutil.rmtree(self.directory / "journal" / "projections", ignore_errors=True)

    @invariant()
    def applied_is_never_ahead(self) -> None:
        if not hasattr(self, "store"):
            return
        frontier = self.store.frontier()
        assert frontier.applied is None or frontier.visible is None or frontier.applied <= frontier.visible

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)


TestProjections = Projections.TestCase
TestProjections.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
