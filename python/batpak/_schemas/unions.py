"""How the members of a union are told apart: by what is stored, so that reading decides as writing did.

1. Each member is stored as another type: null, bool, int, float, str, bytes, list, map, datetime ... ``int | str`` is
   told apart, ``list[int] | tuple[int, ...]`` is not.
2. Classes and TypedDicts, which are all stored as maps, may share that one type if they have a field in common that is
   a ``Literal`` in each of them, with no value in two: the tag decides. In a TypedDict the tag must be required.
3. Without a tag, each of them needs a field without default that no other has (one of them may do without): names
   decide.

What cannot be told apart by these rules is refused when the class is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal, get_args, get_origin

from batpak._schemas.hints import Field, unwrap
from batpak._schemas.shapes import Convert, Form, Misfit, Shape, misfit

Choose = Callable[[dict[Any, Any]], Shape]
Class = tuple[Shape, list[Field]]

_STORED_NAMES = {list: "list", dict: "map", type(None): "null"}


class Indistinct(Exception):
    """Members of a union cannot be told apart; the text says which, and what to write."""


def union(members: list[Shape]) -> Shape:
    """Return the shape of the union of two or more ``members``. Raises ``Indistinct``; ``NameError`` as ``unwrap``."""
    expected = " | ".join(member.expected for member in members)
    stored: dict[type, Shape] = {}
    written: dict[type, Shape] = {}
    maps: list[Shape] = []
    for member in members:
        if member.stored is None or member.written is None:
            raise Indistinct("object takes in every other member: write object alone")
        if dict in member.stored:
            maps.append(member)
        for kind in member.stored - {dict}:
            if kind in stored:
                raise Indistinct(_both(stored[kind], member, kind))
            stored[kind] = member
        written |= dict.fromkeys(member.written - {dict}, member)
    to_plain = {kind: member.to_plain for kind, member in written.items()}
    from_plain = {kind: member.from_plain for kind, member in stored.items()}
    # Of the maps, only TypedDicts and dict[str, T] are dicts in memory; the others are known by their class.
    dicts = [member for member in maps if member.written and dict in member.written]
    return Shape(
        expected,
        None,
        _direction(expected, to_plain, _among(dicts), attrgetter("to_plain")),
        _direction(expected, from_plain, _among(maps), attrgetter("from_plain")),
        frozenset(kind for member in members for kind in member.written or ()),
        frozenset(kind for member in members for kind in member.stored or ()),
        Form("union", tuple(members)),
    )


def _direction(
    expected: str, table: dict[type, Convert], choose: Choose | None, of: Callable[[Shape], Convert]
) -> Convert:
    def convert(value: Any) -> object:
        known = table.get(type(value))
        if known is not None:
            return known(value)
        if type(value) is not dict or choose is None:
            raise misfit(expected, value)
        return of(choose(value))(value)

    return convert


def _both(first: Shape, second: Shape, kind: type) -> str:
    name = _STORED_NAMES.get(kind, kind.__qualname__)
    advice = "write T | None, a class for each, or object"
    if kind is list:
        advice = "write one list[A | B] or tuple[A | B, ...]"
    return f"{first.expected} and {second.expected} are both stored as {name}: {advice}"


def _among(maps: list[Shape]) -> Choose | None:
    """Return what chooses between shapes that are stored as maps. Raises ``Indistinct``."""
    if len(maps) < 2:
        return (lambda _: maps[0]) if maps else None
    classes: list[Class] = []
    for shape in maps:
        if shape.fields is None:
            first, second = (shape, maps[0]) if shape is not maps[0] else (shape, maps[1])
            raise Indistinct(_both(first, second, dict))
        classes.append((shape, shape.fields()))
    return _by_tag(classes) or _by_names(classes)


def _by_tag(classes: list[Class]) -> Choose | None:
    for candidate in classes[0][1]:
        by_value: dict[tuple[type, object], Shape] = {}
        count = 0
        for shape, fields in classes:
            tag = next((field for field in fields if field.name == candidate.name), None)
            options = () if tag is None else _options(shape, tag)
            if not options:
                break
            count += len(options)
            by_value |= dict.fromkeys(options, shape)
        else:
            if len(by_value) == count:
                return _tagged(candidate.name, by_value, " | ".join(shape.expected for shape, _ in classes))
    return None


def _options(shape: Shape, tag: Field) -> set[tuple[type, object]]:
    """The values that the field ``tag`` may have, or nothing if it is no tag; a TypedDict may lack what is optional."""
    hint = unwrap(tag.hint)
    if get_origin(hint) is not Literal or (dict in (shape.written or ()) and not tag.required):
        return set()
    return {(type(option), option) for option in get_args(hint)}


def _tagged(name: str, by_value: dict[tuple[type, object], Shape], expected: str) -> Choose:
    types = {key[0] for key in by_value}

    def choose(value: dict[Any, Any]) -> Shape:
        tag = value.get(name)
        shape = by_value.get((type(tag), tag)) if type(tag) in types else None
        if shape is None:
            problem = "has another value" if name in value else "is missing"
            raise Misfit(f"expected {expected}, and the field {name} that tells them apart {problem}")
        return shape

    return choose


def _by_names(classes: list[Class]) -> Choose:
    expected = " | ".join(shape.expected for shape, _ in classes)
    telling: list[tuple[str, Shape]] = []
    rest: list[Shape] = []
    for shape, fields in classes:
        others = {field.name for other, theirs in classes if other is not shape for field in theirs}
        own = next((field.name for field in fields if field.required and field.name not in others), None)
        if own is None:
            rest.append(shape)
        else:
            telling.append((own, shape))
    if len(rest) > 1:
        raise Indistinct(
            f"{rest[0].expected} and {rest[1].expected} are both stored as map: give each class a field of one name "
            'with a Literal of its own, for instance kind: Literal["a"] and kind: Literal["b"]'
        )

    def choose(value: dict[Any, Any]) -> Shape:
        found = [shape for name, shape in telling if name in value] or rest
        if len(found) != 1:
            raise Misfit(f"expected {expected}, found fields of {'several' if found else 'none'} of them")
        return found[0]

    return choose
