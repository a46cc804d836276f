"""Section 17.3: the entries of `checkpoints` that tell of regenerable files."""

from dataclasses import dataclass

from .codec import DecodeError, Reader

HEAD, REGENERABLE = 1, 2
"""The types of an entry."""
MAX_DECLARED_KEYS = 32


@dataclass(frozen=True)
class ToldIndex:
    """What is told of the index of a segment."""

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

    first: int
    end: int
    file_bytes: int
    digest: bytes

    @property
    def file(self) -> str:
        return f"heads/{self.first:020}-{self.end:020}.run"


@dataclass(frozen=True)
class Told:
    """One entry of type 2."""

    offset: int
    index: ToldIndex | None
    run: ToldRun | None


def _index(reader: Reader) -> ToldIndex:
    first = reader.varint()
    count = reader.within(0, 2**32 - 1, reader.varint(), "count")
    end, file_bytes, digest = reader.varint(), reader.varint(), reader.take(32)
    keys = reader.within(0, MAX_DECLARED_KEYS, reader.varint(), "number of declared keys")
    declared_keys = [reader.text() for _ in range(keys)]
    steering = [reader.varint() for _ in range(reader.varint())]
    return ToldIndex(first, count, end, file_bytes, digest, declared_keys, steering, reader.option(reader.varint))


def _run(reader: Reader) -> ToldRun:
    return ToldRun(reader.varint(), reader.varint(), reader.varint(), reader.take(32))


def decode_told(body: bytes, offset: int) -> Told:
    reader = Reader(body)
    if (kind := reader.u8()) != REGENERABLE:
        raise DecodeError(f"unknown entry type {kind}")
    told = Told(offset, reader.option(lambda: _index(reader)), reader.option(lambda: _run(reader)))
    reader.done()
    return told


def newest_indexes(entries: list[Told]) -> dict[int, Told]:
    """By the first sequence of their segments."""
    return {entry.index.first_sequence: entry for entry in entries if entry.index is not None}


def runs_in_use(entries: list[Told]) -> list[Told]:
    """The newest of all, the newest that ends where it begins, and so on down to 0 or to where none ends."""
    newest = {entry.run.end: entry for entry in entries if entry.run is not None}
    entry = next((entry for entry in reversed(entries) if entry.run is not None), None)
    chain: list[Told] = []
    while entry is not None and entry.run is not None:
        chain.append(entry)
        entry = newest.get(entry.run.first) if entry.run.first < entry.run.end else None
    return chain
