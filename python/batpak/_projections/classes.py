"""What the event classes of a store make of what is stored: a digest that changes with them.

The same log gives another state if a class reads it in another way, so a kept state goes with the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import encode_value, report_hash
from batpak._errors import BatpakError, UnsupportedAnnotation
from batpak._projections.code import code_digest
from batpak._projections.description import described_callable, described_members, described_value
from batpak._projections.projection import Projection
from batpak._schemas.definition import definition_of
from batpak._schemas.shapes import Misfit

if TYPE_CHECKING:
    from batpak._schemas.definition import Type
    from batpak._schemas.records import Record
    from batpak._schemas.registry import Registry

# What these define is the library's business and not the user's.
_LIBRARIES: Final = frozenset(
    {"abc", "attr", "attrs", "builtins", "msgspec", "pydantic", "typing", "typing_extensions"}
)
# Of the names that Python and the libraries make, these are written by users and change what is read.
_MAKING: Final = frozenset(
    {"__attrs_post_init__", "__attrs_pre_init__", "__getattr__", "__init__", "__new__", "__post_init__"}
)


def classes_digest(cls: type[Projection[Any]], registry: Registry) -> bytes:
    """32 bytes that change when an event that the projection takes is read in another way.

    They cover the kind, the version, the fields with their types and defaults, the functions and plain values of each
    class that is registered for a kind that is handled, of the classes that it holds, and the code of its upcasters.
    A projection that overrides ``otherwise`` takes every kind. What the functions call elsewhere is not seen.
    """
    every = cls.otherwise is not Projection.otherwise
    codes = {*cls._handlers, *(known.kind_code for known in registry.types() if every)}
    return report_hash(encode_value([_of_kind(registry, code) for code in sorted(codes)], allow_nonfinite=True))


def run_digest(projection: Projection[Any], registry: Registry) -> bytes:
    """32 bytes for everything that makes the state out of what is stored: the projection's code, and the classes."""
    return digest_of(code_digest(projection), classes_digest(type(projection), registry))


def digest_of(code: bytes, classes: bytes) -> bytes:
    """The digest of both digests."""
    return report_hash(encode_value([code, classes], allow_nonfinite=False))


def _of_kind(registry: Registry, code: int) -> object:
    known = registry.lookup_kind(code)
    if known is None:
        return [code, None]
    lifts = registry._upcasters.steps_of(code)
    return [
        code,
        known.version,
        _definition(known._record),
        [_of_record(record) for record in known._record.held()],
        [[version, described_callable(lifts[version])] for version in sorted(lifts)],
    ]


def _definition(record: Record) -> object:
    try:
        classes = definition_of(record)["classes"]
    except UnsupportedAnnotation:
        # A name in it does not exist yet: as it is written.
        return list(record.definition().values())
    # Classes by their place and not by their name: the name of a module is another one when its file is run.
    places = {name: place for place, name in enumerate(classes)}
    return [
        {field: [_placed(about["type"], places), about["required"]] for field, about in fields.items()}
        for fields in classes.values()
    ]


def _placed(type_: Type, places: dict[str, int]) -> Any:
    if isinstance(type_, str):
        return type_
    [(name, content)] = type_.items()
    if name == "class":
        return {name: places[content]}
    if name in ("list", "map"):
        return {name: _placed(content, places)}
    if name not in ("tuple", "union"):
        return type_
    parts = [_placed(part, places) for part in content]
    if name == "union":
        # They come in the order of their bytes, the names in them included.
        parts.sort(key=lambda part: encode_value(part, allow_nonfinite=False))
    return {name: parts}


def _of_record(record: Record) -> object:
    try:
        shapes = {name: shape for name, shape, _ in record.resolved_steps()}
        fields = record.fields()
    except UnsupportedAnnotation:
        return None
    defaults = [[each.name, _default(each.default, shapes[each.name])] for each in fields if not each.required]
    return [defaults, described_members(record.cls, _is_users)]


def _default(default: object, shape: Any) -> object:
    """A default as it would be stored; what no instance could have, such as a callable, by what it does."""
    try:
        plain = shape.to_plain(default)
        encode_value(plain, allow_nonfinite=True)
    except (Misfit, BatpakError, RecursionError):
        return described_callable(default) if callable(default) else described_value(default)
    return ["plain", plain]


def _is_users(base: type, name: str) -> bool:
    if base.__module__.partition(".")[0] in _LIBRARIES:
        return False
    return name in _MAKING or not name.startswith("__")
