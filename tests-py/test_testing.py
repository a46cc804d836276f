"""``batpak.testing``: the real store on a disk in memory, with a clock set by hand."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import _batpak, testing
from batpak.testing import Call, Fault, Faults, ManualClock, MemoryDisk, open_store
from support import COORD, FIRST_LOG, KIND, child_says, contents, payloads

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENT = datetime(2030, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


# -- the disk in memory -------------------------------------------------------------------------------------------------


def test_a_disk_keeps_its_journal() -> None:
    disk = MemoryDisk()
    assert disk.files() == {}
    with open_store(disk, name="ledger.example") as store:
        assert type(store) is batpak.Store
        receipt = store.append(COORD, {"n": 1}, kind=KIND)
        journal_id = store.journal_id
    with open_store(disk) as store:
        assert (store.journal_id, store.name, payloads(store)) == (journal_id, "ledger.example", [{"n": 1}])
        assert (store.open_report.path_taken, store.open_report.incarnation) == ("clean", 2)
        assert store.verify_receipt(receipt).ok
        assert store.verify().ok
    assert {"LOCK", "journal.meta", "frontier", "checkpoints", FIRST_LOG} <= set(disk.files())
    assert list(disk.files()) == sorted(disk.files())


def test_without_a_place_each_store_has_its_own() -> None:
    with open_store() as first, open_store() as second:
        assert first.journal_id != second.journal_id
        assert first.path == Path("memory")
        assert repr(first) == "<batpak.Store 'memory' 1 events>"


@pytest.mark.parametrize("durability", ["always", "interval", "manual"])
def test_memory_and_disk_write_the_same(tmp_path: Path, durability: Any) -> None:
    key = batpak.SigningKey.generate()
    disk, clock = MemoryDisk(), ManualClock()
    shapes = []
    for place in (disk, tmp_path / "journal"):
        with open_store(place, clock=clock, durability=durability, segment_bytes=4096, signing_key=key) as store:
            for number in range(20):
                store.append(COORD, {"n": number, "fill": bytes(500)}, kind=KIND, private_metadata={"who": "me"})
            store.append_batch([(COORD, number) for number in range(5)], kind=KIND)
            assert store.sync() == len(store)
            assert store.verify().ok
            shapes.append(
                [(event.sequence, event.kind, event.payload, event.timestamp) for event in store.query(system=True)][1:]
            )
            stats = store.stats()
            shapes.append([stats.events, stats.entities, stats.segments, stats.log_bytes])
    assert shapes[:2] == shapes[2:]
    left = {name: len(content) for name, content in contents(tmp_path / "journal").items()}
    assert {name: len(content) for name, content in disk.files().items()} == left


def test_the_second_writer_is_locked_out_and_readers_are_not() -> None:
    disk = MemoryDisk()
    with open_store(disk) as store:
        store.append(COORD, 1, kind=KIND)
        with pytest.raises(batpak.StoreLocked) as caught:
            open_store(disk)
        assert (caught.value.path, caught.value.pid) == ("memory", os.getpid())
        with open_store(disk, read_only=True) as reader:
            assert payloads(reader) == [1]
            with pytest.raises(batpak.StoreReadOnly):
                reader.append(COORD, 2, kind=KIND)
    with open_store(disk) as store:
        assert payloads(store) == [1]


def test_a_store_that_is_dropped_gives_the_lock_back() -> None:
    disk = MemoryDisk()
    store = open_store(disk, durability="manual")
    store.append(COORD, 1, kind=KIND)
    with pytest.warns(ResourceWarning, match="unclosed <batpak.Store 'memory'"):
        del store
    with open_store(disk) as store:
        assert payloads(store) == [1]


def test_nothing_is_created_unless_wanted() -> None:
    disk = MemoryDisk()
    for options in ({"read_only": True}, {"create": False}):
        with pytest.raises(batpak.NotAJournal, match="memory"):
            open_store(disk, **options)  # type: ignore[arg-type]
    with pytest.raises(batpak.NotAJournal):
        disk.verify()
    assert disk.files() == {}
    with pytest.raises(batpak.NotAJournal):
        open_store(MemoryDisk({"mine.txt": b"not a journal"}))


def test_a_copy_is_what_a_killed_process_leaves() -> None:
    disk = MemoryDisk()
    with open_store(disk, durability="manual") as store:
        store.append(COORD, 1, kind=KIND)
        left = disk.copy()
        assert left.files() == disk.files()
        store.append(COORD, 2, kind=KIND)
        with open_store(left) as after:
            assert payloads(after) == [1]
        with open_store(disk.copy().crash()) as after:
            assert payloads(after) == []
    assert len(left.files()) == len(disk.files())


def test_a_disk_can_be_tampered_with(key: batpak.SigningKey) -> None:
    disk = MemoryDisk()
    with open_store(disk, signing_key=key) as store:
        store.append(COORD, {"amount": 1990}, kind=KIND)
    assert disk.verify().ok
    assert disk.verify(public_key=key.public_key).ok
    assert not disk.verify(public_key=batpak.SigningKey.generate().public_key).ok
    whole = disk.files()
    at = whole[FIRST_LOG].index(b"amount")
    tampered = MemoryDisk({**whole, FIRST_LOG: whole[FIRST_LOG][:at] + b"another"[:6] + whole[FIRST_LOG][at + 6 :]})
    assert not tampered.verify().ok
    with pytest.raises(batpak.JournalDamaged) as caught:
        open_store(tampered, signing_key=key)
    assert caught.value.file == f"memory/{FIRST_LOG}" or caught.value.file == FIRST_LOG
    with open_store(MemoryDisk(whole), signing_key=key) as store:
        assert payloads(store) == [{"amount": 1990}]


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "..", "../a", "a/./b", "a\0b"])
def test_names_that_no_directory_could_hold(name: str) -> None:
    with pytest.raises(batpak.InvalidInput):
        MemoryDisk({name: b""})


def test_files_are_bytes_by_name() -> None:
    for files in ({"a": "text"}, {1: b""}, {"a": None}):
        with pytest.raises(TypeError):
            MemoryDisk(files)  # type: ignore[arg-type]
    given = {"a/b": b"1", "c": b""}
    disk = MemoryDisk(given)
    assert disk.files() == given
    disk.files().clear()
    assert disk.files() == given
    with pytest.raises(batpak.InvalidInput):
        MemoryDisk({"a": b"", "a/b": b""})


def test_to_and_from_a_real_directory(tmp_path: Path) -> None:
    disk = MemoryDisk()
    with open_store(disk) as store:
        store.append(COORD, 1, kind=KIND)
    disk.save(tmp_path / "new" / "journal")
    assert contents(tmp_path / "new" / "journal") == disk.files()
    assert batpak.verify(tmp_path / "new" / "journal").ok
    with batpak.Store.open(tmp_path / "new" / "journal") as store:
        store.append(COORD, 2, kind=KIND)
    with pytest.raises(FileExistsError):
        disk.save(tmp_path / "new" / "journal")
    loaded = MemoryDisk.load(str(tmp_path / "new" / "journal"))
    assert loaded.crash().files() == loaded.files() == contents(tmp_path / "new" / "journal")
    with open_store(loaded) as store:
        assert payloads(store) == [1, 2]
    with pytest.raises(FileNotFoundError):
        MemoryDisk.load(tmp_path / "missing")
    with pytest.raises(NotADirectoryError):
        MemoryDisk.load(tmp_path / "new" / "journal" / "frontier")


def test_a_forked_child_has_a_copy_of_its_own() -> None:
    code = """
import os, batpak
from batpak.testing import MemoryDisk, open_store
disk = MemoryDisk()
at, kind = batpak.Coordinate("a", "b"), batpak.Kind(0xF, 1)
store = open_store(disk, durability="manual")
store.append(at, 1, kind=kind)
pid = os.fork()
if pid == 0:
    failed = 1
    try:
        store.append(at, 2, kind=kind)
    except batpak.ForkedStore:
        with open_store(disk.copy()) as own:
            own.append(at, 3, kind=kind)
            failed = [event.payload for event in own.query()] != [1, 3]
    os._exit(failed)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
store.append(at, 4, kind=kind)
print([event.payload for event in store.query()])
store.close()
"""
    assert child_says(code) == "[1, 4]"


# -- power cuts -----------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_as_durable_survives_every_power_cut() -> None:
    disk = MemoryDisk()
    torn = lost_some = 0
    acknowledged: list[batpak.AppendReceipt] = []
    unsynced: list[batpak.AppendReceipt] = []
    with open_store(disk, durability="manual", segment_bytes=8192) as store:
        for number in range(12):
            durable = number % 3 == 0
            written = store.append_batch(
                [(COORD, {"n": number, "fill": bytes(300)})] * 2,
                kind=KIND,
                durability="always" if durable else "manual",
            )
            if durable:
                acknowledged += [*unsynced, *written]
                unsynced.clear()
            else:
                unsynced += written
            lost, kept = disk.crash(), disk.crash("everything")
            some = [disk.crash("some", seed=seed) for seed in range(6)]
            for left in (lost, kept, *some):
                with open_store(left) as after:
                    found = [event for event in after.query() if event.kind == KIND]
                    torn += after.open_report.path_taken == "recovered"
                    assert all(after.verify_receipt(receipt).ok for receipt in acknowledged)
                    assert len(found) % 2 == 0, "half a batch"
                    assert [event.payload["n"] for event in found[::2]] == list(range(len(found) // 2))
                    if left is lost:
                        lost_some += len(found) < 2 * (number + 1)
                    if left is kept:
                        assert len(found) == 2 * (number + 1)
                    assert after.verify().ok
                assert left.verify().ok
    assert lost_some >= 4
    assert torn, "chance tears something now and then"


def test_chance_is_the_same_for_the_same_seed() -> None:
    disk = MemoryDisk()
    with open_store(disk, durability="manual") as store:
        for number in range(20):
            store.append(COORD, {"n": number, "fill": bytes(1000)}, kind=KIND)
        before = disk.files()
        images = [disk.crash("some", seed=seed).files() for seed in (0, 1, 2, 3, 2**64 - 1)]
        assert images == [disk.crash("some", seed=seed).files() for seed in (0, 1, 2, 3, 2**64 - 1)]
        assert len({tuple(image.items()) for image in images}) > 1
        assert disk.crash("everything").files() == disk.files() == before
        assert disk.crash().files() != before


def test_a_power_cut_says_what_it_keeps() -> None:
    disk: Any = MemoryDisk()
    for arguments, options in [
        (("some",), {}),
        (("nothing",), {"seed": 1}),
        (("everything",), {"seed": 1}),
        (("all",), {}),
        (("all",), {"seed": 1}),
        (("some",), {"seed": -1}),
        (("some",), {"seed": 2**64}),
    ]:
        with pytest.raises(batpak.InvalidInput):
            disk.crash(*arguments, **options)
    with pytest.raises(TypeError):
        disk.crash("some", seed="1")


# -- the clock --------------------------------------------------------------------------------------------------------


def test_events_are_stamped_by_the_clock(path: Path) -> None:
    for place in (MemoryDisk(), path):
        clock = ManualClock(MOMENT)
        with open_store(place, clock=clock) as store:
            first = store.append(COORD, 1, kind=KIND)
            second = store.append(COORD, 2, kind=KIND)
            assert clock.advance(timedelta(hours=1, microseconds=7)) == clock.now()
            third = store.append(COORD, 3, kind=KIND)
            stamps = [store.get(receipt.sequence).timestamp for receipt in (first, second, third)]
            assert stamps == [MOMENT, MOMENT, MOMENT + timedelta(hours=1, microseconds=7)]
            assert store.get(first.sequence).hlc < store.get(second.sequence).hlc
            assert first.event_id < second.event_id < third.event_id
            assert [store.get(number).skew_us for number in range(4)] == [0, 0, 0, 0]


def test_a_clock_that_goes_back_moves_no_stamp_back(path: Path) -> None:
    for place in (MemoryDisk(), path):
        clock = ManualClock(MOMENT)
        with open_store(place, clock=clock) as store:
            store.append(COORD, 1, kind=KIND)
            clock.set(MOMENT - timedelta(days=400))
            assert clock.now() == MOMENT - timedelta(days=400)
            store.append(COORD, 2, kind=KIND)
            event = store.get(2)
            assert (event.timestamp, event.skew_us) == (MOMENT, -400 * 24 * 3600 * 10**6)
        with open_store(place, clock=clock) as store:
            store.append(COORD, 3, kind=KIND)
            stamps = [event.timestamp for event in store.query(system=True)]
            assert stamps == sorted(stamps)
            assert MOMENT < stamps[-1] < MOMENT + timedelta(milliseconds=5), "reopening moves on by a little"
            clock.set(MOMENT + timedelta(seconds=1))
            store.append(COORD, 4, kind=KIND)
            assert store.get(len(store) - 1).timestamp == MOMENT + timedelta(seconds=1)
            assert store.verify().ok


def test_the_clock_shows_what_it_was_given() -> None:
    clock = ManualClock()
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.set(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.advance(timedelta(days=-1)) == datetime(2025, 12, 31, tzinfo=UTC)
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    for edge in (first, last):
        clock.set(edge)
        assert clock.now() == edge == ManualClock(edge).now()
    for refused in (
        lambda: clock.advance(timedelta(microseconds=1)),
        lambda: clock.advance(timedelta.max),
        lambda: clock.advance(timedelta.min),
        lambda: clock.set(first - timedelta(microseconds=1)),
        lambda: clock.set(datetime(2026, 1, 1)),
        lambda: ManualClock(datetime(2026, 1, 1)),
        lambda: ManualClock(datetime(1969, 12, 31, tzinfo=UTC)),
    ):
        with pytest.raises(batpak.InvalidInput):
            refused()
        assert clock.now() == last
    wrong: Any = 5
    for use in (clock.set, clock.advance, ManualClock):
        with pytest.raises(TypeError):
            use(wrong)


def test_a_clock_is_moved_by_many_threads() -> None:
    clock = ManualClock(MOMENT)
    with open_store(clock=clock, durability="manual") as first, open_store(clock=clock) as second:

        def live(store: batpak.Store) -> None:
            for _ in range(200):
                clock.advance(timedelta(microseconds=3))
                store.append(COORD, 1, kind=KIND)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(live, [first, second, first, second]))
        assert clock.now() == MOMENT + timedelta(microseconds=4 * 200 * 3)
        for store in (first, second):
            assert len(store) == 401
            assert all(MOMENT <= event.timestamp <= clock.now() for event in store.query())
            assert store.verify().ok


# -- manners ----------------------------------------------------------------------------------------------------------


def test_the_options_are_those_of_a_store() -> None:
    own = inspect.signature(batpak.Store.open).parameters
    options = {name for name, parameter in own.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(testing.StoreOptions.__annotations__) == options
    opening: Any = open_store
    with pytest.raises(TypeError, match="no_such_option"):
        opening(no_such_option=1)
    for wrong in ({"clock": 1}, {"faults": Fault()}, {"place": 5}):
        with pytest.raises(TypeError):
            opening(**wrong)


def test_a_relative_path_is_meant_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with open_store("journal", clock=ManualClock(), segment_bytes=4096) as store:
        assert store.path == Path("journal")
        os.chdir("elsewhere")
        for _ in range(10):
            store.append(COORD, bytes(1000), kind=KIND)
    assert os.listdir(".") == []
    assert batpak.verify(tmp_path / "journal").events == 11


def test_recovery_in_memory_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    with open_store(disk) as store:
        store.append(COORD, 1, kind=KIND)
    whole = disk.files()
    with open_store(MemoryDisk({**whole, FIRST_LOG: whole[FIRST_LOG] + b"torn"})) as store:
        assert store.open_report.path_taken == "recovered"
    (record,) = caplog.records
    assert record.getMessage().startswith("memory: an unsynced tail of 4 bytes was cut off before event 2 and kept in")


def test_everything_public_is_documented() -> None:
    assert testing.__all__ == sorted(testing.__all__, key=str)
    for name in testing.__all__:
        value = getattr(testing, name)
        assert inspect.getdoc(value)
        if name in {"Fault", "Call"}:
            assert all(f"    {field}: " in value.__doc__ for field in value.__dataclass_fields__ if field != "_")
        for member, attribute in vars(value).items():
            if not member.startswith("_") and (callable(attribute) or isinstance(attribute, classmethod)):
                assert inspect.getdoc(attribute), (name, member)


def test_repr_and_html() -> None:
    disk, clock, faults = (
        MemoryDisk({"<a>": b"123"}),
        ManualClock(MOMENT),
        Faults(Fault(3), Fault(1, operation="sync", forever=True)),
    )
    assert repr(disk) == "<batpak.testing.MemoryDisk 1 files, 3 bytes, 0 unsynced changes>"
    assert repr(clock) == "<batpak.testing.ManualClock 2030-06-01T12:30:15.123456+00:00>"
    assert (
        repr(faults) == "<batpak.testing.Faults Fault(3), Fault(1, operation='sync', forever=True); 0 calls, 0 failed>"
    )
    faults.heal()
    faults.limit_space(7)
    assert repr(faults) == "<batpak.testing.Faults limit_space(7); 0 calls, 0 failed>"
    fault = Fault(2, file="<b>", effect="short", short_bytes=9, error="ENOSPC")
    assert repr(fault) == "Fault(2, file='<b>', error='ENOSPC', effect='short', short_bytes=9)"
    assert eval(repr(fault)) == fault == pickle.loads(pickle.dumps(fault))
    assert hash(fault) == hash(copy.copy(fault))
    call = Call(1, "sync", "<c>", 0, failed=True)
    assert str(call) == "1: sync <c> failed"
    shown: list[Any] = [disk, clock, faults, fault, call]
    for each in shown:
        html = each._repr_html_()
        assert not {"<a>", "<b>", "<c>"} & {html[at : at + 3] for at in range(len(html))}
        assert "\n" not in repr(each)


@pytest.mark.parametrize("make", [MemoryDisk, ManualClock, Faults])
def test_what_others_hold_is_not_copied_by_chance(make: Callable[[], Any]) -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled"):
            attempt(make())
    with pytest.raises(AttributeError):
        make().attribute = 1


def test_it_is_imported_only_when_asked_for() -> None:
    code = "import sys, batpak; print('batpak.testing' in sys.modules); import batpak.testing; print(batpak.testing.__name__)"
    assert child_says(code).split() == ["False", "batpak.testing"]
    assert child_says("import batpak.testing") == ""


def test_the_compiled_halves_are_hidden() -> None:
    for name in ("MemoryDisk", "ManualClock", "Faults", "Place"):
        assert getattr(_batpak, name).__module__ == "batpak._batpak"
        assert not hasattr(batpak, name)
