"""The file of a cursor: damage, copies, histories that changed under it, and storage that fails while it is written."""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import batpak
from batpak import CursorDamaged, CursorDisplaced, Store, _batpak
from batpak.testing import Fault, Faults, MemoryDisk, open_store
from support import COORD, KIND, encode

if TYPE_CHECKING:
    from pathlib import Path

FILE = "cursors/c.cursor"


def fill(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.append(COORD, number, kind=KIND)


def given(events: Any) -> list[Any]:
    return [event.payload for event in events]


class Counting(batpak.Projection[int]):
    name = "counting"

    def initial(self) -> int:
        return 0

    @batpak.on(KIND)
    def count(self, state: int, _: batpak.Event) -> int:
        return state + 1


@pytest.fixture
def files() -> dict[str, bytes]:
    """A journal whose cursor has come to event 2 of 3."""
    disk = MemoryDisk()
    with open_store(disk) as store:
        fill(store, 1, 2, 3)
        cursor = store.cursor("c", scope="shop")
        cursor.batch(2)
        cursor.commit()
    return disk.files()


def refused(files: dict[str, bytes]) -> batpak.BatpakError:
    """What opening, listing and rewinding the cursor raise alike; and after it was dropped, it begins anew."""
    with open_store(MemoryDisk(files)) as store:
        caught = []
        for attempt in (
            lambda: store.cursor("c", scope="shop"),
            lambda: store.cursor("c"),
            store.cursors,
            lambda: store.rewind_cursor("c", 0),
        ):
            with pytest.raises(batpak.StoreError) as error:
                attempt()
            caught.append(error.value)
        assert len({(type(error), error.message) for error in caught}) == 1
        assert store.drop_cursor("c")
        with store.cursor("c", scope="shop") as cursor:
            assert given(cursor) == [1, 2, 3]
    assert isinstance(caught[0], batpak.BatpakError)
    return caught[0]


def test_it_is_refused_cut_anywhere(files: dict[str, bytes]) -> None:
    whole = files[FILE]
    assert len(whole) > 200
    for length in range(len(whole)):
        with open_store(MemoryDisk({**files, FILE: whole[:length]})) as store:
            with pytest.raises(CursorDamaged, match="drop_cursor") as caught:
                store.cursor("c", scope="shop")
            assert (caught.value.name, caught.value.file, caught.value.sequence) == ("c", f"memory/{FILE}", None)
            assert isinstance(caught.value.offset, int)
    assert refused({**files, FILE: b""}).code == "cursor_damaged"


def test_it_is_refused_with_any_bit_changed(files: dict[str, bytes]) -> None:
    whole = files[FILE]
    with open_store(disk := MemoryDisk(files)):
        pass
    for place in range(len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        with (
            open_store(MemoryDisk({**disk.files(), FILE: changed}), read_only=True) as store,
            pytest.raises(CursorDamaged),
        ):
            store.cursors()
    assert isinstance(refused({**files, FILE: whole + b"x"}), CursorDamaged)


def kept(change: dict[str, Any]) -> dict[str, Any]:
    """The fields of a position with some of them changed; None takes a field out."""
    query = {"scope": "shop"}
    fields: dict[str, Any] = {
        "version": 1, "name": "c", "query": query, "query_hash": bytes.fromhex(QUERY_HASH), "sequence": None, "event_hash": None,
        "committed_at": datetime(2030, 1, 1, tzinfo=UTC),
    } | change  # fmt: skip
    return {name: value for name, value in fields.items() if value is not ...}


# SHA-256 of the canonical bytes of {"scope": "shop"}: 09 01 05 "scope" 04 04 "shop" in hex and text.
QUERY_HASH = "be3d8f3db5e9035d5e719a7c1140a144216dc539d3a0c80c4bc52040154ffd0c"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"version": 2}, batpak.UnsupportedFormat), ({"version": 0}, CursorDamaged), ({"version": True}, CursorDamaged), ({"version": ...}, CursorDamaged),
        ({"name": "d"}, CursorDamaged), ({"name": ...}, CursorDamaged),
        ({"query": ...}, CursorDamaged), ({"query": {}}, CursorDamaged), ({"query": []}, CursorDamaged), ({"query_hash": bytes(32)}, CursorDamaged),
        ({"sequence": 1}, CursorDamaged), ({"event_hash": bytes(32)}, CursorDamaged), ({"sequence": ...}, CursorDamaged),
        ({"sequence": -1, "event_hash": bytes(32)}, CursorDamaged), ({"sequence": "1", "event_hash": bytes(32)}, CursorDamaged),
        ({"sequence": 1, "event_hash": bytes(31)}, CursorDamaged), ({"sequence": True, "event_hash": bytes(32)}, CursorDamaged),
        ({"committed_at": 5}, CursorDamaged), ({"committed_at": ...}, CursorDamaged),
        ({"journal_id": UUID(int=5)}, CursorDamaged), ({"journal_id": ...}, CursorDamaged), ({"journal_id": "x"}, CursorDamaged),
        ({"journal_id": []}, CursorDamaged), ({"sequence": 2**70, "event_hash": bytes(32)}, CursorDamaged), ({"query": {"kind": float("nan")}}, CursorDamaged),
        ({"sequence": 2**63, "event_hash": bytes(32)}, CursorDisplaced),
    ],
)  # fmt: skip
def test_what_another_program_wrote_is_checked_field_by_field(change: dict[str, Any], error: type[Exception]) -> None:
    with open_store() as store:
        fill(store, 1)
        fields = kept({"journal_id": store.journal_id})
        _batpak.keep(store._core, "cursors", "c", encode(fields))
        assert given(store.cursor("c", scope="shop")) == [1]
        fields = kept({"journal_id": store.journal_id} | change)
        _batpak.keep(store._core, "cursors", "c", encode(fields, allow_nonfinite=True))
        attempts: list[Any] = [
            lambda: store.cursor("c", scope="shop"),
            store.cursors,
            lambda: store.rewind_cursor("c", 0),
        ]
        # A position that is only too far can be listed, and rewound.
        for attempt in attempts[: 1 if error is CursorDisplaced else None]:
            with pytest.raises(error) as caught:
                attempt()
            assert type(caught.value) is error


@pytest.mark.parametrize("content", [b"", b"\xff", encode(5), encode([])])
def test_what_is_no_position_is_refused(content: bytes) -> None:
    with open_store() as store:
        _batpak.keep(store._core, "cursors", "c", content)
        with pytest.raises(CursorDamaged) as caught:
            store.cursor("c")
        assert pickle.loads(pickle.dumps(caught.value)).name == "c"


def test_the_fields(files: dict[str, bytes]) -> None:
    with open_store(MemoryDisk(files)) as store:
        content = _batpak.kept(store._core, "cursors", "c")
        assert content is not None
        fields: Any = _batpak.decode_value(content)
        assert (fields.pop("committed_at") - datetime.now(UTC)).total_seconds() < 1
        assert fields == {
            "version": 1,
            "name": "c",
            "journal_id": store.journal_id,
            "query": {"scope": "shop"},
            "query_hash": bytes.fromhex(QUERY_HASH),
            "sequence": 2,
            "event_hash": store.get(2).event_hash,
        }


def test_a_file_of_another_cursor_or_journal_is_refused(files: dict[str, bytes]) -> None:
    with open_store(disk := MemoryDisk()) as store:
        fill(store, 1, 2, 3)
        store.cursor("c", scope="shop").close()
        store.cursor("d", scope="shop").close()
    others = disk.files()
    assert "of another journal" in refused({**files, FILE: others[FILE]}).message
    with open_store(MemoryDisk({**others, FILE: others["cursors/d.cursor"]})) as store:
        with pytest.raises(CursorDamaged, match="that of another cursor"):
            store.cursor("c", scope="shop")
        assert given(store.cursor("d", scope="shop")) == [1, 2, 3]


@pytest.mark.parametrize("events", [0, 1, 5])
def test_a_history_that_changed_is_refused(files: dict[str, bytes], events: int) -> None:
    """A copy from before is put back, but not its cursors; what was written then is gone, or another takes its place."""
    disk = MemoryDisk()
    with open_store(disk) as store:
        fill(store, 1)
    before = MemoryDisk(disk.files())
    with open_store(disk) as store:
        fill(store, 2, 3, 4)
        with store.cursor("c") as cursor:
            assert given(cursor) == [1, 2, 3, 4]
        old = store.get(5).event_hash
    with open_store(before) as store:
        fill(store, *range(20, 20 + events))
    with open_store(MemoryDisk({**before.files(), FILE: disk.files()[FILE]})) as store:
        size = len(store)
        with pytest.raises(CursorDisplaced, match="rewind_cursor") as caught:
            store.cursor("c")
        error = caught.value
        found = store.get(5).event_hash if size > 5 else None
        assert (error.name, error.sequence, error.expected, error.found) == ("c", 5, old, found)
        assert old.hex() in error.message
        with pytest.raises(batpak.InvalidInput):
            store.rewind_cursor("c", min(6, size) + 1)
        assert store.cursors()[0].sequence == 5
        assert store.rewind_cursor("c", 2).sequence == 1
        with store.cursor("c") as cursor:
            assert given(cursor) == [*range(20, 20 + events)]


def test_a_file_that_was_lengthened_to_any_size_is_refused_unread(tmp_path: Path) -> None:
    """Reading it would ask for all the memory there is."""
    with Store.open(tmp_path / "journal") as store:
        fill(store, 1)
        with store.cursor("billing") as cursor:
            assert given(cursor) == [1]
        with store.materialise(Counting) as view:
            assert view.read().state == 1
    for room in ("cursors", "projections"):
        (file,) = (tmp_path / "journal" / room).iterdir()
        os.truncate(file, 2**40)
    with Store.open(tmp_path / "journal") as store:
        with pytest.raises(CursorDamaged):
            store.cursor("billing")
        found = store.materialise(Counting).read()
        assert found.state == 1
        assert found.rebuilt is not None
        assert "damaged" in found.rebuilt


def test_a_lineage_goes_on_with_the_cursors_that_its_history_knows(tmp_path: Path) -> None:
    journal, backup, pins = (tmp_path / name for name in ("journal", "backup", "pins"))
    with Store.open(journal, pins=pins) as store:
        fill(store, 1, 2)
        for name in ("early", "late"):
            with store.cursor(name) as cursor:
                next(cursor)
        first_id = store.journal_id
    shutil.copytree(journal, backup)
    with Store.open(journal, pins=pins) as store:
        fill(store, 3)
        with store.cursor("late") as cursor:
            assert given(cursor) == [2, 3]
    shutil.copytree(journal / "cursors", backup / "cursors", dirs_exist_ok=True)
    shutil.rmtree(journal)
    shutil.copytree(backup, journal)
    batpak.accept_restore(journal, reason="the disk died", actor="operator-7", pins=pins)
    with Store.open(journal, pins=pins) as store:
        fill(store, 30)
        assert store.journal_id != first_id
        with store.cursor("early") as cursor:
            assert given(cursor) == [2, 30]
        with pytest.raises(CursorDisplaced):
            store.cursor("late")
        assert store.rewind_cursor("late", 2).journal_id == store.journal_id
        assert given(store.cursor("late")) == [2, 30]
        assert {position.journal_id for position in store.cursors()} == {store.journal_id}


# -- storage that fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", ["not_done", "done", "short"])
@pytest.mark.parametrize("forever", [False, True])
def test_every_call_of_a_commit_fails(effect: Any, forever: bool) -> None:
    """Whatever the storage refuses: the position is the old or the new one, on this disk and after a power cut."""
    for call in itertools.count(1):
        disk, faults = MemoryDisk(), Faults()
        store = open_store(disk, faults=faults, durability="manual")
        fill(store, 1, 2, 3)
        cursor = store.cursor("c")
        cursor.commit(next(cursor))
        second = next(cursor)
        store.append(COORD, 4, kind=KIND)
        faults.arm(Fault(call, effect=effect, forever=forever))
        try:
            cursor.commit()
        except (batpak.StorageError, batpak.StorePoisoned):
            assert faults.hits()
            assert cursor.position == 1
        else:
            # A temporary file that is in the way may not go without harm.
            assert cursor.position == second.sequence
        faults.heal()
        for image in (disk.copy(), disk.crash(), disk.crash("everything"), disk.crash("some", seed=call)):
            with open_store(image) as after:
                (position,) = after.cursors()
                assert position.sequence in ((1, 2) if cursor.position == 1 else (2,))
                assert given(after.cursor("c"))[:2] == ([2, 3] if position.sequence == 1 else [3, 4])
        try:
            cursor.commit()
            assert cursor.position == 2
        except batpak.StorePoisoned:
            pass
        cursor.close()
        try:
            store.close()
        except batpak.StorePoisoned:
            assert faults.hits()
        if not faults.hits():
            break
    assert call > 5


@pytest.mark.parametrize("effect", ["not_done", "done"])
def test_every_call_of_the_first_opening_fails(effect: Any) -> None:
    """A new cursor either is there, from where it was to begin, or it is not."""
    for call in itertools.count(1):
        disk, faults = MemoryDisk(), Faults()
        store = open_store(disk, faults=faults, durability="manual")
        fill(store, 1, 2)
        faults.arm(Fault(call, effect=effect))
        opened = None
        try:
            opened = store.cursor("c", start="now")
        except (batpak.StorageError, batpak.StorePoisoned):
            assert faults.hits()
        faults.heal()
        with open_store(disk.crash()) as after:
            assert [position.sequence for position in after.cursors()] in ([[2]] if opened else [[], [2]])
        if opened is None:
            # The name is free again.
            try:
                store.cursor("c", start="now").close()
            except batpak.StorePoisoned:
                assert faults.hits()
        else:
            opened.close()
        try:
            store.close()
        except batpak.StorePoisoned:
            assert faults.hits()
        if not faults.hits():
            break
    assert call > 5


def test_an_earlier_failure_of_a_sync_does_not_move_a_cursor() -> None:
    disk, faults = MemoryDisk(), Faults()
    store = open_store(disk, faults=faults, durability="manual")
    fill(store, 1)
    cursor = store.cursor("c")
    next(cursor)
    faults.arm(Fault(operation="sync", file="segments/*"))
    for _ in range(2):
        with pytest.raises(batpak.StorePoisoned):
            cursor.commit()
        assert cursor.position is None
    cursor.close()
    with pytest.raises(batpak.StorePoisoned):
        store.close()
    with open_store(disk.crash()) as store:
        assert store.cursors()[0].sequence is None


def test_a_full_disk_and_room_again() -> None:
    disk, faults = MemoryDisk(), Faults()
    with open_store(disk, faults=faults) as store:
        fill(store, 1)
        cursor = store.cursor("c")
        store.sync()
        faults.limit_space(10)
        next(cursor)
        with pytest.raises(batpak.StorageFull):
            cursor.commit()
        faults.heal()
        cursor.commit()
        assert store.cursors()[0].sequence == cursor.position == 1
