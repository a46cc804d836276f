"""rocksdict's part in the workloads of `driver`: no hash, chain or receipt.

The key of an event is its sequence number, 8 bytes big-endian. Events are found through further keys, one letter and
(entity, sequence), (kind, sequence) or (tenant, sequence) -> sequence, written in one write batch with the event.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from .driver import Indexed, workloads
from .event import Event
from .placed import PAGE, By, Placed, entity_name, tenant_name

KEY_BYTES: Final = 8
AFTER_EVENTS: Final = b"\1"
"""Greater than the key of any event, less than any letter."""


def _key(sequence: int) -> bytes:
    return sequence.to_bytes(KEY_BYTES, "big")


def _prefix(by: By, number: int) -> bytes:
    match by:
        case By.ENTITY:
            return b"e" + entity_name(number).encode() + b"\0"
        case By.KIND:
            return b"k" + number.to_bytes(2, "big")
        case By.METADATA:
            return b"t" + tenant_name(number).encode() + b"\0"


def _put(batch: WriteBatch, item: Placed) -> None:
    key = _key(item.sequence)
    batch[key] = msgspec.msgpack.encode(item[1:])
    batch[b"e" + item.entity.encode() + b"\0" + key] = key
    batch[b"k" + item.kind.to_bytes(2, "big") + key] = key
    batch[b"t" + item.tenant.encode() + b"\0" + key] = key


class IndexedRocks(Indexed[Placed, bytes]):
    """An open store; a value is entity, scope, kind, tenant and payload."""

    def __init__(self, directory: Path) -> None:
        """Open or create it; the log is not synced."""
        self._store = Rdict(str(directory), Options(raw_mode=True))
        self._store.set_write_options(WriteOptions())

    def prepare(self, events: Sequence[Placed]) -> list[Placed]:
        """Return the events as they are; they are encoded on the clock."""
        return list(events)

    def append_each(self, items: Sequence[Placed]) -> None:
        """Write a batch for each event."""
        for item in items:
            batch = WriteBatch(raw_mode=True)
            _put(batch, item)
            self._store.write(batch)

    def append_batch(self, items: Sequence[Placed]) -> None:
        """Write all in one batch."""
        batch = WriteBatch(raw_mode=True)
        for item in items:
            _put(batch, item)
        self._store.write(batch)

    def keys(self, indexes: Sequence[int]) -> list[bytes]:
        """Return the keys."""
        return [_key(index) for index in indexes]

    def get_each(self, keys: Sequence[bytes]) -> None:
        """Read one by one."""
        decode, values = msgspec.msgpack.decode, cast("Mapping[bytes, bytes]", self._store)
        for key in keys:
            decode(values[key])

    def page(self, by: By, number: int, after: int | None) -> list[bytes]:
        """Walk the keys of the class, then get all events in one call."""
        prefix = _prefix(by, number)
        keys: list[bytes] = []
        cursor = self._store.iter()
        cursor.seek(prefix + _key(0 if after is None else after + 1))
        while len(keys) < PAGE and cursor.valid():
            found = cast("bytes", cursor.key())
            if not found.startswith(prefix):
                break
            keys.append(cast("bytes", cursor.value()))
            cursor.next()
        return cast("list[bytes]", self._store.get(list[str | int | float | bytes | bool](keys)))

    def payloads(self, page: Sequence[bytes]) -> list[Event]:
        """Decode them."""
        return [msgspec.msgpack.decode(value)[-1] for value in page]

    def count(self) -> int:
        """Return the number after the last event's."""
        cursor = self._store.iter()
        cursor.seek_for_prev(AFTER_EVENTS)
        return int.from_bytes(cast("bytes", cursor.key()), "big") + 1 if cursor.valid() else 0

    def close(self) -> None:
        """Flush and close."""
        self._store.close()


WORKLOADS: Final = workloads(IndexedRocks)
