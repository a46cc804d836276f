"""The report about one entity's chain: from an event back to the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from batpak._errors import EventNotFound, InvalidInput, JournalDamaged
from batpak._filters import number
from batpak._observing.evidence_report import EvidenceFinding, EvidenceReport, durable_size, frontier_over

if TYPE_CHECKING:
    from batpak._batpak import Event
    from batpak._proving.proving import Proving
    from batpak._reading import EventRef


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ChainWalkReport(EvidenceReport):
    """How the chain of one entity goes from an event back to its first; made by ``Store.report_chain_walk``.

    ``inputs``: ``ref``, and ``limit`` if one was given. ``counts``: ``events`` that were read, and ``links`` between
    them that fit. ``facts``: ``entity``; ``first`` and ``last`` event that were read, each with ``sequence``, ``clock``
    and ``event_hash``; ``complete``, whether the walk came to the entity's first event. What could not be read is None.
    """

    KIND: ClassVar[str | None] = "chain_walk"


def chain_walk(store: Proving, ref: EventRef, limit: int | None) -> ChainWalkReport:
    """Walk back and report."""
    wanted = number(limit, "limit", least=1)
    findings: list[EvidenceFinding] = []
    last: Event | None = None
    try:
        last = store.get(ref)
        begin = last.sequence
    except JournalDamaged as error:
        if error.sequence is None:
            raise
        begin = error.sequence
        findings.append(unreadable(begin))
    if begin >= durable_size(store):
        raise InvalidInput(f"event {begin} is not known to be durable yet; a report speaks only of what is")
    first, events, links = last, 0 if last is None else 1, 0
    while first is not None and first.prev_sequence is not None and (wanted is None or events < wanted):
        before = _previous(store, first, findings)
        if before is None:
            break
        first, events, links = before, events + 1, links + 1
    if first is not None and first.prev_sequence is None and (first.clock != 0 or any(first.prev_hash)):
        findings.append(_broken(first.sequence, "it is said to be the first of its entity, at another clock than 0"))
    return ChainWalkReport(
        kind="chain_walk",
        journal_id=store._core.journal_id,
        frontier=frontier_over(store, begin + 1),
        inputs={"ref": _plain_ref(ref)} if wanted is None else {"ref": _plain_ref(ref), "limit": wanted},
        counts={"events": events, "links": links},
        findings=tuple(findings),
        facts={
            "entity": None if last is None else last.entity,
            "first": place_of(first),
            "last": place_of(last),
            "complete": first is not None and first.clock == 0,
        },
    )


def place_of(event: Event | None) -> dict[str, Any] | None:
    """What a report says of an event: enough to find it and to tell it from any other."""
    if event is None:
        return None
    return {"sequence": event.sequence, "clock": event.clock, "event_hash": event.event_hash}


def unreadable(sequence: int) -> EvidenceFinding:
    """That an event's bytes are not what was written. Neither paths nor the core's words go into a report."""
    message = f"event {sequence} cannot be read: its bytes are damaged, missing or were changed"
    return EvidenceFinding("content", "event_damaged", message, sequence)


def _previous(store: Proving, event: Event, findings: list[EvidenceFinding]) -> Event | None:
    """The event that another one chains to; None, with findings, if the link leads nowhere or does not fit."""
    at = event.prev_sequence
    if at is None or at >= event.sequence:
        findings.append(_broken(event.sequence, "it chains to an event that is not before it"))
        return None
    try:
        before = store.get(at)
    except JournalDamaged:
        findings.append(unreadable(at))
        return None
    except EventNotFound:
        findings.append(_broken(event.sequence, f"there is no event {at}, to which it chains"))
        return None
    wrong = {
        f"event {at} has another hash than it names": before.event_hash != event.prev_hash,
        f"event {at} is of another entity": before.entity != event.entity,
        f"its clock does not follow that of event {at}": before.clock + 1 != event.clock,
        f"its time does not follow that of event {at}": before.hlc >= event.hlc,
    }
    findings += [_broken(event.sequence, what) for what, is_so in wrong.items() if is_so]
    return None if any(wrong.values()) else before


def _broken(sequence: int, what: str) -> EvidenceFinding:
    return EvidenceFinding("order", "link_broken", f"event {sequence}: {what}", sequence)


def _plain_ref(ref: EventRef) -> UUID | int:
    """The same event id is the same input, however it was spelled."""
    if isinstance(ref, bytes):
        return UUID(bytes=ref)
    return UUID(ref) if isinstance(ref, str) else UUID(int=ref.int) if isinstance(ref, UUID) else ref.__index__()
