"""The workloads of rocksdict: raw puts of the same events, without hash, chain or receipt.

The key is the sequence number, 8 bytes big-endian; the value is the event, encoded on the clock as ours are.
"""

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from .clock import BATCH, GETS_MAX, WARM_SHARE, Clock, Reading
from .event import Event, events, scramble

KEY_BYTES: Final = 8
Encode = Callable[[Event], bytes]
_pack: Final[Encode] = msgspec.msgpack.encode


def _pack_json(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _options() -> Options:
    return Options(raw_mode=True)


def _open(directory: Path, *, synced: bool = False) -> Rdict:
    store = Rdict(str(directory), _options())
    options = WriteOptions()
    options.sync = synced
    store.set_write_options(options)
    return store


def _put_each(store: Rdict, start: int, items: Sequence[Event], encode: Encode) -> None:
    for sequence, event in enumerate(items, start):
        store[sequence.to_bytes(KEY_BYTES, "big")] = encode(event)


def _put_batches(store: Rdict, start: int, items: Sequence[Event], encode: Encode) -> None:
    for offset in range(0, len(items), BATCH):
        batch = WriteBatch(raw_mode=True)
        for sequence, event in enumerate(items[offset : offset + BATCH], start + offset):
            batch[sequence.to_bytes(KEY_BYTES, "big")] = encode(event)
        store.write(batch)


def _fill(
    directory: Path,
    count: int,
    *,
    encode: Encode = _pack,
    batches: bool = False,
    synced: bool = False,
) -> Reading:
    items = events(count)
    warm = count // WARM_SHARE
    put = _put_batches if batches else _put_each
    clock = Clock()
    store = _open(directory, synced=synced)
    put(store, 0, items[:warm], encode)
    timed = items[warm:]
    with clock:
        put(store, warm, timed, encode)
    store.close()
    return clock.read(len(timed))


def append(directory: Path, count: int) -> Reading:
    """Put one by one; the log is written, not synced."""
    return _fill(directory, count)


def append_json(directory: Path, count: int) -> Reading:
    """Put one by one, encoding with the standard library's `json`."""
    return _fill(directory, count, encode=_pack_json)


def append_killed(directory: Path, count: int) -> Reading:
    """Put one by one, then die by SIGKILL with the store open."""
    store = _open(directory)
    _put_each(store, 0, events(count), _pack)
    os.kill(os.getpid(), signal.SIGKILL)
    message = "survived SIGKILL"
    raise RuntimeError(message)


def append_synced(directory: Path, count: int) -> Reading:
    """Put one by one; the log is synced at each."""
    return _fill(directory, count, synced=True)


def batch(directory: Path, count: int) -> Reading:
    """Write batches of 1,000; filling the batch is on the clock."""
    return _fill(directory, count, batches=True)


def batch_json(directory: Path, count: int) -> Reading:
    """Write batches of 1,000, encoding with the standard library's `json`."""
    return _fill(directory, count, batches=True, encode=_pack_json)


def open_store(directory: Path, count: int) -> Reading:
    """Open the store that an earlier workload left behind, which must hold all `count` events."""
    clock = Clock()
    with clock:
        store = Rdict(str(directory), _options())
    keys = store.keys()
    found = sum(1 for _ in keys)
    store.close()
    if found != count:
        message = f"expected {count} events, found {found}"
        raise RuntimeError(message)
    return clock.read(count)


def replay(directory: Path, count: int) -> Reading:
    """Go through all values, decode each into a dict, and read it; once to warm up, and once on the clock."""
    return _replay(directory, count, msgspec.msgpack.decode)


def replay_json(directory: Path, count: int) -> Reading:
    """Go through all values, which were encoded by the standard library's `json`, and decode each with it."""
    return _replay(directory, count, json.loads)


def _replay(directory: Path, count: int, decode: Callable[[bytes], Event]) -> Reading:
    clock = Clock()
    store = _open(directory)

    def work() -> int:
        total = 0
        for value in store.values():
            total += cast("int", decode(cast("bytes", value))["step"])
        return total

    work()
    with clock:
        found = work()
    store.close()
    if found != count * (count - 1) // 2:
        message = f"expected the sum of {count} steps, found {found}"
        raise RuntimeError(message)
    return clock.read(count)


def get(directory: Path, count: int) -> Reading:
    """Read random keys and decode their values into dicts."""
    decode = msgspec.msgpack.decode
    clock = Clock()
    store = _open(directory)
    values = cast("Mapping[bytes, bytes]", store)
    picks = [(scramble(index) % count).to_bytes(KEY_BYTES, "big") for index in range(min(count, GETS_MAX))]
    warm = len(picks) // WARM_SHARE
    for key in picks[:warm]:
        decode(values[key])
    with clock:
        for key in picks[warm:]:
            decode(values[key])
    store.close()
    return clock.read(len(picks) - warm)


WORKLOADS: Final = {
    "append": append,
    "append-json": append_json,
    "append-killed": append_killed,
    "append-synced": append_synced,
    "batch": batch,
    "batch-json": batch_json,
    "open": open_store,
    "get": get,
    "replay": replay,
    "replay-json": replay_json,
}
