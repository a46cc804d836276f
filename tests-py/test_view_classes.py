"""A kept state goes with the event classes and upcasters that read the events: with others it is made anew."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

import batpak
from batpak import Event, Projection, Registry, Store, _batpak, check_determinism, verify_run
from batpak._projections.classes import classes_digest
from projections_support import Total, add
from support import COORD, child_says, encode

if TYPE_CHECKING:
    from pathlib import Path

CHANGED = "an event class or upcaster changed"
RATE = 1


class Call(TypedDict):
    tokens: int


Lift = Any


def once(plain: dict[str, Any]) -> dict[str, Any]:
    return {"tokens": plain["tok"] * 1}


def hundredfold(plain: dict[str, Any]) -> dict[str, Any]:
    return {"tokens": plain["tok"] * 100}


def calls(lift: Lift = once, cls: type = Call, version: int = 2) -> Registry:
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=version)(cls)
    for step in range(1, version):
        registry.upcast(cls, from_version=step)(lift)
    return registry


def tokens(registry: Registry) -> type[Projection[int]]:
    class Tokens(Projection[int]):
        name = "tokens"

        def initial(self) -> int:
            return 0

        @batpak.on(0xF001)
        def called(self, state: int, event: Event) -> int:
            payload = event.payload
            return state + int(payload["tokens"] if isinstance(payload, dict) else payload.tokens)

    Tokens.registry = registry
    return Tokens


def snapshot_and_reopen(path: Path, before: Registry, after: Registry) -> tuple[int, str | None]:
    """The state and why it was made anew, when a snapshot was kept with the one registry and is read with the other."""
    with Store.open(path, registry=before) as store:
        store.append(COORD, {"tok": 5}, kind=0xF001, version=1)
        with store.materialise(tokens(before)) as view:
            assert view.read().state == 5
    with Store.open(path, registry=after) as store:
        projected = store.materialise(tokens(after)).read(max_stale="any")
        return projected.state, projected.rebuilt


def test_another_upcaster_makes_the_state_anew(path: Path) -> None:
    assert snapshot_and_reopen(path, calls(), calls(hundredfold)) == (500, CHANGED)


def test_the_same_upcaster_does_not(path: Path) -> None:
    assert snapshot_and_reopen(path, calls(), calls()) == (5, None)


def test_a_new_default_makes_the_state_anew(path: Path) -> None:
    @dataclass(frozen=True)
    class Call:
        tokens: int

    before = Call

    @dataclass(frozen=True)
    class Call:  # type: ignore[no-redef]
        tokens: int
        rate: int = 100

    assert snapshot_and_reopen(path, calls(cls=before), calls(cls=Call))[1] == CHANGED


def test_a_class_that_comes_or_goes(path: Path) -> None:
    with Store.open(path, registry=Registry()) as store:
        add(store, 1)
        store.materialise(Total).save()
        assert store.materialise(Total).read().rebuilt is None
        store._registry.event(category=0xF, type_id=2)(Call)
        assert store.materialise(Total).read().rebuilt is None
        store._registry.event(category=0xF, type_id=1)(TypedDict("Other", {"x": int}))
        assert store.materialise(Total).read(max_stale="any").rebuilt == CHANGED


class Everything(Projection[int]):
    name = "everything"

    def initial(self) -> int:
        return 0

    def otherwise(self, state: int, event: Event) -> int:
        return state + 1


def test_what_takes_every_kind_goes_with_every_class() -> None:
    one, both = calls(), calls()
    both.event(category=0xF, type_id=2)(TypedDict("Other", {"x": int}))
    assert classes_digest(tokens(one), one) == classes_digest(tokens(both), both)
    assert classes_digest(Everything, one) != classes_digest(Everything, both)


def test_classes_that_change_while_a_view_is_held(path: Path) -> None:
    registry = calls()
    with Store.open(path, registry=registry) as store:
        store.append(COORD, {"tok": 5}, kind=0xF001, version=1)
        view = store.materialise(tokens(registry))
        assert view.read().state == 5
        hundredfold.__qualname__ = "once"
        try:
            registry.upcast(Call, from_version=1)(hundredfold)
        finally:
            hundredfold.__qualname__ = "hundredfold"
        # What was kept by the old function is not given as a stale state either, and is saved under the old name only.
        assert view.save() == view.applied
        projected = view.read(max_stale="any")
        assert (projected.state, projected.rebuilt) == (500, CHANGED)
        assert store.materialise(tokens(registry)).read().rebuilt == CHANGED
        view.save()
        assert store.materialise(tokens(registry)).read().rebuilt is None
        assert view.read(max_stale="any").folded_now == 0


def test_a_run_tells_of_the_classes(path: Path) -> None:
    registry = calls()
    with Store.open(path, registry=registry) as store:
        store.append(COORD, {"tok": 5}, kind=0xF001, version=1)
        projection = tokens(registry)
        attestation = store.materialise(projection).attest()
        assert check_determinism(store, projection).code_digest == attestation.report.inputs["code_digest"]
    with Store.open(path, registry=calls(), read_only=True) as store:
        found = verify_run(store, attestation, projection)
        assert (found.ok, found.code_agrees, found.state) == (True, True, 5)
    with Store.open(path, registry=calls(hundredfold), read_only=True) as store:
        found = verify_run(store, attestation, projection)
        assert (found.ok, found.code_agrees, found.state_agrees, found.state) == (False, False, False, 500)


class Rated(Total):
    name = "rated"

    def added(self, state: int, event: Event) -> int:
        return state + int(event.payload) * RATE


def test_check_compares_the_kept_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    view = store.materialise(Rated)
    assert view.check().ok
    add(store, 1, 2)
    view.save()
    add(store, 3)
    assert view.check().ok
    # A helper outside the class: no digest sees it.
    monkeypatch.setitem(globals(), "RATE", 100)
    assert store.materialise(Rated).read(max_stale="any").rebuilt is None
    for kept in (view, store.materialise(Rated)):
        report = kept.check()
        assert not report.ok
        finding = report.findings[0]
        assert (finding.code, finding.sequence) == ("kept_differs", 2)
    view.forget()
    renewed = store.materialise(Rated)
    assert renewed.read().state == 600
    # Another process has the helper as it is in the file.
    assert [finding.code for finding in renewed.check().findings] == ["child_differs"]


def test_check_compares_how_many_events_it_was(store: Store) -> None:
    add(store, 1, 2)
    store.materialise(Total).save()
    kept = _batpak.decode_value(_batpak.kept(store._core, "projections", "total") or b"")
    _batpak.keep(store._core, "projections", "total", encode({**kept, "events": 9}))
    report = store.materialise(Total).check()
    assert (report.ok, report.findings[0].code) == (False, "kept_differs")
    assert "number of events" in report.findings[0].message


# -- what the digest is of --------------------------------------------------------------------------------------------

HEAD = """
import dataclasses, enum, functools
from dataclasses import dataclass, field
from typing import Optional, TypedDict
import attrs, msgspec, pydantic
import batpak
registry = batpak.Registry()
class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"
def one():
    return 1
class P(batpak.Projection[int]):
    name = "p"
    def initial(self):
        return 0
    @batpak.on(0xF001)
    def take(self, state, event):
        return state
"""

DATACLASS = """
@dataclass(frozen=True)
class Inner:
    x: int = 1
@registry.event(category=0xF, type_id=1, version=2)
@dataclass(frozen=True)
class Call:
    tokens: int
    rate: int = 1
    color: Color = Color.RED
    made: int = field(default_factory=one)
    inner: Inner = Inner()
    either: Inner | int | str = 3
    pair: tuple[Inner, dict[str, int]] = (Inner(), {})
    tags: list[str] = field(default_factory=list)
    BASE = 10
    def __post_init__(self):
        assert self.tokens > 0
    @property
    def cost(self):
        return self.tokens * 2
    @functools.cached_property
    def kept(self):
        return self.tokens * 3
@registry.upcast(Call, from_version=1)
def lift(plain):
    plain["tokens"] = plain.pop("tok") * 4
    return plain
"""

ATTRS = """
@registry.event(category=0xF, type_id=1)
@attrs.frozen
class Call:
    tokens: int
    rate: int = 1
    made: int = attrs.field(factory=one)
    def cost(self):
        return self.tokens * 2
"""

STRUCT = """
@registry.event(category=0xF, type_id=1)
class Call(msgspec.Struct, frozen=True):
    tokens: int
    rate: int = 1
    made: int = msgspec.field(default_factory=one)
    def cost(self):
        return self.tokens * 2
"""

MODEL = """
@registry.event(category=0xF, type_id=1)
class Call(pydantic.BaseModel):
    tokens: int
    rate: int = 1
    made: int = pydantic.Field(default_factory=one)
    def cost(self):
        return self.tokens * 2
"""

PYDANTIC_DATACLASS = """
@registry.event(category=0xF, type_id=1)
@pydantic.dataclasses.dataclass
class Call:
    tokens: int
    rate: int = 1
    made: int = pydantic.Field(default_factory=one)
    def cost(self):
        return self.tokens * 2
"""

TYPED_DICT = """
@registry.event(category=0xF, type_id=1)
class Call(TypedDict):
    tokens: int
    rate: int
"""

UPCASTERS = """
@registry.event(category=0xF, type_id=1, version=4)
class Call(TypedDict):
    tokens: int
class Times:
    def __init__(self, rate):
        self.rate = rate
    def __call__(self, plain):
        return {"tokens": plain["tokens"] * self.rate + 7}
    def method(self, plain):
        return {"tokens": plain["tokens"] * self.rate + 8}
def times(rate, plain):
    return {"tokens": plain["tokens"] * rate + 9}
registry.upcast(Call, from_version=1)(Times(21))
registry.upcast(Call, from_version=2)(Times(22).method)
registry.upcast(Call, from_version=3)(functools.partial(times, 23))
"""

LATER = """
@registry.event(category=0xF, type_id=1)
@dataclass
class Call:
    tokens: int
    rate: "Optional[Never]" = None
"""

SHARED = [
    ("tokens: int", "tokens: float"),
    ("rate: int = 1", "rate: int = 2"),
    ("* 2", "* 5"),
    ("return 1", "return 2"),
]
OWN = [("type_id=1,", "type_id=2,"), ("version=2", "version=3"), ("= Color.RED", "= Color.BLUE"), ("x: int = 1", "x: int = 2"), ('"blue"', '"green"'),
       ("BASE = 10", "BASE = 11"), ("> 0", "> 1"), ("dict[str, int]", "dict[str, str]"), ("Inner | int |", "Inner | int | bool |"), ("| str", "| bytes"), ("* 3", "* 5"), ("* 4", "* 5"), ("default_factory=list", "default_factory=tuple")]  # fmt: skip


def digest(source: str) -> bytes:
    names: dict[str, Any] = {"__name__": "theirs"}
    exec(compile(HEAD + source, "<theirs>", "exec", dont_inherit=True), names)
    return classes_digest(names["P"], names["registry"])


def changed(source: str, pairs: list[tuple[str, str]]) -> set[bytes]:
    """The digests after each of these changes, of which each changes something."""
    for old, _ in pairs:
        assert old in HEAD + source
    found = []
    for old, new in pairs:
        names: dict[str, Any] = {"__name__": "theirs"}
        exec(compile((HEAD + source).replace(old, new), "<theirs>", "exec", dont_inherit=True), names)
        found.append(classes_digest(names["P"], names["registry"]))
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        pytest.param(DATACLASS, SHARED + OWN, id="dataclass"),
        pytest.param(ATTRS, SHARED, id="attrs"),
        pytest.param(STRUCT, SHARED, id="struct"),
        pytest.param(MODEL, SHARED, id="model"),
        pytest.param(PYDANTIC_DATACLASS, SHARED, id="pydantic dataclass"),
        pytest.param(TYPED_DICT, [("tokens: int", "tokens: float"), ("(TypedDict)", "(TypedDict, total=False)")], id="TypedDict"),
        pytest.param(UPCASTERS, [(each, f"6{each}") for each in ("21", "22", "23", "7}", "8}", "9}")], id="upcasters"),
        pytest.param(LATER, [("tokens: int", "tokens: float"), ("[Never]", "[Other]")], id="a name that comes later"),
    ],
)  # fmt: skip
def test_a_digest_is_of_what_the_classes_do(
    source: str, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "theirs", types.ModuleType("theirs"))
    known = digest(source)
    assert known == digest("\n\n\n# Further down.\n" + source)
    assert known not in changed(source, pairs)
    program = (
        "import sys; exec(sys.argv[1]); from batpak._projections.classes import classes_digest; "
        "print(classes_digest(P, registry).hex())"
    )
    # A file that is run is the same as one that is imported.
    assert {child_says(program, HEAD + source) for _ in range(2)} == {known.hex()}
