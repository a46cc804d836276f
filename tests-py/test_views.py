"""Materialised projections: fresh or stated to be stale, kept beside the log, and never believed against it."""

from __future__ import annotations

import gc
import itertools
import pickle
import shutil
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Event, InvalidInput, Projection, Store, _batpak
from batpak.testing import Fault, Faults, MemoryDisk, open_store
from projections_support import Accounts, Total, add
from support import COORD, child_says, encode, running_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOM = "projections"


def kept(store: Store, name: str = "total") -> dict[str, Any]:
    found: dict[str, Any] = _batpak.decode_value(_batpak.kept(store._core, ROOM, name) or b"")
    return found


def keep(store: Store, content: object, name: str = "total") -> None:
    _batpak.keep(store._core, ROOM, name, encode(content))


class Fragile(Projection[list[int]]):
    """Changes its input, and fails where it is told to."""

    name = "fragile"
    failing = False

    def initial(self) -> list[int]:
        return []

    @batpak.on(0xF001)
    def added(self, state: list[int], event: Event) -> list[int]:
        state.append(event.payload)
        if event.payload < 0 and type(self).failing:
            raise ValueError("negative")
        return state


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_read_folds_what_is_new(store: Store) -> None:
    view = store.materialise(Total)
    assert (view.applied, repr(view)) == (None, "<View of 'total' that has looked at no event yet>")
    first = view.read()
    assert (first.state, first.events, first.folded_now, first.rebuilt) == (0, 0, 0, "none was kept")
    add(store, 1, 2)
    store.append(COORD, 5, kind=0xE001)
    second = view.read()
    assert (second.state, second.events, second.folded_now, second.behind, second.fresh) == (3, 2, 2, 0, True)
    assert second.watermark == view.applied == store.frontier().visible
    assert (second.sequence, second.hlc) == (3, store.get(3).hlc)
    assert second.state_hash == _batpak.report_hash(encode(3))
    add(store, 3)
    assert (view.read().state, view.read().folded_now, view.read().events) == (6, 0, 3)
    assert repr(view) == "<View of 'total' up to event 4>"
    assert pickle.loads(pickle.dumps(second)) == second
    assert second.to_dict()["state"] == 3
    assert "<td style='text-align:left'>3</td>" in second._repr_html_()
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(view)


def test_stale_reads_say_so(store: Store) -> None:
    view = store.materialise(Total)
    add(store, 1)
    fresh = view.read()
    assert fresh.age_s is not None
    assert 0 <= fresh.age_s < 60
    add(store, 2, 3)
    for stale in ("any", 60, 60.0, timedelta(minutes=1), 10**400, float("inf")):
        projected = view.read(max_stale=stale)
        assert (projected.state, projected.behind, projected.fresh, projected.folded_now) == (1, 2, False, 0)
        assert projected.age_s is not None
        assert projected.age_s >= fresh.age_s
    time.sleep(0.002)
    assert (view.read(max_stale=0.001).state, view.read(max_stale=timedelta(0)).fresh) == (6, True)


@pytest.mark.parametrize(
    ("stale", "error"),
    [
        (-1, InvalidInput),
        (float("nan"), InvalidInput),
        ("all", InvalidInput),
        (timedelta(-1), InvalidInput),
        (True, TypeError),
        ([], TypeError),
    ],
)
def test_wrong_staleness(store: Store, stale: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_stale"):
        store.materialise(Total).read(max_stale=stale)


@pytest.mark.parametrize(
    ("every", "error"), [(0, InvalidInput), (-1, InvalidInput), (True, TypeError), ("1", TypeError)]
)
def test_wrong_snapshot_every(store: Store, every: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="snapshot_every"):
        store.materialise(Total, snapshot_every=every)


def test_frontier_applied_is_the_slowest(store: Store) -> None:
    assert store.frontier().applied is None
    quick, slow = store.materialise(Total), store.materialise(Total, entity="x")
    assert quick.read().watermark == quick.applied
    assert store.frontier().applied is None
    slow.read()
    behind = store.frontier().visible
    assert store.frontier().applied == behind
    add(store, 1)
    quick.read()
    assert store.frontier().applied == slow.applied == behind
    del slow
    gc.collect()
    assert store.frontier().applied == quick.applied == store.frontier().visible


@pytest.mark.parametrize("every", [None, 2])
def test_a_fold_that_raises_leaves_the_state_before(
    store: Store, every: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fragile, "failing", True)
    view = store.materialise(Fragile, snapshot_every=every)
    add(store, 1)
    before = view.read()
    add(store, 2, 3, 4, -5, 6)
    for _ in range(2):
        with pytest.raises(ValueError, match="negative") as caught:
            view.read()
        assert caught.value.__notes__ == [f"while folding event 5 ({store.get(5).event_id})"]
        stale = view.read(max_stale="any")
        assert stale.state == ([1] if every is None else [1, 2, 3])
        assert stale.sequence == (1 if every is None else 3)
        assert stale.behind == (5 if every is None else 3)
        assert before.state == [1]
    monkeypatch.setattr(Fragile, "failing", False)
    after = view.read()
    assert (after.state, after.events) == ([1, 2, 3, 4, -5, 6], 6)
    assert before.state == [1]


def test_what_was_given_out_does_not_change_nor_change_the_view(store: Store) -> None:
    view = store.materialise(Fragile)
    add(store, 1)
    first = view.read()
    add(store, 2)
    second = view.read()
    assert (first.state, second.state) == ([1], [1, 2])
    second.state.append(99)
    add(store, 3)
    assert view.read().state == [1, 2, 3]
    assert view.save() == view.applied
    assert store.materialise(Fragile).read(max_stale="any").state == [1, 2, 3]


def test_a_handler_that_asks_its_own_view_is_refused(store: Store) -> None:
    class Curious(Total):
        name = "curious"

        def added(self, state: int, event: Event) -> int:
            asked.append(event.sequence)
            return asks[0]()

    asked: list[int] = []
    view = store.materialise(Curious)
    asks: list[Callable[[], Any]] = [view.read, view.save, lambda: view.watch(0)]
    add(store, 1)
    while asks:
        with pytest.raises(InvalidInput, match="its own view"):
            view.read()
        asks.pop(0)
    assert asked == [1, 1, 1]


def test_views_that_ask_each_other_are_refused_and_wait_for_nobody(store: Store) -> None:
    class One(Total):
        name = "one"

        def added(self, _: int, event: Event) -> int:
            return other.read().state

    class Other(Total):
        name = "other"

        def added(self, _: int, event: Event) -> int:
            return one.read().state

    one, other = store.materialise(One), store.materialise(Other)
    add(store, 1)
    refused: list[str] = []

    def ask(view: batpak.View[int]) -> None:
        with pytest.raises(InvalidInput, match="another view") as caught:
            view.read()
        refused.append(str(caught.value))

    threads = [threading.Thread(target=ask, args=(view,)) for view in (one, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == len(threads)


def test_threads_share_a_view(store: Store) -> None:
    view = store.materialise(Total, snapshot_every=7)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(30):
            add(store, 1)
            projected = view.read()
            if projected.state != store.project(Total, until=projected.sequence):
                wrong.append(projected)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, view.read().state, view.read().events) == ([], 120, 120)


# -- watching ---------------------------------------------------------------------------------------------------------


def test_watch(store: Store) -> None:
    view = store.materialise(Total)
    assert view.watch(0) is None
    before = view.read()
    writing = threading.Timer(0.02, lambda: add(store, 0, 5))
    writing.start()
    found = view.watch(30)
    writing.join()
    assert found is not None
    assert found.state == 5
    assert view.watch(0.01) is None
    since = view.watch(30, since=before)
    assert since is not None
    assert since.state == 5
    with pytest.raises(TypeError):
        view.watch(since=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        view.watch(-1)


def test_changes(store: Store) -> None:
    view = store.materialise(Total)
    changes = view.changes(timeout=30)
    assert next(changes).state == 0
    add(store, 1)
    assert next(changes).state == 1
    add(store, 2, 3)
    assert next(changes).state == 6
    changes.close()
    assert [each.state for each in view.changes(timeout=0)] == [6]
    with pytest.raises(InvalidInput):
        view.changes(timeout=-1)


def test_a_store_that_is_closed_ends_a_watch(path: Path) -> None:
    store = Store.open(path)
    view = store.materialise(Total)
    view.read()
    closing = threading.Timer(0.05, store.close)
    closing.start()
    with pytest.raises(batpak.StoreClosed):
        view.watch(30)
    closing.join()
    for act in (
        view.read,
        view.save,
        view.forget,
        view.run_report,
        lambda: view.read(max_stale="any"),
        lambda: view.watch(0),
    ):
        with pytest.raises(batpak.StoreClosed):
            act()


WRITER = """
import sys, batpak
with batpak.Store.open(sys.argv[1]) as store:
    print("open", flush=True)
    for line in sys.stdin:
        store.append(batpak.Coordinate("order:1", "shop"), int(line), kind=0xF001)
"""


def test_a_reader_watches_the_writer_of_another_process(path: Path) -> None:
    with running_child(WRITER, path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with Store.open(path, read_only=True) as store, store.materialise(Total) as view:
            total = 0
            changes = view.changes(timeout=40)
            assert next(changes).state == 0
            for number in (1, 2, 3):
                child.stdin.write(f"{number}\n")
                child.stdin.flush()
                total += number
                assert next(changes).state == total
            with pytest.raises(batpak.StoreReadOnly):
                view.save()
            with pytest.raises(batpak.StoreReadOnly):
                view.attest()
        assert not (path / ROOM).exists()
        child.stdin.close()
        assert child.wait(30) == 0


# -- snapshots --------------------------------------------------------------------------------------------------------


def test_snapshots_are_gone_on_from(path: Path) -> None:
    with Store.open(path) as store:
        add(store, 1, 2)
        with store.materialise(Total) as view:
            view.read()
    with Store.open(path) as store:
        add(store, 3)
        view = store.materialise(Total)
        old = view.read(max_stale="any")
        assert (old.state, old.age_s, old.rebuilt, old.behind) == (3, None, None, 2)
        assert view.read(max_stale=1e9).folded_now == 1
        projected = view.read()
        assert (projected.state, projected.events, projected.rebuilt) == (6, 3, None)
        fields = kept(store)
        assert fields["sequence"] == 2
        assert fields["event_hash"] == store.get(2).event_hash
        assert (fields["state"], fields["state_hash"]) == (encode(3), _batpak.report_hash(encode(3)))
        assert view.forget()
        assert not view.forget()
        assert store.materialise(Total).read().rebuilt == "none was kept"
        assert store.verify().ok


def test_a_block_that_raises_keeps_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.materialise(Total) as view:
        view.read()
        raise KeyError
    with store.materialise(Total):
        pass
    assert _batpak.names_kept(store._core, ROOM) == []


def test_snapshots_by_themselves(store: Store) -> None:
    add(store, *range(10))
    view = store.materialise(Total, snapshot_every=4)
    assert view.read().state == 45
    assert (kept(store)["events"], kept(store)["sequence"]) == (8, 8)
    add(store, 1)
    view.read()
    assert kept(store)["events"] == 8
    add(store, 1)
    view.read()
    assert kept(store)["events"] == 12
    assert (store.frontier().durable or view.applied) == view.applied
    reader = store.materialise(Total)
    assert (reader.read().folded_now, reader.read().state) == (0, 47)


def test_each_choice_of_events_has_a_snapshot_of_its_own(store: Store) -> None:
    add(store, 1)
    for filters in ({}, {"entity": "order:1"}, {"entity": "x"}, {"system": True}, {"system": False}):
        store.materialise(Total, **filters).save()
    names = _batpak.names_kept(store._core, ROOM)
    assert len(names) == 4
    assert [name.partition("@")[0] for name in names] == ["total"] * 4
    same = store.materialise(Total, entity="order:1", scope=None).read()
    assert (same.rebuilt, same.state) == (None, 1)


class Total2(Total):
    name = "total"
    version = 2


class Changed(Total):
    name = "total"
    version = 1

    def added(self, state: int, event: Event) -> int:
        return state + int(event.payload) * 2


def test_why_a_snapshot_is_not_used(store: Store) -> None:
    add(store, 1, 2)
    store.materialise(Total).save()
    good = kept(store)

    def why(projection: type[Projection[int]] = Total, **changed: object) -> str | None:
        keep(store, {**good, **changed})
        projected = store.materialise(projection).read()
        assert projected.state == (6 if projection is Changed else 3)
        return projected.rebuilt

    assert why() is None
    assert why(Total2) == "version changed from 1 to 2"
    assert why(Changed) == "code changed"
    assert why(filters={"entity": "x"}) == "other filters"
    keep(store, {**good, "projection": "x"})
    assert store.materialise(Total).read().rebuilt == "another projection"
    assert why(event_hash=bytes(32)) == "another history: event 2 is another one"
    assert why(sequence=99) == "another history: there is no event 99"
    assert why(counter=99) == "another history: event 2 is another one"
    assert why(classes=bytes(32)) == "an event class or upcaster changed"
    assert why(format=1) == "another version of batpak wrote it"
    assert why(state=encode(4)) == "damaged: the state does not have its hash"
    for field, wrong in (
        ("sequence", -1),
        ("events", "2"),
        ("state", 3),
        ("wall_us", 2**64),
        ("version", True),
        ("filters", []),
    ):
        assert (why(**{field: wrong}) or "").startswith(f"damaged: {field} is ")
    assert why(more=1) == "damaged: a field is missing or unknown"
    keep(store, [1])
    assert store.materialise(Total).read().rebuilt == "damaged: it is not a snapshot"
    _batpak.keep(store._core, ROOM, "total", b"\xff")
    assert (store.materialise(Total).read().rebuilt or "").startswith("damaged: not a canonical value")


def test_a_typed_state_that_does_not_fit_is_damaged(store: Store) -> None:
    store.materialise(Accounts).save()
    good = kept(store, "accounts")
    state = encode({"owner": "me", "amounts": [1, "two"]})
    keep(store, {**good, "state": state, "state_hash": _batpak.report_hash(state)}, "accounts")
    assert store.materialise(Accounts).read().rebuilt == "damaged: state.amounts[1]: expected int, found str"


def test_every_byte_that_is_missing_or_changed_is_noticed(path: Path) -> None:
    with Store.open(path) as store:
        add(store, 1, 2)
        store.materialise(Total).save()
        [file] = (path / ROOM).iterdir()
        whole = file.read_bytes()
        images = [whole[:length] for length in range(len(whole))]
        images += [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
        for image in [*images, whole + b"\0"]:
            file.write_bytes(image)
            projected = store.materialise(Total).read()
            assert projected.state == 3
            assert (projected.rebuilt or "").startswith(("damaged: ", "another history: "))
        file.write_bytes(whole)
        assert store.materialise(Total).read().rebuilt is None


def test_the_snapshot_of_another_journal_is_not_used(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a") as one, Store.open(tmp_path / "b") as other:
        add(one, 1, 2)
        add(other, 3, 4)
        one.materialise(Total).save()
        shutil.copytree(tmp_path / "a" / ROOM, tmp_path / "b" / ROOM)
        projected = other.materialise(Total).read()
        assert projected.state == 7
        assert (projected.rebuilt or "").startswith("another history: ")


def test_an_old_copy_of_the_journal_with_a_younger_snapshot(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store:
        add(store, 1, 2)
    shutil.copytree(path, tmp_path / "old")
    with Store.open(path) as store:
        add(store, 3)
        store.materialise(Total).save()
    shutil.copytree(path / ROOM, tmp_path / "old" / ROOM)
    with Store.open(tmp_path / "old", read_only=True) as store:
        assert store.materialise(Total).read().rebuilt == "another history: there is no event 4"
    with Store.open(tmp_path / "old") as store:
        add(store, 4)
        projected = store.materialise(Total).read()
        assert (projected.state, projected.rebuilt) == (7, "another history: event 4 is another one")


# -- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3, None])
def test_after_a_power_cut_a_snapshot_is_never_ahead_of_the_log(every: int | None) -> None:
    disk = MemoryDisk()
    images = []
    with open_store(disk, durability="manual", segment_bytes=4096) as store:
        view = store.materialise(Total, snapshot_every=every)
        for number in range(24):
            add(store, number)
            if number % 2:
                view.read()
            if number % 5 == 0:
                view.save()
            images += [disk.crash(), disk.crash("some", seed=number), disk.copy()]
    for image in images:
        with open_store(image) as store:
            names = _batpak.names_kept(store._core, ROOM)
            if names:
                assert kept(store)["sequence"] < len(store)
            projected = store.materialise(Total).read()
            assert projected.rebuilt in (None, "none was kept")
            assert projected.state == store.project(Total)


def test_a_cache_that_cannot_be_written_fails_no_read() -> None:
    faults = Faults()
    with open_store(MemoryDisk(), faults=faults, durability="manual") as store:
        view = store.materialise(Total, snapshot_every=2)
        faults.arm(Fault(operation="create", file=f"{ROOM}/*", forever=True, error="ENOSPC"))
        add(store, 1, 2, 3)
        assert view.read().state == 6
        assert view.save_failure is not None
        with pytest.raises(batpak.StorageError):
            view.save()
        faults.heal()
        add(store, 4)
        assert view.read().state == 10
        assert view.save() == view.applied
        assert view.save_failure is None


CRASHING = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], durability="manual")
for n in range(int(sys.argv[2])):
    store.append(batpak.Coordinate("order:1", "shop"), int(sys.argv[3]), kind=0xF001)
os._exit(0)
"""


def test_a_reader_that_is_rewound_makes_the_state_anew(path: Path) -> None:
    from test_rewind import cut

    child_says(CRASHING, path, 10, 1)
    with Store.open(path, read_only=True) as store:
        view = store.materialise(Total)
        given = view.read()
        assert (given.state, given.sequence) == (10, 10)
        other = store.materialise(Total, entity="nobody")
        other.read()
        cut(path, 5)
        stale = view.read(max_stale="any")
        assert (stale.state, stale.sequence, stale.fresh) == (4, 4, True)
        assert stale.rebuilt == "rewound: recovery cut all but the first 5 of 11 events"
        assert view.read().rebuilt == stale.rebuilt
        child_says(CRASHING, path, 3, 100)
        projected = view.read()
        assert (projected.state, projected.sequence, projected.folded_now) == (304, 8, 3)
        # Somebody else was told of it, and this view comes later.
        assert (other.read().sequence, other.applied) == (8, projected.watermark)


def test_a_forked_child_is_told(store: Store) -> None:
    import os

    from support import exit_of_fork

    view = store.materialise(Total)
    view.read()
    pid = os.fork()
    if pid == 0:
        try:
            view.read(max_stale="any")
        except batpak.ForkedStore:
            os._exit(7)
        os._exit(1)
    assert exit_of_fork(pid) == 7


@pytest.mark.parametrize("told", ["by the view", "by somebody else", "at the end"])
def test_a_reader_that_is_rewound_while_it_folds(path: Path, told: str) -> None:
    from test_rewind import cut

    class Cutting(Total):
        name = f"cutting {told}"

        def added(self, state: int, event: Event) -> int:
            if event.sequence == (600 if told == "at the end" else 10) and not done:
                done.append(event.sequence)
                cut(path, 50)
                if told != "by the view":
                    with pytest.raises(batpak.JournalRewound):
                        store.refresh()
            return state + int(event.payload)

    done: list[int] = []
    child_says(CRASHING, path, 600, 1)
    with Store.open(path, read_only=True) as store:
        projected = store.materialise(Cutting).read()
        if told == "by the view" and projected.state == 600:
            # Everything had been read already; the next look is what tells.
            projected = store.materialise(Cutting).read()
        assert (projected.state, projected.sequence, projected.events) == (49, 49, 49)
        assert done
        if told != "by the view":
            assert (projected.rebuilt or "").startswith("rewound: recovery cut all but the first 50")


def test_only_what_is_visible_is_folded(path: Path) -> None:
    """Where only durable events are shown, a thread sees its own at once, since it waits for them, and not others'."""
    with Store.open(path, visibility="durable", durability="manual") as store:
        view = store.materialise(Total)
        add(store, 1)
        assert (store.project(Total), view.read().state) == (1, 1)
        other = threading.Thread(target=add, args=(store, 2))
        other.start()
        other.join()
        assert (view.read().state, view.applied, view.read(max_stale="any").behind) == (1, store.frontier().visible, 0)
        assert store.project(Total) == store.project(lambda total, event: total + event.payload, initial=0) == 1
        assert store.project_all([Total]) == [1]
        store.wait_for("durable", 2)
        assert (view.read().state, store.project(Total)) == (3, 3)


def test_a_journal_in_which_nothing_is_visible_yet() -> None:
    with open_store(visibility="durable", durability="manual") as store:
        view = store.materialise(Total)
        if store.frontier().visible is None:
            assert (view.read().watermark, view.save(), store.project(Total)) == (None, None, 0)
            with pytest.raises(InvalidInput, match="no event"):
                view.run_report()
        assert view.read().state == 0


@pytest.mark.parametrize(
    "options", [{}, {"effect": "done"}, {"effect": "short", "short_bytes": 30, "error": "ENOSPC"}], ids=str
)
def test_every_call_to_the_storage_fails_once(options: Any) -> None:
    """Whatever fails: what is read is right, and what is kept is of the log that is there."""
    for call in itertools.count(1):
        disk, faults = MemoryDisk(), Faults()
        with (
            suppress(batpak.StoreError),
            open_store(disk, faults=faults, segment_bytes=4096, durability="manual") as store,
        ):
            faults.arm(Fault(call, **options))
            view = store.materialise(Total, snapshot_every=3)
            for number in range(8):
                add(store, number)
                assert view.read().state == number * (number + 1) // 2
            view.save()
        if not faults.hits():
            break
        for image in (disk, disk.crash()):
            with open_store(image) as store:
                projected = store.materialise(Total).read()
                assert projected.state == store.project(Total)
                assert projected.rebuilt in (None, "none was kept")
    assert call > 20
