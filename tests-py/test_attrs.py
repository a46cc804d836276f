"""Classes of attrs as payloads: made again with their constructor, which converts and validates."""

from typing import Any, ClassVar, Generic, TypeVar

import attr
import attrs
import pytest

from batpak._errors import InvalidValue, PayloadMismatch, SchemaError
from schemas import register, same

T = TypeVar("T")


def round_trip(instance: Any) -> dict[str, object]:
    """What is stored for ``instance``, which comes back as it was."""
    known = register(type(instance))
    plain = known.to_plain(instance)
    assert same(known.from_plain(plain), instance)
    return plain


@attrs.define
class Private:
    _secret: int
    __mangled: str = "m"
    named: int = attrs.field(default=1, alias="other", kw_only=True)
    made: list[int] = attrs.field(factory=list)
    whole: int = attrs.field(default="3", converter=int)
    checked: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    derived: int = attrs.field(default=attrs.Factory(lambda self: self._secret + 1, takes_self=True))
    kept: ClassVar[int] = 3


@attrs.frozen(kw_only=True)
class Derived(Private):
    more: "Derived | None" = None


@attr.s
class Classic:
    x = attr.ib(type=int)
    y: str = attr.ib(default="y")  # type: ignore[assignment]


@attrs.define
class Changing:
    n: int = attrs.field(converter=lambda value: value + 1)
    text: str = attrs.field(default="", converter=str.strip)


@attrs.define
class Later:
    x: int = attrs.field(init=False, default=3)


@attr.s
class Untyped:
    x = attr.ib()


@attr.s
class TypedByText:
    x = attr.ib(type="int")


@attrs.define(init=False)
class OwnInit:
    x: int

    def __init__(self, y: int) -> None:
        self.__attrs_init__(y)


@attrs.define
class GenericAttrs(Generic[T]):
    x: T


def test_attrs_classes_are_written_by_their_attributes() -> None:
    plain = {"_secret": 1, "_Private__mangled": "m", "named": 2, "made": [], "whole": 3, "checked": 1, "derived": 2}
    assert round_trip(Private(1, other=2)) == plain
    assert round_trip(Derived(secret=1, other=2, more=Derived(secret=3))) == {
        **plain,
        "more": {**plain, "_secret": 3, "named": 1, "derived": 4, "more": None},
    }
    assert round_trip(Classic(1)) == {"x": 1, "y": "y"}


def test_defaults_of_attrs_fill_what_is_missing() -> None:
    known = register(Private)
    assert known.from_plain({"_secret": 4}) == Private(4)
    with pytest.raises(PayloadMismatch, match=r"payload\._secret: missing"):
        known.from_plain({})


def test_validators_of_attrs_run() -> None:
    with pytest.raises(PayloadMismatch, match="Private refused what was stored: ValueError"):
        register(Private).from_plain({"_secret": 1, "checked": 0})


def test_what_a_converter_changes_is_not_restored_silently() -> None:
    known = register(Changing)
    with pytest.raises(PayloadMismatch, match=r"payload\.n: a converter or validator") as caught:
        known.from_plain(known.to_plain(Changing(1)))
    assert caught.value.path == "payload.n"
    instance = Changing(1)
    instance.n = 1
    assert known.to_plain(instance) == {"n": 2, "text": ""}  # attrs converts on assignment, too


def test_values_that_no_converter_saw_are_checked() -> None:
    instance = Private(1)
    object.__setattr__(instance, "whole", "3")
    with pytest.raises(InvalidValue, match=r"payload\.whole: expected int, found str"):
        register(Private).to_plain(instance)


@pytest.mark.parametrize(
    ("cls", "problem"),
    [
        (Later, "x has init=False"),
        (Untyped, "x has no annotation: write x: T"),
        (TypedByText, "x has no annotation"),
        (OwnInit, "__init__ does not take every field"),
        (GenericAttrs, "without type parameters"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_attrs_classes_that_cannot_be_restored_are_refused(cls: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        register(cls)
