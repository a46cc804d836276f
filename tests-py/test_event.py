"""What an event is in Python: a frozen value with the manners of a dataclass, its payload decoded when it is looked at."""

from __future__ import annotations

import copy
import pickle
import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batpak
from batpak import Coordinate, Draft, Event, Kind, Store
from support import COORD, KIND

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = [
    "sequence", "event_id", "entity", "scope", "kind", "payload", "value", "raw_payload", "encoding", "payload_version",
    "journal_id", "correlation_id", "causation_id", "metadata", "private_metadata", "clock", "hlc", "timestamp", "skew_us",
    "prev_sequence", "prev_hash", "event_hash", "payload_commitment", "promise", "header", "salt", "is_system",
]  # fmt: skip


def one(store: Store, payload: object = None) -> Event:
    return store.get(store.append(COORD, {"x": 1} if payload is None else payload, kind=KIND).sequence)


def test_events_are_values(store: Store) -> None:
    first, again, other = one(store), store.get(1), one(store)
    assert first == again
    assert first is not again
    assert hash(first) == hash(again)
    assert first != other
    assert first != first.event_hash
    assert len({first, again, other}) == 2
    for name in FIELDS:
        with pytest.raises(AttributeError):
            setattr(first, name, 1)
    with pytest.raises(AttributeError):
        first.another = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Event()


def test_events_travel(store: Store) -> None:
    for event in [one(store), one(store, b"raw"), store.get(0)]:
        for back in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
            assert (back, hash(back), repr(back)) == (event, hash(event), repr(event))
            assert {name: getattr(back, name) for name in FIELDS} == {name: getattr(event, name) for name in FIELDS}


def test_a_pickle_is_checked(store: Store) -> None:
    function, (record,) = cast("Any", one(store, "unmistakable")).__reduce__()
    with pytest.raises(batpak.InvalidEncoding):
        function(record.replace(b"unmistakable", b"unmistakenly"))
    with pytest.raises(batpak.InvalidEncoding):
        function(record[:-1])


def test_events_outlive_their_store(store: Store) -> None:
    event = one(store)
    store.close()
    assert event.payload == {"x": 1}
    assert event.private_metadata == {}


def test_match(store: Store) -> None:
    match one(store):
        case Event(Coordinate(entity, "shop"), Kind(15, 1), {"x": x}, sequence=1, promise="interval"):
            assert (entity, x) == ("order:1", 1)
        case _:
            pytest.fail("it should match")


def test_the_payload_is_decoded_once_and_value_anew(store: Store) -> None:
    event = one(store)
    assert event.payload is event.payload
    assert event.value == event.payload
    assert event.value is not event.value
    assert event.metadata is not event.metadata
    raw = one(store, b"\0raw")
    assert (raw.payload, raw.value, raw.raw_payload, raw.encoding) == (b"\0raw",) * 3 + ("raw",)


@pytest.mark.parametrize("payload", [None, True, 0, "text", b"", [], [1], {}, 1.5, uuid.UUID(int=1)])
def test_any_value_is_a_payload(store: Store, payload: Any) -> None:
    event = store.get(store.append(COORD, payload, kind=KIND).sequence)
    assert (event.payload, type(event.payload)) == (payload, type(payload))


def test_system_events(path: Path) -> None:
    with Store.open(path, name="a.name"):
        pass
    with Store.open(path) as store:
        created, opened = store.query(system=True)
        assert (created.is_system, created.entity, created.scope) == (True, "batpak", "batpak")
        assert created.payload["name"] == "a.name"
        assert created.payload["journal_id"] == store.journal_id.bytes
        assert opened.payload["incarnation"] == 2
        assert [event.sequence for event in store.entity("batpak")] == [0, 1]
        assert list(store.query()) == []
        assert "batpak" in created._repr_html_()


# -- coordinates and kinds --------------------------------------------------------------------------------------------


def test_coordinates_are_values() -> None:
    one_, other = Coordinate("a", "b"), Coordinate("a", "c")
    assert one_ == Coordinate("a", "b") == pickle.loads(pickle.dumps(one_)) == copy.deepcopy(one_)
    assert len({one_, Coordinate("a", "b"), other}) == 2
    assert one_ < other
    assert sorted([other, one_]) == [one_, other]
    assert one_ != ("a", "b")
    with pytest.raises(AttributeError):
        one_.entity = "c"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Coordinate("a", 1)  # type: ignore[arg-type]


@given(st.text())
def test_escape_is_reversible_and_usable(text: str) -> None:
    escaped = Coordinate.escape(text)
    assert Coordinate.unescape(escaped) == text
    assert ":" not in escaped
    if text and len(escaped.encode()) <= 1024:
        assert Coordinate("x:" + escaped, escaped).scope == escaped


def test_escapes_that_are_none() -> None:
    assert Coordinate.escape("a/b..c=%|\n") == "a%2Fb.%2Ec%3D%25%7C%0A"
    for wrong in ("%", "%4", "%zz", "a%", "%FF", "%C3"):
        with pytest.raises(batpak.InvalidInput):
            Coordinate.unescape(wrong)


def test_kinds_are_values() -> None:
    kind = Kind(0xF, 0x123)
    assert (kind.category, kind.type_id, kind.code) == (0xF, 0x123, 0xF123)
    assert kind == Kind.from_code(0xF123) == pickle.loads(pickle.dumps(kind)) == copy.deepcopy(kind)
    assert len({kind, Kind.from_code(0xF123), Kind(1, 1)}) == 2
    assert Kind(1, 0xFFF) < Kind(2, 0)
    assert str(kind) == "0xF:0x123"
    assert kind != 0xF123
    with pytest.raises(AttributeError):
        kind.category = 1  # type: ignore[misc]


@pytest.mark.parametrize("parts", [(16, 0), (-1, 0), (0, 4096), (0, -1), (2**40, 0), (0, 2**70)])
def test_kinds_out_of_range(parts: tuple[int, int]) -> None:
    with pytest.raises(batpak.InvalidKind):
        Kind(*parts)


@pytest.mark.parametrize("code", [-1, 65_536, 2**70])
def test_codes_out_of_range(code: int) -> None:
    with pytest.raises(batpak.InvalidKind):
        Kind.from_code(code)


# -- drafts -----------------------------------------------------------------------------------------------------------


def test_drafts() -> None:
    draft = Draft(COORD, {"x": 1}, kind=KIND, version=3, correlation_id=bytes(16), causation_id=0, metadata={"a": "b"})
    assert (draft.coordinate, draft.payload, draft.kind, draft.version) == (COORD, {"x": 1}, KIND, 3)
    assert (draft.correlation_id, draft.causation_id, draft.metadata) == (bytes(16), 0, {"a": "b"})
    assert draft.private_metadata is None
    with pytest.raises(AttributeError):
        draft.version = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Draft(COORD, 1, KIND)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Draft("order:1", 1)  # type: ignore[arg-type]
    match draft:
        case Draft(Coordinate("order:1", _), {"x": x}):
            assert x == 1
        case _:
            pytest.fail("it should match")
