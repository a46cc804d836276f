"""The report about what a journal consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from batpak import _batpak
from batpak._errors import JournalDamaged
from batpak._observing.evidence_report import EvidenceFinding, EvidenceReport, durable_size, frontier_over
from batpak._reports import StoreStats

if TYPE_CHECKING:
    from batpak._proving.proofs import Checkpoint
    from batpak._proving.proving import Proving

_ROOMS: Final = {"cursors": "cursor", "projections": "projection"}


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ResourceReport(EvidenceReport):
    """What a journal consists of; made by ``Store.report_resources``.

    ``inputs``: nothing. ``counts``: ``events`` that are durable and, in a read-only store, ``unsynced_events`` that are
    not known to be; among all of these ``system_events``, ``entities``, ``scopes`` and ``kinds``; ``segments``,
    ``log_bytes`` and ``index_bytes``; ``cursors``, ``projections``, ``checkpoints``, ``keys`` and ``lineages``.
    ``facts``: the journal's ``name``, whether it is ``signed``, the names of its ``cursors`` and ``projections``, its
    ``keys`` and ``lineages``, and its ``last_checkpoint`` with ``size`` and ``root``, or None.

    It tells of the files as they are at that moment: sealing a segment or losing an index file changes it.
    """

    KIND: ClassVar[str | None] = "resources"


def resources(store: Proving) -> ResourceReport:
    """Count and report."""
    findings: list[EvidenceFinding] = []
    stats = StoreStats(**store._core.stats())
    # Synced after it was counted: nothing of what is reported can be lost.
    durable = min(durable_size(store), stats.events)
    checkpoints = _checkpoints(store, findings)
    kept = {room: _kept(store, room, findings) for room in _ROOMS}
    keys = [
        {"key_id": key.public_key.key_id, "from_sequence": key.from_sequence, "revoked_at": key.revoked_at}
        for key in store.signing_keys()
    ]
    lineages = [
        {"journal_id": each.journal_id, "parent_id": each.parent_id, "from_sequence": each.from_sequence}
        for each in store.lineages()
    ]
    last = checkpoints[-1] if checkpoints else None
    return ResourceReport(
        kind="resources",
        journal_id=store._core.journal_id,
        frontier=frontier_over(store, durable),
        inputs={},
        counts={
            "events": durable,
            "unsynced_events": stats.events - durable,
            "system_events": stats.system_events,
            "entities": stats.entities,
            "scopes": stats.scopes,
            "kinds": stats.kinds,
            "segments": stats.segments,
            "log_bytes": stats.log_bytes,
            "index_bytes": stats.index_bytes,
            "cursors": len(kept["cursors"]),
            "projections": len(kept["projections"]),
            "checkpoints": len(checkpoints),
            "keys": len(keys),
            "lineages": len(lineages),
        },
        findings=tuple(findings),
        facts={
            "name": store._core.name,
            "signed": stats.signed,
            **kept,
            "keys": keys,
            "lineages": lineages,
            "last_checkpoint": None if last is None else {"size": last.size, "root": last.root},
        },
    )


def _checkpoints(store: Proving, findings: list[EvidenceFinding]) -> list[Checkpoint]:
    try:
        return store.checkpoints()
    except JournalDamaged:
        message = "the file that keeps the checkpoints is damaged, or was changed"
        findings.append(EvidenceFinding("anchors", "checkpoints_damaged", message, None))
        return []


def _kept(store: Proving, room: str, findings: list[EvidenceFinding]) -> list[Any]:
    """The names in a room; what cannot be read there is a finding."""
    names = _batpak.names_kept(store._core, room)
    for name in names:
        try:
            _batpak.kept(store._core, room, name)
        except JournalDamaged:
            what = _ROOMS[room]
            message = f"what is kept of the {what} {name!r} is damaged, was changed, or is of another journal"
            findings.append(EvidenceFinding("content", f"{what}_damaged", message, None))
    return names
