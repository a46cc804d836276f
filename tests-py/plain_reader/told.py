"""Section 17.4: the entries of `checkpoints` that tell of regenerable files."""

from dataclasses import dataclass

from .codec import DecodeError, Reader

HEAD, INDEX, RUN = 1, 2, 3
"""The types of an entry."""
MAX_DECLARED_KEYS = 32


@dataclass(frozen=True)
class ToldIndex:
    """What is told of the index of a segment."""

    offset: int  # of the entry
    first_sequence: int
    count: int
    end: int
    file_bytes: int
    digest: bytes
    declared_keys: list[str]
    steering: list[int]
    last_opened: int | None

    @property
    def file(self) -> str:
        return f"segments/{self.first_sequence:020}.idx"


@dataclass(frozen=True)
class ToldRun:
    """What is told of a run of entity heads."""

    offset: int  # of the entry
    first: int
    end: int
    file_bytes: int
    digest: bytes

    @property
    def file(self) -> str:
        return f"heads/{self.first:020}-{self.end:020}.run"


Told = ToldIndex | ToldRun
"""An entry of type 2 or 3."""


def _index(reader: Reader, offset: int) -> ToldIndex:
    first = reader.varint()
    count = reader.within(0, 2**32 - 1, reader.varint(), "count")
    end, file_bytes, digest = reader.varint(), reader.varint(), reader.take(32)
    keys = reader.within(0, MAX_DECLARED_KEYS, reader.varint(), "number of declared keys")
    declared_keys = [reader.text() for _ in range(keys)]
    steering = [reader.varint() for _ in range(reader.varint())]
    opened = reader.option(reader.varint)
    return ToldIndex(offset, first, count, end, file_bytes, digest, declared_keys, steering, opened)


def _run(reader: Reader, offset: int) -> ToldRun:
    return ToldRun(offset, reader.varint(), reader.varint(), reader.varint(), reader.take(32))


def decode_told(body: bytes, offset: int) -> Told:
    reader = Reader(body)
    decoders = {INDEX: _index, RUN: _run}
    if (kind := reader.u8()) not in decoders:
        raise DecodeError(f"unknown entry type {kind}")
    told = decoders[kind](reader, offset)
    reader.done()
    return told


def newest_indexes(entries: list[Told]) -> list[ToldIndex]:
    """The newest of each segment."""
    by_segment = {entry.first_sequence: entry for entry in entries if isinstance(entry, ToldIndex)}
    return list(by_segment.values())


def runs_in_use(entries: list[Told]) -> list[ToldRun]:
    """The newest of all, the newest that ends where it begins, and so on down to 0 or to where none ends."""
    runs = [entry for entry in entries if isinstance(entry, ToldRun)]
    newest = {run.end: run for run in runs}
    run = runs[-1] if runs else None
    chain: list[ToldRun] = []
    while run is not None:
        chain.append(run)
        run = newest.get(run.first) if run.first < run.end else None
    return chain
