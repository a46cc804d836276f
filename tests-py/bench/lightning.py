"""lmdb's part in the workloads of `driver`: no hash, chain or receipt.

An environment whose events lie in one database by sequence number, 8 bytes big-endian, and are found through three
more: (entity, sequence), (kind, sequence) and (tenant, sequence) -> sequence, written in the event's own transaction.
The workloads whose names begin with `raw-` keep the first database only, and the payload alone in it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import lmdb
import msgspec

from .driver import Indexed, workloads
from .event import Event, scramble
from .placed import PAGE, By, Placed, entity_name, tenant_name

KEY_BYTES: Final = 8
FIRST_MS: Final = 1_700_000_000_000
MAP_BYTES: Final = 64 * 2**30
_Databases = dict[By, "lmdb._Database"]


def _key(sequence: int) -> bytes:
    return sequence.to_bytes(KEY_BYTES, "big")


def _id(sequence: int) -> UUID:
    """Return a UUIDv7 that ascends with the sequence: 150 of a millisecond, like those of single appends."""
    milliseconds, place = divmod(sequence, 150)
    return UUID(int=FIRST_MS + milliseconds << 80 | 7 << 76 | 2 << 62 | place << 31 | scramble(sequence) >> 33)


def _prefix(by: By, number: int) -> bytes:
    """Return what the keys of a class begin with; the end mark keeps one name from being the beginning of another."""
    match by:
        case By.ENTITY:
            return entity_name(number).encode() + b"\0"
        case By.KIND:
            return number.to_bytes(2, "big")
        case By.METADATA:
            return tenant_name(number).encode() + b"\0"


class RawEnvironment(Indexed[Placed, Any]):
    """An open environment with the events alone."""

    pack: Callable[[object], bytes] = staticmethod(msgspec.msgpack.encode)
    unpack: Callable[[bytes], object] = staticmethod(msgspec.msgpack.decode)

    def __init__(self, directory: Path) -> None:
        """Open or create it; a commit does not sync."""
        self._environment = lmdb.open(str(directory), map_size=MAP_BYTES, max_dbs=4, sync=False)
        self._events = self._environment.open_db(b"events")

    def prepare(self, events: Sequence[Placed]) -> list[Placed]:
        """Return the events as they are; they are encoded on the clock."""
        return list(events)

    def append_each(self, items: Sequence[Placed]) -> None:
        """Put one by one, a transaction each."""
        begin = self._environment.begin
        for item in items:
            with begin(write=True) as transaction:
                self._put(transaction, item)

    def append_batch(self, items: Sequence[Placed]) -> None:
        """Put all in one transaction."""
        with self._environment.begin(write=True) as transaction:
            for item in items:
                self._put(transaction, item)

    def _put(self, transaction: "lmdb.Transaction[bytes]", item: Placed) -> None:
        transaction.put(_key(item.sequence), self.pack(item.payload), db=self._events, append=True)

    def keys(self, indexes: Sequence[int]) -> list[bytes]:
        """Return the keys."""
        return [_key(index) for index in indexes]

    def get_each(self, keys: Sequence[bytes]) -> None:
        """Read all in one transaction."""
        decode, database = self.unpack, self._events
        with self._environment.begin() as transaction:
            get = transaction.get
            for key in keys:
                decode(cast("bytes", get(key, db=database)))

    def page(self, by: By, number: int, after: int | None) -> list[bytes]:
        """Refuse: there are no further keys."""
        raise NotImplementedError

    def payloads(self, page: Sequence[bytes]) -> list[Event]:
        """Decode them."""
        return [msgspec.msgpack.decode(value)[-1] for value in page]

    def count(self) -> int:
        """Return the number of entries."""
        with self._environment.begin() as transaction:
            return transaction.stat(self._events)["entries"]

    def close(self) -> None:
        """Sync and close, as ours does."""
        self._environment.sync(force=True)
        self._environment.close()


def _pack_json(payload: object) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


class RawJsonEnvironment(RawEnvironment):
    """The same, encoded and decoded by the standard library's `json`."""

    pack = staticmethod(_pack_json)
    unpack = staticmethod(json.loads)


class RawByIdEnvironment(RawJsonEnvironment):
    """The same, whose keys are UUIDv7, as the ids of our events are; who looks for one has the `UUID` in hand."""

    def _put(self, transaction: "lmdb.Transaction[bytes]", item: Placed) -> None:
        transaction.put(_id(item.sequence).bytes, self.pack(item.payload), db=self._events, append=True)

    def keys(self, indexes: Sequence[int]) -> list[UUID]:
        """Return the ids."""
        return [_id(index) for index in indexes]

    def get_each(self, keys: Sequence[UUID]) -> None:
        """Read all in one transaction."""
        decode, database = self.unpack, self._events
        with self._environment.begin() as transaction:
            get = transaction.get
            for key in keys:
                decode(cast("bytes", get(key.bytes, db=database)))


class Environment(RawEnvironment):
    """An open environment with further keys; a value is entity, scope, kind, tenant and payload."""

    def __init__(self, directory: Path) -> None:
        """Open or create it."""
        super().__init__(directory)
        self._by: _Databases = {by: self._environment.open_db(by.name.encode()) for by in By}

    def _put(self, transaction: "lmdb.Transaction[bytes]", item: Placed) -> None:
        put, key = transaction.put, _key(item.sequence)
        put(key, msgspec.msgpack.encode(item[1:]), db=self._events, append=True)
        put(item.entity.encode() + b"\0" + key, key, db=self._by[By.ENTITY])
        put(item.kind.to_bytes(2, "big") + key, key, db=self._by[By.KIND])
        put(item.tenant.encode() + b"\0" + key, key, db=self._by[By.METADATA])

    def page(self, by: By, number: int, after: int | None) -> list[bytes]:
        """Walk the keys of the class in one transaction and get each event."""
        database, prefix = self._events, _prefix(by, number)
        values: list[bytes] = []
        with self._environment.begin() as transaction, transaction.cursor(self._by[by]) as cursor:
            get = transaction.get
            if not cursor.set_range(prefix + _key(0 if after is None else after + 1)):
                return values
            for found, key in cursor:
                if not found.startswith(prefix):
                    break
                values.append(cast("bytes", get(key, db=database)))
                if len(values) == PAGE:
                    break
        return values


WORKLOADS: Final = {
    **workloads(Environment),
    **{f"raw-{name}": workload for name, workload in workloads(RawEnvironment).items()},
    **{f"raw-json-{name}": workload for name, workload in workloads(RawJsonEnvironment).items()},
    **{f"raw-id-{name}": workload for name, workload in workloads(RawByIdEnvironment).items()},
}
