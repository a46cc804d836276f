"""Random appends, batches and outboxes with keys, expectations and gates, against plain dicts; with reopening, kills and lost indexes."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import batpak
from batpak import ANY, NEW, Coordinate, Deny, Draft, Proposal, Store
from support import copy_of_living

ENTITIES = ["a", "b:1", "é"]
KEYS = [None, None, "k", "l", b"k", "é", "m"]
PAYLOADS = [None, 0, {"x": 1}, b"raw", "deny", 1.0]
EXPECTED = [ANY, ANY, ANY, NEW, 0, 1, 2, 3, "last", "last"]


@dataclass(frozen=True)
class Wanted:
    """One event that is to be."""

    entity: str
    payload: Any
    key: str | bytes | None
    expect: Any

    @property
    def key_bytes(self) -> bytes | None:
        return self.key.encode() if isinstance(self.key, str) else self.key

    def same_event(self, entity: str, payload: object) -> bool:
        return (self.entity, self.payload, type(self.payload)) == (entity, payload, type(payload))


WANTED = st.builds(
    Wanted, st.sampled_from(ENTITIES), st.sampled_from(PAYLOADS), st.sampled_from(KEYS), st.sampled_from(EXPECTED)
)
SEVERAL = st.lists(WANTED, min_size=1, max_size=4)


@dataclass(frozen=True)
class Known:
    """What the model keeps of one event: all that a retry is compared with, and the receipt that it gets."""

    entity: str
    payload: Any
    key: bytes | None
    receipt: bytes | None


def refuses(proposal: Proposal) -> Deny | None:
    return Deny("no") if any(event.value == "deny" for event in proposal) else None


class Writing(RuleBasedStateMachine):
    """The model is the list of events. What must happen is derived from it, by the rules of the documentation, in their order."""

    @initialize(
        signed=st.booleans(),
        gated=st.booleans(),
        window=st.sampled_from([0, 1, 4, 10, 1_000_000]),
        visibility=st.sampled_from(["written", "durable"]),
        durability=st.sampled_from(["always", "interval", "manual"]),
    )
    def begin(self, signed: bool, gated: bool, window: int, visibility: Any, durability: Any) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "journal"
        self.window = window
        self.gated = gated
        self.options: dict[str, Any] = {
            "segment_bytes": 4096,
            "durability": durability,
            "interval_ms": 5,
            "visibility": visibility,
            "idempotency_window": window,
            "gates": [refuses] if gated else [],
        }
        if signed:
            self.options["signing_key"] = batpak.SigningKey.generate()
        self.log: list[Known] = []
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.path, **self.options)
        self.adopt("batpak")

    def adopt(self, entity: str) -> None:
        """The journal wrote an event of its own."""
        self.log.append(Known(entity, None, None, None))

    # What must come of a proposal.

    def remembered(self, wanted: Wanted) -> int | None:
        """The last event under this key, if it is among the last so many of the journal."""
        from_ = max(len(self.log) - self.window, 0)
        for sequence in range(len(self.log) - 1, from_ - 1, -1):
            if wanted.key is not None and self.log[sequence].key == wanted.key_bytes:
                return sequence
        return None

    def last_clock(self, entity: str, more: list[Wanted]) -> int | None:
        count = sum(known.entity == entity for known in self.log) + sum(wanted.entity == entity for wanted in more)
        return count - 1 if count else None

    def resolved(self, items: list[Wanted]) -> list[Wanted]:
        """With "last" as the clock that will be right, or NEW."""
        done: list[Wanted] = []
        for wanted in items:
            expect = wanted.expect
            if expect == "last":
                clock = self.last_clock(wanted.entity, done)
                expect = NEW if clock is None else clock
            done.append(Wanted(wanted.entity, wanted.payload, wanted.key, expect))
        return done

    def outcome(self, items: list[Wanted]) -> Any:
        keys = [wanted.key_bytes for wanted in items if wanted.key is not None]
        if len(set(keys)) < len(keys):
            return batpak.InvalidInput
        known = [self.remembered(wanted) for wanted in items]
        for wanted, sequence in zip(items, known, strict=True):
            if sequence is not None and not wanted.same_event(self.log[sequence].entity, self.log[sequence].payload):
                return batpak.KeyConflict
        if all(sequence is not None for sequence in known):
            return [self.log[sequence].receipt for sequence in known if sequence is not None]
        if any(sequence is not None for sequence in known):
            return batpak.KeyConflict
        if self.gated and any(wanted.payload == "deny" for wanted in items):
            return batpak.GateDenied
        for position, wanted in enumerate(items):
            clock = self.last_clock(wanted.entity, items[:position])
            right = wanted.expect is ANY or (clock is None if wanted.expect is NEW else clock == wanted.expect)
            if not right:
                return batpak.ExpectationFailed
        return None

    def check(self, items: list[Wanted], write: Any) -> bool:
        """Write, and compare with what must happen; returns whether the events are there now."""
        expected, events = self.outcome(items), len(self.log)
        if isinstance(expected, type):
            try:
                write()
            except expected as error:
                if isinstance(error, batpak.GateDenied):
                    assert error.receipt is not None
                    assert error.receipt.sequence == events
                    self.adopt("batpak:gates")
                return False
            raise AssertionError(f"{expected.__name__} was not raised")
        receipts = [receipt.to_bytes() for receipt in write()]
        if expected is not None:
            assert receipts == expected
            return True
        for wanted, receipt in zip(items, receipts, strict=True):
            told = batpak.AppendReceipt.from_bytes(receipt)
            before = self.last_clock(wanted.entity, [])
            assert (told.sequence, told.clock) == (len(self.log), 0 if before is None else before + 1)
            self.log.append(Known(wanted.entity, wanted.payload, wanted.key_bytes, receipt))
        return True

    # Operations.

    @rule(wanted=WANTED, durability=st.sampled_from([None, "always", "manual"]))
    def append(self, wanted: Wanted, durability: Any) -> None:
        (item,) = self.resolved([wanted])
        self.check(
            [item],
            lambda: [
                self.store.append(
                    Coordinate(item.entity, "s"),
                    item.payload,
                    kind=0xF001,
                    key=item.key,
                    expect=item.expect,
                    durability=durability,
                )
            ],
        )

    @rule(items=SEVERAL)
    def append_batch(self, items: list[Wanted]) -> None:
        wanted = self.resolved(items)
        self.check(wanted, lambda: self.store.append_batch(map(self.draft, wanted), kind=0xF001))

    @rule(items=SEVERAL, reach=st.sampled_from([None, "durable", "visible"]))
    def outbox(self, items: list[Wanted], reach: Any) -> None:
        wanted = self.resolved(items)
        outbox = self.store.outbox()

        def write() -> Any:
            for item in wanted:
                outbox.add(Coordinate(item.entity, "s"), item.payload, kind=0xF001, key=item.key, expect=item.expect)
            return outbox.flush(reach=reach)

        written = self.check(wanted, write)
        assert (len(outbox) == 0) == written

    @rule(items=SEVERAL)
    def dropped(self, items: list[Wanted]) -> None:
        outbox = self.store.outbox()
        for number, item in enumerate(self.resolved(items)):
            outbox.add(Coordinate(item.entity, "s"), item.payload, kind=0xF001, key=f"own {number}", expect=item.expect)
        outbox.discard()

    @rule(payload=st.sampled_from(PAYLOADS), entity=st.sampled_from(ENTITIES))
    def bypassed(self, payload: Any, entity: str) -> None:
        receipt = self.store.append(Coordinate(entity, "s"), payload, kind=0xF001, bypass=batpak.Bypass("r", "a"))
        self.adopt("batpak:gates")
        assert receipt.sequence == len(self.log)
        self.log.append(Known(entity, payload, None, receipt.to_bytes()))

    @rule(count=st.integers(1, 8))
    def fill(self, count: int) -> None:
        """Others write meanwhile; segments are sealed and keys fall out of the window."""
        receipts = self.store.append_batch(
            [(Coordinate("other", "s"), bytes(700)) for _ in range(count)], kind=0xF002, gates=[]
        )
        self.log += [Known("other", bytes(700), None, receipt.to_bytes()) for receipt in receipts]

    @staticmethod
    def draft(item: Wanted) -> Draft:
        return Draft(Coordinate(item.entity, "s"), item.payload, key=item.key, expect=item.expect)

    @rule()
    def wait(self) -> None:
        self.store.wait_for("durable", len(self.log) - 1)
        frontier = self.store.frontier()
        assert frontier.durable == frontier.visible == frontier.written == frontier.accepted
        assert frontier.written is not None
        assert frontier.written.sequence == len(self.log) - 1

    @rule()
    def reopen(self) -> None:
        self.store.close()
        assert batpak.verify(self.path).ok
        self.open()

    @rule()
    def kill(self) -> None:
        """A copy of the directory while the store is open is what a killed process leaves."""
        image = self.directory / "image"
        copy_of_living(self.path, image)
        self.store.close()
        shutil.rmtree(self.path)
        os.rename(image, self.path)
        self.open()

    @rule()
    def lose_indexes(self) -> None:
        self.store.close()
        for each in [*self.path.glob("segments/*.idx"), *self.path.glob("heads/*")]:
            each.unlink()
        self.open()

    @rule(window=st.sampled_from([0, 1, 4, 10, 1_000_000]))
    def another_window(self, window: int) -> None:
        self.store.close()
        self.window = self.options["idempotency_window"] = window
        self.open()

    @invariant()
    def all_is_there(self) -> None:
        if hasattr(self, "store"):
            written = self.store.frontier().written
            assert written is not None
            assert written.sequence == len(self.log) - 1

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        events = list(self.store.query(system=True))
        assert [event.entity for event in events] == [known.entity for known in self.log]
        assert [event.payload for event in events if not event.is_system] == [
            known.payload for known in self.log if known.receipt is not None
        ]
        self.store.close()
        verdict = batpak.verify(self.path)
        assert (verdict.ok, verdict.findings) == (True, ())
        shutil.rmtree(self.directory)


TestWriting = Writing.TestCase
TestWriting.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
