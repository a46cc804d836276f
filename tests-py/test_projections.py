"""``project`` with classes, callables and filters; what a definition must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property, lru_cache, partial, partialmethod
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import batpak
from batpak import Coordinate, Event, InvalidInput, Kind, Projection, Registry, Store
from batpak.testing import ManualClock, open_store
from projections_support import Accounts, Names, Total, add
from support import COORD

registry = Registry()


@registry.event(category=0xF, type_id=1)
@dataclass(frozen=True)
class Deposited:
    amount: int


@registry.event(category=0xF, type_id=2)
@dataclass(frozen=True)
class Withdrawn:
    amount: int


class Balance(Projection[int]):
    name = "balance"
    registry = registry

    def initial(self) -> int:
        return 0

    @batpak.on(Deposited)
    def deposited(self, state: int, event: Event) -> int:
        return state + event.payload.amount

    @batpak.on(Withdrawn, Kind(0xF, 3))
    def withdrawn(self, state: int, event: Event) -> int:
        return state - (event.payload.amount if event.kind.type_id == 2 else event.payload)


def collect(state: list[int], event: Event) -> list[int]:
    return [*state, event.sequence]


def test_handlers_by_class_and_kind(path: Path) -> None:
    with Store.open(path, registry=registry) as store:
        store.append(COORD, Deposited(10))
        store.append(COORD, Withdrawn(3))
        store.append(COORD, 2, kind=0xF003)
        store.append(COORD, 1000, kind=0xE003)
        assert store.project(Balance) == store.project(Balance()) == 5
        assert store.project(Balance, kind=0xF003) == -2
        assert store.project(Balance, kind=0xE003) == store.project(Balance, category=0xE) == 0
        assert store.project(Balance, until=2) == 7
        assert store.project_all([Balance, Count(), Balance()], until=2) == [7, 2, 7]
        assert store.project_all([]) == []
    assert repr(Balance()) == "<Projection 'balance' version 1>"
    assert Balance.kinds() == [Kind(0xF, 1), Kind(0xF, 2), Kind(0xF, 3)]


def test_otherwise_sees_what_has_no_handler(store: Store) -> None:
    class Seen(Projection[list[str]]):
        name = "seen"

        def initial(self) -> list[str]:
            return []

        @batpak.on(0xF001)
        def one(self, state: list[str], event: Event) -> list[str]:
            return [*state, "one"]

        def otherwise(self, state: list[str], event: Event) -> list[str]:
            return [*state, f"{event.kind.code:x}"]

    add(store, 1)
    store.append(COORD, 1, kind=0xE001)
    assert store.project(Seen) == ["one", "e001"]
    assert store.project(Seen, system=True)[0] == "1"
    assert store.project_all([Seen, Total]) == [["one", "e001"], 1]


def test_many_kinds_are_one_pass(store: Store) -> None:
    def take(self: Any, state: list[int], event: Event) -> list[int]:
        return [*state, event.payload]

    names = {
        f"take_{code:x}": batpak.on(code)(lambda self, state, event: take(self, state, event))
        for code in range(0xF010, 0xF022)
    }
    many: Any = type("Many", (Projection,), {"name": "many", "initial": lambda self: [], **names})
    for number in range(40):
        store.append(COORD, number, kind=0xF010 + number % 20)
    assert store.project(many) == [number for number in range(40) if number % 20 < 18]


def test_only_the_kinds_that_are_handled_are_read(path: Path) -> None:
    """A payload that cannot be decoded is no matter to who does not handle its kind."""
    with Store.open(path) as store:
        store.append(COORD, {"not": "a number"}, kind=0xF002)
        add(store, 4)
        assert store.project(Total) == 4


def test_all_filters(path: Path) -> None:
    correlation, cause = uuid4(), uuid4()
    with Store.open(path) as store:
        add(store, 1)
        store.append(
            Coordinate("player:alice", "game"),
            1,
            kind=0xE001,
            correlation_id=correlation,
            causation_id=cause,
            metadata={"m": "1"},
        )
        add(store, 2)
        middle = store.get(2).timestamp
        ways: list[dict[str, Any]] = [
            {"entity": "player:alice"}, {"entity_prefix": "player"}, {"scope": "game"}, {"kind": 0xE001}, {"kind": Kind(0xE, 1)},
            {"category": 0xE}, {"correlation": correlation}, {"correlation": correlation.bytes}, {"causation": cause},
            {"causation": cause.bytes}, {"metadata": {"m": "1"}}, {"after": 1, "before": store.get(3).timestamp},
            {"since": middle, "before": middle + timedelta(microseconds=1)}, {"after": 1, "system": True, "until": 2},
        ]  # fmt: skip
        for way in ways:
            assert store.project(collect, initial=[], **way) == [2], way
            view = store.materialise(Count, **{name: value for name, value in way.items() if name != "until"})
            assert view.read().state == (2 if "until" in way else 1)
        none = dict.fromkeys(
            ["entity", "scope", "kind", "category", "correlation", "metadata", "after", "since", "until"]
        )
        assert store.project(collect, initial=[], **none) == [1, 2, 3]  # type: ignore[misc]


class Count(Projection[int]):
    name = "count"

    def initial(self) -> int:
        return 0

    def otherwise(self, state: int, event: Event) -> int:
        return state + 1


WRONG_FILTERS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"limit": 1}, TypeError), ({"reverse": True}, TypeError), ({"entitiy": "a"}, TypeError), ({"entity": ""}, InvalidInput),
    ({"kind": 1.5}, TypeError), ({"kind": True}, TypeError), ({"kind": 70_000}, batpak.InvalidKind), ({"category": 16}, InvalidInput),
    ({"correlation": "x"}, TypeError), ({"causation": b"x"}, InvalidInput), ({"metadata": []}, TypeError), ({"system": 1}, TypeError),
    ({"since": datetime(2026, 1, 1)}, InvalidInput), ({"before": 5}, TypeError), ({"after": -1}, InvalidInput),
    ({"since": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))}, InvalidInput),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "error"), WRONG_FILTERS)
def test_wrong_filters(store: Store, filters: dict[str, Any], error: type[Exception]) -> None:
    for call in (
        lambda: store.project(collect, initial=[], **filters),
        lambda: store.project(Total, **filters),
        lambda: store.project_all([Total], **filters),
        lambda: store.materialise(Total, **filters),
        lambda: batpak.check_determinism(store, Total, **filters),
    ):
        with pytest.raises(error):
            call()


@pytest.mark.parametrize(
    ("until", "error"),
    [
        (-1, InvalidInput),
        (2**64, InvalidInput),
        (True, TypeError),
        ("1", TypeError),
        (1.0, TypeError),
        (datetime(2026, 1, 1), InvalidInput),
    ],
)
def test_wrong_until(store: Store, until: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="until"):
        store.project(Total, until=until)


def test_until_a_time() -> None:
    clock = ManualClock()
    with open_store(clock=clock) as store:
        times = []
        for number in range(4):
            add(store, 1)
            times.append(store.get(number + 1).timestamp)
            clock.advance(timedelta(seconds=10))
        for number, moment in enumerate(times):
            assert store.project(Total, until=moment) == number + 1
            assert store.project(Total, until=moment.astimezone(timezone(timedelta(hours=5)))) == number + 1
            assert store.project(Total, until=moment - timedelta(microseconds=1)) == number
            assert store.project(Total, until=times[2], before=moment) == min(number, 3)
        assert store.project(Total, until=datetime.max.replace(tzinfo=UTC)) == 4
        assert store.project(Total, until=datetime(1900, 1, 1, tzinfo=UTC)) == 0


def test_until_a_checkpoint(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a") as store, Store.open(tmp_path / "b") as other:
        add(store, 1, 2)
        checkpoint = store.checkpoint()
        add(store, 4)
        assert store.project(Total, until=checkpoint) == 3
        assert store.project_all([Total, Count], until=checkpoint) == [3, 2]
        with pytest.raises(InvalidInput, match="another history"):
            other.project(Total, until=checkpoint)
        add(other, 1, 2, 3, 4)
        with pytest.raises(InvalidInput, match="another history"):
            other.project(Total, until=checkpoint)


def test_project_is_told_what_it_needs(store: Store) -> None:
    wrong: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        (collect, {}, TypeError), (Total, {"initial": 0}, InvalidInput), (5, {"initial": 0}, TypeError),
        (Projection, {}, TypeError), (Accounts, {"initial": None}, InvalidInput),
    ]  # fmt: skip
    for fold, options, error in wrong:
        with pytest.raises(error):
            store.project(fold, **options)
    for projections in (Total, Total(), [Total, 5], [collect], None):
        with pytest.raises(TypeError):
            store.project_all(projections)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="projection"):
        store.materialise(collect)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="derive"):
        Projection().initial()


# -- folds ------------------------------------------------------------------------------------------------------------


def test_a_state_that_is_changed_in_place_is_not_the_one_that_was_given(store: Store) -> None:
    add(store, 1, 2)

    def count(state: Any, event: Event) -> Any:
        inner = state if isinstance(state, dict) else state[0]
        inner["n"] = inner.get("n", 0) + 1
        inner.setdefault("seen", set()).add(event.payload)
        return state

    def into(state: set[Any], event: Event) -> set[Any]:
        state.add(event.payload)
        return state

    for initial in ({}, [{}], ({},), {"n": 0, "seen": set()}):
        before = repr(initial)
        first, second = store.project(count, initial=initial), store.project(count, initial=initial)
        assert first == second
        assert repr(initial) == before
        assert type(first) is type(initial)
        assert (first if isinstance(first, dict) else first[0]) == {"n": 2, "seen": {1, 2}}
    some = {0}
    assert store.project(into, initial=some) == store.project(into, initial=some) == {0, 1, 2}
    assert some == {0}
    # One that holds itself, and one that is held twice.
    endless: list[Any] = [{}]
    endless.append(endless)
    endless.append(endless[0])
    copy = store.project(count, initial=endless)
    assert copy is not endless
    assert copy[1] is copy
    assert copy[2] is copy[0]
    assert copy[0]["n"] == 2
    assert endless[0] == {}

    class Own(dict[str, Any]):
        pass

    own = Own()
    assert store.project(count, initial=own) is own
    assert store.project(count, initial=[], until=-0, entity="nobody") == []


def test_an_initial_that_is_the_same_each_time(store: Store) -> None:
    shared: list[int] = []

    class Gathered(Projection[list[int]]):
        name = "gathered"

        def initial(self) -> list[int]:
            return shared

        @batpak.on(0xF001)
        def take(self, state: list[int], event: Event) -> list[int]:
            state.append(event.payload)
            return state

    add(store, 1, 2)
    for _ in range(2):
        assert store.project(Gathered) == [1, 2]
        assert store.project_all([Gathered, Gathered]) == [[1, 2], [1, 2]]
        assert store.materialise(Gathered).read().state == [1, 2]
        assert batpak.verify_run(store, store.materialise(Gathered).attest(), Gathered).state == [1, 2]
    assert shared == []


def test_a_forgotten_return_is_told(store: Store) -> None:
    class Forgetful(Total):
        name = "forgetful"

        def added(self, state: int, event: Event) -> int:
            return None  # type: ignore[return-value]

    class Optional(Projection[int | None]):
        name = "optional"

        def initial(self) -> int | None:
            return 5

        @batpak.on(0xF001)
        def added(self, state: int | None, event: Event) -> int | None:
            return None if event.payload == 2 else event.payload

    add(store, 1, 2)
    for call in (
        lambda: store.project(Forgetful),
        lambda: store.project_all([Total, Forgetful]),
        lambda: store.materialise(Forgetful).read(),
        lambda: batpak.check_determinism(store, Forgetful),
    ):
        with pytest.raises(InvalidInput, match=r"Forgetful\.added returned None for event 1"):
            call()
    with pytest.raises(InvalidInput, match="fold returned None for event 1"):
        store.project(lambda state, event: state.update(), initial={})
    assert store.project(Optional) is None
    assert store.project_all([Optional, Total]) == [None, 3]
    assert store.materialise(Optional).read().state is None
    assert store.project(lambda state, event: None, initial=None) is None


def test_what_a_fold_raises_names_the_event(store: Store) -> None:
    class Failing(Total):
        name = "failing"

        def added(self, state: int, event: Event) -> int:
            return state + 1 // event.payload

    add(store, 1, 0, 1)
    for call in (
        lambda: store.project(Failing),
        lambda: store.project_all([Failing, Total]),
        lambda: store.project(lambda state, event: state // event.payload, initial=1),
        lambda: store.materialise(Failing).read(),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            call()
        assert caught.value.__notes__ == [f"while folding event 2 ({store.get(2).event_id})"]


@pytest.mark.parametrize("kinds", [(0xF001,), (0xF001, 0xF002)])
def test_a_fold_that_appends_does_not_see_its_own(store: Store, kinds: tuple[int, ...]) -> None:
    class Echo(Projection[int]):
        name = "echo"

        def initial(self) -> int:
            return 0

        @batpak.on(*kinds)
        def added(self, state: int, event: Event) -> int:
            store.append(COORD, event.payload, kind=0xF001 + state % 2)
            return state + 1

    add(store, *range(10))
    assert store.project(Echo) == 10
    assert store.project_all([Echo, Count])[0] == (15 if len(kinds) == 1 else 20)
    view = store.materialise(Echo)
    before = len(store)
    first = view.read()
    assert first.sequence == before - 1
    assert (view.read().folded_now, view.read(max_stale="any").behind) > (0, 0)


# -- definitions ------------------------------------------------------------------------------------------------------


async def waiting(state: int, event: Event) -> int:
    return state


def yielding(state: int, event: Event) -> Any:
    yield state


async def yielding_later(state: int, event: Event) -> Any:
    yield state


class Waiting:
    """An object, and methods of it, that can be called."""

    async def __call__(self, state: int, event: Event) -> int:
        return state

    async def method(self, state: int, event: Event) -> int:
        return state

    @classmethod
    async def of_class(cls, state: int, event: Event) -> int:
        return state


@pytest.mark.parametrize(
    "fold",
    [
        waiting, yielding, yielding_later, Waiting(), Waiting().method, Waiting.of_class, partial(waiting),
        partial(partial(Waiting())), partial(Waiting().method), lambda state, event: (yield),
    ],
)  # fmt: skip
def test_a_fold_that_nobody_would_run_is_refused(store: Store, fold: Any) -> None:
    with pytest.raises(TypeError, match="no async function and no generator"):
        store.project(fold, initial=0)


class Calling:
    """Takes what it is given."""

    def __init__(self, *taken: Any) -> None:
        self.taken = taken

    def __call__(self, state: Any, event: Event) -> Any:
        return event.payload

    def method(self, state: Any, event: Event) -> Any:
        return event.payload


@pytest.mark.parametrize("fold", [Calling(), Calling().method, partial(Calling()), lru_cache(Calling().method)])
def test_whatever_can_be_called_is_a_fold(store: Store, fold: Any) -> None:
    add(store, 1, 2)
    assert store.project(fold, initial=0) == 2


def test_a_class_is_a_fold(store: Store) -> None:
    add(store, 1)
    assert store.project(Calling, initial=0).taken[0] == 0


@pytest.mark.parametrize("name", ["initial", "otherwise", "added"])
@pytest.mark.parametrize("method", [waiting, yielding, yielding_later])
def test_methods_that_nobody_would_run_are_refused(name: str, method: Any) -> None:
    with pytest.raises(TypeError, match=rf"Defined\.{name} returns a state.*plain method"):
        type("Defined", (Total,), {"name": "defined", name: method})


def test_a_handler_that_is_hidden_is_refused() -> None:
    def handler(state: int, event: Event) -> int:
        return state

    marked = batpak.on(0xF002)(handler)
    hiding: list[Any] = [staticmethod, classmethod, property, cached_property, partialmethod]
    for hide in hiding:
        with pytest.raises(InvalidInput, match=rf"Defined\.other: @{hide.__name__} hides the @batpak\.on below it"):
            define(other=hide(marked))


def test_a_static_handler_under_the_mark(store: Store) -> None:
    class Doubled(Projection[int]):
        name = "doubled"

        def initial(self) -> int:
            return 1

        @batpak.on(0xF001)
        @staticmethod
        def added(state: int, event: Event) -> int:
            return state + 2 * int(event.payload)

    add(store, 3)
    assert store.project(Doubled) == 7


def define(**members: Any) -> Any:
    members = {
        "name": "x",
        "initial": lambda self: 0,
        "added": batpak.on(0xF001)(lambda self, state, event: state),
        **members,
    }
    return type("Defined", (Projection,), {name: value for name, value in members.items() if value is not None})


def unregistered() -> None:
    @dataclass
    class Nobody:
        x: int

    define(other=batpak.on(Nobody)(lambda self, state, event: state))


def test_a_definition_that_works() -> None:
    assert define().kinds() == [Kind(0xF, 1)]
    assert define(name="é" * 30, version=2**62).version == 2**62


WRONG_DEFINITIONS: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "no name of its own"), ({"name": ""}, "1 to 60 bytes"), ({"name": "x" * 61}, "1 to 60 bytes"),
    ({"name": "a@b"}, "1 to 60 bytes"), ({"name": 5}, "no name"), ({"name": "\ud800"}, "1 to 60 bytes"), ({"version": 0}, "version"),
    ({"version": True}, "version"), ({"version": "1"}, "version"), ({"version": 1.0}, "version"), ({"version": 2**63}, "version"),
    ({"initial": None}, "initial"), ({"added": None}, "handles nothing"), ({"state": "Account"}, "state is the text"),
    ({"also": batpak.on(0xF002, 0xF001)(lambda self, state, event: state)}, "both added and also take events of"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "message"), WRONG_DEFINITIONS)
def test_a_definition_that_cannot_work_is_refused(members: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        define(**members)


def test_other_definitions_that_cannot_work() -> None:
    with pytest.raises(batpak.UnregisteredType, match="Nobody"):
        unregistered()
    with pytest.raises(batpak.UnsupportedAnnotation):
        define(state=set[int])
    with pytest.raises(InvalidInput):
        batpak.on()
    with pytest.raises(TypeError):
        batpak.on("Deposited")  # type: ignore[arg-type]
    with pytest.raises(batpak.InvalidKind):
        batpak.on(70_000)
    with pytest.raises(TypeError):
        batpak.on(0xF001)(int)

    async def waits(self: Any, state: int, event: Event) -> int:
        return state

    def yields(self: Any, state: int, event: Event) -> Any:
        yield state

    for handler in (waits, yields):
        with pytest.raises(TypeError, match="no async function and no generator"):
            batpak.on(0xF001)(handler)
    with pytest.raises(InvalidInput, match="no name of its own"):
        type("Inherits", (Total,), {})
    with pytest.raises(InvalidInput, match="no method"):
        type("Inherits", (Total,), {"name": "y", "added": 5})


def test_inheritance(store: Store) -> None:
    class Doubled(Total):
        name = "doubled"

        def added(self, state: int, event: Event) -> int:
            return state + 2 * super().added(0, event)

        @batpak.on(0xF002)
        def removed(self, state: int, event: Event) -> int:
            return state - int(event.payload)

    add(store, 3)
    store.append(COORD, 1, kind=0xF002)
    assert (store.project(Doubled), store.project(Total)) == (5, 3)


def test_typed_states(store: Store) -> None:
    add(store, 1, 2)
    assert store.project(Accounts("me")).amounts == (1, 2)
    with store.materialise(Accounts("me")) as view:
        assert view.read().state.amounts == (1, 2)
    again = store.materialise(Accounts("me")).read()
    assert (again.state.owner, again.state.amounts, again.rebuilt) == ("me", (1, 2), None)
    assert store.materialise(Accounts("you")).read().rebuilt == "code changed"
    assert store.project(Names) in (["name 1", "name 2"], ["name 2", "name 1"])


def test_a_state_that_cannot_be_kept_is_refused_with_its_path(store: Store) -> None:
    class Sets(Projection[Any]):
        name = "sets"

        def initial(self) -> Any:
            return {"all": []}

        @batpak.on(0xF001)
        def added(self, state: Any, event: Event) -> Any:
            return {"all": [*state["all"], {event.payload}]}

    class Undeclared(Accounts):
        name = "undeclared"
        state = None

    class Wrong(Accounts):
        name = "wrong"

        def added(self, state: Any, event: Event) -> Any:
            return type(state)(state.owner, ("one",))

    view = store.materialise(Sets)
    view.read()
    add(store, 1)
    for act in (view.read, view.run_report, store.materialise(Sets).save):
        with pytest.raises(batpak.InvalidValue) as caught:
            act()
        assert caught.value.path == "state.all[0]"
        assert str(caught.value).startswith("state.all[0]: set")
    assert view.read(max_stale="any").state == {"all": []}
    with pytest.raises(batpak.InvalidValue, match="write state = Account in the class"):
        store.materialise(Undeclared).read()
    with pytest.raises(batpak.InvalidValue) as wrong:
        store.materialise(Wrong).read()
    assert wrong.value.path == "state.amounts[0]"
    assert store.project(Sets)["all"] == [{1}]


def test_a_registered_class_stands_for_its_kind(path: Path) -> None:
    registry = batpak.Registry()

    @registry.event(category=0xF, type_id=1)
    @dataclass(frozen=True)
    class Paid:
        cents: int

    with Store.open(path, registry=registry) as store:
        store.append(batpak.Coordinate("order:1", "shop"), Paid(5))
        store.append(batpak.Coordinate("order:1", "shop"), {"cents": 7}, kind=0xF002)
        assert store.project(lambda total, event: total + event.payload.cents, initial=0, kind=Paid) == 5
        assert store.aggregate("sum", "cents", kind=Paid) == 5
        with pytest.raises(batpak.UnregisteredType):
            store.project(lambda total, _: total, initial=0, kind=int)
