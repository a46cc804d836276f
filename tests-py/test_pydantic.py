"""Pydantic models as payloads: their fields are written, and read without validating them again."""

import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Optional, TypeVar

import pydantic
import pydantic.v1
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, PrivateAttr, RootModel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from batpak._errors import InvalidValue, PayloadMismatch, SchemaError, UnsupportedAnnotation
from schemas import register, same

T = TypeVar("T")


def round_trip(instance: Any) -> dict[str, object]:
    """What is stored for ``instance``, which comes back as it was."""
    known = register(type(instance))
    plain = known.to_plain(instance)
    assert same(known.from_plain(plain), instance)
    return plain


class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper, frozen=True, extra="forbid")
    first: int
    second: str = Field(default="b", alias="2nd", serialization_alias="deux")
    third: int = Field(default=0, validation_alias=AliasChoices("trois", AliasPath("numbers", 2)))


def test_names_are_written_and_not_aliases() -> None:
    assert round_trip(Aliased(FIRST=1, **{"2nd": "x"}, trois=3)) == {"first": 1, "second": "x", "third": 3}
    assert register(Aliased).from_plain({"first": 1}) == Aliased(FIRST=1)


class Swapped(BaseModel):
    a: int = Field(alias="b")
    b: int = Field(alias="a")


class PathToField(BaseModel):
    a: int = Field(validation_alias=AliasPath("b", 0))
    b: list[int]


class PathToItself(BaseModel):
    a: int = Field(validation_alias=AliasChoices("x", AliasPath("a", 0)))


class Extra(BaseModel, extra="allow"):
    x: int


class Excluded(BaseModel):
    x: int = Field(default=1, exclude=True)


class ExcludedIf(BaseModel):
    x: int = Field(default=1, exclude_if=bool)


class Constructs(BaseModel):
    x: int

    @classmethod
    def model_construct(cls, y: int) -> Any:
        raise NotImplementedError(y)


class Box(BaseModel, Generic[T]):
    x: T


@pydantic_dataclass
class ExcludedFromDataclass:
    x: int = Field(default=1, exclude=True)


@pydantic_dataclass
class AliasedDataclass:
    x: int = Field(alias="y")


@pydantic_dataclass(config={"extra": "allow"})
class ExtraDataclass:
    x: int


@pytest.mark.parametrize(
    ("cls", "problem"),
    [
        (Swapped, "the alias of a is the name of the field b"),
        (PathToField, "the alias path of a begins with the name of the field b"),
        (PathToItself, "the alias path of a begins with the name of the field a"),
        (Extra, r'extra="allow".*dict\[str, object\]'),
        (ExtraDataclass, 'extra="allow"'),
        (Excluded, "x is excluded .* private attribute"),
        (ExcludedIf, "x is excluded"),
        (ExcludedFromDataclass, "x is excluded"),
        (AliasedDataclass, "__init__ does not take every field"),
        (Constructs, "model_construct does not take every field"),
        (Box, r"register Box\[\.\.\.\]"),
        (RootModel, "generic model"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_could_not_be_restored_is_refused(cls: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem) as caught:
        register(cls)
    assert caught.value.type_name == cls.__name__


@pytest.mark.parametrize(
    "annotation", [pydantic.SecretStr, pydantic.HttpUrl, pydantic.NaiveDatetime, BaseModel], ids=str
)
def test_types_of_pydantic_that_are_no_plain_value_are_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedAnnotation, match=r"^Holder\.x: "):
        register(pydantic.create_model("Holder", x=(annotation, ...)))


class Marked(BaseModel):
    aware: pydantic.AwareDatetime
    past: pydantic.PastDate
    future: pydantic.FutureDatetime | None = None
    positive: pydantic.PositiveInt = 1
    short: Annotated[str, Field(max_length=3)] = "abc"
    maybe: Optional[Annotated[int, Field(gt=0)]] = None  # noqa: UP045
    version_4: pydantic.UUID4 | None = None
    bounded: Annotated[int, Field(lt=0)] | Annotated[int, Field(gt=9)] = -1
    either: Annotated[int, Field(lt=0)] | Annotated[int, Field(gt=9)] | None = None


def test_markers_of_pydantic_stand_for_what_they_mark() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    known = register(Marked)
    instance = Marked(aware=now, past=date(2000, 1, 1))
    assert same(known.from_plain(known.to_plain(instance)), instance)
    with pytest.raises(InvalidValue, match=r"payload\.past: expected date, found datetime"):
        known.to_plain(instance.model_copy(update={"past": now}))


CALLS: list[str] = []


class Watched(BaseModel):
    n: int
    _seen: list[int] = PrivateAttr(default_factory=list)

    @pydantic.field_validator("n")
    @classmethod
    def _validate(cls, value: int) -> int:
        CALLS.append("field")
        return value * 2

    @pydantic.model_validator(mode="after")
    def _validate_all(self) -> "Watched":
        CALLS.append("model")
        return self

    @pydantic.computed_field
    def square(self) -> int:
        return self.n**2

    def model_post_init(self, _: Any) -> None:
        CALLS.append("post")


def test_reading_validates_nothing_and_runs_model_post_init() -> None:
    known = register(Watched)
    instance = Watched(n=2)
    CALLS.clear()
    restored: Any = known.from_plain(known.to_plain(instance))
    assert CALLS == ["post"]
    assert restored == instance
    assert (restored.n, restored.square, restored._seen) == (4, 16, [])
    assert restored.model_fields_set == {"n"}


def test_private_attributes_are_not_written() -> None:
    known = register(Watched)
    instance = Watched(n=2)
    instance._seen.append(1)
    assert known.to_plain(instance) == {"n": 4}
    restored: Any = known.from_plain({"n": 4})
    assert restored._seen == []


def test_what_was_never_validated_is_not_written() -> None:
    known = register(Watched)
    with pytest.raises(InvalidValue, match=r"payload\.n: expected int, found str"):
        known.to_plain(Watched.model_construct(n="2"))
    with pytest.raises(InvalidValue, match=r"payload\.n: the instance has no value for this field"):
        known.to_plain(Watched.model_construct())


def test_extra_fields_of_one_instance_are_not_written() -> None:
    instance = Watched.model_validate({"n": 1, "more": 2}, extra="allow")
    with pytest.raises(InvalidValue, match="payload: the instance has fields that Watched does not declare"):
        register(Watched).to_plain(instance)


class Old(BaseModel):
    x: int = Field(default=1, deprecated=True)


def test_a_deprecated_field_is_written_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert register(Old).to_plain(Old()) == {"x": 1}
    assert caught == []


class Tags(RootModel[list[str]]):
    pass


class Generics(BaseModel):
    tags: Tags
    number: Box[int]
    nested: Box[Box[str]]


class IntBox(Box[int]):
    next: "IntBox | None" = None


def test_root_models_and_generic_models_with_parameters() -> None:
    assert round_trip(Tags(["a"])) == {"root": ["a"]}
    assert round_trip(Box[int](x=1)) == {"x": 1}
    assert round_trip(IntBox(x=1, next=IntBox(x=2))) == {"x": 1, "next": {"x": 2, "next": None}}
    instance = Generics(tags=Tags(["a"]), number=Box[int](x=1), nested=Box[Box[str]](x=Box[str](x="a")))
    assert round_trip(instance) == {"tags": {"root": ["a"]}, "number": {"x": 1}, "nested": {"x": {"x": "a"}}}


class Early(BaseModel, defer_build=True):
    later: "list[Late]"
    n: int = Field(default_factory=lambda data: len(data["later"]))


EARLY = register(Early)


class Late(BaseModel):
    early: Early | None = None


class Nowhere(BaseModel):
    x: "Missing"  # type: ignore[name-defined]  # noqa: F821


def test_forward_references() -> None:
    assert EARLY.from_plain({"later": [{"early": None}]}) == Early(later=[Late()])
    assert EARLY.to_plain(Early(later=[Late(early=Early(later=[]))]))["n"] == 1
    known = register(Nowhere)
    for _ in range(2):
        with pytest.raises(UnsupportedAnnotation, match=r"Nowhere\.x: .*Missing.*top level") as caught:
            known.from_plain({"x": 1})
        assert caught.value.field == "x"


class Unfinished(BaseModel):
    x: "NoSchema"


UNFINISHED = register(Unfinished)


class NoSchema:
    pass


def test_what_pydantic_cannot_complete_is_told_at_first_use() -> None:
    with pytest.raises(UnsupportedAnnotation, match="Unfinished: pydantic cannot complete it: .*NoSchema") as caught:
        UNFINISHED.from_plain({"x": 1})
    assert isinstance(
        caught.value.__cause__, pydantic.PydanticUserError | pydantic.errors.PydanticSchemaGenerationError
    )


def test_models_of_pydantic_1_are_refused() -> None:
    with pytest.raises(SchemaError, match="pydantic 2 models"):
        register(type("Old", (pydantic.v1.BaseModel,), {"__annotations__": {"x": int}}))


def test_names_of_a_function_are_seen_as_pydantic_sees_them() -> None:
    class Inner(BaseModel):
        n: int

    class Outer(BaseModel):
        inner: "Inner"
        again: "Outer | None" = None

    assert round_trip(Outer(inner=Inner(n=1), again=Outer(inner=Inner(n=2)))) == {
        "inner": {"n": 1},
        "again": {"inner": {"n": 2}, "again": None},
    }


def test_a_cause_that_pydantic_gives_is_kept() -> None:
    @pydantic_dataclass
    class Positive:
        n: Annotated[int, Field(gt=0)]
        tags: list[str] = Field(default_factory=list)

    known = register(Positive)
    assert round_trip(Positive(1, ["a"])) == {"n": 1, "tags": ["a"]}
    assert known.from_plain({"n": 1}) == Positive(1)
    with pytest.raises(PayloadMismatch, match="missing"):
        known.from_plain({})
    with pytest.raises(PayloadMismatch, match="Positive refused what was stored: ValidationError") as caught:
        known.from_plain({"n": 0})
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)


def test_a_validator_that_changes_a_stored_value_is_told() -> None:
    @pydantic_dataclass
    class Growing:
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def _grow(cls, value: int) -> int:
            return value + 1

    known = register(Growing)
    with pytest.raises(PayloadMismatch, match=r"payload\.n: a converter or validator") as caught:
        known.from_plain(known.to_plain(Growing(1)))
    assert caught.value.path == "payload.n"


def test_a_plain_dataclass_holds_a_model() -> None:
    @dataclass
    class Holds:
        box: Box[int]

    assert round_trip(Holds(Box[int](x=1))) == {"box": {"x": 1}}
