"""Idempotency keys: what was written under one is not written again, while the key is remembered."""

from __future__ import annotations

import pickle
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import NEW, AppendReceipt, Coordinate, Draft, Kind, Store
from support import COORD, KIND, child_says, payloads, running_child

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")
THREADS = 16


def test_a_retry_gets_the_receipt_of_the_first(signed: Store) -> None:
    first = signed.append(COORD, {"x": 1}, kind=KIND, key="k")
    signed.append(COORD, 2, kind=KIND)
    events = len(signed)
    again = signed.append(COORD, {"x": 1}, kind=KIND, key="k")
    assert again == first
    assert again.to_bytes() == first.to_bytes()
    assert signed.verify_receipt(again).outcome == "signed"
    assert len(signed) == events


def test_it_is_remembered_across_reopening(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path, signing_key=key, segment_bytes=4096) as store:
        first = store.append(COORD, 1, kind=KIND, key="k")
        frame = store.append_batch([Draft(OTHER, n, kind=KIND, key=f"b{n}") for n in range(5)])
        portable = [receipt.to_bytes() for receipt in frame]
        store.append_batch([(OTHER, bytes(500)) for _ in range(20)], kind=KIND)
        assert store.stats().segments > 1
    for deleted in (False, True):
        if deleted:
            for each in [*(path / "segments").glob("*.idx"), *(path / "heads").iterdir()]:
                each.unlink()
        with Store.open(path, signing_key=key, segment_bytes=4096) as store:
            events = len(store)
            assert store.append(COORD, 1, kind=KIND, key="k").to_bytes() == first.to_bytes()
            again = store.append_batch([Draft(OTHER, n, kind=KIND, key=f"b{n}") for n in range(5)])
            assert [receipt.to_bytes() for receipt in again] == portable
            assert len(store) == events


WRITES = """
import sys
from batpak import Coordinate, Draft, Store
path, signing_key = sys.argv[1:]
place = Coordinate("order:1", "shop")
with Store.open(path, signing_key=signing_key or None, durability="always") as store:
    receipts = [store.append(place, {"n": 1}, kind=0xF001, key="single")]
    receipts += store.append_batch([Draft(place, {"n": n}, kind=0xF001, key=f"batch:{n}") for n in range(3)])
    receipts.append(store.append(place, {"n": 9}, kind=0xF001, key=b"after"))
    print(*(receipt.to_bytes().hex() for receipt in receipts), flush=True)
"""
WRITES_AND_STAYS = f"{WRITES}    sys.stdin.read()\n"


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_retry_after_a_kill_gets_the_original_receipts(path: Path, key_file: Path, is_signed: bool) -> None:
    signing_key = key_file if is_signed else ""
    with running_child(WRITES_AND_STAYS, path, signing_key) as child:
        assert child.stdout is not None
        original = child.stdout.readline().split()
        assert len(original) == 5
        child.send_signal(signal.SIGKILL)
        child.wait()
    with Store.open(path, read_only=True) as reader:
        events = len(reader)
    assert child_says(WRITES, path, signing_key).split() == original
    with Store.open(path, read_only=True) as reader:
        # The retry opened the journal, and wrote nothing else.
        assert len(reader) == events + 1
        for each in original:
            assert reader.verify_receipt(AppendReceipt.from_bytes(bytes.fromhex(each))).ok


@pytest.mark.parametrize(
    "different",
    [
        {"coordinate": OTHER},
        {"coordinate": Coordinate(COORD.entity, "elsewhere")},
        {"payload": {"x": 2}},
        {"payload": {"x": 1.0}},
        {"payload": b"x"},
        {"kind": Kind(0xF, 2)},
        {"version": 1},
        {"private_metadata": {"why": 2}},
        {"private_metadata": None},
    ],
)
def test_another_event_under_the_same_key(store: Store, different: dict[str, Any]) -> None:
    same: dict[str, Any] = {
        "coordinate": COORD,
        "payload": {"x": 1},
        "kind": KIND,
        "private_metadata": {"why": 1},
        "key": "k",
    }
    first = store.append(**same)
    with pytest.raises(batpak.KeyConflict) as caught:
        store.append(**(same | different))
    assert caught.value.sequence == first.sequence
    assert (caught.value.code, len(store)) == ("key_conflict", 2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.sequence) == (batpak.KeyConflict, first.sequence)
    assert store.append(**same) == first


def test_what_may_differ_in_a_retry(store: Store) -> None:
    """A retry is made later, by another run of the program: links, metadata, durability and expectation are its own."""
    first = store.append(COORD, 1, kind=KIND, key="k", metadata={"trace": "t1"}, expect=NEW)
    again = store.append(
        COORD,
        1,
        kind=KIND,
        key="k",
        metadata={"trace": "t2"},
        expect=NEW,
        durability="always",
        causation_id=bytes(16),
        correlation_id=bytes(16),
    )
    assert again == first
    assert store.get(first.sequence).metadata == {"trace": "t1"}
    # It waited for the durability that the retry asked for.
    assert store.stats().durable_events == len(store)


def test_what_is_compared_is_what_is_stored(store: Store) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    first = store.append(COORD, {"b": 1, "a": moment}, kind=KIND, key="k")
    assert store.append(COORD, {"a": moment, "b": 1}, kind=KIND, key="k") == first


def test_bytes_and_text(store: Store) -> None:
    first = store.append(COORD, 1, kind=KIND, key="é")
    assert store.append(COORD, 1, kind=KIND, key="é".encode()) == first
    assert store.append(COORD, 1, kind=KIND, key=b"\xff") != first
    assert len(store) == 3


@pytest.mark.parametrize("key", ["k", b"\x00", "é" * 512, bytes(1024)])
def test_keys_at_their_limits(store: Store, key: str | bytes) -> None:
    assert store.append(COORD, 1, kind=KIND, key=key) == store.append(COORD, 1, kind=KIND, key=key)
    assert store.append(COORD, 1, kind=KIND, key="another").sequence == 2


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", batpak.InvalidInput),
        (b"", batpak.InvalidInput),
        ("é" * 512 + "a", batpak.InvalidInput),
        (bytes(1025), batpak.InvalidInput),
        ("\ud800", batpak.InvalidInput),
        (5, TypeError),
        (True, TypeError),
        (bytearray(b"k"), TypeError),
        (memoryview(b"k"), TypeError),
        (["k"], TypeError),
    ],
)
def test_what_is_no_key(store: Store, key: Any, error: type[Exception], gated: bool) -> None:
    gates: Any = [lambda proposal: None] if gated else None
    for write in (
        lambda: store.append(COORD, 1, kind=KIND, key=key, gates=gates),
        lambda: store.append_batch([Draft(COORD, 1, kind=KIND, key=key)], gates=gates),
        lambda: store.outbox().add(COORD, 1, kind=KIND, key=key),
    ):
        with pytest.raises(error, match="key"):
            write()
    assert len(store) == 1


def test_a_key_twice_in_a_batch(store: Store) -> None:
    twice = [Draft(COORD, 1, kind=KIND, key="k"), Draft(COORD, 1, kind=KIND, key=b"k")]
    with pytest.raises(batpak.InvalidInput, match="item 1 .* key of an earlier one"):
        store.append_batch(twice)
    outbox = store.outbox()
    outbox.add(COORD, 1, kind=KIND, key="k")
    with pytest.raises(batpak.InvalidInput, match="key of an earlier one"):
        outbox.add(COORD, 1, kind=KIND, key="k")
    # The outbox is as it was before.
    assert len(outbox) == 1
    outbox.flush()
    assert payloads(store) == [1]


def test_all_of_a_batch_is_known(store: Store) -> None:
    """The receipts are those of then, in the order of the retry, wherever they were written."""
    single = store.append(COORD, 0, kind=KIND, key="0")
    pair = store.append_batch([Draft(COORD, n, kind=KIND, key=str(n)) for n in (1, 2)])
    again = store.append_batch([Draft(COORD, n, kind=KIND, key=str(n)) for n in (2, 0, 1)])
    assert list(again) == [pair[1], single, pair[0]]
    assert (again[-1], again[0:2], len(again)) == (pair[0], [pair[1], single], 3)
    assert len(store) == 4


@pytest.mark.parametrize("unknown", [{"key": "new"}, {}])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_some_of_a_batch_are_known(store: Store, position: int, unknown: dict[str, Any]) -> None:
    known = store.append_batch([Draft(COORD, n, kind=KIND, key=str(n)) for n in range(2)])
    retry = [Draft(COORD, n, kind=KIND, key=str(n)) for n in range(2)]
    retry.insert(position, Draft(COORD, "more", kind=KIND, **unknown))
    with pytest.raises(batpak.KeyConflict) as caught:
        store.append_batch(retry)
    assert caught.value.sequence in {receipt.sequence for receipt in known}
    assert len(store) == 3


def test_the_window_is_counted_in_events_of_the_journal(path: Path) -> None:
    """An event is remembered while it is among the last so many, whatever entity these are of."""
    with Store.open(path, idempotency_window=3) as store:
        first = store.append(COORD, 1, kind=KIND, key="k")
        store.append_batch([(OTHER, n) for n in range(2)], kind=KIND)
        # It is the third from the end.
        assert store.append(COORD, 1, kind=KIND, key="k") == first
        store.append(OTHER, 2, kind=KIND)
        second = store.append(COORD, 1, kind=KIND, key="k")
        assert second.sequence == first.sequence + 4
        # From now on the later one is the one that is meant.
        assert store.append(COORD, 1, kind=KIND, key="k") == second
    with Store.open(path, idempotency_window=2) as store:
        # ``opened`` is an event too.
        assert store.append(COORD, 1, kind=KIND, key="k") == second
    with Store.open(path, idempotency_window=2) as store:
        third = store.append(COORD, 1, kind=KIND, key="k")
        assert third.sequence == second.sequence + 3
    with Store.open(path, idempotency_window=2**64 - 1) as store:
        assert store.append(COORD, 1, kind=KIND, key="k") == third


def test_a_key_out_of_the_window_may_be_used_for_anything(path: Path) -> None:
    with Store.open(path, idempotency_window=1) as store:
        store.append(COORD, 1, kind=KIND, key="k")
        with pytest.raises(batpak.KeyConflict):
            store.append(COORD, 2, kind=KIND, key="k")
        store.append(OTHER, 0, kind=KIND)
        assert store.append(COORD, 2, kind=KIND, key="k").sequence == 3


def test_no_window(path: Path) -> None:
    with Store.open(path, idempotency_window=0) as store:
        assert [store.append(COORD, 1, kind=KIND, key="k").sequence for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("window", "error"),
    [(-1, batpak.InvalidInput), (2**64, batpak.InvalidInput), (None, TypeError), (True, TypeError), ("9", TypeError), (1.0, TypeError)],
)  # fmt: skip
def test_what_is_no_window(path: Path, window: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="idempotency_window"):
        Store.open(path, idempotency_window=window)
    assert not path.exists()


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_threads_that_race_write_one_event(path: Path, batch: bool, gated: bool) -> None:
    gates = [lambda proposal: None] if gated else []
    with Store.open(path, gates=gates) as store:
        start = Barrier(THREADS)

        def write(_: int) -> list[bytes]:
            start.wait()
            receipts: list[bytes] = []
            for number in range(10):
                if batch:
                    drafts = [Draft(COORD, [number, n], kind=KIND, key=f"{number}:{n}") for n in range(3)]
                    receipts += [receipt.to_bytes() for receipt in store.append_batch(drafts)]
                else:
                    receipts.append(store.append(COORD, number, kind=KIND, key=str(number)).to_bytes())
            return receipts

        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(write, range(THREADS)))
        assert all(result == results[0] for result in results)
        written = [[number, n] for number in range(10) for n in range(3)] if batch else list(range(10))
        assert payloads(store) == written


def test_last_receipt_is_of_what_this_thread_wrote(store: Store) -> None:
    store.append(COORD, 1, kind=KIND, key="k")
    last = store.append(COORD, 2, kind=KIND)
    store.append(COORD, 1, kind=KIND, key="k")
    assert store.last_receipt() == last


def test_a_key_is_not_stored_in_clear(path: Path) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND, key="a very secret idempotency key")
    for each in path.rglob("*"):
        assert not each.is_file() or b"secret idempotency" not in each.read_bytes()
