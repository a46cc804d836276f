"""``get(as_=)`` and ``typed``: an instance of the class that was asked for, or an exception that says what is there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

import batpak
from batpak import Coordinate, Kind, Registry, Store
from support import COORD

if TYPE_CHECKING:
    from collections.abc import Iterator

registry = Registry()


@registry.event(category=0xF, type_id=1, version=2)
@dataclass(frozen=True)
class Paid:
    cents: int


@registry.event(category=0xF, type_id=2)
@attrs.frozen
class Packed:
    boxes: tuple[int, ...]


@registry.event(category=0xF, type_id=3)
class Sent(msgspec.Struct, frozen=True):
    by: str


@registry.event(category=0xF, type_id=4)
class Returned(pydantic.BaseModel):
    why: str


@registry.event(category=0xF, type_id=5)
class Asked(TypedDict):
    question: str
    options: NotRequired[tuple[str, ...]]


@registry.upcast(Paid, from_version=1)
def in_cents(plain: dict[str, Any]) -> dict[str, Any]:
    return {"cents": plain["euros"] * 100}


@dataclass
class Unknown:
    x: int = 1


PAYLOADS: list[tuple[Any, Any]] = [
    (Paid, Paid(995)),
    (Packed, Packed((1, 2))),
    (Sent, Sent("post")),
    (Returned, Returned(why="broken")),
]
ASKED: Asked = {"question": "when?", "options": ("now", "later")}


@pytest.fixture
def typed(path: Path) -> Iterator[Store]:
    with Store.open(path, registry=registry) as store:
        yield store


@pytest.mark.parametrize(("cls", "payload"), PAYLOADS)
def test_an_instance_of_each_family(typed: Store, cls: Any, payload: Any) -> None:
    receipt = typed.append(COORD, payload)
    for ref in (receipt, receipt.sequence, receipt.event_id, str(receipt.event_id), receipt.event_id.bytes):
        found = typed.get(ref, as_=cls)
        assert found == payload
        assert type(found) is cls
    assert typed.get(receipt.sequence).payload == payload
    assert typed.get(receipt.sequence, as_=None).payload == payload
    [(event, again)] = typed.typed(cls)
    assert (event.event_id, again) == (receipt.event_id, payload)
    assert event.payload is again


def test_a_typed_dict_is_known_by_its_kind(typed: Store) -> None:
    receipt = typed.append(COORD, ASKED, kind=0xF005)
    assert typed.get(receipt.sequence, as_=Asked) == ASKED
    assert [each for _, each in typed.typed(Asked)] == [ASKED]


def test_an_older_version_is_lifted(typed: Store) -> None:
    receipt = typed.append(COORD, {"euros": 3}, kind=0xF001, version=1)
    assert typed.get(receipt.sequence, as_=Paid) == Paid(300)


def test_another_kind_is_refused(typed: Store) -> None:
    paid, other = typed.append(COORD, Paid(1)), typed.append(COORD, {"x": 1}, kind=0xF00F)
    with pytest.raises(
        batpak.PayloadMismatch, match=r"event 1 is of kind 0xF001 \(Paid\), and Sent is 0xF003"
    ) as caught:
        typed.get(paid.sequence, as_=Sent)
    assert (caught.value.type_name, caught.value.path) == ("Sent", None)
    with pytest.raises(batpak.PayloadMismatch, match=r"event 2 is of kind 0xF00F, and Paid"):
        typed.get(other.sequence, as_=Paid)
    with pytest.raises(batpak.PayloadMismatch, match="event 0 is of kind"):
        typed.get(0, as_=Paid)


def test_what_no_class_wrote_is_refused(typed: Store) -> None:
    plain = typed.append(COORD, {"cents": 1}, kind=0xF001)
    raw = typed.append(COORD, b"\x01", kind=0xF001, version=2)
    for receipt in (plain, raw):
        with pytest.raises(batpak.PayloadMismatch, match="without a class"):
            typed.get(receipt.sequence, as_=Paid)
    bad = typed.append(COORD, {"cents": "1"}, kind=0xF001, version=2)
    with pytest.raises(batpak.PayloadMismatch) as caught:
        typed.get(bad.sequence, as_=Paid)
    assert caught.value.path == "payload.cents"
    newer = typed.append(COORD, {"cents": 1}, kind=0xF001, version=3)
    with pytest.raises(batpak.NewerVersion):
        typed.get(newer.sequence, as_=Paid)


def test_a_class_that_is_not_registered_is_refused(typed: Store, path: Path) -> None:
    receipt = typed.append(COORD, Paid(1))
    for cls in (Unknown, int, dict):
        for read in (lambda cls=cls: typed.get(receipt.sequence, as_=cls), lambda cls=cls: typed.typed(cls)):
            with pytest.raises(batpak.UnregisteredType) as caught:
                read()
            assert caught.value.type_name == cls.__name__
    typed.close()
    with Store.open(path) as store, pytest.raises(batpak.UnregisteredType, match="registry="):
        store.get(receipt.sequence, as_=Paid)


@pytest.mark.parametrize("cls", [Paid(1), "Paid", 1, Kind(0xF, 1)])
def test_what_is_no_class_is_refused(typed: Store, cls: Any) -> None:
    receipt = typed.append(COORD, Paid(1))
    with pytest.raises(TypeError, match="name a class"):
        typed.get(receipt.sequence, as_=cls)
    with pytest.raises(TypeError, match="name a class"):
        typed.typed(cls)


def test_events_that_do_not_exist(typed: Store) -> None:
    with pytest.raises(batpak.EventNotFound):
        typed.get(99, as_=Paid)
    assert list(typed.typed(Paid)) == []


def test_a_class_that_makes_instances_of_another_is_refused(path: Path) -> None:
    own = Registry()

    @own.event(category=0xF, type_id=1)
    @dataclass
    class Chameleon:
        x: int

        def __new__(cls, x: int) -> Any:
            return object.__new__(Colourful) if x else object.__new__(cls)

    class Colourful(Chameleon):
        pass

    with Store.open(path, registry=own) as store:
        receipts = [store.append(COORD, {"x": x}, kind=0xF001, version=1) for x in (0, 1)]
        assert type(store.get(receipts[0].sequence, as_=Chameleon)) is Chameleon
        with pytest.raises(batpak.PayloadMismatch, match="Colourful"):
            store.get(receipts[1].sequence, as_=Chameleon)


# -- many -------------------------------------------------------------------------------------------------------------


def test_typed_is_query_with_the_kind(typed: Store) -> None:
    """Against a plain list."""
    request = UUID(int=5)
    model: list[tuple[str, str, int]] = []
    for number in range(60):
        place = Coordinate(f"order:{number % 4}:x", f"shop:{number % 3}")
        payload: Any = Sent(str(number)) if number % 5 == 0 else Paid(number)
        typed.append(
            place, payload, correlation_id=request if number % 2 else None, metadata={"tenant": f"t{number % 7}"}
        )
        if number % 5:
            model.append((place.entity, place.scope, number))

    def cents(**filters: Any) -> list[int]:
        pairs = list(typed.typed(Paid, **filters))
        assert all(event.payload is paid for event, paid in pairs)
        events = [event.event_id for event, _ in pairs]
        assert events == [event.event_id for event in typed.query(kind=0xF001, **filters)]
        return [paid.cents for _, paid in pairs]

    assert cents() == [number for _, _, number in model]
    assert cents(entity="order:1:x") == [number for entity, _, number in model if entity == "order:1:x"]
    assert cents(entity_prefix="order:2") == [number for _, _, number in model if number % 4 == 2]
    assert cents(scope="shop:1", reverse=True, limit=5) == [n for _, scope, n in model if scope == "shop:1"][::-1][:5]
    assert cents(correlation=request) == [number for _, _, number in model if number % 2]
    assert cents(metadata={"tenant": "t3"}) == [number for _, _, number in model if number % 7 == 3]
    assert cents(after=10, until=20) == [number for _, _, number in model if 10 <= number < 20]


def test_an_event_that_cannot_be_typed_does_not_end_the_iteration(typed: Store) -> None:
    for value in ({"cents": 1}, {"cents": "x"}, {"cents": 3}):
        typed.append(COORD, value, kind=0xF001, version=2)
    pairs = typed.typed(Paid)
    assert next(pairs)[1] == Paid(1)
    with pytest.raises(batpak.PayloadMismatch):
        next(pairs)
    assert [paid for _, paid in pairs] == [Paid(3)]


def test_bad_filters_are_refused_at_once(typed: Store) -> None:
    with pytest.raises(batpak.InvalidInput):
        typed.typed(Paid, entity="")
    with pytest.raises(TypeError):
        typed.typed(Paid, limit="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        typed.typed(Paid, kind=0xF001)  # type: ignore[call-arg]
    typed.close()
    with pytest.raises(batpak.StoreClosed):
        typed.typed(Paid)
    with pytest.raises(batpak.StoreClosed):
        typed.get(1, as_=Paid)


# -- for type checkers ------------------------------------------------------------------------------------------------

SNIPPET = """
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

import batpak

@batpak.event(category=0xF, type_id=1, version=2)
@dataclass
class Paid:
    cents: int

class Asked(TypedDict):
    question: str

@batpak.upcast(Paid, from_version=1)
def lift(plain: dict[str, Any]) -> dict[str, Any]:
    return plain

def reads(store: batpak.Store) -> None:
    assert_type(store.get(1), batpak.Event)
    assert_type(store.get(1, as_=Paid), Paid)
    assert_type(store.get(1, as_=Asked), Asked)
    assert_type(store.typed(Paid), Iterator[tuple[batpak.Event, Paid]])
    assert_type(lift({}), dict[str, Any])
    for event, paid in store.typed(Paid, entity="order:1", limit=3):
        assert_type(event.sequence + paid.cents, int)
    store.get(1, as_="Paid")  # type: ignore[call-overload]
    store.get(1, Paid)  # type: ignore[call-overload]
    store.typed(Paid, kind=1)  # type: ignore[call-arg]
    batpak.upcast(Paid, from_version=1)(3)  # type: ignore[type-var]
"""


def test_a_type_checker_knows_the_class(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SNIPPET, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}", program]
    done = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Success: no issues found in 1 source file\n", "", 0)


def test_a_receipt_names_its_event(typed: Store) -> None:
    receipts = typed.append_batch([(COORD, Paid(1)), (COORD, Paid(2))])
    assert [typed.get(receipt).sequence for receipt in receipts] == [1, 2]
    with pytest.raises(batpak.EventNotFound), batpak.testing.open_store() as other:
        other.get(receipts[0])


def test_what_cannot_be_read_has_a_note_that_names_the_event(typed: Store, path: Path) -> None:
    lost = typed.append(COORD, {"dollars": 3}, kind=0xF001, version=1)
    misfit = typed.append(COORD, {"cents": "3"}, kind=0xF001, version=2)
    newer = typed.append(COORD, {"cents": 3}, kind=0xF001, version=3)
    reading = typed.typed(Paid)
    for receipt, error in ((lost, batpak.UpcastFailed), (misfit, batpak.PayloadMismatch), (newer, batpak.NewerVersion)):
        note = f"event {receipt.sequence} ({receipt.event_id}) of kind 0xF001"
        with pytest.raises(error) as caught:
            typed.get(receipt, as_=Paid)
        assert caught.value.__notes__ == [note]
        with pytest.raises(error) as caught:
            next(reading)
        assert caught.value.__notes__ == [note]


def test_a_class_stands_for_its_kind(typed: Store, tmp_path: Path) -> None:
    typed.append_batch([(COORD, Paid(1)), (COORD, Sent("post")), (COORD, Paid(2))])
    assert [event.sequence for event in typed.query(kind=Paid)] == [1, 3]
    assert [event.sequence for event in typed.follow(kind=Sent, timeout=0)] == [2]
    assert typed.aggregate("count", kind=Paid) == 2
    assert typed.report_read_walk(kind=Paid).inputs == {"kind": 0xF001}
    assert typed.export_evidence(tmp_path / "evidence.zip", kind=Sent) >= 1
    with typed.subscribe(kind=Paid, after=0) as subscription:
        assert [event.sequence for event in subscription.drain()] == [1, 3]
    seen: list[int] = []
    typed.react(lambda event, _: seen.append(event.sequence), "one", kind=Paid)
    # The cursor keeps the kind: the class may go by another name one day.
    with typed.cursor("one", kind=0xF001) as cursor:
        assert (seen, cursor.position) == ([1, 3], 3)
    asking: list[Any] = [typed.query, typed.follow, typed.subscribe, typed.report_read_walk]
    for ask in asking:
        with pytest.raises(batpak.UnregisteredType, match="Unknown is not registered in this store's registry"):
            ask(kind=Unknown)
    with pytest.raises(batpak.UnregisteredType, match="Unknown"):
        typed.cursor("two", kind=Unknown)
