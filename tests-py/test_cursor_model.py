"""Cursors against a plain list: random appends, batches, commits, rewinds, kills, power cuts and reopenings."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import batpak
from batpak import Coordinate, Cursor, InvalidInput
from batpak.testing import MemoryDisk, open_store

SCOPES = ["s", "t"]
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "some": {"scope": "s"},
    "kind": {"kind": 0xF002, "entity_prefix": "a"},
    "system": {"system": True},
}
NAMES = st.sampled_from(sorted(FILTERS))


class Cursors(RuleBasedStateMachine):
    """The model of a cursor: how many events of the journal are committed, and how many were given."""

    @initialize(segment_bytes=st.sampled_from([4096, 2**20]), durability=st.sampled_from(["always", "manual"]))
    def begin(self, segment_bytes: int, durability: Any) -> None:
        self.options: dict[str, Any] = {"segment_bytes": segment_bytes, "durability": durability}
        self.disk = MemoryDisk()
        self.log: list[batpak.Event] = []
        self.committed: dict[str, int] = {}
        self.given: dict[str, int] = {}
        self.open()

    def open(self) -> None:
        self.store = open_store(self.disk, **self.options)
        self.cursors: dict[str, Cursor] = {}
        self.given = {}
        self.learn()

    def learn(self) -> None:
        """The list of everything there is."""
        self.log = list(self.store.query(system=True))

    def wanted(self, name: str, behind: int) -> list[batpak.Event]:
        """The events of the list that a cursor gives behind the first so many."""
        filters = FILTERS[name]
        return [
            event
            for event in self.log[behind:]
            if (not event.is_system or "system" in filters)
            and filters.get("scope") in (None, event.scope)
            and filters.get("kind") in (None, event.kind.code)
            and (event.entity + ":").startswith(filters.get("entity_prefix", event.entity) + ":")
        ]

    def cursor(self, name: str) -> Cursor:
        """The open cursor of this name."""
        if name not in self.cursors:
            self.cursors[name] = self.store.cursor(name, **FILTERS[name])
            self.committed.setdefault(name, 0)
            self.given[name] = self.committed[name]
        return self.cursors[name]

    @rule(
        entity=st.sampled_from(["a", "a:b", "ab"]),
        scope=st.sampled_from(SCOPES),
        kind=st.sampled_from([0xF001, 0xF002]),
        count=st.integers(1, 4),
    )
    def append(self, entity: str, scope: str, kind: int, count: int) -> None:
        self.store.append_batch(
            [(Coordinate(entity, scope), bytes(number * 100)) for number in range(count)], kind=kind
        )
        self.learn()

    @rule(name=NAMES, limit=st.integers(1, 5))
    def batch(self, name: str, limit: int) -> None:
        expected = self.wanted(name, self.cursor(name) and self.given[name])[:limit]
        assert self.cursor(name).batch(limit) == expected
        if expected:
            self.given[name] = expected[-1].sequence + 1

    @rule(name=NAMES)
    def iterate(self, name: str) -> None:
        expected = self.wanted(name, self.cursor(name) and self.given[name])
        assert list(self.cursor(name)) == expected
        if expected:
            self.given[name] = expected[-1].sequence + 1

    @rule(name=NAMES)
    def commit(self, name: str) -> None:
        self.cursor(name).commit()
        self.committed[name] = max(self.committed[name], self.given[name])

    @rule(name=NAMES, sequence=st.integers(0, 30))
    def commit_through(self, name: str, sequence: int) -> None:
        cursor = self.cursor(name)
        if sequence >= len(self.log):
            return
        if sequence < self.given[name]:
            cursor.commit(self.log[sequence])
            self.committed[name] = max(self.committed[name], sequence + 1)
        else:
            try:
                cursor.commit(self.log[sequence])
            except InvalidInput:
                return
            raise AssertionError("what was not given was committed")

    @rule(name=NAMES, to=st.none() | st.integers(0, 30))
    def rewind(self, name: str, to: int | None) -> None:
        cursor = self.cursor(name)
        try:
            cursor.rewind(to)
        except InvalidInput:
            assert to is not None
            assert to > self.committed[name]
            return
        if to is not None:
            assert to <= self.committed[name]
            self.committed[name] = to
        self.given[name] = self.committed[name]

    @rule(name=NAMES)
    def close(self, name: str) -> None:
        self.cursor(name).close()
        del self.cursors[name]

    @rule(name=NAMES)
    def drop(self, name: str) -> None:
        if name in self.cursors:
            self.cursors.pop(name).close()
        assert self.store.drop_cursor(name) == (name in self.committed)
        self.committed.pop(name, None)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()

    @rule(keep=st.sampled_from(["copy", "nothing", "everything", "some"]), seed=st.integers(0, 2**32))
    def crash(self, keep: Any, seed: int) -> None:
        """Committed positions hold, whatever became of the events behind them."""
        if keep == "copy":
            image = self.disk.copy()
        else:
            image = self.disk.crash(keep, seed=seed if keep == "some" else None)
        self.store.close()
        self.disk = image
        self.open()

    @invariant()
    def positions_are_those_of_the_model(self) -> None:
        found = {position.name: position.sequence for position in self.store.cursors()}
        assert found == {name: come - 1 if come else None for name, come in self.committed.items()}
        for name, cursor in self.cursors.items():
            assert cursor.position == found[name]
            assert cursor.lag() == len(self.wanted(name, self.committed[name]))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


TestCursors = Cursors.TestCase
TestCursors.settings = settings(max_examples=60, stateful_step_count=40)
