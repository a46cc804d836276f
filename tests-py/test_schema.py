"""Typed payloads: which classes can be registered, for which kinds, and that one kind has one class."""

import dataclasses
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import Any, Generic, TypeVar

import pytest

from batpak._errors import DuplicateKind, InvalidKind, InvalidValue, SchemaError
from batpak._schemas.registry import Registry, default_registry, event
from schemas import Node, Point, holder, register

T = TypeVar("T")

# -- registration ----------------------------------------------------------------------------------------------------


def test_a_registered_class_is_found_by_class_and_by_kind() -> None:
    registry = Registry()
    known = register(Point, registry, type_id=0xABC, version=7)
    assert (known.cls, known.kind_code, known.version) == (Point, 0xFABC, 7)
    assert registry.lookup_kind(0xFABC) is known
    assert registry.lookup_kind(0xFABD) is None
    assert registry.lookup_type(Node) is None
    assert repr(registry) == "Registry(Point 0xFABC version 7)"


def test_an_event_type_is_a_frozen_value() -> None:
    known = register(Point)
    assert known == register(Point)
    assert hash(known) == hash(register(Point))
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.version = 2  # type: ignore[misc]


def test_the_module_level_decorator_fills_the_default_registry() -> None:
    @event(category=0xE, type_id=0xEEE)
    @dataclass
    class OnlyHere:
        x: int

    found = default_registry.lookup_kind(0xEEEE)
    assert found is not None
    assert found.cls is OnlyHere
    assert found.version == 1


RESERVED = [0xFA01, 0xFA02, 0xFA10, 0xFA11, 0xFA20, 0xFA21, 0xFA22, 0xFA23, 0xFA24, 0xFA30, 0xFA31, 0xFA40, 0xFA41]
RESERVED += [0xFA50, 0xFA51, 0xFA60, 0xFA61, 0xFA70, 0xFA71, 0xFA80, 0xFA81, 0xC5B7, 0xC5B8, 0xC5B9]


@pytest.mark.parametrize("code", [*RESERVED, 0x0000, 0x0001, 0x0FFF, 0xD000, 0xDFFF], ids=hex)
def test_reserved_kinds_are_refused(code: int) -> None:
    with pytest.raises(InvalidKind, match=f"0x{code:04X}"):
        Registry().event(category=code >> 12, type_id=code & 0xFFF)


def test_every_other_kind_is_accepted() -> None:
    refused = set()
    for code in range(0x10000):
        try:
            Registry().event(category=code >> 12, type_id=code & 0xFFF)
        except InvalidKind:
            refused.add(code)
    assert refused == {*RESERVED, *range(0x1000), *range(0xD000, 0xE000)}


@pytest.mark.parametrize(
    ("category", "type_id"),
    [(-1, 0), (16, 0), (1, -1), (1, 4096), (True, 0), (1, False), (1.0, 0), ("1", 0), (None, 1), (1, None)],
)
def test_a_kind_out_of_range_is_refused(category: Any, type_id: Any) -> None:
    with pytest.raises(InvalidKind, match=r"category in 1\.\.15"):
        Registry().event(category=category, type_id=type_id)


@pytest.mark.parametrize("version", [1, 65535])
def test_versions_up_to_the_limit_are_accepted(version: int) -> None:
    assert register(Point, version=version).version == version


@pytest.mark.parametrize("version", [0, 65536, -1, True, 1.0, "1", None])
def test_a_version_out_of_range_is_refused(version: Any) -> None:
    with pytest.raises(SchemaError, match=r"1\.\.65535"):
        register(Point, version=version)


class NotADataclass:
    x: int


@dataclass
class Base:
    x: int


class Undecorated(Base):
    y: int


@dataclass
class WithoutInit:
    x: int
    y: int = field(default=0, init=False)


@dataclass
class WithInitVar:
    x: int
    seed: InitVar[int] = 0


@dataclass(init=False)
class OwnInit:
    x: int

    def __init__(self, z: int) -> None:
        self.x = z


@dataclass
class Box(Generic[T]):
    x: T


@pytest.mark.parametrize(
    ("cls", "problem"),
    [
        (NotADataclass, "put @dataclass below @event"),
        (Point(1, 2.0), "put @dataclass below @event"),
        (Undecorated, "put @dataclass on it too"),
        (WithoutInit, "y has init=False"),
        (WithInitVar, "seed is an InitVar"),
        (OwnInit, "__init__ does not take every field"),
        (Box, "without type parameters"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_could_not_be_restored_is_refused(cls: Any, problem: str) -> None:
    registry = Registry()
    with pytest.raises(SchemaError, match=problem):
        registry.event(category=0xF, type_id=1)(cls)
    assert registry.lookup_kind(0xF001) is None


def test_nested_classes_follow_the_same_rules() -> None:
    with pytest.raises(SchemaError, match=r"WithInitVar: seed"):
        holder(WithInitVar)


# -- one kind, one class ---------------------------------------------------------------------------------------------

CELL = """
from dataclasses import dataclass

@dataclass
class Leaf:
    n: int

@event(category=0xF, type_id=1)
@dataclass
class Moved:
    x: int
    leaf: Leaf
    before: "Moved | None" = None
"""


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    """Give a module whose text runs again and again, as cells do."""
    module = types.ModuleType("notebook_for_test")
    sys.modules[module.__name__] = module
    registry = Registry()
    vars(module).update(registry=registry, event=registry.event)
    yield module
    del sys.modules[module.__name__]


def run(module: types.ModuleType, text: str) -> None:
    exec(compile(text, "cell", "exec"), vars(module))  # noqa: S102


def test_a_cell_that_runs_again_replaces_its_class(notebook: types.ModuleType) -> None:
    run(notebook, CELL)
    old = notebook.Moved
    run(notebook, CELL)
    new = notebook.Moved
    registry = notebook.registry
    assert new is not old
    assert registry.lookup_kind(0xF001).cls is new
    assert registry.lookup_type(old) is None
    # What refers to itself refers to the new definition.
    instance = new(1, notebook.Leaf(2), new(3, notebook.Leaf(4)))
    known = registry.lookup_type(new)
    assert known.from_plain(known.to_plain(instance)) == instance
    with pytest.raises(InvalidValue, match="another class of that name"):
        known.to_plain(new(1, notebook.Leaf(2), old(3, notebook.Leaf(4))))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: int", "x: float"),
        ("x: int", "z: int"),
        ("x: int\n", "x: int\n    y: int\n"),
        ("n: int", "n: str"),
        ("class Moved", "class Other"),
        ("type_id=1", "type_id=1, version=2"),
    ],
)
def test_a_cell_that_runs_again_with_another_definition_is_refused(
    notebook: types.ModuleType, before: str, after: str
) -> None:
    run(notebook, CELL)
    old = notebook.registry.lookup_kind(0xF001)
    with pytest.raises(DuplicateKind, match="0xF001"):
        run(notebook, CELL.replace(before, after))
    assert notebook.registry.lookup_kind(0xF001) is old
    assert notebook.registry.lookup_type(old.cls) is old


def test_a_cell_with_a_forward_reference_may_run_again(notebook: types.ModuleType) -> None:
    first = CELL.replace("leaf: Leaf", "leaf: 'Later'")
    run(notebook, first)
    run(notebook, first)
    run(notebook, "@dataclass\nclass Later:\n    n: int\n")
    run(notebook, first)
    known = notebook.registry.lookup_kind(0xF001)
    instance = notebook.Moved(1, notebook.Later(2))
    assert known.from_plain(known.to_plain(instance)) == instance


def test_defaults_and_methods_are_no_part_of_the_definition(notebook: types.ModuleType) -> None:
    run(notebook, CELL)
    run(notebook, CELL.replace('| None" = None', '| None" = None\n    def far(self): return True'))
    assert notebook.registry.lookup_kind(0xF001).cls is notebook.Moved


def test_two_classes_on_one_kind_are_refused() -> None:
    registry = Registry()
    register(Point, registry)
    with pytest.raises(DuplicateKind, match=r"Node.*Point") as caught:
        register(Node, registry)
    assert caught.value.type_name == "Node"
    assert registry.lookup_type(Node) is None


def test_one_class_on_two_kinds_is_refused() -> None:
    registry = Registry()
    register(Point, registry, type_id=1)
    with pytest.raises(SchemaError, match="already registered as kind 0xF001"):
        register(Point, registry, type_id=2)
    with pytest.raises(SchemaError, match="already registered as kind 0xF001 version 1"):
        register(Point, registry, version=2)


def test_the_same_class_twice_is_once() -> None:
    registry = Registry()
    first = register(Point, registry)
    assert register(Point, registry) is first


def test_many_threads_register_and_one_of_two_rivals_wins() -> None:
    registry = Registry()
    barrier = threading.Barrier(8)
    won: list[int] = []

    def work(number: int) -> None:
        barrier.wait()
        for type_id in range(50):
            try:
                register(make_dataclass(f"Rival{number}", [("x", int)]), registry, type_id=type_id)
            except DuplicateKind:
                continue
            won.append(type_id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(50))


def test_the_decorator_without_parentheses() -> None:
    bare: Any = Registry().event
    for attempt in (lambda: bare(Point), lambda: bare(Point, category=0xF, type_id=1)):
        with pytest.raises(TypeError, match=r"write @batpak\.event\(category=0xF, type_id=1\), with"):
            attempt()
    with pytest.raises(TypeError, match="category"):
        bare()
