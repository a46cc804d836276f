"""A store as a Python object: reports, closing, warnings, paths, and how it shows itself."""

from __future__ import annotations

import copy
import gc
import logging
import os
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

import batpak
from batpak import Coordinate, Draft, Store
from support import COORD, KIND

if TYPE_CHECKING:
    from collections.abc import Callable


def test_reports(path: Path) -> None:
    with Store.open(path, name="ledger.example") as store:
        report = store.open_report
        assert (report.path_taken, report.events, report.incarnation) == ("created", 0, 1)
        assert not report.frontier_rebuilt or report.path_taken == "created"
        store.append(COORD, 1, kind=KIND)
        assert store.sync() == len(store) == 2
        stats = store.stats()
        assert (stats.events, stats.system_events, stats.durable_events) == (2, 1, 2)
        assert (stats.entities, stats.scopes, stats.kinds, stats.segments) == (2, 2, 2, 1)
        assert not stats.signed
        assert not stats.read_only
        assert store.name == "ledger.example"
        log_bytes = stats.log_bytes
    with Store.open(path, name="ignored") as store:
        report = store.open_report
        assert (report.path_taken, report.events, report.durable_events, report.incarnation) == ("clean", 2, 2, 2)
        assert (report.tail_bytes, report.first_cut_sequence, report.recovered_file) == (0, None, None)
        assert report.elapsed_us > 0
        assert store.name == "ledger.example"
        assert store.stats().log_bytes > log_bytes
        assert report.to_dict()["path_taken"] == "clean"
    with Store.open(path, read_only=True) as store:
        assert store.open_report.path_taken == "read_only"
        assert store.open_report.incarnation == 0
        assert store.stats().read_only


def test_recovery_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    log = path / "segments" / f"{0:020d}.log"
    whole = log.read_bytes()
    log.write_bytes(whole + b"torn")
    with caplog.at_level(logging.WARNING, logger="batpak"), Store.open(path) as store:
        report = store.open_report
        assert (report.path_taken, report.tail_bytes, report.first_cut_sequence) == ("recovered", 4, 2)
        assert report.recovered_file
        assert (path / "recovered" / report.recovered_file).read_bytes() == b"torn"
        (told,) = store.query(kind=0x0006, system=True)
        assert told.payload["bytes"] == 4
        assert told.payload["file"] == report.recovered_file
        assert store.verify().ok
    (record,) = caplog.records
    assert report.recovered_file in record.getMessage()


USES: list[Callable[[Store], object]] = [
    lambda store: store.append(COORD, 1, kind=KIND),
    lambda store: store.append_batch([(COORD, 1)], kind=KIND),
    lambda store: store.sync(),
    lambda store: store.get(0),
    lambda store: store.query(),
    lambda store: store.entity("a"),
    lambda store: store.walk_ancestors(0),
    lambda store: store.project(lambda state, _: state, initial=0),
    lambda store: store.verify(),
    lambda store: store.stats(),
    len,
]


@pytest.mark.parametrize("use", USES)
def test_everything_is_refused_after_close(store: Store, use: Callable[[Store], object]) -> None:
    receipt = store.append(COORD, 1, kind=KIND)
    pages = store.query(after=0)
    store.close()
    store.close()
    with pytest.raises(batpak.StoreClosed):
        use(store)
    with pytest.raises(batpak.StoreClosed):
        store.verify_receipt(receipt)
    with pytest.raises(batpak.StoreClosed):
        next(pages)
    assert store
    assert store.closed
    assert "closed" in repr(store)
    assert "closed" in store._repr_html_()
    assert store.last_receipt() == receipt
    assert (store.name, store.open_report.events) == ("batpak.local", 0)


@pytest.mark.parametrize("use", USES[:3])
def test_a_read_only_store_does_not_write(store: Store, path: Path, use: Callable[[Store], object]) -> None:
    store.append(COORD, 1, kind=KIND)
    with Store.open(path, read_only=True) as reader, pytest.raises(batpak.StoreReadOnly):
        use(reader)


def test_context_manager_closes_after_an_error_and_lets_it_out(path: Path) -> None:
    with pytest.raises(RuntimeError, match="mine"), Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
        raise RuntimeError("mine")
    assert store.closed
    with Store.open(path) as store:
        assert len(store) == 3


def test_resource_warning_and_nothing_lost(path: Path) -> None:
    store = Store.open(path)
    receipt = store.append(COORD, 1, kind=KIND)
    with pytest.warns(ResourceWarning, match="unclosed <batpak.Store"):
        del store
        gc.collect()
    with warnings.catch_warnings(), Store.open(path) as store:
        warnings.simplefilter("error")
        assert store.get(receipt.sequence).event_hash == receipt.event_hash
        store.close()
        gc.collect()


def test_a_store_is_not_copied(store: Store) -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(store)
    with pytest.raises(AttributeError):
        cast("Any", store).attribute = 1


class AnyPath:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("make", [str, Path, AnyPath])
def test_paths(path: Path, make: Callable[[Path], Any]) -> None:
    with Store.open(make(path)) as store:
        assert store.path == path
    assert batpak.verify(make(path)).ok


def test_a_relative_path_is_meant_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store.open("journal", segment_bytes=4096) as store:
        assert store.path == Path("journal")
        os.chdir("elsewhere")
        for number in range(30):
            store.append(COORD, bytes(1000), kind=KIND)
            assert store.get(number + 1).payload == bytes(1000)
        assert store.verify().ok
    assert os.listdir(".") == []
    assert batpak.verify(tmp_path / "journal").events == 31


def test_the_empty_path_is_this_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("not a journal")
    with pytest.raises(batpak.NotAJournal):
        Store.open("")
    assert os.listdir(".") == ["mine.txt"]


def test_repr_and_html_are_escaped(tmp_path: Path) -> None:
    with Store.open(tmp_path / "<b>&'") as store:
        receipt = store.append(Coordinate("<i>", "&"), {"<u>": 1}, kind=KIND)
        shown: list[Any] = [store, store.stats(), store.open_report, receipt, store.verify(), store.get(1)]
        for each in shown:
            assert "<b>" not in (html := each._repr_html_())
            assert html.startswith("<table>")
            assert "<i>" not in html
            assert "\n" not in repr(each)
        assert "3 events" not in repr(store)
        assert repr(store) == f"<batpak.Store {str(store.path)!r} 2 events>"
        assert repr(store.get(1)) == "<Event 1 0xF:0x001 entity='<i>' scope='&'>"
        assert repr(store.query()).startswith("<batpak.Events object")
        assert repr(store.append_batch([(COORD, 1)], kind=KIND)) == "<Receipts of events 2 to 2>"
    assert repr(COORD) == "Coordinate(entity='order:1', scope='shop')"
    assert repr(KIND) == "Kind(category=0xF, type_id=0x001)"
    assert repr(Draft(COORD, {}, kind=KIND)) == f"Draft({COORD!r}, {{}}, kind=0xF:0x001)"


def test_a_store_is_made_by_open(path: Path) -> None:
    make = cast("Any", Store)
    for arguments in ((), (str(path),), (path, path)):
        with pytest.raises(TypeError, match=r"a Store is made by Store\.open\(path\)"):
            make(*arguments)
    assert not path.exists()


def test_a_closed_store_is_not_entered(path: Path) -> None:
    store = Store.open(path)
    store.close()
    with pytest.raises(batpak.StoreClosed), store:
        pytest.fail("the block ran")


def test_an_event_shows_the_beginning_of_its_payload(store: Store) -> None:
    payloads: list[Any] = [
        {"<script>": "&"},
        "x" * 1_000_000,
        bytes(1_000_000),
        {f"key {number}": ["y" * 1000] * 10 for number in range(1000)},
        [[[[[[["deep"]]]]]]],
        10**1000,
    ]
    shown = [store.get(store.append(COORD, payload, kind=KIND))._repr_html_() for payload in payloads]
    assert "{&#x27;&lt;script&gt;&#x27;: &#x27;&amp;&#x27;}" in shown[0]
    assert all("<script>" not in each and len(each) < 5000 for each in shown)
    assert "bytes (value)" in shown[0]
    assert "1000000 bytes (raw)" in shown[2]


def test_what_a_notebook_shows_of_what_a_program_holds(tmp_path: Path) -> None:
    with Store.open(tmp_path / "journal", name="a<b>c") as store:
        receipt = store.append(COORD, 1, kind=KIND)
        with store.cursor("<i>") as cursor, store.outbox() as outbox:
            shown: list[Any] = [cursor, outbox, store.causation_tree(receipt.sequence), store.checkpoint()]
            for each in shown:
                html = each._repr_html_()
                assert html.startswith("<code>&lt;")
                assert "<b>" not in html
                assert "<i>" not in html


class Everything(batpak.Projection[dict[str, int]]):
    name = "everything"

    def initial(self) -> dict[str, int]:
        return {f"key {number}": number for number in range(100_000)}

    @batpak.on(KIND)
    def seen(self, state: dict[str, int], _: batpak.Event) -> dict[str, int]:
        return state


def test_a_large_state_is_not_written_out(store: Store) -> None:
    projected = store.materialise(Everything).read()
    assert len(projected.state) == 100_000
    shown = repr(projected)
    assert shown.startswith("Projected(state={'key 0': 0, 'key 1': 1")
    assert "..., watermark=" in shown
    assert shown.endswith(f"state_hash={projected.state_hash!r})")
    assert len(shown) < 2000
