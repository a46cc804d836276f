"""The writing half of a store: one event, many at once, and how far they have come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak import _payloads
from batpak._batpak import Draft, Event
from batpak._errors import InvalidInput, MarkTimeout
from batpak._expect import ANY
from batpak._filters import SEQUENCE_MAX, number
from batpak._frontier import Frontier, Mark, checked_mark, seconds_of, waiting
from batpak._gates import Bypass, asking, checked, gate_name, refuse_inside_gate
from batpak._outbox import Outbox
from batpak._proposal import Proposal, Proposed
from batpak._reaction import Reaction
from batpak._reading import Reading
from batpak._receipt import AppendReceipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from batpak._batpak import Coordinate, CoreProposal, Kind, Receipts
    from batpak._expect import Expect
    from batpak._frontier import MarkName
    from batpak._gates import Gate, Gating
    from batpak._reading import EventRef
    from batpak._schemas.registry import Registry
    from batpak._store import Durability

    Item = tuple[Coordinate, object] | Draft


class Proposing:
    """Events that were encoded, with what gates are shown of them beside the payload."""

    __slots__ = ("_drafts", "_kind", "_store", "bypassed", "core")

    def __init__(self, store: Writing, core: CoreProposal, kind: Kind | int | None) -> None:
        """Nothing yet."""
        self._store = store
        self._kind = kind
        self._drafts: list[Draft] = []
        self.core = core
        self.bypassed: Bypass | None = None

    def push(self, item: Item) -> None:
        """Add an event, or raise and be as before."""
        registry = self._store._registry
        if registry._has_typed_dicts:
            item = _payloads.item_with_dict(registry, item, self._kind)
        draft = Draft(*item) if isinstance(item, tuple) and len(item) == 2 else item
        if isinstance(draft, Draft) and draft.metadata:
            # Gates are shown what is encoded now, whatever becomes of the caller's dict.
            draft = _payloads.draft_with(draft, metadata=dict(draft.metadata))
        self._store._core.push(self.core, draft, self._kind)
        self._drafts.append(draft)

    def seen(self) -> Proposal:
        """What a gate is shown."""
        restore = _payloads.restorer(self._store._registry)
        drafts = enumerate(self._drafts)
        return Proposal(Proposed(self.core, position, draft, restore) for position, draft in drafts)

    def __len__(self) -> int:
        return len(self._drafts)


class Writing(Reading):
    """What a journal that is open for writing can be told; ``Store`` is the rest of it."""

    __slots__ = ("_gating", "_registry")

    _gating: Gating
    _registry: Registry

    def append(
        self,
        coordinate: Coordinate,
        payload: object,
        *,
        kind: Kind | int | None = None,
        version: int | None = None,
        correlation_id: UUID | bytes | None = None,
        causation_id: UUID | bytes | None = None,
        metadata: dict[str, str] | None = None,
        private_metadata: dict[str, object] | None = None,
        durability: Durability | None = None,
        expect: Expect | int = ANY,
        key: str | bytes | None = None,
        reach: MarkName | None = None,
        timeout: float | None = None,
        gates: Iterable[Gate] | None = None,
        bypass: Bypass | None = None,
    ) -> AppendReceipt:
        """Write one event.

        Args:
            coordinate: where it belongs.
            payload: an instance of a registered class; or a plain value (dict, list, str, int, float, bool, None,
                aware datetime, date, time,
                timedelta, Decimal, UUID, of exactly these types); or bytes, stored as they are. At most 16 MiB encoded.
            kind: what it is; needed unless the payload's class is registered. A dict with the kind of a registered
                TypedDict is checked against it and gets its version.
            version: schema version of an untyped payload, 0 to 65,535; 0 if None. With another version than the
                registered one, a dict is not checked against a TypedDict.
            correlation_id: groups events; a UUID or 16 bytes.
            causation_id: id of the event that caused this one; a UUID or 16 bytes.
            metadata: permanent, at most 4 KiB; pseudonymous ids only, since it can never be erased.
            private_metadata: erasable, at most 64 KiB; a dict of plain values.
            durability: overrides the store's for this event.
            expect: what the entity's last event must be: ``batpak.ANY``; ``batpak.NEW``, there is none; or its clock,
                an int. Compared and written as one step.
            key: idempotency key, a text or bytes of 1 to 1,024 bytes. If an event was written under it within the
                store's window, nothing is written, and the receipt of then is returned; gates and ``expect`` are not
                asked again.
            reach: how far the event must come before this returns: "accepted", "written", "durable" or "visible".
            timeout: seconds to wait for that, 0 or more; None for as long as it takes.
            gates: asked after the store's own.
            bypass: have no gate asked, and have that recorded.

        Returns:
            The receipt. The event exists and is visible (see ``visibility`` of ``open``); with "always" it is synced
            too. For a ``key`` that is known, the receipt that was given when the event was written.

        Raises:
            InvalidInput: an argument cannot be accepted (InvalidKind, InvalidValue with its path, LimitExceeded ...);
                nothing was written.
            SchemaError: the payload's class cannot be written; nothing was written.
            ExpectationFailed: the entity's last event is not the expected one; nothing was written.
            KeyConflict: another event was written under ``key``: entity, scope, kind, version, payload or private
                metadata differ; nothing was written.
            GateDenied, GateDefect: a gate refused; nothing was written but the denial.
            MarkTimeout: the event exists (``error.receipts``), and had not come so far in time.
            StorageError: the operating system refused; the event was not written.
            StorePoisoned: an earlier failure ended writing; or the sync failed, and the event is in doubt.
            StoreClosed, StoreReadOnly, ForkedStore: this store cannot be written to.
            KeyboardInterrupt: during the wait for the sync; the event exists, see ``last_receipt``.
        """
        waits = reach is not None or timeout is not None
        seconds = waiting(reach, timeout) if waits else None
        if gates is not None or bypass is not None or self._gating.gates:
            draft = Draft(
                coordinate,
                payload,
                kind=kind,
                version=version,
                correlation_id=correlation_id,
                causation_id=causation_id,
                metadata=metadata,
                private_metadata=private_metadata,
                expect=expect,
                key=key,
            )
            receipts = self._commit(self._propose((draft,), None, durability), gates, bypass)
            self._reach(receipts, reach, seconds)
            return receipts[0]
        if kind is not None and type(payload) is dict and self._registry._has_typed_dicts:
            known = _payloads.dict_type(self._registry, kind, version)
            if known is not None:
                payload, version = known.to_plain(payload), known.version
        if asking:
            refuse_inside_gate(self._core)
        receipt = self._core.append(
            coordinate,
            payload,
            kind,
            version,
            correlation_id,
            causation_id,
            metadata,
            private_metadata,
            durability,
            expect,
            key,
        )
        if waits:
            self._reach((receipt,), reach, seconds)
        return receipt

    def append_batch(
        self,
        items: Iterable[Item],
        *,
        kind: Kind | int | None = None,
        durability: Durability | None = None,
        reach: MarkName | None = None,
        timeout: float | None = None,
        gates: Iterable[Gate] | None = None,
        bypass: Bypass | None = None,
    ) -> Receipts:
        """Write many events as one frame: after any crash, either all are there or none.

        Args:
            items: 1 to 65,536 pairs of coordinate and payload, or ``Draft``; at most 64 MiB encoded. What a Draft
                expects of its entity is asked after the items before it.
            kind: what untyped payloads are whose item does not say it.
            durability: overrides the store's for these events.
            reach, timeout, gates, bypass: as for ``append``; gates are shown the whole batch at once.

        Returns:
            The receipts, in the order of the items, made when they are looked at. If every item has a key, and all of
            them are known, nothing is written, and these are the receipts of then.

        Raises:
            TypeError: an item is neither.
            KeyConflict: also if only some of the items were written under their keys.
            Whatever ``append`` raises; nothing was written then.
        """
        seconds = waiting(reach, timeout)
        if gates is not None or bypass is not None or self._gating.gates:
            receipts = self._commit(self._propose(items, kind, durability), gates, bypass)
        else:
            refuse_inside_gate(self._core)
            if self._registry._has_typed_dicts:
                items = _payloads.items_with_dicts(self._registry, items, kind)
            receipts = self._core.append_batch(items, kind, durability)
        self._reach(receipts, reach, seconds)
        return receipts

    def outbox(self, *, durability: Durability | None = None) -> Outbox:
        """An outbox: events are collected, and written all at once or not at all.

        Args:
            durability: overrides the store's for what it writes.

        Raises:
            StoreClosed, StoreReadOnly, ForkedStore: this store cannot be written to.
        """
        return self._outbox(dict, durability=durability)

    def _outbox(
        self, link: Callable[[dict[str, Any]], dict[str, Any]], *, durability: Durability | None = None
    ) -> Outbox:
        return Outbox(self, link, durability)

    def reacting_to(self, event: Event | AppendReceipt | EventRef) -> Reaction:
        """Write in answer to an event: what is appended through the result is linked to it.

        Args:
            event: the event, its receipt, its id or its sequence.

        Returns:
            An object with ``append``, ``append_batch`` and ``outbox`` that fill in ``causation_id`` (the event's id)
            and ``correlation_id`` (the event's, or its id if it has none).

        Raises:
            EventNotFound: there is no such event.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        if isinstance(event, Event):
            return Reaction(self, event)
        return Reaction(self, self.get(event.event_id if isinstance(event, AppendReceipt) else event))

    def frontier(self) -> Frontier:
        """How far events have come: accepted, written, durable, visible.

        Raises:
            StoreClosed, ForkedStore: this store cannot be used.
            JournalDamaged: the last event's bytes changed on disk.
        """
        accepted, written, durable, visible = (
            None if reached is None else Mark(*reached) for reached in self._core.marks()
        )
        return Frontier(accepted, written, durable, visible)

    def wait_for(
        self,
        mark: MarkName,
        target: int | Event | AppendReceipt | Sequence[AppendReceipt],
        *,
        timeout: float | None = None,
    ) -> None:
        """Wait until an event has come so far.

        Waiting for "durable" has it synced now. An event that does not exist yet is waited for until somebody writes
        it. Waiting costs no processor time; in a read-only store it looks for new events a hundred times a second.

        Args:
            mark: "accepted", "written", "durable" or "visible".
            target: a sequence, an event, a receipt, or the receipts of a batch.
            timeout: seconds, 0 or more; None for as long as it takes.

        Raises:
            MarkTimeout: it had not in the time given.
            InvalidInput: there is no such mark, or a number is out of range.
            StorePoisoned: a sync failed: nothing more becomes durable.
            JournalRewound: in a read-only store, if recovery cut events that it had seen.
            StoreClosed, ForkedStore: this store cannot be used; or it was closed before the event was written.
            KeyboardInterrupt: the wait was interrupted.
        """
        last = target if isinstance(target, int) else _last_sequence(target)
        sequence = number(last, "target", SEQUENCE_MAX - 1) or 0
        if not self._core.wait_for(checked_mark(mark), sequence + 1, seconds_of(timeout)):
            raise MarkTimeout(f"event {sequence} is not {mark} after {timeout} seconds", mark=mark, receipts=())

    def sync(self) -> int:
        """Make every event durable.

        Returns:
            How many events, from sequence 0 on, are durable.

        Raises:
            StorePoisoned: a sync failed; nothing later is durable.
            StoreClosed, StoreReadOnly, ForkedStore: this store cannot be written to.
        """
        return self._core.sync()

    def last_receipt(self) -> AppendReceipt | None:
        """The receipt of the last event that this thread wrote, if it wrote to this store.

        It is what an ``append`` did not return that Ctrl-C interrupted while it waited.
        """
        return self._core.last_receipt()

    def _propose(self, items: Iterable[Item], kind: Kind | int | None, durability: Durability | None) -> Proposing:
        proposing = Proposing(self, self._core.propose(durability), kind)
        for item in items:
            proposing.push(item)
        return proposing

    def _commit(self, proposing: Proposing, gates: Iterable[Gate] | None, bypass: Bypass | None) -> Receipts:
        """Ask the gates, then write. What was written before under the same keys is asked about nobody again."""
        refuse_inside_gate(self._core)
        more = () if gates is None else checked(gates)
        if bypass is not None and not isinstance(bypass, Bypass):
            raise TypeError(f"bypass must be a batpak.Bypass, not {type(bypass).__name__}")
        if proposing.bypassed not in (None, bypass):
            raise InvalidInput("these events were proposed with another bypass; give it again, or discard them")
        if bypass is not None:
            names = [gate_name(gate) for gate in (*self._gating.gates, *more)]
            known = self._core.known(proposing.core)
            if known is not None:
                return known
            self._core.bypass(proposing.core, bypass.approver, bypass.reason, names)
            proposing.bypassed = bypass
        elif self._gating.gates or more:
            known = self._core.known(proposing.core)
            if known is not None:
                return known
            self._gating.decide(self._core, proposing.core, proposing.seen(), more)
        return self._core.commit(proposing.core)

    def _reach(
        self, receipts: Sequence[AppendReceipt] | Receipts, mark: MarkName | None, seconds: float | None
    ) -> None:
        """Wait until written events have come so far; the arguments were checked before they were written."""
        if mark is None:
            return
        sequence = max(receipt.sequence for receipt in receipts)
        if not self._core.wait_for(mark, sequence + 1, seconds):
            message = f"event {sequence} exists, and is not {mark} after {seconds} seconds; do not write it again"
            raise MarkTimeout(message, mark=mark, receipts=tuple(receipts))


def _last_sequence(target: Event | AppendReceipt | Sequence[AppendReceipt]) -> int:
    if isinstance(target, Event | AppendReceipt):
        return target.sequence
    try:
        return max(receipt.sequence for receipt in target)
    except (TypeError, AttributeError, ValueError):
        message = f"target must be a sequence, an event, a receipt or several receipts, not {type(target).__name__}"
        raise TypeError(message) from None
