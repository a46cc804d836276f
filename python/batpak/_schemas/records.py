"""Both directions of one class: an instance to a map of its fields, and such a map to an equal instance."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batpak._errors import SchemaError, UnsupportedAnnotation
from batpak._schemas.annotations import shape_of
from batpak._schemas.families import family_of
from batpak._schemas.families.family import NO_VALUE, MapFamily
from batpak._schemas.hints import full_name, undefined
from batpak._schemas.shapes import Convert, Form, Misfit, Shape, member_step, misfit

if TYPE_CHECKING:
    from batpak._schemas.families.family import Build, Family
    from batpak._schemas.hints import Field

Step = tuple[str, Shape, bool]  # a field's name, its shape, and whether it is required


class Record:
    """Both directions of one class.

    The converters are made when the annotations resolve: at registration, or at first use if a name comes later.
    Two threads may make them at once; they make equal ones, so no lock is needed.
    """

    __slots__ = ("_known", "annotations", "cls", "family", "from_plain", "source", "steps", "to_plain")

    def __init__(self, cls: type, family: Family, known: dict[type, Record]) -> None:
        family.check(cls)
        self.cls = cls
        self.family = family
        self.source = family.source(cls)
        self.annotations: dict[str, str] | None = None
        self.steps: list[Step] | None = None
        self.to_plain: Convert = self._first_to_plain
        self.from_plain: Convert = self._first_from_plain
        self._known = known

    def resolve(self) -> None:
        """Make the converters. Raises ``NameError`` if an annotation names something that does not exist yet."""
        cls, family, fields = self.cls, self.family, self.family.fields(self.cls)
        try:
            steps = [(each.name, shape_of(each.hint, cls, each.name, self._nested), each.required) for each in fields]
        except RecursionError:
            message = f"{cls.__qualname__}: an annotation never ends: write a class for what recurs, or object"
            raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=None) from None
        self.to_plain = (
            _of_members(self, family, steps) if isinstance(family, MapFamily) else _of_attributes(cls, steps)
        )
        self.from_plain = _from_plain(self, steps, family.builder(cls, fields))
        self.annotations = {each.name: repr(each.hint) for each in fields}
        self.steps = steps

    def definition(self) -> dict[str, dict[str, str]]:
        """Return what is stored: the annotations of this class and of all that it holds."""
        definition: dict[str, dict[str, str]] = {}
        while len(definition) < len(self._known):  # resolving one may add others
            for record in list(self._known.values())[len(definition) :]:
                if record.annotations is None:
                    with suppress(NameError, SchemaError):
                        record.resolve()
                raw = {name: repr(annotation) for name, annotation in record.family.annotations(record.cls).items()}
                # Numbered, because two local classes may have one name.
                definition[f"{len(definition)} {full_name(record.cls)}"] = record.annotations or raw
        return definition

    def _nested(self, cls: type) -> Shape | None:
        family = family_of(cls)
        if family is None:
            return None
        record = record_of(cls, family, self._known)
        # Looked up at each call, because the converters of a record that holds itself do not exist yet.
        return Shape(
            cls.__qualname__,
            None,
            lambda value: record.to_plain(value),  # noqa: PLW0108
            lambda value: record.from_plain(value),  # noqa: PLW0108
            frozenset((record.source,)),
            frozenset((dict,)),
            Form("class", record=record),
            record.fields,
        )

    def fields(self) -> list[Field]:
        """Return the fields. Raises ``NameError`` if an annotation names something that does not exist yet."""
        return self.family.fields(self.cls)

    def held(self) -> list[Record]:
        """Return the records of this class and of all that it holds, in the order in which they were met."""
        self.definition()
        return list(self._known.values())

    def resolved_steps(self) -> list[Step]:
        """Return the fields with their shapes. Raises ``UnsupportedAnnotation`` if a name in them does not exist."""
        if self.steps is None:
            self._resolve_now()
        return self.steps or []

    def _first_to_plain(self, value: object) -> object:
        self._resolve_now()
        return self.to_plain(value)

    def _first_from_plain(self, value: object) -> object:
        self._resolve_now()
        return self.from_plain(value)

    def _resolve_now(self) -> None:
        try:
            self.resolve()
        except NameError as error:
            raise undefined(self.cls, self.family.annotations(self.cls), error) from error


def record_of(cls: type, family: Family, known: dict[type, Record]) -> Record:
    """Return the record of ``cls``, from ``known`` or new. Raises ``SchemaError`` if it cannot be one."""
    record = known.get(cls)
    if record is None:
        record = known[cls] = Record(cls, family, known)
        try:
            record.resolve()
        except NameError:
            pass  # a forward reference: the record resolves itself at first use
        except SchemaError:
            del known[cls]
            raise
    return record


def _of_attributes(cls: type, steps: list[Step]) -> Convert:
    flat = [(name, shape.exact, shape.to_plain) for name, shape, _ in steps]

    def to_plain(instance: object) -> dict[str, object]:
        if type(instance) is not cls:
            raise misfit(cls.__qualname__, instance)
        plain: dict[str, object] = {}
        name = ""
        try:
            for name, exact, convert in flat:
                value = getattr(instance, name)
                plain[name] = value if type(value) is exact else convert(value)
        except Misfit as error:
            error.inside(member_step(name))
            raise
        except AttributeError as error:
            raise Misfit(NO_VALUE, error, member_step(name)) from error
        return plain

    return to_plain


def _of_members(record: Record, family: MapFamily, steps: list[Step]) -> Convert:
    source, members, open_ended = record.source, family.members, record.source is not dict
    class_name = record.cls.__qualname__
    absent = family.absent.format(class_name)
    flat = [(name, shape.exact, shape.to_plain, required or open_ended) for name, shape, required in steps]

    def to_plain(instance: object) -> dict[str, object]:
        if type(instance) is not source:
            raise misfit(class_name, instance)
        values = members(instance)
        plain = _converted(values, flat, absent)
        if not open_ended and len(plain) != len(values):
            raise _unknown(class_name, values, plain)
        return plain

    return to_plain


def _from_plain(record: Record, steps: list[Step], build: Build) -> Convert:
    flat = [(name, shape.exact, shape.from_plain, required) for name, shape, required in steps]
    class_name = record.cls.__qualname__
    wanted = f"a map for {class_name}"
    lacking = record.family.lacking.format(class_name)

    def from_plain(value: Any) -> object:
        if type(value) is not dict:
            raise misfit(wanted, value)
        restored = _converted(value, flat, lacking)
        if len(restored) != len(value):
            raise _unknown(class_name, value, restored)
        try:
            return build(**restored)
        except Misfit:
            raise
        except Exception as error:
            message = f"{class_name} refused what was stored: {type(error).__name__}: {error}"
            raise Misfit(message, error) from error

    return from_plain


def _converted(
    values: dict[str, object], flat: list[tuple[str, type | None, Convert, bool]], lacking: str
) -> dict[str, object]:
    """Return the fields that ``values`` has, converted; ``lacking`` is what is wrong if a required one is not there."""
    converted: dict[str, object] = {}
    name = ""
    try:
        for name, exact, convert, required in flat:
            if name in values:
                value = values[name]
                converted[name] = value if type(value) is exact else convert(value)
            elif required:
                raise Misfit(lacking)  # noqa: TRY301 - it gets its step below
    except Misfit as error:
        error.inside(member_step(name))
        raise
    return converted


def _unknown(class_name: str, value: dict[str, object], known: dict[str, object]) -> Misfit:
    step = member_step(next(key for key in value if key not in known))
    return Misfit(f"{class_name} has no such field", None, step)
