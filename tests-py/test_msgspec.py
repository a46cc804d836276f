"""Structs of msgspec as payloads: made again with their constructor, by the names of the attributes."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
import pytest

from batpak._errors import PayloadMismatch, SchemaError, UnsupportedAnnotation
from schemas import register, same

T = TypeVar("T")


def round_trip(instance: Any) -> dict[str, object]:
    """What is stored for ``instance``, which comes back as it was."""
    known = register(type(instance))
    plain = known.to_plain(instance)
    assert same(known.from_plain(plain), instance)
    return plain


class Renamed(msgspec.Struct, rename="camel", tag="renamed", omit_defaults=True, array_like=True, frozen=True):
    some_thing: int
    other: str = msgspec.field(default="x", name="andere")
    items: list[int] = msgspec.field(default_factory=list)
    kept: ClassVar[int] = 3


class ByKeyword(Renamed, kw_only=True):
    need: Annotated[int, msgspec.Meta(ge=0)]
    more: int = 1
    next: "ByKeyword | None" = None


class Counted(msgspec.Struct):
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("negative")


class GenericStruct(msgspec.Struct, Generic[T]):
    x: T


class WithUnset(msgspec.Struct):
    x: int | msgspec.UnsetType = msgspec.UNSET


def test_structs_are_written_by_their_attributes() -> None:
    assert round_trip(Renamed(1)) == {"some_thing": 1, "other": "x", "items": []}
    inner = ByKeyword(1, need=2)
    plain = {"some_thing": 1, "other": "x", "items": [], "need": 2, "more": 1, "next": None}
    assert round_trip(inner) == plain
    assert round_trip(ByKeyword(1, "y", [3], need=2, next=inner))["next"] == plain


def test_defaults_of_structs_fill_what_is_missing() -> None:
    known = register(ByKeyword)
    first: Any = known.from_plain({"some_thing": 1, "need": 2})
    second: Any = known.from_plain({"some_thing": 1, "need": 2})
    assert first == second == ByKeyword(1, need=2)
    assert first.items is not second.items
    for missing in ({"some_thing": 1}, {"need": 1}):
        with pytest.raises(PayloadMismatch, match="missing, and ByKeyword has no default"):
            known.from_plain(missing)


def test_post_init_of_a_struct_runs() -> None:
    known = register(Counted)
    assert round_trip(Counted(1)) == {"n": 1}
    with pytest.raises(PayloadMismatch, match="Counted refused what was stored: ValueError: negative"):
        known.from_plain({"n": -1})


def test_structs_that_cannot_be_restored_are_refused() -> None:
    with pytest.raises(SchemaError, match="GenericStruct: .*without type parameters"):
        register(GenericStruct)
    with pytest.raises(UnsupportedAnnotation, match=r"WithUnset\.x: UnsetType"):
        register(WithUnset)


class Before(msgspec.Struct):
    after: "After"


BEFORE = register(Before)


class After(msgspec.Struct):
    n: int


def test_a_struct_may_refer_to_what_comes_later() -> None:
    assert BEFORE.from_plain({"after": {"n": 1}}) == Before(After(1))


def test_a_struct_whose_annotation_names_nothing_is_told() -> None:
    class Lost(msgspec.Struct):
        x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UnsupportedAnnotation, match=r"Lost\.x: .*Nowhere") as caught:
        register(Lost).from_plain({"x": 1})
    assert caught.value.field == "x"
