"""Section 17: the files that can be made again, made again from the log and compared with what is told of them."""

import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .blake3 import blake3
from .merkle import Tree
from .model import Event, Journal
from .system import CREATED, KEY_ADDED, KEY_REVOKED, LINEAGE, OPENED, RECOVERED
from .told import Told, ToldIndex, ToldRun, newest_indexes, runs_in_use

BLOCK = 65_536
STEERING = (CREATED, KEY_ADDED, KEY_REVOKED, RECOVERED, LINEAGE)
Terms = dict[bytes, list[int]]


# -- a cache file (17.1) ---------------------------------------------------------------------------------------------


def cache_file(content: bytes, journal_id: bytes) -> tuple[bytes, bytes]:
    """The whole file that holds this content, and its digest."""
    digests = b"".join(blake3(content[start : start + BLOCK]) for start in range(0, len(content), BLOCK))
    end = digests + b"batpakX1" + journal_id + (len(content) << 16 | 1).to_bytes(8, "little")
    return content + end, blake3(end)


# -- the index of a segment (17.2) -----------------------------------------------------------------------------------


def _terms(pairs: Iterable[tuple[int, bytes | None]]) -> Terms:
    terms: Terms = {}
    for number, term in pairs:
        if term is not None:
            terms.setdefault(term, []).append(number)
    return terms


def _fields(events: list[Event], declared_keys: list[str]) -> dict[str, Terms]:
    fields = {
        "entity": _terms((number, event.entity.encode()) for number, event in enumerate(events)),
        "scope": _terms((number, event.scope.encode()) for number, event in enumerate(events)),
        "kind": _terms((number, event.kind.to_bytes(2, "big")) for number, event in enumerate(events)),
        "correlation_id": _terms((number, event.correlation_id) for number, event in enumerate(events)),
        "causation_id": _terms((number, event.causation_id) for number, event in enumerate(events)),
        "idempotency_key": _terms((number, event.idempotency_key) for number, event in enumerate(events)),
    }
    for key in declared_keys:
        values = ((number, event.metadata.get(key)) for number, event in enumerate(events))
        fields[f"metadata:{key}"] = _terms(
            (number, None if value is None else value.encode()) for number, value in values
        )
    return fields


def _list(numbers: list[int], count: int) -> bytes:
    if 32 * len(numbers) <= count:
        return b"\x00" + struct.pack(f"<{len(numbers)}I", *numbers)
    return b"\x01" + sum(1 << number for number in numbers).to_bytes((count + 63) // 64 * 8, "little")


def _joined(parts: list[bytes]) -> tuple[bytes, bytes]:
    """Where each part ends, and the parts one behind the other."""
    ends, end = [], 0
    for part in parts:
        end += len(part)
        ends.append(end)
    return struct.pack(f"<{len(ends)}I", *ends), b"".join(parts)


def index_content(events: list[Event], declared_keys: list[str]) -> bytes:
    """What the index of a segment holds whose first events these are."""
    fields = _fields(events, declared_keys)
    last = events[-1]
    start = struct.pack("<QQII", events[0].sequence, last.offset + last.length, len(events), len(fields))
    table, dictionaries = b"", b""
    for name, terms in fields.items():
        ordered = sorted(terms)
        term_ends, all_terms = _joined(ordered)
        list_ends, all_lists = _joined([_list(terms[term], len(events)) for term in ordered])
        table += struct.pack("<IIII", len(name.encode()), len(ordered), len(all_terms), len(all_lists))
        dictionaries += term_ends + list_ends + all_terms + all_lists
    names = "".join(fields).encode()
    places = b"".join(struct.pack("<II", event.offset, event.length) for event in events)
    ids = b"".join(event.event_id.bytes for event in events)
    hashes = b"".join(event.event_hash for event in events)
    nodes = _nodes(events[0].sequence, [event.event_hash for event in events])
    return start + table + names + places + ids + hashes + nodes + dictionaries


def _nodes(first: int, hashes: list[bytes]) -> bytes:
    """The roots of the perfect subtrees of 16, 256, 4096 and so on leaves that lie wholly among these events."""
    nodes = b""
    span = 16
    while span <= 2**32:
        starts = range(-first % span, len(hashes) - span + 1, span)
        nodes += b"".join(Tree(hashes[start : start + span]).root() for start in starts)
        span *= 16
    return nodes


# -- runs of entity heads (17.3) -------------------------------------------------------------------------------------


def run_content(events: list[Event]) -> bytes:
    heads = {
        blake3(entity)[:16]: sequence for entity, sequence in {e.entity.encode(): e.sequence for e in events}.items()
    }
    return b"".join(name + struct.pack("<Q", sequence) for name, sequence in sorted(heads.items()))


# -- what is told of, and what is there (16, item 5) -----------------------------------------------------------------


class _Checker:
    def __init__(self, journal: Journal, path: Path, bounds: set[int]) -> None:
        self.journal = journal
        self.path = path
        self.bounds = bounds  # where whole sealed segments begin and end
        self.events = {event.sequence: event for event in journal.events}

    def report(self, file: str, offset: int | None, sequence: int, message: str) -> None:
        self.journal.report("indexes", file, offset, sequence, message)

    def events_between(self, first: int, end: int) -> list[Event] | None:
        """All of them, at least one, or None."""
        if (
            end <= first
            or end - first > len(self.events)
            or any(sequence not in self.events for sequence in range(first, end))
        ):
            return None
        return [self.events[sequence] for sequence in range(first, end)]

    def check_index(self, told: ToldIndex) -> None:
        first = told.first_sequence
        events = self.events_between(first, first + told.count)
        segment = f"segments/{first:020}.log"
        if events is None or any(event.file != segment for event in events):
            message = f"{told.file}: the segment holds no such {told.count} events that can be read"
            self.report("checkpoints", told.offset, first, message)
            return
        keys = sorted(set(told.declared_keys), key=str.encode)
        file, digest = cache_file(index_content(events, keys), self.journal.journal_id)
        made = replace(
            told,
            end=events[-1].offset + events[-1].length,
            file_bytes=len(file),
            digest=digest,
            declared_keys=keys,
            steering=[event.sequence for event in events if event.kind in STEERING],
            last_opened=max((event.sequence for event in events if event.kind == OPENED), default=None),
        )
        self.compare(told, made, first)
        self.check_file(told.file, file, first)

    def check_run(self, told: ToldRun) -> None:
        events = self.events_between(told.first, told.end)
        if events is None:
            self.report(
                "checkpoints", told.offset, told.first, f"{told.file}: the log holds no such events that can be read"
            )
            return
        if not {told.first, told.end} <= self.bounds:
            self.report("checkpoints", told.offset, told.first, f"{told.file}: not of whole sealed segments")
        file, digest = cache_file(run_content(events), self.journal.journal_id)
        self.compare(told, replace(told, file_bytes=len(file), digest=digest), told.first)
        self.check_file(told.file, file, told.first)

    def compare(self, told: Told, made: Told, sequence: int) -> None:
        others = [name for name, member in vars(made).items() if vars(told)[name] != member]
        if others:
            message = f"{told.file}: the log makes another {', another '.join(others)}"
            self.report("checkpoints", told.offset, sequence, message)

    def check_file(self, file: str, made: bytes, sequence: int) -> None:
        path = self.path / file
        there = path.read_bytes() if path.is_file() else made
        if there != made:
            at = next(
                (at for at, (a, b) in enumerate(zip(there, made, strict=False)) if a != b), min(len(there), len(made))
            )
            self.report(file, at, sequence, "not what the log makes")


def check_indexes(journal: Journal, path: Path, bounds: set[int]) -> None:
    checker = _Checker(journal, path, bounds)
    for index in newest_indexes(journal.told):
        checker.check_index(index)
    for run in runs_in_use(journal.told):
        checker.check_run(run)
