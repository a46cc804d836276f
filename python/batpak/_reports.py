"""Reports about a store: how its open went, and figures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal


class Report:
    """What every report can do."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]

    def _repr_html_(self) -> str:
        from batpak._html import table

        return table(type(self).__name__, self.to_dict())


@dataclass(frozen=True, slots=True)
class OpenReport(Report):
    """How an open went.

    Attributes:
        path_taken: "created", "clean" (nothing had to be cut, as also after most kills), "recovered" (an unsynced tail
            was cut and set aside) or "read_only".
        events: events found, before this open wrote its own.
        durable_events: of these, known synced before.
        segments: segments found.
        tail_bytes: bytes of the unsynced tail that were set aside, or that a read-only open passed over.
        first_cut_sequence: the sequence that the first of them would have had, or None.
        recovered_file: where in ``recovered/`` they are, or None.
        rewritten_bytes: bytes after the last synced event that were written and synced again.
        torn_head_bytes: bytes of a torn last entry of ``checkpoints``.
        clock_ahead_us: how far the clock of the last event found was ahead of the wall clock, in microseconds:
            more than 0 if the wall clock went back since. Events are written all the same, and stay in order.
        frontier_rebuilt: whether the ``frontier`` file was missing or damaged.
        meta_rebuilt: whether ``journal.meta`` was written anew.
        indexes_rebuilt: sealed segments whose index file was missing, or lacked declared metadata keys; an open for
            writing made it again.
        incarnation: which writable open of the journal this is, from 1; 0 for read-only ones.
        elapsed_us: how long it took, in microseconds.
    """

    path_taken: Literal["created", "clean", "recovered", "read_only"]
    events: int
    durable_events: int
    segments: int
    tail_bytes: int
    first_cut_sequence: int | None
    recovered_file: str | None
    rewritten_bytes: int
    torn_head_bytes: int
    clock_ahead_us: int
    frontier_rebuilt: bool
    meta_rebuilt: bool
    indexes_rebuilt: int
    incarnation: int
    elapsed_us: int


@dataclass(frozen=True, slots=True)
class StoreStats(Report):
    """Figures about an open store.

    Attributes:
        events: all events.
        system_events: the journal's own among them.
        durable_events: known synced.
        entities: distinct entities, the journal's own included.
        scopes: distinct scopes.
        kinds: distinct kinds.
        clock_ahead_us: how far the clock of the last event is ahead of the wall clock, in microseconds: more than 0
            after the wall clock went back.
        segments: segment files.
        log_bytes: bytes in them.
        index_bytes: bytes of index files, which can be made again from the segments.
        indexes_rebuilt: index files that turned out damaged since the open, and were made again.
        index_failure: why the last index file could not be written, or None; its events stay in memory until one can.
        checkpoint_failure: why the last checkpoint that was due could not be made, or None; it is tried again.
        signed: whether frames are signed.
        read_only: whether the store was opened read-only.
    """

    events: int
    system_events: int
    durable_events: int
    entities: int
    scopes: int
    kinds: int
    clock_ahead_us: int
    segments: int
    log_bytes: int
    index_bytes: int
    indexes_rebuilt: int
    index_failure: str | None
    checkpoint_failure: str | None
    signed: bool
    read_only: bool
