"""The report about reading: every event that matches, one after the other, each against its hash."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from batpak._errors import JournalDamaged
from batpak._filters import Filters, in_one_form, number
from batpak._observing.chain_walk import place_of, unreadable
from batpak._observing.evidence_report import FINDINGS_MAX, EvidenceFinding, EvidenceReport, durable_size, frontier_over
from batpak._schemas.typed import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak._batpak import Event
    from batpak._proving.proving import Proving


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ReadWalkReport(EvidenceReport):
    """What reading every event that matches found; made by ``Store.report_read_walk``.

    ``inputs``: the conditions that were given. ``counts``: ``events`` that were read, distinct ``entities`` among
    them, and ``damaged`` events that could not be. ``facts``: ``kinds``, how many events of each; ``first`` and
    ``last``, each with ``sequence``, ``clock`` and ``event_hash``, or None; ``digest``, the SHA-256 of the hashes of
    all these events, 32 bytes each, one after the other in commit order.
    """

    KIND: ClassVar[str | None] = "read_walk"


class _Damage:
    """What cannot be read: counted, and named as far as a report has room."""

    __slots__ = ("count", "findings")

    def __init__(self) -> None:
        self.count = 0
        self.findings: list[EvidenceFinding] = []

    def add(self, finding: EvidenceFinding) -> None:
        self.count += 1
        if self.count <= FINDINGS_MAX:
            self.findings.append(finding)


def read_walk(store: Proving, filters: Filters) -> ReadWalkReport:
    """Read and report."""
    from hashlib import sha256

    filters = {**filters, "kind": kind_of(store._registry, filters.get("kind"))}
    # What is wrong with the conditions is said before anything is synced.
    if "reverse" in filters:
        raise TypeError("a read walk has no reverse: it goes in commit order, so that all who walk get the same digest")
    unknown = sorted(filters.keys() - Filters.__optional_keys__)
    if unknown:
        raise TypeError(f"there is no filter {unknown[0]}; there are {', '.join(sorted(Filters.__optional_keys__))}")
    nothing: Filters = {**filters, "limit": 0}
    with suppress(JournalDamaged):
        store.query(**nothing, reverse=False)
    inputs = in_one_form(filters)
    until = inputs.get("until")
    size = durable_size(store)
    if until is not None:
        size = min(size, until + 1)
    damage, digest = _Damage(), sha256()
    entities: set[str] = set()
    kinds: dict[int, int] = {}
    first: Event | None = None
    last: Event | None = None
    events = 0
    for event in _readable(store, filters, size, damage):
        digest.update(event.event_hash)
        entities.add(event.entity)
        kinds[event.kind.code] = kinds.get(event.kind.code, 0) + 1
        first, last = first or event, event
        events += 1
    return ReadWalkReport(
        kind="read_walk",
        journal_id=store._core.journal_id,
        frontier=frontier_over(store, size),
        inputs=inputs,
        counts={"events": events, "entities": len(entities), "damaged": damage.count},
        findings=tuple(damage.findings),
        facts={
            "kinds": {f"0x{code:04X}": count for code, count in sorted(kinds.items())},
            "first": place_of(first),
            "last": place_of(last),
            "digest": digest.digest(),
        },
    )


def _readable(store: Proving, filters: Filters, size: int, damage: _Damage) -> Iterator[Event]:
    """The events that match among the first ``size`` and can be read; the others become findings.

    A page with a damaged event is refused as a whole. So what lies before that event is asked for alone, and then what
    lies behind it.
    """
    behind, left = number(filters.get("after"), "after"), number(filters.get("limit"), "limit")
    stop, damaged = size - 1, None
    while size and left != 0:
        asked: Filters = {**filters, "after": behind, "until": stop, "limit": left}
        try:
            for event in store.query(**asked, reverse=False):
                behind = event.sequence
                left = None if left is None else left - 1
                yield event
        except JournalDamaged as error:
            at = error.sequence
            if at is None or at > stop or (behind is not None and at <= behind):
                # It is in the way of finding where the events begin or end, and not one that can be left out.
                message = "the events that match cannot be found: what is looked at to find them is damaged"
                damage.add(EvidenceFinding("content", "search_failed", message, at))
                return
            damaged, stop = at, at - 1
            if at > 0:
                continue
        if damaged is None or left == 0:
            return
        damage.add(unreadable(damaged))
        left = None if left is None else left - 1
        behind, stop, damaged = damaged, size - 1, None
