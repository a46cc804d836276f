"""Random operations, with closing, killing and reopening among them, against a model in plain Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import batpak
from batpak import Coordinate, Draft, Store
from support import copy_of_living

ENTITIES = ["a", "b:1", "é"]
SCOPES = ["s", "t"]
KINDS = [0x1000, 0xF001, 0xFFFF]
PAYLOADS = st.one_of(
    st.none(), st.integers(), st.text(max_size=20), st.binary(max_size=50), st.just(bytes(3000)),
    st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=3), max_size=3),
)  # fmt: skip
DURABILITIES = st.sampled_from(["always", "interval", "manual", None])


@dataclass
class Known:
    """What the model keeps of one event."""

    entity: str
    scope: str
    kind: int
    payload: object
    receipt: batpak.AppendReceipt | None
    clock: int
    causation: Any = None
    metadata: dict[str, str] = field(default_factory=dict)
    system: bool = False


SINGLE = st.tuples(st.sampled_from(ENTITIES), st.sampled_from(SCOPES), st.sampled_from(KINDS), PAYLOADS)


class Journal(RuleBasedStateMachine):
    """The model is a list of events; the journal's own are adopted from the store, as placeholders."""

    receipts: Bundle[batpak.AppendReceipt] = Bundle("receipts")

    @initialize(
        signed=st.booleans(),
        segment_bytes=st.sampled_from([4096, 2**20]),
        durability=st.sampled_from(["always", "interval", "manual"]),
    )
    def begin(self, signed: bool, segment_bytes: int, durability: Any) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "journal"
        self.options: dict[str, Any] = {"segment_bytes": segment_bytes, "durability": durability, "interval_ms": 5}
        if signed:
            self.options["signing_key"] = batpak.SigningKey.generate()
        self.log: list[Known] = []
        self.incarnations = 0
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.path, **self.options)
        self.incarnations += 1
        assert self.store.open_report.path_taken == ("clean" if self.incarnations > 1 else "created")
        assert self.store.open_report.incarnation == self.incarnations
        assert self.store.open_report.events == len(self.log)
        (own,) = self.store.query(system=True, after=len(self.log) - 1 if self.log else None)
        assert own.is_system
        self.log.append(Known("batpak", "batpak", own.kind.code, own.payload, None, self.incarnations - 1, system=True))

    def add(self, item: tuple[str, str, int, object], receipt: batpak.AppendReceipt, **more: Any) -> None:
        entity, scope, kind, payload = item
        clock = sum(known.entity == entity for known in self.log)
        assert (receipt.sequence, receipt.clock) == (len(self.log), clock)
        self.log.append(Known(entity, scope, kind, payload, receipt, clock, **more))

    @rule(target=receipts, item=SINGLE, durability=DURABILITIES)
    def append(self, item: tuple[str, str, int, object], durability: Any) -> batpak.AppendReceipt:
        entity, scope, kind, payload = item
        receipt = self.store.append(Coordinate(entity, scope), payload, kind=kind, durability=durability)
        self.add(item, receipt)
        return receipt

    @rule(
        target=receipts,
        items=st.lists(SINGLE, min_size=1, max_size=6),
        cause=receipts,
        metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    )
    def append_batch(self, items: list[Any], cause: batpak.AppendReceipt, metadata: dict[str, str]) -> Any:
        drafts = [
            Draft(
                Coordinate(entity, scope),
                payload,
                kind=kind,
                metadata=metadata,
                causation_id=index - 1 if index else cause.event_id,
            )
            for index, (entity, scope, kind, payload) in enumerate(items)
        ]
        written = self.store.append_batch(drafts)
        for index, (item, receipt) in enumerate(zip(items, written, strict=True)):
            self.add(
                item, receipt, causation=written[index - 1].event_id if index else cause.event_id, metadata=metadata
            )
        return multiple(*written)

    @rule(value=st.sampled_from([(1,), {1: 2}, float("nan"), {"a": [object()]}]), item=SINGLE)
    def refused(self, value: object, item: tuple[str, str, int, object]) -> None:
        entity, scope, kind, payload = item
        for attempt in (
            lambda: self.store.append(Coordinate(entity, scope), value, kind=kind),
            lambda: self.store.append_batch(
                [(Coordinate(entity, scope), payload), (Coordinate(entity, scope), value)], kind=kind
            ),
        ):
            try:
                attempt()
            except batpak.BatpakError:
                continue
            raise AssertionError("it was accepted")

    @rule()
    def sync(self) -> None:
        assert self.store.sync() == len(self.log) == self.store.stats().durable_events

    @rule()
    def reopen(self) -> None:
        self.store.close()
        assert batpak.verify(self.path).ok
        self.open()

    @rule()
    def crash(self) -> None:
        """A copy of the directory while the store is open is what a killed process leaves."""
        image = self.directory / "image"
        copy_of_living(self.path, image)
        self.store.close()
        shutil.rmtree(self.path)
        os.rename(image, self.path)
        self.open()

    @rule()
    def delete_what_can_be_made_again(self) -> None:
        self.store.close()
        (self.path / "journal.meta").unlink()
        Store.open(self.path, rebuild_meta=True, **self.options).close()
        self.incarnations += 1
        self.log.append(Known("batpak", "batpak", 2, {}, None, self.incarnations - 1, system=True))
        self.open()

    @rule(receipt=receipts)
    def look_up(self, receipt: batpak.AppendReceipt) -> None:
        event = self.store.get(receipt.event_id)
        known = self.log[receipt.sequence]
        assert (event.sequence, event.event_hash) == (receipt.sequence, receipt.event_hash)
        assert (event.payload, type(event.payload)) == (known.payload, type(known.payload))
        assert (event.causation_id, event.metadata) == (known.causation, known.metadata)
        chain = [each.sequence for each in self.store.walk_ancestors(receipt.sequence)]
        same_entity = [
            sequence for sequence, each in enumerate(self.log[: receipt.sequence + 1]) if each.entity == known.entity
        ]
        assert chain == same_entity[::-1]

    @rule(receipt=consumes(receipts))
    def verify_receipt(self, receipt: batpak.AppendReceipt) -> None:
        portable = batpak.AppendReceipt.from_bytes(receipt.to_bytes())
        outcome = "signed" if "signing_key" in self.options else "unsigned_accepted"
        assert self.store.verify_receipt(portable).outcome == outcome

    @rule(
        entity=st.sampled_from([None, *ENTITIES, "batpak", "nobody"]), scope=st.sampled_from([None, *SCOPES]),
        kind=st.sampled_from([None, *KINDS, 2]), after=st.none() | st.integers(0, 30), until=st.none() | st.integers(0, 30),
        limit=st.none() | st.integers(0, 10), system=st.booleans(),
    )  # fmt: skip
    def query(self, **filters: Any) -> None:
        expected = [
            sequence
            for sequence, known in enumerate(self.log)
            if filters["entity"] in (None, known.entity)
            and filters["scope"] in (None, known.scope)
            and filters["kind"] in (None, known.kind)
            and (filters["after"] is None or sequence > filters["after"])
            and (filters["until"] is None or sequence <= filters["until"])
            and (filters["system"] or not known.system)
        ][: filters["limit"]]
        assert [event.sequence for event in self.store.query(**filters)] == expected

    @precondition(lambda self: len(self.log) % 4 == 0)
    @rule()
    def verify(self) -> None:
        verdict = self.store.verify()
        assert (verdict.ok, verdict.events, verdict.findings) == (True, len(self.log), ())
        entities = {known.entity for known in self.log}
        assert self.store.stats().entities == len(entities)
        assert self.store.project(lambda count, _: count + 1, initial=0) == sum(not known.system for known in self.log)

    @invariant()
    def same_length(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == len(self.log)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            assert batpak.verify(self.path).ok
            shutil.rmtree(self.directory)


TestJournal = Journal.TestCase
TestJournal.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
