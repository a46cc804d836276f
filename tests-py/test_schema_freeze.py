"""Frozen definitions: written once, read for ever, refused when they are damaged or the class is another one."""

from __future__ import annotations

import base64
import enum
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batpak
from batpak import Registry, Store, schema
from schemas import FIELDS, Colour, Rights, holder
from support import COORD, child_says, contents, contents_and_times, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Line:
    product: str
    count: int = 1


@dataclass(frozen=True)
class Ordered:
    lines: tuple[Line, ...]
    when: datetime
    colour: Colour | None = None
    rights: Rights = Rights.READ
    state: Literal["new", "paid"] = "new"
    notes: dict[str, list[str]] = field(default_factory=dict)


@attrs.frozen
class Packed:
    boxes: tuple[int, ...]
    heavy: bool = False


class Sent(msgspec.Struct):
    by: str
    cost: int | None = None


class Returned(pydantic.BaseModel):
    why: str = pydantic.Field(alias="reason")
    parts: list[int] = []


class Asked(TypedDict):
    question: str
    options: NotRequired[tuple[str, ...]]


FAMILIES: list[type] = [Ordered, Packed, Sent, Returned, Asked]


def all_families() -> Registry:
    registry = Registry()
    for type_id, cls in enumerate(FAMILIES, 1):
        registry.event(category=0xF, type_id=type_id)(cls)
    return registry


def versioned(version: int, *fields: Any, registry: Registry | None = None) -> tuple[Registry, Any]:
    from dataclasses import make_dataclass

    cls = make_dataclass("Versioned", fields)
    registry = Registry() if registry is None else registry
    registry.event(category=0xF, type_id=1, version=version)(cls)
    return registry, cls


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    return tmp_path / "frozen"


# -- freezing ---------------------------------------------------------------------------------------------------------


def test_every_class_has_a_file(frozen: Path) -> None:
    report = schema.freeze(all_families(), frozen)
    assert [(each.type_name, each.kind_code, each.version, each.written) for each in report.classes] == [
        (cls.__name__, 0xF001 + number, 1, True) for number, cls in enumerate(FAMILIES)
    ]
    assert sorted(contents(frozen)) == [each.file for each in report.classes]
    assert all(each.samples > 1 and each.refused == 0 for each in report.classes)


def test_the_same_definition_is_left_alone(frozen: Path) -> None:
    schema.freeze(all_families(), frozen)
    before = contents_and_times(frozen)
    report = schema.freeze(all_families(), frozen)
    assert not any(each.written for each in report.classes)
    assert contents_and_times(frozen) == before


def test_the_files_are_the_same_wherever_they_are_made(tmp_path: Path) -> None:
    """In other processes, with other hash seeds, and the classes registered in another order."""
    code = """
import enum, sys
from dataclasses import dataclass
from typing import Literal
from batpak import Registry, schema
class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"
@dataclass
class Inner:
    x: int
    choice: Literal["c", "b", 1, None] = None
@dataclass
class One:
    inner: dict[str, Inner | int | str | bytes | None]
    colour: Colour
@dataclass
class Two:
    y: int = 1
registry = Registry()
classes = [(1, One), (2, Two), (3, Inner)]
for type_id, cls in classes if sys.argv[2] == "forwards" else reversed(classes):
    registry.event(category=0xF, type_id=type_id)(cls)
print([each.file for each in schema.freeze(registry, sys.argv[1]).classes])
"""
    found = [child_says(code, tmp_path / order, order) for order in ("forwards", "backwards")]
    assert found == ["['0xF001.v1.json', '0xF002.v1.json', '0xF003.v1.json']"] * 2
    assert contents(tmp_path / "forwards") == contents(tmp_path / "backwards")


def test_a_file_can_be_read_by_people(frozen: Path) -> None:
    @dataclass
    class Moved:
        x: int
        when: datetime
        to: Literal["a"] | None = None

    registry = Registry()
    registry.event(category=0xA, type_id=0xBC, version=3)(Moved)
    schema.freeze(registry, frozen)
    text = (frozen / "0xA0BC.v3.json").read_text(encoding="ascii")
    assert text.endswith("}\n")
    value = json.loads(text)
    assert list(value) == sorted(value)
    name = value["definition"]["class"]
    assert name.endswith(".Moved")
    assert value["definition"]["classes"][name] == {
        "x": {"type": "int", "required": True},
        "when": {"type": "datetime", "required": True},
        "to": {"type": {"union": ["None", {"literal": ["a"]}]}, "required": False},
    }
    assert (value["batpak_schema"], value["kind"], value["version"]) == (1, "0xA0BC", 3)
    when = {"$datetime": "2026-01-02T03:04:05.678901+01:00"}
    assert [each["value"] for each in value["samples"]] == [
        {"x": 1, "when": when, "to": "a"},
        {"x": 1, "when": when, "to": None},
        {"x": 1, "when": when},
    ]
    assert decode(base64.b64decode(value["samples"][2]["bytes"]))["x"] == 1


@pytest.mark.parametrize(
    "fields",
    [[("x", str)], [("x", int), ("y", int, 0)], [], [("x", int, 0)], [("x", int | None)], [("y", int)]],
)
def test_a_version_with_another_definition_is_refused(frozen: Path, fields: list[Any]) -> None:
    schema.freeze(versioned(1, ("x", int))[0], frozen)
    before = contents(frozen)
    registry, _ = versioned(1, *fields)
    other = Registry()
    with pytest.raises(batpak.DefinitionChanged, match=r"version 1 of Versioned.*raise version=") as caught:
        schema.freeze(registry, frozen)
    assert (caught.value.type_name, caught.value.version) == ("Versioned", 1)
    assert caught.value.file == str(frozen / "0xF001.v1.json")
    # A class that could be frozen is not, either.
    other.event(category=0xF, type_id=0)(Line)
    versioned(1, *fields, registry=other)
    with pytest.raises(batpak.DefinitionChanged):
        schema.freeze(other, frozen)
    assert contents(frozen) == before


def test_the_names_of_members_are_part_of_the_definition(frozen: Path) -> None:
    schema.freeze(versioned(1, ("w", Weather))[0], frozen)
    renamed: Any = enum.Enum("Weather", {"ARID": "dry", "WET": "wet"})
    registry, _ = versioned(1, ("w", renamed))
    with pytest.raises(batpak.DefinitionChanged, match=r"Versioned\.w is different now"):
        schema.freeze(registry, frozen)
    # What is stored is the value, so what was written can be read.
    [result] = schema.check(registry, frozen).results
    assert (result.ok, [change.what for change in result.changes]) == (True, ["value_renamed"])


def test_a_new_version_is_another_file(frozen: Path) -> None:
    schema.freeze(versioned(1, ("x", int))[0], frozen)
    report = schema.freeze(versioned(2, ("x", str))[0], frozen)
    assert [each.file for each in report.classes] == ["0xF001.v2.json"]
    assert sorted(contents(frozen)) == ["0xF001.v1.json", "0xF001.v2.json"]


def test_order_names_and_defaults_are_no_part_of_the_definition(frozen: Path) -> None:
    schema.freeze(versioned(1, ("x", int), ("y", str, "a"))[0], frozen)

    @dataclass
    class Renamed:
        y: str = "b"
        x: int = field(kw_only=True)

    registry = Registry()
    registry.event(category=0xF, type_id=1)(Renamed)
    assert not schema.freeze(registry, frozen).classes[0].written
    [result] = schema.check(registry, frozen).results
    assert result.ok
    assert [(change.what, change.safe) for change in result.changes] == [("class_renamed", True)]


def test_the_default_registry(frozen: Path) -> None:
    code = """
import sys, batpak
from batpak import schema
from dataclasses import dataclass
@batpak.event(category=0xF, type_id=1)
@dataclass
class Here:
    x: int
print(schema.freeze(None, sys.argv[1]).classes[0].type_name, schema.check(None, sys.argv[1]).ok)
"""
    assert child_says(code, frozen) == "Here True"


def test_a_registry_without_classes(frozen: Path) -> None:
    with pytest.raises(batpak.SchemaError, match="no class"):
        schema.freeze(Registry(), frozen)
    assert not frozen.exists()


# -- samples ----------------------------------------------------------------------------------------------------------


@dataclass
class Even:
    number: int
    note: str = ""

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


def test_a_class_that_accepts_no_derived_sample_needs_some(frozen: Path) -> None:
    registry = Registry()
    registry.event(category=0xF, type_id=1)(Even)
    with pytest.raises(batpak.SchemaError, match="Even accepts no sample") as caught:
        schema.freeze(registry, frozen)
    assert isinstance(caught.value.__cause__, batpak.PayloadMismatch)
    assert not frozen.exists()
    [report] = schema.freeze(registry, frozen, samples={Even: [Even(2), Even(4, "four"), Even(2)]}).classes
    assert (report.samples, report.refused) == (2, 2)
    assert schema.check(registry, frozen).ok


def test_samples_of_users_come_first(frozen: Path) -> None:
    registry = all_families()
    order = Ordered((Line("tea", 2),), datetime(2026, 5, 1, tzinfo=UTC))
    asked: Asked = {"question": "why?"}
    derived = {each.type_name: each.samples for each in schema.freeze(registry, frozen.with_name("other")).classes}
    report = schema.freeze(registry, frozen, samples={Ordered: [order], Asked: [asked]})
    counts = {each.type_name: each.samples for each in report.classes}
    assert counts == {**derived, "Ordered": derived["Ordered"] + 1, "Asked": derived["Asked"] + 1}
    first = json.loads((frozen / "0xF005.v1.json").read_text())["samples"][0]
    assert first["value"] == asked


def test_bad_samples_are_refused(frozen: Path) -> None:
    registry = all_families()
    samples: list[tuple[type[Exception], Any]] = [
        (batpak.UnregisteredType, {Line: [Line("x")]}),
        (batpak.InvalidValue, {Ordered: [Line("x")]}),
        (batpak.InvalidValue, {Ordered: [Ordered((), datetime(2026, 1, 1))]}),
        (batpak.InvalidValue, {Asked: [{"question": 1}]}),
        (TypeError, {"Ordered": []}),
    ]
    for expected, given_samples in samples:
        with pytest.raises(expected):
            schema.freeze(registry, frozen, samples=given_samples)
    assert not frozen.exists()


# -- checking ---------------------------------------------------------------------------------------------------------


def test_what_was_frozen_is_read(frozen: Path) -> None:
    registry = all_families()
    schema.freeze(registry, frozen)
    report = schema.check(registry, frozen)
    assert report.ok
    assert report.not_frozen == ()
    assert all(result.ok and result.changes == () and result.failures == () for result in report.results)
    assert [result.type_name for result in report.results] == [cls.__name__ for cls in FAMILIES]
    assert report.to_dict()["results"][0]["known_version"] == 1
    assert "Ordered" in report._repr_html_()


@pytest.mark.parametrize(
    ("fields", "what", "ok"),
    [
        ([("x", int), ("y", str), ("z", int, 0)], "field_added", True),
        ([("x", int | None), ("y", str)], "type_widened", True),
        ([("x", int), ("y", str), ("z", int)], "field_added", False),
        ([("x", int)], "field_removed", False),
        ([("x", int), ("text", str)], "field_renamed", False),
        ([("x", str), ("y", str)], "type_changed", False),
    ],
)
def test_changes_of_a_version(frozen: Path, fields: list[Any], what: str, ok: bool) -> None:
    schema.freeze(versioned(1, ("x", int), ("y", str))[0], frozen)
    report = schema.check(versioned(1, *fields)[0], frozen)
    [result] = report.results
    assert (report.ok, result.ok, bool(result.failures)) == (ok, ok, not ok)
    assert what in [change.what for change in result.changes if change.safe is ok]


def test_an_unsafe_change_that_no_sample_shows(frozen: Path) -> None:
    """The samples were given by hand; the definition knows more."""

    @dataclass
    class Choosy:
        choice: Literal["a", "b"]

        def __post_init__(self) -> None:
            if self.choice == "b":
                raise ValueError("not yet")

    first, second = Registry(), Registry()
    first.event(category=0xF, type_id=1)(Choosy)
    schema.freeze(first, frozen)
    versioned(1, ("choice", Literal["a"]), registry=second)
    [result] = schema.check(second, frozen).results
    assert result.failures == ()
    assert not result.ok
    assert [change.what for change in result.changes if not change.safe] == ["value_removed"]


def test_a_class_that_refuses_what_it_accepted(frozen: Path) -> None:
    schema.freeze(versioned(1, ("number", int), ("note", str, ""))[0], frozen)
    registry = Registry()
    registry.event(category=0xF, type_id=1)(Even)
    [result] = schema.check(registry, frozen).results
    assert not result.ok
    assert "Even refused what was stored: ValueError: odd" in result.failures[0]


def test_versions_that_were_lowered_and_classes_that_are_gone(frozen: Path) -> None:
    schema.freeze(versioned(1, ("x", int))[0], frozen)
    schema.freeze(versioned(2, ("x", str))[0], frozen)
    report = schema.check(versioned(1, ("x", int))[0], frozen)
    assert [(result.version, result.known_version, result.ok) for result in report.results] == [
        (1, 1, True),
        (2, 1, False),
    ]
    assert "versions only rise" in report.results[1].failures[0]
    other = Registry()
    other.event(category=0xF, type_id=2)(Line)
    report = schema.check(other, frozen)
    assert [(result.known_version, result.ok) for result in report.results] == [(None, False)] * 2
    assert "nothing is registered for kind 0xF001" in report.results[0].failures[0]
    assert report.not_frozen == ("Line version 1",)


def lifting(version: int, steps: dict[int, Any], *fields: Any) -> Registry:
    registry, cls = versioned(version, *fields)
    for step, lift in steps.items():
        registry.upcast(cls, from_version=step)(lift)
    return registry


def test_older_versions_are_read_through_their_upcasters(frozen: Path) -> None:
    schema.freeze(versioned(1, ("position", tuple[int, int] | None))[0], frozen)
    schema.freeze(versioned(2, ("x", int), ("y", int))[0], frozen)
    third = ("x", float), ("y", float), ("fast", bool)

    def split(plain: dict[str, Any]) -> dict[str, Any]:
        x, y = plain["position"] or (0, 0)
        return {"x": x, "y": y}

    def as_floats(plain: dict[str, Any]) -> dict[str, Any]:
        return {"x": float(plain["x"]), "y": float(plain["y"]), "fast": False}

    good = lifting(3, {1: split, 2: as_floats}, *third)
    report = schema.check(good, frozen)
    assert report.ok
    assert [(result.version, result.known_version, result.samples) for result in report.results] == [
        (1, 3, 2),
        (2, 3, 1),
    ]
    assert report.not_frozen == ("Versioned version 3",)
    schema.freeze(good, frozen)
    assert schema.check(good, frozen).not_frozen == ()

    def forgets_none(plain: dict[str, Any]) -> dict[str, Any]:
        x, y = plain["position"]
        return {"x": x, "y": y}

    first, *others = schema.check(lifting(3, {1: forgets_none, 2: as_floats}, *third), frozen).results
    assert all(result.ok for result in others)
    [failure] = first.failures
    assert "upcaster of Versioned from version 1 to 2 raised TypeError" in failure
    first, second, _ = schema.check(lifting(3, {1: split, 2: dict}, *third), frozen).results
    assert not first.ok
    assert "payload.x: expected float, found int" in second.failures[0]
    first, second, third_result = schema.check(lifting(3, {}, *third), frozen).results
    assert "nothing lifts version 1 to 3" in first.failures[0]
    assert (second.ok, third_result.ok) == (False, True)
    with pytest.raises(batpak.UpcasterMissing):
        schema.check(lifting(3, {2: as_floats}, *third), frozen)


def test_a_directory_of_another_program(frozen: Path, tmp_path: Path) -> None:
    code = """
import sys
from batpak import Registry, schema
from dataclasses import dataclass
registry = Registry()
@registry.event(category=0xF, type_id=1)
@dataclass
class Versioned:
    x: int
schema.freeze(registry, sys.argv[1])
"""
    child_says(code, frozen)
    assert schema.check(versioned(1, ("x", int))[0], frozen).ok


def test_what_is_frozen_is_what_stores_read(frozen: Path, path: Path) -> None:
    """The same events, through a journal."""
    registry = all_families()
    schema.freeze(registry, frozen)
    expected = []
    with Store.open(path, registry=Registry()) as store:
        for file in sorted(frozen.iterdir()):
            content = json.loads(file.read_text())
            known = registry.lookup_kind(int(content["kind"], 16))
            assert known is not None
            for sample in content["samples"]:
                value = decode(base64.b64decode(sample["bytes"]))
                event = store.get(store.append(COORD, value, kind=known.kind_code, version=1).sequence)
                assert base64.b64encode(event.raw_payload).decode() == sample["bytes"]
                expected.append(known.from_plain(value))
    with Store.open(path, registry=registry, read_only=True) as store:
        assert [event.payload for event in store.query()] == expected


@given(st.lists(st.sampled_from([annotation for annotation, _ in FIELDS]), min_size=1, max_size=6))
def test_what_freezes_is_read(tmp_path_factory: pytest.TempPathFactory, annotations: list[Any]) -> None:
    directory = tmp_path_factory.mktemp("frozen")
    registry, _ = versioned(1, *((f"field_{number}", each) for number, each in enumerate(annotations)))
    schema.freeze(registry, directory)
    [result] = schema.check(registry, directory).results
    assert result.ok
    assert result.changes == ()
    assert not schema.freeze(registry, directory).classes[0].written


# -- damaged files ----------------------------------------------------------------------------------------------------


def file_of(frozen: Path) -> tuple[Registry, Path]:
    registry, _ = versioned(1, ("x", int), ("y", str | None, None))
    schema.freeze(registry, frozen)
    return registry, frozen / "0xF001.v1.json"


def refused(registry: Registry, file: Path, match: str = r"0xF001\.v1\.json: ") -> None:
    for use in (lambda: schema.check(registry, file.parent), lambda: schema.freeze(registry, file.parent)):
        with pytest.raises(batpak.InvalidFixture, match=match) as caught:
            use()
        assert caught.value.file == str(file)
        assert str(file) in str(caught.value)


BYTES = "CQIBeAMCAXkGBHRleHQ="
SPOILED: list[tuple[str, str]] = [
    ('"batpak_schema": 1', '"batpak_schema": true'),
    ('"batpak_schema": 1', '"batpak_schema": 0'),
    ('"batpak_schema": 1,', ""),
    ('"kind": "0xF001"', '"kind": "0xF002"'),
    ('"version": 1', '"version": 2'),
    ('"version": 1', '"version": true'),
    ('"version": 1', '"version": 1, "more": 1'),
    ('"version": 1', '"version": 1, "version": 1'),
    ('"required": true', '"required": 1'),
    ('"type": "int"', '"type": "integer"'),
    ('"x": 1', '"x": 2'),
    ('"x": 1', '"x": 1.0'),
    ('"x": 1', '"x": {"$int": "x"}'),
    (BYTES, BYTES[:-1]),
    (BYTES, "AAAA" + BYTES),
    (BYTES, BYTES[:8]),
    (BYTES, "!" + BYTES),
    (BYTES, "\u00e4"),
    ('"samples": [', '"samples": [1, '),
    ('"value"', '"values"'),
    ("{", "["),
]


@pytest.mark.parametrize(("found", "instead"), SPOILED)
def test_a_changed_file_is_refused(frozen: Path, found: str, instead: str) -> None:
    registry, file = file_of(frozen)
    text = file.read_text()
    assert found in text
    file.write_text(text.replace(found, instead, 1), encoding="utf-8")
    refused(registry, file, "version control")


class Weather(enum.Enum):
    """Its names are in the file, and no part of what is compared."""

    DRY = "dry"
    WET = "wet"


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    members = json.loads(file.read_text())
    change(members)
    file.write_text(json.dumps(members, indent=2, sort_keys=True) + "\n")


def fields_of(members: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = members["definition"]["classes"][members["definition"]["class"]]
    return fields


HAND: list[Callable[[dict[str, Any]], object]] = [
    lambda members: fields_of(members)["y"].update(type="str"),
    lambda members: fields_of(members)["y"].update(required=True),
    lambda members: fields_of(members).pop("y"),
    lambda members: fields_of(members).update(z={"type": "int", "required": False}),
    lambda members: fields_of(members)["w"]["type"]["enum"].update(SUN="sun"),
    lambda members: fields_of(members)["w"].update(type={"enum": {"ARID": "dry", "WET": "wet"}}),
    lambda members: members["samples"].pop(),
    lambda members: members["samples"].pop(0),
    lambda members: members["samples"].reverse(),
    lambda members: members["samples"].append(members["samples"][0]),
    lambda members: members.pop("digest"),
    lambda members: members.update(digest=members["digest"].upper()),
    lambda members: members.update(digest=members["digest"][:-1]),
    lambda members: members.update(digest="0" * 64),
    lambda members: members.update(digest=None),
]


@pytest.mark.parametrize("change", HAND)
def test_a_file_that_is_well_formed_and_was_changed_by_hand_is_refused(
    frozen: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    registry, _ = versioned(1, ("x", int), ("y", str | None, None), ("w", Weather, Weather.DRY))
    schema.freeze(registry, frozen)
    file = frozen / "0xF001.v1.json"
    rewrite(file, lambda members: None)
    assert schema.check(registry, frozen).ok
    rewrite(file, change)
    refused(registry, file, "its digest is not that of the other members; restore it from version control, or remove")
    # What the message says works.
    file.unlink()
    schema.freeze(registry, frozen)
    assert schema.check(registry, frozen).ok


def test_the_digest_is_that_of_the_other_members(frozen: Path) -> None:
    _, file = file_of(frozen)
    members = json.loads(file.read_text())
    told = members.pop("digest")
    assert told == sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def test_large_samples(frozen: Path) -> None:
    registry, cls = versioned(1, ("x", str))
    schema.freeze(registry, frozen, samples={cls: [cls(x=letter * 7_000_000) for letter in "abc"]})
    assert schema.check(registry, frozen).ok


def test_another_spelling_of_the_same_file_is_read(frozen: Path) -> None:
    registry, file = file_of(frozen)
    members = json.loads(file.read_text())
    file.write_text(json.dumps(dict(reversed(members.items())), indent=None), newline="\r\n")
    assert schema.check(registry, frozen).ok
    assert not schema.freeze(registry, frozen).classes[0].written


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"x", b"[" * 100_000], ids=len)
def test_what_is_no_such_file_is_refused(frozen: Path, content: bytes) -> None:
    registry, file = file_of(frozen)
    file.write_bytes(content)
    refused(registry, file)


def test_no_samples(frozen: Path) -> None:
    registry, file = file_of(frozen)
    value = json.loads(file.read_text())
    file.write_text(json.dumps(value | {"samples": []}))
    refused(registry, file, "at least one sample")


def test_a_newer_form_says_so(frozen: Path) -> None:
    registry, file = file_of(frozen)
    file.write_text(file.read_text().replace('"batpak_schema": 1', '"batpak_schema": 2'))
    refused(registry, file, "upgrade")


@pytest.mark.parametrize("cut", [1, 10, 100, 400])
def test_a_file_that_was_cut_is_refused(frozen: Path, cut: int) -> None:
    registry, file = file_of(frozen)
    file.write_bytes(file.read_bytes()[:-cut].rstrip())
    if cut > 1:
        refused(registry, file)
    else:
        assert schema.check(registry, frozen).ok


@pytest.mark.parametrize("name", ["0xF001.json", "0xf001.v1.json", "0xF001.v0.json", "0xF001.v01.json", "copy.json"])
def test_a_file_of_another_name_is_refused(frozen: Path, name: str) -> None:
    registry, file = file_of(frozen)
    file.rename(frozen / name)
    with pytest.raises(batpak.InvalidFixture, match="its name"):
        schema.check(registry, frozen)


def test_other_files_may_lie_beside_them(frozen: Path) -> None:
    registry, _ = file_of(frozen)
    (frozen / "README.md").write_text("see docs")
    (frozen / ".hidden.json").write_text("")
    assert schema.check(registry, frozen).ok


def test_a_directory_without_any_is_refused(frozen: Path) -> None:
    registry, _ = versioned(1, ("x", int))
    for _ in range(2):
        with pytest.raises(batpak.InvalidFixture, match="freeze them first") as caught:
            schema.check(registry, frozen)
        assert caught.value.file == str(frozen)
        frozen.mkdir(exist_ok=True)


def test_a_file_is_no_directory(frozen: Path) -> None:
    registry, _ = versioned(1, ("x", int))
    frozen.write_text("a file")
    for use in (schema.freeze, schema.check):
        with pytest.raises(batpak.InvalidFixture, match="name the directory") as caught:
            use(registry, frozen)
        assert caught.value.file == str(frozen)


def test_a_directory_is_no_file(frozen: Path) -> None:
    registry, file = file_of(frozen)
    file.unlink()
    file.mkdir()
    refused(registry, file, "it is a directory: keep others apart")


def test_the_operating_system_may_refuse(frozen: Path) -> None:
    registry, _ = versioned(1, ("x", int))
    frozen.write_text("a file")
    with pytest.raises(OSError):
        schema.freeze(registry, frozen / "below")


def test_arguments_of_another_type(frozen: Path) -> None:
    registry, cls = versioned(1, ("x", int))
    for use in (schema.freeze, schema.check):
        for wrong in (5, "module", Registry):
            with pytest.raises(
                TypeError, match=r"registry must be a batpak\.Registry, or None for the process-wide one"
            ):
                use(wrong, frozen)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            use(registry, 5)  # type: ignore[arg-type]
    samples: list[Any] = [[cls(x=1)], 5, {cls: cls(x=1)}, {cls: 5}, {cls: {"x": 1}}, {cls: "x"}, {5: [cls(x=1)]}]
    for each in samples:
        with pytest.raises(TypeError):
            schema.freeze(registry, frozen, samples=each)
    assert not frozen.exists()


@given(st.data())
def test_flipped_bytes_never_pass_for_another_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever one byte becomes: refused, or all is what it was."""
    directory = tmp_path_factory.mktemp("frozen")
    registry, file = file_of(directory)
    before = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(before) - 1))
    before[place] ^= data.draw(st.integers(1, 255))
    from batpak._schemas.fixtures import read_fixture

    fixture = read_fixture(file)
    file.write_bytes(before)
    try:
        assert read_fixture(file) == fixture
    except batpak.InvalidFixture:
        pass


def test_a_forward_reference_that_names_nothing(frozen: Path) -> None:
    registry = Registry()

    @registry.event(category=0xF, type_id=1)
    @dataclass
    class Later:
        other: NowhereToBeFound  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(batpak.UnsupportedAnnotation, match="NowhereToBeFound"):
        schema.freeze(registry, frozen)
    assert not frozen.exists()


def test_holders_of_everything_freeze_together(frozen: Path) -> None:
    registry = Registry()
    for type_id, (annotation, _) in enumerate(FIELDS):
        registry.event(category=0xE, type_id=type_id)(holder(annotation).cls)
    schema.freeze(registry, frozen)
    report = schema.check(registry, frozen)
    assert report.ok
    assert len(report.results) == len(FIELDS)
