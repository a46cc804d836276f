"""Older versions of a class: lifted step by step when they are read, and refused with a place when they cannot be."""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batpak
from batpak import Draft, Kind, Registry, Store
from support import COORD, contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KIND = Kind(0xF, 1)


@dataclass(frozen=True)
class Moved:
    x: int
    y: int
    fast: bool = False
    tags: list[str] = field(default_factory=list)


def renamed(plain: dict[str, Any]) -> dict[str, Any]:
    return {"position": plain["at"]}


def split(plain: dict[str, Any]) -> dict[str, Any]:
    plain["x"], plain["y"] = plain.pop("position")
    return plain


def marked(plain: dict[str, Any]) -> dict[str, Any]:
    plain["tags"] = ["lifted"]
    return plain


def chain(*, version: int = 4, without: int | None = None) -> Registry:
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=version)(Moved)
    for step, lift in enumerate((renamed, split, marked), 1):
        if step != without:
            registry.upcast(Moved, from_version=step)(lift)
    return registry


STORED: list[tuple[int, dict[str, Any]]] = [
    (1, {"at": [1, 2]}),
    (2, {"position": [3, 4]}),
    (3, {"x": 5, "y": 6}),
    (4, {"x": 7, "y": 8, "fast": True, "tags": []}),
]
RESTORED = [
    Moved(1, 2, tags=["lifted"]),
    Moved(3, 4, tags=["lifted"]),
    Moved(5, 6, tags=["lifted"]),
    Moved(7, 8, fast=True),
]


def write(path: Path, stored: list[tuple[int, Any]]) -> None:
    with Store.open(path, registry=Registry()) as store:
        for version, value in stored:
            store.append(COORD, value, kind=KIND, version=version)


def test_every_version_is_lifted_to_the_last(path: Path) -> None:
    write(path, STORED)
    with Store.open(path, registry=chain()) as store:
        events = list(store.query())
        assert [event.payload for event in events] == RESTORED
        assert [event.payload for event in reversed(events)] == RESTORED[::-1]
        assert [(event.payload_version, event.value) for event in events] == STORED
        assert store.project(lambda state, event: state + event.payload.x, initial=0) == 1 + 3 + 5 + 7
        assert store.verify().ok


def test_what_is_stored_stays_what_it_was(path: Path) -> None:
    write(path, STORED)
    with Store.open(path, registry=Registry()) as store:
        before = [(event.value, event.raw_payload, event.event_hash) for event in store.query()]
    with Store.open(path, registry=chain()) as store:
        events = list(store.query())
        for event in events:
            assert event.payload is event.payload
        assert [(event.value, event.raw_payload, event.event_hash) for event in events] == before


def test_reading_writes_nothing(path: Path) -> None:
    write(path, STORED)
    before = contents(path)
    with Store.open(path, registry=chain(), read_only=True) as store:
        assert [event.payload for event in store.query()] == RESTORED
        assert store.get(1, as_=Moved) == RESTORED[0]
    assert contents(path) == before


def test_an_upcaster_gets_a_dict_of_its_own_each_time(path: Path) -> None:
    write(path, [(1, {"list": [1], "map": {"a": 1}})])
    registry = Registry()
    seen: list[dict[str, Any]] = []

    @registry.event(category=0xF, type_id=1, version=2)
    @dataclass
    class Kept:
        list: list[int]
        map: dict[str, int]

    @registry.upcast(Kept, from_version=1)
    def lift(plain: dict[str, Any]) -> dict[str, Any]:
        plain["list"].append(2)
        plain["map"]["b"] = 2
        seen.append(plain)
        return plain

    with Store.open(path, registry=registry) as store:
        for _ in range(2):
            event = store.get(1)
            assert event.payload == Kept([1, 2], {"a": 1, "b": 2})
            assert event.value == {"list": [1], "map": {"a": 1}}
    first, second = seen
    assert first is not second


def test_writing_is_not_lifted(path: Path) -> None:
    with Store.open(path, registry=chain()) as store:
        receipt = store.append(COORD, Moved(1, 2), key="once")
        assert store.append(COORD, Moved(1, 2), key="once") == receipt
        event = store.get(receipt.sequence)
        assert (event.payload_version, event.value) == (4, {"x": 1, "y": 2, "fast": False, "tags": []})


def test_gates_see_what_readers_will(path: Path) -> None:
    seen: list[object] = []

    def gate(proposal: batpak.Proposal) -> None:
        seen.extend(event.payload for event in proposal)

    with Store.open(path, registry=chain(), gates=[gate]) as store:
        store.append(COORD, {"at": [1, 2]}, kind=KIND, version=1)
        assert seen == [event.payload for event in store.query()] == RESTORED[:1]


def test_threads_read_while_cells_run_again(path: Path) -> None:
    write(path, STORED * 20)
    registry = chain()
    failures: list[object] = []
    with Store.open(path, registry=registry) as store:

        def read() -> None:
            for _ in range(5):
                found = [event.payload for event in store.query()]
                if found != RESTORED * 20:
                    failures.append(found)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for step, lift in enumerate((renamed, split, marked), 1):
                registry.upcast(Moved, from_version=step)(lift)
        for thread in threads:
            thread.join()
    assert failures == []


def test_version_0_raw_bytes_and_other_kinds_are_left_alone(path: Path) -> None:
    with Store.open(path, registry=chain()) as store:
        plain = store.append(COORD, {"at": [1, 2]}, kind=KIND)
        raw = store.append(COORD, b"\xff", kind=KIND, version=1)
        other = store.append(COORD, {"at": [1, 2]}, kind=Kind(0xF, 2), version=1)
        assert [store.get(each.sequence).payload for each in (plain, raw, other)] == [
            {"at": [1, 2]},
            b"\xff",
            {"at": [1, 2]},
        ]


def test_newer_versions_are_refused_as_ever(path: Path) -> None:
    write(path, [(5, {"z": 1})])
    with Store.open(path, registry=chain()) as store:
        event = store.get(1)
        with pytest.raises(batpak.NewerVersion) as caught:
            event.payload
        assert (caught.value.stored, caught.value.known) == (5, 4)


def test_a_pickled_event_is_lifted_by_the_default_registry(path: Path) -> None:
    code = 0x7E6  # of the process-wide registry, which other tests fill too

    @dataclass(frozen=True)
    class Renewed:
        x: int

    batpak.event(category=0xB, type_id=code, version=2)(Renewed)

    @batpak.upcast(Renewed, from_version=1)
    def doubled(plain: dict[str, Any]) -> dict[str, Any]:
        return {"x": plain["x"] * 2}

    with Store.open(path) as store:
        event = store.get(store.append(COORD, {"x": 2}, kind=Kind(0xB, code), version=1).sequence)
        assert event.payload == pickle.loads(pickle.dumps(event)).payload == Renewed(4)


# -- what fails -------------------------------------------------------------------------------------------------------


def returning(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: value


class OwnDict(dict[str, Any]):
    pass


@pytest.mark.parametrize("value", [None, [], "x", 1, OwnDict(x=1, y=1)], ids=lambda value: type(value).__name__)
def test_what_is_no_dict_is_refused(path: Path, value: Any) -> None:
    write(path, [(1, {"at": 1})])
    registry = chain(without=2)
    registry.upcast(Moved, from_version=2)(returning(value))
    with Store.open(path, registry=registry) as store:
        event = store.get(1)
        with pytest.raises(batpak.UpcastFailed, match=f"from version 2 to 3 returned {type(value).__name__}") as caught:
            event.payload
        assert (caught.value.type_name, caught.value.from_version) == ("Moved", 2)
        assert event.value == {"at": 1}


def test_what_an_upcaster_raises_is_the_cause(path: Path) -> None:
    write(path, [(1, {"another": 1}), (2, {"position": [1, 2]})])
    with Store.open(path, registry=chain()) as store:
        event = store.get(1)
        for _ in range(2):
            with pytest.raises(
                batpak.UpcastFailed, match=r"Moved from version 1 to 2 raised KeyError.*event\.value"
            ) as caught:
                event.payload
            assert isinstance(caught.value.__cause__, KeyError)
        assert event.value == {"another": 1}
        assert repr(event)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.from_version, again.type_name, str(again)) == (1, "Moved", str(caught.value))
        # The others can be read.
        assert store.get(2).payload == Moved(1, 2, tags=["lifted"])


def test_a_failure_that_an_upcaster_meets_in_another_event_is_told_once(path: Path) -> None:
    write(path, [(1, {"before": n}) for n in range(4)])
    registry = chain(without=1)
    opened: list[Store] = []

    @registry.upcast(Moved, from_version=1)
    def of_the_one_before(plain: dict[str, Any]) -> dict[str, Any]:
        if plain["before"] == 0:
            raise KeyError("position")
        moved: Moved = opened[0].get(plain["before"]).payload
        return {"x": moved.x}

    with Store.open(path, registry=registry) as store:
        opened.append(store)
        with pytest.raises(batpak.UpcastFailed, match="raised KeyError") as caught:
            store.get(4).payload
        assert str(caught.value).count("raised") == 1
        assert "UpcastFailed" not in str(caught.value)
        assert (caught.value.type_name, caught.value.from_version) == ("Moved", 1)
        assert isinstance(caught.value.__cause__, KeyError)


def test_interrupts_are_not_swallowed(path: Path) -> None:
    write(path, [(1, {"at": 1})])
    registry = chain(without=1)

    @registry.upcast(Moved, from_version=1)
    def interrupted(plain: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    with Store.open(path, registry=registry) as store, pytest.raises(KeyboardInterrupt):
        store.get(1).payload


def test_what_the_last_upcaster_returns_must_fit_the_class(path: Path) -> None:
    write(path, [(3, {"x": 1, "y": "2"}), (3, {"x": 1, "y": 2, "z": 3}), (3, [1, 2])])
    with Store.open(path, registry=chain()) as store:
        for sequence, place in ((1, "payload.y"), (2, "payload.z"), (3, "payload")):
            with pytest.raises(batpak.PayloadMismatch) as caught:
                store.get(sequence).payload
            assert (caught.value.path, caught.value.type_name) == (place, "Moved")


# -- chains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("without", [1, 2, 3])
def test_a_missing_step_is_refused_at_open(path: Path, without: int) -> None:
    write(path, STORED)
    before = contents(path)
    for read_only in (False, True):
        with pytest.raises(
            batpak.UpcasterMissing, match=rf"@batpak\.upcast\(Moved, from_version={without}\)"
        ) as caught:
            Store.open(path, registry=chain(without=without), read_only=read_only)
        assert (caught.value.type_name, caught.value.from_version, caught.value.known) == ("Moved", without, 4)
    assert contents(path) == before


def test_nothing_is_made_where_a_step_is_missing(path: Path) -> None:
    with pytest.raises(batpak.UpcasterMissing):
        Store.open(path, registry=chain(without=1))
    assert not path.exists()


def test_a_version_without_any_upcaster_is_plain_but_never_typed(path: Path) -> None:
    write(path, STORED)
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=4)(Moved)
    with Store.open(path, registry=registry) as store:
        assert [event.payload for event in store.query()] == [*(value for _, value in STORED[:3]), RESTORED[3]]
        for sequence in (1, 2, 3):
            with pytest.raises(batpak.UpcasterMissing) as caught:
                store.get(sequence, as_=Moved)
            assert (caught.value.from_version, caught.value.known) == (sequence, 4)
        assert store.get(4, as_=Moved) == RESTORED[3]


def test_upcasters_that_come_after_the_open_count_and_a_gap_is_told(path: Path) -> None:
    write(path, STORED)
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=4)(Moved)
    with Store.open(path, registry=registry) as store:
        registry.upcast(Moved, from_version=3)(marked)
        assert store.get(3).payload == RESTORED[2]
        with pytest.raises(batpak.UpcasterMissing) as caught:
            store.get(2).payload
        assert caught.value.from_version == 2


@given(st.integers(1, 40), st.data())
def test_a_chain_of_any_length_is_the_composition_of_its_steps(length: int, data: st.DataObject) -> None:
    """Against a plain list: step n appends n."""
    registry = Registry()

    @dataclass
    class Trail:
        steps: list[int]

    registry.event(category=0xF, type_id=1, version=length + 1)(Trail)
    for step in data.draw(st.permutations(range(1, length + 1))):

        def lift(plain: dict[str, Any], step: int = step) -> dict[str, Any]:
            return {"steps": [*plain["steps"], step]}

        registry.upcast(Trail, from_version=step)(lift)
    registry.check_upcasters()
    version = data.draw(st.integers(1, length + 1))
    from batpak._payloads import restorer

    assert restorer(registry)(0xF001, version, {"steps": []}) == Trail(list(range(version, length + 1)))


# -- registration -----------------------------------------------------------------------------------------------------


def test_the_function_is_returned_unchanged() -> None:
    registry = chain(without=1)
    assert registry.upcast(Moved, from_version=1)(renamed) is renamed
    assert registry.upcast(Moved, from_version=1)(renamed) is renamed
    assert batpak.upcast.__self__ is batpak.event.__self__  # type: ignore[attr-defined]


def test_two_functions_for_one_step_are_refused() -> None:
    registry = chain()
    with pytest.raises(batpak.DuplicateUpcaster, match="renamed") as caught:
        registry.upcast(Moved, from_version=1)(split)
    assert (caught.value.type_name, caught.value.from_version) == ("Moved", 1)


def test_lambdas_and_partials_are_not_taken_for_one_another() -> None:
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=3)(Moved)
    registry.upcast(Moved, from_version=1)(lambda plain: {"a": plain})
    with pytest.raises(batpak.DuplicateUpcaster):
        registry.upcast(Moved, from_version=1)(lambda plain: {"b": plain})
    one = functools.partial(dict, a=1)
    registry.upcast(Moved, from_version=2)(one)
    registry.upcast(Moved, from_version=2)(one)
    with pytest.raises(batpak.DuplicateUpcaster, match="partial"):
        registry.upcast(Moved, from_version=2)(functools.partial(dict, b=1))


@pytest.mark.parametrize("version", [0, -1, 4, 5, True, 1.0, "1", None])
def test_a_step_that_does_not_exist_is_refused(version: Any) -> None:
    with pytest.raises(batpak.SchemaError, match="from 1 to 3") as caught:
        chain().upcast(Moved, from_version=version)
    assert caught.value.type_name == "Moved"


def test_nothing_can_be_lifted_to_version_1() -> None:
    registry = Registry()
    registry.event(category=0xF, type_id=1)(Moved)
    with pytest.raises(batpak.SchemaError, match="version 1 is the first"):
        registry.upcast(Moved, from_version=1)


@pytest.mark.parametrize("lift", [None, {}, "renamed", 1])
def test_what_cannot_be_called_is_refused(lift: Any) -> None:
    with pytest.raises(batpak.SchemaError, match="an upcaster is a function"):
        chain(without=1).upcast(Moved, from_version=1)(lift)


def test_a_class_of_another_registry_is_refused() -> None:
    for cls in (Moved, int, None):
        with pytest.raises(batpak.UnregisteredType):
            Registry().upcast(cls, from_version=1)  # type: ignore[arg-type]


CELL = """
from dataclasses import dataclass

@event(category=0xF, type_id=1, version=3)
@dataclass
class Moved:
    x: int

@upcast(Moved, from_version=1)
def first(plain):
    return {"x": plain["x"] + 1}

@upcast(Moved, from_version=2)
def second(plain):
    return {"x": plain["x"] * 10}
"""


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    """Give a module whose text runs again and again, as cells do."""
    module = types.ModuleType("notebook_for_upcasters")
    sys.modules[module.__name__] = module
    registry = Registry()
    vars(module).update(registry=registry, event=registry.event, upcast=registry.upcast)
    yield module
    del sys.modules[module.__name__]


def test_cells_run_again(path: Path, notebook: types.ModuleType) -> None:
    def run(text: str) -> None:
        exec(compile(text, "cell", "exec"), vars(notebook))

    run(CELL)
    write(path, [(1, {"x": 1}), (2, {"x": 2})])
    with Store.open(path, registry=notebook.registry) as store:
        run(CELL)
        assert [event.payload for event in store.query()] == [notebook.Moved(20), notebook.Moved(20)]
        # What changed in a function counts from then on.
        run(CELL.replace("+ 1", "+ 2"))
        assert [each for _, each in store.typed(notebook.Moved)] == [notebook.Moved(30), notebook.Moved(20)]
        # The cell of the class alone: its upcasters stay.
        run(CELL.partition("@upcast")[0])
        assert store.get(1, as_=notebook.Moved) == notebook.Moved(30)
        with pytest.raises(batpak.DuplicateUpcaster):
            run(CELL.replace("def second", "def another"))
    notebook.registry.check_upcasters()


# -- families ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Attrs:
    x: int
    y: int = 0


class Struct(msgspec.Struct):
    x: int
    y: int = 0


class Model(pydantic.BaseModel):
    x: int
    y: int = pydantic.Field(alias="theY", default=0)


class Typed(TypedDict):
    x: int
    y: NotRequired[tuple[int, ...]]


@pytest.mark.parametrize("cls", [Attrs, Struct, Model, Typed])
def test_every_family_is_lifted(path: Path, cls: Any) -> None:
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=2)(cls)

    @registry.upcast(cls, from_version=1)
    def lift(plain: dict[str, Any]) -> dict[str, Any]:
        return {"x": plain["ex"]}

    with Store.open(path, registry=registry) as store:
        store.append_batch([Draft(COORD, {"ex": 7}, kind=KIND, version=1)])
        event = next(store.query())
        assert event.payload == cls(x=7)
        assert type(event.payload) is (dict if cls is Typed else cls)
        assert store.get(event.sequence, as_=cls) == cls(x=7)
        assert event.value == {"ex": 7}
