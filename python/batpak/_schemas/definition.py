"""What events of a class look like when they are stored, as a plain value that can be kept and compared.

A type is a text or a map with one member that says which it is:

| type | |
|---|---|
| ``"int"`` ``"str"`` ``"None"`` ``"datetime"`` ... | this scalar |
| ``"any"`` | any untyped value |
| ``{"list": T}``, ``{"map": T}``, ``{"tuple": [T, ...]}`` | of these; a ``tuple[T, ...]`` is a list |
| ``{"union": [T, ...]}`` | one of these |
| ``{"literal": [value, ...]}`` | one of these values |
| ``{"enum": {member: value, ...}}``, ``{"flag": ...}`` | the value of one of these members, or of several together |
| ``{"class": name}`` | a map of its fields |

A definition is ``{"class": name, "classes": {name: {field: {"type": T, "required": bool}}}}``.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import encode_value
from batpak._schemas.hints import full_name
from batpak._schemas.shapes import SCALAR_SHAPES

if TYPE_CHECKING:
    from batpak._schemas.records import Record
    from batpak._schemas.shapes import Form, Shape

Type = str | dict[str, Any]
Definition = dict[str, Any]
Fields = dict[str, dict[str, Any]]

SCALAR_NAMES: Final = frozenset(shape.expected for shape in SCALAR_SHAPES.values())


class Malformed(ValueError):
    """A value is no definition; the text says what is wrong."""


def definition_of(record: Record) -> Definition:
    """Return what is stored of the class. Raises ``UnsupportedAnnotation`` if a name in it does not exist yet."""
    describing = _Describing()
    name = describing.name_of(record)
    return {"class": name, "classes": describing.classes}


class _Describing:
    """The classes that were met so far."""

    def __init__(self) -> None:
        self.names: dict[Record, str] = {}
        self.classes: dict[str, Fields] = {}

    def name_of(self, record: Record) -> str:
        if record in self.names:
            return self.names[record]
        name, number = full_name(record.cls), 1
        while name in self.classes:  # two local classes may have one name
            number += 1
            name = f"{full_name(record.cls)} {number}"
        self.names[record] = name
        fields: Fields = {}
        self.classes[name] = fields
        for field, shape, required in record.resolved_steps():
            fields[field] = {"type": self.type_of(shape), "required": required}
        return name

    def type_of(self, shape: Shape) -> Type:
        form = shape.form
        if form.record is not None:
            return {"class": self.name_of(form.record)}
        if form.name == "literal":
            return _one_of(_literal(form.options))
        if form.name == "enum":
            return _enum(form)
        parts = [self.type_of(part) for part in form.parts]
        if form.name == "union":
            return _one_of([each for part in parts for each in alternatives(part)])
        if parts:
            return {form.name: parts if form.name == "tuple" else parts[0]}
        return "any" if form.name == "any" else shape.expected


def alternatives(type_: Type) -> list[Type]:
    """Return the members of a union; what is none is its own only one."""
    if isinstance(type_, dict) and "union" in type_:
        members: list[Type] = type_["union"]
        return members
    return [type_]


def _one_of(members: list[Type]) -> Type:
    """A union in an order of its own: ``A | B`` is ``B | A``."""
    different = {_bytes_of(member): member for member in members}
    ordered = [different[each] for each in sorted(different)]
    return ordered[0] if len(ordered) == 1 else {"union": ordered}


def _bytes_of(value: object) -> bytes:
    return encode_value(value, allow_nonfinite=False)


def _literal(options: tuple[object, ...]) -> list[Type]:
    others = sorted((each for each in options if each is not None), key=_bytes_of)
    found: list[Type] = ["None"] if None in options else []
    return [*found, {"literal": others}] if others else found


def _enum(form: Form) -> Type:
    cls = form.of
    if not issubclass(cls, enum.Enum):
        raise TypeError(f"{cls.__qualname__} is no Enum")
    kind = "flag" if issubclass(cls, enum.Flag) else "enum"
    return {kind: {name: member.value for name, member in cls.__members__.items()}}


def checked_definition(value: object) -> Definition:
    """Return ``value``, which somebody else wrote, if it is a definition. Raises ``Malformed``."""
    definition = _members(value, {"class", "classes"}, "a definition")
    classes = definition["classes"]
    if type(classes) is not dict or type(definition["class"]) is not str or definition["class"] not in classes:
        raise Malformed("classes do not hold the class")
    for name, fields in classes.items():
        if type(fields) is not dict:
            raise Malformed(f"the fields of {name} are no object")
        for field, about in fields.items():
            members = _members(about, {"type", "required"}, f"{name}.{field}")
            if type(members["required"]) is not bool:
                raise Malformed(f"{name}.{field}: required is true or false")
            _check_type(members["type"], classes, f"{name}.{field}")
    return definition


def _members(value: object, names: set[str], what: str) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != names:
        raise Malformed(f"{what} is an object with the members {' and '.join(sorted(names))}")
    return value


def _check_type(type_: object, classes: dict[str, Any], where: str) -> None:
    if type_ == "any" or (type(type_) is str and type_ in SCALAR_NAMES):
        return
    if type(type_) is not dict or len(type_) != 1:
        raise Malformed(f"{where}: an unknown type")
    [(name, content)] = type_.items()
    if name in ("list", "map"):
        _check_type(content, classes, where)
    elif name in ("tuple", "union") and type(content) is list and content:
        for part in content:
            if name == "union" and type(part) is dict and "union" in part:
                raise Malformed(f"{where}: a union inside a union")
            _check_type(part, classes, where)
    elif not (
        (name == "class" and type(content) is str and content in classes)
        or (name == "literal" and type(content) is list and content)
        or (name in ("enum", "flag") and type(content) is dict and content)
    ):
        raise Malformed(f"{where}: an unknown type")


def text_of(type_: Type) -> str:
    """Return ``type_`` as people write it."""
    if isinstance(type_, str):
        return type_
    [(name, content)] = type_.items()
    if name in ("list", "map"):
        return f"{'list[' if name == 'list' else 'dict[str, '}{text_of(content)}]"
    if name in ("union", "tuple"):
        parts = map(text_of, content)
        return " | ".join(parts) if name == "union" else f"tuple[{', '.join(parts)}]"
    if name == "class":
        return short_name(content)
    return f"Literal[{', '.join(map(ascii, content))}]" if name == "literal" else f"{name}({', '.join(content)})"


def short_name(class_name: str) -> str:
    """Return the name of a class without its module."""
    return class_name.rpartition(".")[2]
