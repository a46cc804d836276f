"""Evidence reports: what they say, that the same history gives the same bytes, and what damage becomes."""

from __future__ import annotations

import pickle
import shutil
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batpak
from batpak import (
    ChainWalkReport,
    Coordinate,
    EvidenceFinding,
    EvidenceFrontier,
    EvidenceReport,
    InvalidReport,
    ReadWalkReport,
    ResourceReport,
    Store,
    _batpak,
)
from batpak.testing import open_store
from readers_support import index_files
from support import COORD, KIND, decode, encode, run_child
from tampering import exchange, flip_payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENTITIES = ("a", "b", "c")


def fill(store: Store, count: int) -> None:
    for n in range(count):
        store.append(Coordinate(ENTITIES[n % 3], "s"), {"n": n + 1000}, kind=0xF001 + n % 2)


def closed(path: Path, count: int = 200, **options: Any) -> Path:
    """A closed journal of several sealed segments."""
    with Store.open(path, segment_bytes=4096, **options) as store:
        fill(store, count)
    assert len(index_files(path)) > 2
    return path


def codes(report: EvidenceReport) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.sequence) for finding in report.findings]


def all_reports(store: Store) -> list[EvidenceReport]:
    return [
        store.report_chain_walk(100),
        store.report_chain_walk(store.get(100).event_id, limit=5),
        store.report_read_walk(),
        store.report_read_walk(system=True),
        store.report_read_walk(entity="b", kind=0xF001, until=150),
        store.report_read_walk(after=20, limit=30),
        store.report_resources(),
    ]


# -- what they say ----------------------------------------------------------------------------------------------------


def test_a_chain_is_walked_back_to_its_first_event(store: Store) -> None:
    fill(store, 30)
    last = store.get(28)
    report = store.report_chain_walk(28)
    first = store.get(1)
    assert isinstance(report, ChainWalkReport)
    assert (report.kind, report.journal_id, report.ok) == ("chain_walk", store.journal_id, True)
    assert dict(report.counts) == {"events": 10, "links": 9}
    assert dict(report.facts) == {
        "entity": "a",
        "first": {"sequence": 1, "clock": 0, "event_hash": first.event_hash},
        "last": {"sequence": 28, "clock": 9, "event_hash": last.event_hash},
        "complete": True,
    }
    assert report.frontier == EvidenceFrontier(29, 28, last.event_hash)
    assert dict(report.inputs) == {"ref": 28}
    short = store.report_chain_walk(28, limit=3)
    assert dict(short.counts) == {"events": 3, "links": 2}
    assert (short.facts["first"]["sequence"], short.facts["complete"], short.ok) == (22, False, True)
    assert dict(short.inputs) == {"ref": 28, "limit": 3}
    assert store.report_chain_walk(0).facts["entity"] == "batpak"


def test_an_id_is_one_input_however_it_is_spelled(store: Store) -> None:
    fill(store, 3)
    event_id = store.get(2).event_id
    spellings: list[Any] = [event_id, str(event_id), event_id.hex.upper(), event_id.bytes]
    bodies = {store.report_chain_walk(each).body for each in spellings}
    assert len(bodies) == 1
    assert dict(store.report_chain_walk(event_id).inputs) == {"ref": event_id}


@settings(max_examples=25)
@given(
    entities=st.lists(st.sampled_from(ENTITIES), max_size=20),
    wanted=st.sampled_from([*ENTITIES, None]),
    until=st.one_of(st.none(), st.integers(0, 25)),
    limit=st.one_of(st.none(), st.integers(0, 25)),
)
def test_a_read_walk_is_what_a_list_says(
    entities: list[str], wanted: str | None, until: int | None, limit: int | None
) -> None:
    with open_store() as store:
        events = []
        for n, entity in enumerate(entities):
            receipt = store.append(Coordinate(entity, "s"), n, kind=0xF001 + n % 2)
            events.append((entity, 0xF001 + n % 2, receipt))
        chosen = [
            each
            for each in events
            if wanted in (None, each[0]) and (until is None or each[2].sequence <= until)
        ][:limit]  # fmt: skip
        report = store.report_read_walk(entity=wanted, until=until, limit=limit)
        size = len(store) if until is None else min(until + 1, len(store))
        assert report.frontier == EvidenceFrontier(size, size - 1, store.get(size - 1).event_hash)
        assert dict(report.counts) == {
            "events": len(chosen),
            "entities": len({each[0] for each in chosen}),
            "damaged": 0,
        }
        kinds = [each[1] for each in chosen]
        assert report.facts["kinds"] == {f"0x{code:04X}": kinds.count(code) for code in sorted(set(kinds))}
        hashes = [receipt.event_hash for _, _, receipt in chosen]
        assert report.facts["digest"] == sha256(b"".join(hashes)).digest()
        ends = [report.facts[name] and report.facts[name]["event_hash"] for name in ("first", "last")]
        assert ends == ([hashes[0], hashes[-1]] if hashes else [None, None])


def test_conditions_are_stated_in_one_spelling(store: Store) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    zoned = moment.astimezone(timezone(timedelta(hours=5)))
    one = store.report_read_walk(
        kind=batpak.Kind(0xF, 1), correlation=UUID(int=7), since=moment, metadata={"m": "1"}, system=False
    )
    other = store.report_read_walk(
        kind=0xF001, correlation=UUID(int=7).bytes, since=zoned, metadata={"m": "1"}, after=None
    )
    assert one.body == other.body
    assert dict(one.inputs) == {"kind": 0xF001, "correlation": UUID(int=7), "since": moment, "metadata": {"m": "1"}}


def test_resources(path: Path, key: batpak.SigningKey) -> None:
    with Store.open(path, signing_key=key, name="shop.example") as store:
        fill(store, 30)
        _batpak.keep(store._core, "cursors", "mailer", encode({"sequence": 3}))
        _batpak.keep(store._core, "projections", "été", encode({}))
        checkpoint = store.checkpoint()
        report = store.report_resources()
        stats = store.stats()
    assert isinstance(report, ResourceReport)
    assert report.ok
    assert dict(report.inputs) == {}
    names = ("events", "system_events", "entities", "scopes", "kinds", "segments", "log_bytes", "index_bytes")
    assert {name: report.counts[name] for name in names} == {name: getattr(stats, name) for name in names}
    rest = {name: count for name, count in report.counts.items() if name not in names}
    assert rest == {"unsynced_events": 0, "cursors": 1, "projections": 1, "checkpoints": 1, "keys": 1, "lineages": 0}
    assert dict(report.facts) == {
        "name": "shop.example",
        "signed": True,
        "cursors": ["mailer"],
        "projections": ["été"],
        "keys": [{"key_id": key.public_key.key_id, "from_sequence": 0, "revoked_at": None}],
        "lineages": [],
        "last_checkpoint": {"size": checkpoint.size, "root": checkpoint.root},
    }
    assert report.frontier.size == checkpoint.size


def test_arguments_that_cannot_be_meant(store: Store) -> None:
    fill(store, 3)
    for limit in (0, -1):
        with pytest.raises(batpak.InvalidInput):
            store.report_chain_walk(1, limit=limit)
    with pytest.raises(batpak.EventNotFound):
        store.report_chain_walk(99)
    wrong: list[dict[str, Any]] = [{"entity": ""}, {"until": -1}, {"limit": -1}, {"since": datetime(2026, 1, 1)}]  # noqa: DTZ001
    for arguments in wrong:
        with pytest.raises(batpak.InvalidInput):
            store.report_read_walk(**arguments)
    with pytest.raises(TypeError, match="no reverse: it goes in commit order"):
        store.report_read_walk(reverse=False)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no filter colour; there are after, before, category"):
        store.report_read_walk(colour=1)  # type: ignore[call-arg]
    unknown: list[dict[str, Any]] = [{"reverse": True}, {"colour": 1}, {"limit": True}, {"scope": 7}]
    for arguments in unknown:
        with pytest.raises(TypeError):
            store.report_read_walk(**arguments)
    store.close()
    for ask in (store.report_resources, store.report_read_walk, lambda: store.report_chain_walk(0)):
        with pytest.raises(batpak.StoreClosed):
            ask()


# -- the same history, the same bytes ---------------------------------------------------------------------------------


def test_the_same_bytes_before_and_after_a_reopening(path: Path) -> None:
    closed(path)
    with Store.open(path, read_only=True) as store:
        before = all_reports(store)
    with Store.open(path, read_only=True) as store:
        assert [each.body for each in all_reports(store)] == [each.body for each in before]
    moved = path.with_name("moved")
    shutil.copytree(path, moved)
    with Store.open(moved, read_only=True) as store:
        assert [each.body for each in all_reports(store)] == [each.body for each in before]


def test_the_same_bytes_whatever_is_sealed_indexed_or_written_later(path: Path) -> None:
    def walks(store: Store) -> list[bytes]:
        reports = [
            store.report_chain_walk(60),
            store.report_read_walk(until=60),
            store.report_read_walk(until=60, entity="b", system=True),
            store.report_read_walk(until=60, metadata={"m": "1"}),
        ]
        return [each.body for each in reports]

    with Store.open(path, segment_bytes=4096) as store:
        fill(store, 60)
        before = walks(store)
        fill(store, 100)
        assert walks(store) == before
    assert len(index_files(path)) > 2
    with Store.open(path, segment_bytes=4096) as store:
        assert walks(store) == before
    for file in index_files(path):
        file.unlink()
    with Store.open(path, read_only=True) as store:
        assert walks(store) == before
    with Store.open(path, visibility="durable", index_metadata=["m"]) as store:
        assert walks(store) == before


# -- only what is durable ---------------------------------------------------------------------------------------------


def test_a_writer_syncs_first(path: Path) -> None:
    makers: list[Callable[[Store], EvidenceReport]] = [
        lambda store: store.report_chain_walk(len(store) - 1),
        lambda store: store.report_read_walk(),
        lambda store: store.report_resources(),
    ]
    with Store.open(path, durability="manual") as store:
        for make in makers:
            put = store.append(COORD, 1, kind=KIND)
            report = make(store)
            durable = store.frontier().durable
            assert durable is not None
            assert report.frontier.sequence == put.sequence <= durable.sequence


CRASHED = """
import os, sys, batpak
store = batpak.Store.open(sys.argv[1], durability="manual")
store.append(batpak.Coordinate("a", "s"), 1, kind=0xF001)
store.sync()
for n in range(5):
    store.append(batpak.Coordinate("a", "s"), 2, kind=0xF001)
os._exit(0)
"""


def test_a_reader_speaks_of_what_it_knows_to_be_durable(path: Path) -> None:
    run_child(CRASHED, path)
    with Store.open(path, read_only=True) as store:
        assert len(store) == 7
        assert store.report_read_walk().frontier.size == 2
        assert store.report_read_walk(until=5).counts["events"] == 1
        assert store.report_chain_walk(1).ok
        with pytest.raises(batpak.InvalidInput, match="durable"):
            store.report_chain_walk(4)
        report = store.report_resources()
        assert (report.counts["events"], report.counts["unsynced_events"], report.frontier.size) == (2, 5, 2)


# -- damage -----------------------------------------------------------------------------------------------------------


def test_damaged_events_are_findings(path: Path) -> None:
    closed(path)
    with Store.open(path, read_only=True) as store:
        hashes = {event.sequence: event.event_hash for event in store.query()}
    damaged = [1, 2, 40, 41, 100]
    for sequence in damaged:
        flip_payload(path, sequence)
    with Store.open(path, read_only=True) as store:
        report = store.report_read_walk()
        assert isinstance(report, ReadWalkReport)
        assert codes(report) == [("event_damaged", sequence) for sequence in damaged]
        assert not report.ok
        assert (report.counts["damaged"], report.counts["events"]) == (5, len(hashes) - 5)
        readable = b"".join(each for sequence, each in hashes.items() if sequence not in damaged)
        assert report.facts["digest"] == sha256(readable).digest()
        assert store.report_read_walk(after=41, until=99).ok
        assert codes(store.report_read_walk(limit=3)) == [("event_damaged", 1), ("event_damaged", 2)]
        assert store.report_read_walk(limit=3).counts["events"] == 1
        assert codes(store.report_read_walk(until=40)) == codes(report)[:3]
        # 40 is of the entity "a", as are 1 and 100.
        assert codes(store.report_read_walk(entity="a")) == [("event_damaged", n) for n in (1, 40, 100)]
        walked = store.report_chain_walk(106)
        assert codes(walked) == [("event_damaged", 100)]
        assert dict(walked.counts) == {"events": 2, "links": 1}
        assert walked.facts["complete"] is False
        itself = store.report_chain_walk(100)
        assert codes(itself) == [("event_damaged", 100)]
        assert itself.frontier == EvidenceFrontier(101, 100, None)
        assert dict(itself.facts) == {"entity": None, "first": None, "last": None, "complete": False}
        for each in (report, walked, itself):
            assert EvidenceReport.from_bytes(each.body) == each
            # Nothing of this machine is in it.
            assert str(path).encode() not in each.body
        assert not store.verify().ok


def test_an_event_that_was_exchanged_breaks_the_link_to_it(path: Path) -> None:
    closed(path)
    with Store.open(path, read_only=True) as store:
        event = store.get(40)
        before = store.report_read_walk(until=99)
    exchange(path, 40, {"n": 9999 if event.payload["n"] < 128 else 1998})
    with Store.open(path, read_only=True) as store:
        assert store.get(40).payload == {"n": 1998}
        report = store.report_chain_walk(49)
        assert codes(report) == [("link_broken", 43)]
        assert "event 40 has another hash" in report.findings[0].message
        assert dict(report.counts) == {"events": 3, "links": 2}
        assert report.facts["first"]["sequence"] == 43
        # Every event by itself is as it says; two auditors see by the digest that they do not speak of one history.
        now = store.report_read_walk(until=99)
        assert now.ok
        assert now.facts["digest"] != before.facts["digest"]


def test_damage_in_the_way_of_finding_a_time_is_a_finding(path: Path) -> None:
    closed(path)
    with Store.open(path, read_only=True) as store:
        moments = {n: store.get(n).timestamp for n in (40, 41)}
    for sequence in range(1, 100):
        flip_payload(path, sequence)
    with Store.open(path, read_only=True) as store:
        with pytest.raises(batpak.JournalDamaged):
            store.query(since=moments[40])
        report = store.report_read_walk(since=moments[40], until=60)
        assert [finding.code for finding in report.findings] == ["search_failed"]
        assert (report.counts["events"], report.counts["damaged"], report.ok) == (0, 1, False)
        assert EvidenceReport.from_json(report.to_json()) == report


def test_more_findings_than_a_report_names(path: Path) -> None:
    closed(path, 400)
    log = sorted((path / "segments").glob("*.log"))
    for each in log[1:-2]:
        each.write_bytes(each.read_bytes()[:64] + bytes(each.stat().st_size - 64))
    with Store.open(path, read_only=True) as store:
        report = store.report_read_walk()
    assert len(report.findings) == 100
    assert report.counts["damaged"] == int(log[-2].stem) - int(log[1].stem)
    assert report.counts["events"] + report.counts["damaged"] == 400


def test_what_is_kept_beside_the_log_and_damaged_is_a_finding(path: Path) -> None:
    with Store.open(path) as store:
        _batpak.keep(store._core, "cursors", "mailer", encode({}))
        _batpak.keep(store._core, "projections", "totals", encode({}))
        for file in [*path.glob("cursors/*"), *path.glob("projections/*")]:
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)
        report = store.report_resources()
    assert codes(report) == [("cursor_damaged", None), ("projection_damaged", None)]
    assert "'mailer'" in report.findings[0].message
    assert report.facts["cursors"] == ["mailer"]


def test_what_the_operating_system_refuses_is_an_exception(path: Path) -> None:
    closed(path)
    log = sorted((path / "segments").glob("*.log"))[1]
    with Store.open(path, read_only=True) as store:
        log.rename(path / "elsewhere")
        for ask in (store.report_read_walk, lambda: store.report_chain_walk(199)):
            with pytest.raises(OSError, match=r"\.log"):
                ask()


# -- the report itself ------------------------------------------------------------------------------------------------


def made(**changes: Any) -> EvidenceReport:
    members: dict[str, Any] = {
        "kind": "custom",
        "journal_id": UUID(int=5),
        "frontier": EvidenceFrontier(3, 2, bytes(32)),
        "inputs": {"name": "totals", "since": datetime(2026, 1, 2, tzinfo=UTC)},
        "counts": {"events": 2},
        "findings": (),
        "facts": {"state": b"\x00\xff", "nested": [{"x": 1.5}, None]},
    }
    return EvidenceReport(**{**members, **changes})


def test_findings_have_one_order() -> None:
    findings = [
        EvidenceFinding("order", "b", "m", 5),
        EvidenceFinding("content", "b", "m", 5),
        EvidenceFinding("content", "a", "m", 30),
        EvidenceFinding("content", "a", "m", None),
    ]
    report = made(findings=tuple(findings))
    assert [finding.sequence for finding in report.findings] == [None, 5, 5, 30]
    assert [finding.axis for finding in report.findings] == ["content", "content", "order", "content"]
    assert made(findings=tuple(reversed(findings))).body == report.body
    assert not report.ok


def test_the_body_is_everything_that_it_says() -> None:
    report = made(findings=(EvidenceFinding("content", "a", "m", None),))
    members = decode(report.body)
    assert members == {
        "batpak_report": 1,
        "kind": "custom",
        "journal_id": UUID(int=5),
        "frontier": {"size": 3, "sequence": 2, "event_hash": bytes(32)},
        "inputs": dict(report.inputs),
        "counts": {"events": 2},
        "findings": [{"axis": "content", "code": "a", "message": "m", "sequence": None}],
        "ok": False,
        "facts": dict(report.facts),
    }
    assert report.body_hash == _batpak.report_hash(report.body)
    changes: list[dict[str, Any]] = [
        {"kind": "other"}, {"journal_id": UUID(int=6)}, {"frontier": EvidenceFrontier(0, None, None)}, {"inputs": {}},
        {"counts": {"events": 3}}, {"findings": (EvidenceFinding("x", "y", "z", 1),)}, {"facts": {}},
    ]  # fmt: skip
    hashes = {made(**each).body_hash for each in [{}, *changes]}
    assert len(hashes) == len(changes) + 1


def test_nobody_changes_it_afterwards() -> None:
    inputs: dict[str, Any] = {"names": ["a"]}
    report = made(inputs=inputs)
    body = report.body
    inputs["names"].append("b")
    assert report.inputs["names"] == ["a"]
    with pytest.raises(TypeError):
        report.counts["events"] = 9  # type: ignore[index]
    with pytest.raises(AttributeError):
        report.kind = "other"  # type: ignore[misc]
    report.inputs["names"].append("c")
    assert report.body == body


def test_it_travels(store: Store) -> None:
    fill(store, 3)
    for report in (made(), store.report_chain_walk(2), store.report_read_walk(), store.report_resources()):
        again = [
            EvidenceReport.from_bytes(report.body),
            EvidenceReport.from_json(report.to_json()),
            type(report).from_bytes(report.body),
            pickle.loads(pickle.dumps(report)),
        ]
        assert all(each == report and hash(each) == hash(report) for each in again)
        assert type(again[-1]) is type(report)
        assert report.to_dict()["body_hash"] == report.body_hash.hex()
        assert report.kind in repr(report)
        assert report.body_hash.hex() in report._repr_html_()
        with pytest.raises(TypeError):
            bool(report)
    assert made() != made(kind="other")
    assert made() != 7
    with pytest.raises(InvalidReport):
        ChainWalkReport.from_bytes(store.report_read_walk().body)


def test_a_repr_in_html_is_harmless() -> None:
    report = made(facts={"x": "<script>"}, findings=(EvidenceFinding("a", "b", "<script>", 1),))
    assert "<script>" not in report._repr_html_()


@pytest.mark.parametrize(
    "change",
    [
        {"batpak_report": 2},
        {"batpak_report": True},
        {"kind": 7},
        {"journal_id": "x"},
        {"frontier": {}},
        {"frontier": {"size": 3, "sequence": 3, "event_hash": None}},
        {"frontier": {"size": 2, "sequence": True, "event_hash": None}},
        {"frontier": {"size": -1, "sequence": None, "event_hash": None}},
        {"frontier": {"size": 0, "sequence": None, "event_hash": bytes(32)}},
        {"frontier": {"size": 3, "sequence": 2, "event_hash": b""}},
        {"inputs": []},
        {"counts": {"events": "2"}},
        {"counts": {"events": True}},
        {"ok": False},
        {"findings": {}},
        {"findings": [7]},
        {"findings": [{"axis": "a", "code": "b", "message": "c", "sequence": 1}]},
        {"findings": [{"axis": "a", "code": "b", "message": "c", "sequence": -1}], "ok": False},
        {"findings": [{"axis": "a", "code": "b", "message": 7, "sequence": 1}], "ok": False},
        {"findings": [{"axis": "a", "code": "b", "message": "c", "sequence": n} for n in (2, 1)], "ok": False},
        {"facts": None},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_report_is_refused(change: dict[str, Any]) -> None:
    body = encode({**decode(made().body), **change})
    with pytest.raises(InvalidReport):
        EvidenceReport.from_bytes(body)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 9, encode({}), encode([]), encode(7), made().body + b"\x00"])
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidReport):
        EvidenceReport.from_bytes(body)


@pytest.mark.parametrize("text", ["", "7", "{}", "[]", '{"$nothing": 1}', "{'a': 1}", "\ud800"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidReport):
        EvidenceReport.from_json(text)
    stated = made().to_json()
    with pytest.raises(InvalidReport, match="another hash"):
        EvidenceReport.from_json(stated.replace('"events": 2', '"events": 3'))


def test_a_report_holds_plain_values_only() -> None:
    for facts in ({"x": object()}, {"x": (1,)}, {1: 2}, {"x": float("nan")}):
        with pytest.raises((batpak.InvalidInput, TypeError)):
            made(facts=facts)


def test_a_report_of_ones_own_derives_from_the_base() -> None:
    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
    class Own(EvidenceReport):
        KIND: ClassVar[str | None] = "own"

    members: dict[str, Any] = {"journal_id": UUID(int=5), "frontier": EvidenceFrontier(0, None, None)}
    rest: dict[str, Any] = {"inputs": {}, "counts": {}, "findings": (), "facts": {}}
    report = Own(kind="own", **members, **rest)
    assert (Own.from_bytes(report.body), report.ok) == (report, True)
    with pytest.raises(InvalidReport):
        Own(kind="another", **members, **rest)


def test_reports_of_a_running_journal(store: Store) -> None:
    """Whatever is written meanwhile, each report is whole and of one moment."""
    import threading

    stop = threading.Event()

    def writing() -> None:
        while not stop.is_set():
            fill(store, 6)

    thread = threading.Thread(target=writing)
    thread.start()
    try:
        for _ in range(6):
            report = store.report_read_walk(system=True)
            assert (report.ok, report.counts["events"]) == (True, report.frontier.size)
            assert store.report_read_walk(system=True, until=report.frontier.sequence).facts == report.facts
            assert store.report_resources().ok
    finally:
        stop.set()
        thread.join()
