"""What became of a class since its definition was kept: which changes leave stored events readable, and which do not.

A change is safe if every value that was written by the old definition can be read by the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from batpak._batpak import encode_value
from batpak._reports import Report
from batpak._schemas.definition import Definition, Fields, Type, alternatives, short_name, text_of

What = Literal[
    "field_added",
    "field_removed",
    "field_renamed",
    "default_added",
    "default_removed",
    "type_widened",
    "type_changed",
    "value_added",
    "value_removed",
    "value_renamed",
    "class_renamed",
]


@dataclass(frozen=True, slots=True)
class SchemaChange(Report):
    """One difference between a frozen definition and today's.

    Attributes:
        where: the class and the field, for instance ``Order.lines[]``.
        what: which kind of change it is.
        safe: whether what was stored before can still be read.
        text: the change in words, and what to do if it is not safe.
    """

    where: str
    what: What
    safe: bool
    text: str


def changes_between(old: Definition, new: Definition) -> tuple[SchemaChange, ...]:
    """Return the changes from one definition to another, in the order of the old fields; each once."""
    comparing = _Comparing(old["classes"], new["classes"])
    return tuple(dict.fromkeys(comparing.classes(old["class"], new["class"])))


class _Comparing:
    """Compares two definitions; a pair of classes is compared once."""

    def __init__(self, old: dict[str, Fields], new: dict[str, Fields]) -> None:
        self.old = old
        self.new = new
        # A class that holds itself finds its own pair without changes while it is compared.
        self.known: dict[tuple[str, str], list[SchemaChange]] = {}

    def classes(self, old_name: str, new_name: str) -> list[SchemaChange]:
        pair = (old_name, new_name)
        if pair not in self.known:
            self.known[pair] = []
            self.known[pair] = self.fields(short_name(new_name), self.old[old_name], self.new[new_name])
        return self.known[pair]

    def fields(self, name: str, old: Fields, new: Fields) -> list[SchemaChange]:
        added = [field for field in new if field not in old]
        changes: list[SchemaChange] = []
        for field, before in old.items():
            where = f"{name}.{field}"
            after = new.get(field)
            if after is None:
                changes.append(_gone(where, [each for each in added if new[each]["type"] == before["type"]]))
                continue
            changes += self.types(before["type"], after["type"], where)
            if before["required"] and not after["required"]:
                changes.append(_safe(where, "default_added", "need not be there any more"))
            elif after["required"] and not before["required"]:
                text = "has no default any more, so events without it cannot be read: give it one, or raise the version"
                changes.append(_unsafe(where, "default_removed", text))
        for field in added:
            where = f"{name}.{field}"
            if new[field]["required"]:
                text = "was added without a default, which stored events lack: give it one, or raise the version"
                changes.append(_unsafe(where, "field_added", text))
            else:
                changes.append(_safe(where, "field_added", "was added, with a default"))
        return changes

    def types(self, old: Type, new: Type, where: str) -> list[SchemaChange]:
        if new == "any":
            return [] if old == "any" else [_widened(where, f"was {text_of(old)}, and may be anything")]
        befores, afters = alternatives(old), alternatives(new)
        if len(befores) == len(afters) == 1:
            return self.one(old, new, where)
        changes: list[SchemaChange] = []
        used: set[int] = set()
        for before in befores:
            after, found = self.best(before, afters, where)
            if after is None:
                changes.append(_type_changed(where, f"may not be {text_of(before)} any more"))
            else:
                used.add(id(after))
                changes += found
        changes += [_widened(where, f"may be {text_of(after)} too") for after in afters if id(after) not in used]
        return changes

    def best(self, old: Type, among: list[Type], where: str) -> tuple[Type | None, list[SchemaChange]]:
        """Which of the new alternatives takes in the old one, and with which changes; None if there is none."""
        # A class of the same name is the same one, whatever became of it.
        content = encode_value(old, allow_nonfinite=False)
        candidates = [each for each in among if encode_value(each, allow_nonfinite=False) == content] or among
        found: list[tuple[Type, list[SchemaChange]]] = []
        for new in candidates:
            if _sort(new) == _sort(old) or _is_set(old):
                changes = self.one(old, new, where)
                if not any(change.what == "type_changed" and change.where == where for change in changes):
                    found.append((new, changes))
        least = min(found, key=lambda each: (sum(not change.safe for change in each[1]), len(each[1])), default=None)
        return (None, []) if least is None else least

    def one(self, old: Type, new: Type, where: str) -> list[SchemaChange]:
        """The changes from one type to another, of which only ``old`` may be ``any`` and neither is a union."""
        found: list[SchemaChange] | None = None
        if isinstance(old, dict) and isinstance(new, dict):
            found = _values(old, new, where) if _is_set(old) and _is_set(new) else self.inside(old, new, where)
        elif old == new:
            found = []
        elif isinstance(new, str) and _is_set(old) and {_type_name(each) for each in _options(old)} == {new}:
            found = [_widened(where, f"was {text_of(old)}, and may be any {new}")]
        return [_type_changed(where, f"was {text_of(old)}, and is {text_of(new)}")] if found is None else found

    def inside(self, old: dict[str, Any], new: dict[str, Any], where: str) -> list[SchemaChange] | None:
        """The changes of what containers and classes hold; None if they are not of one kind."""
        [(before, was)], [(after, now)] = old.items(), new.items()
        if before == after == "class":
            return self.classes(was, now)
        if before == after and before in ("list", "map"):
            return self.types(was, now, f"{where}[]" if before == "list" else f"{where}{{}}")
        if before == "tuple" and after == "list":
            return [each for part in was for each in self.types(part, now, f"{where}[]")]
        if before == after == "tuple" and len(was) == len(now):
            parts = enumerate(zip(was, now, strict=True))
            return [each for n, (part, other) in parts for each in self.types(part, other, f"{where}[{n}]")]
        return None


def _safe(where: str, what: What, text: str) -> SchemaChange:
    return SchemaChange(where, what, safe=True, text=text)


def _unsafe(where: str, what: What, text: str) -> SchemaChange:
    return SchemaChange(where, what, safe=False, text=text)


def _gone(where: str, candidates: list[str]) -> SchemaChange:
    if len(candidates) == 1:
        text = f"is gone, or is called {candidates[0]} now: keep the name, or raise the version and write an upcaster"
        return _unsafe(where, "field_renamed", text)
    text = "is gone, and stored events have it: keep it, or raise the version and write an upcaster that drops it"
    return _unsafe(where, "field_removed", text)


def _widened(where: str, text: str) -> SchemaChange:
    return _safe(where, "type_widened", text)


def _type_changed(where: str, text: str) -> SchemaChange:
    return _unsafe(where, "type_changed", f"{text}: raise the version and write an upcaster")


def _is_set(type_: Type) -> bool:
    return isinstance(type_, dict) and not type_.keys().isdisjoint(("literal", "enum", "flag"))


def _sort(type_: Type) -> str:
    """What tells the members of a union apart, roughly: types of another sort are never compared."""
    if isinstance(type_, str):
        return type_
    [name] = type_
    return {"tuple": "list", "enum": "literal", "flag": "literal"}.get(name, name)


def _options(type_: Any) -> list[object]:
    [content] = type_.values()
    return list(content.values()) if isinstance(content, dict) else content


def _type_name(value: object) -> str:
    return "None" if value is None else type(value).__qualname__


def _labels(type_: Any) -> dict[bytes, str]:
    """The values by their bytes, since 1 == True == 1.0; of several names for one value the first counts."""
    [content] = type_.values()
    named = content.items() if isinstance(content, dict) else ((ascii(value), value) for value in content)
    labels: dict[bytes, str] = {}
    for label, value in named:
        labels.setdefault(encode_value(value, allow_nonfinite=False), label)
    return labels


def _values(old: Any, new: Any, where: str) -> list[SchemaChange]:
    before, after = _labels(old), _labels(new)
    changes: list[SchemaChange] = []
    if "flag" in old and "flag" not in new:
        changes.append(_type_changed(where, "was a combination of flags, and is one value"))
    for value, label in before.items():
        if value not in after:
            text = f"{label} is gone: keep it, or raise the version and write an upcaster that replaces it"
            changes.append(_unsafe(where, "value_removed", text))
        elif "literal" not in old and "literal" not in new and after[value] != label:
            text = f"{label} is called {after[value]} now; what is stored is its value"
            changes.append(_safe(where, "value_renamed", text))
    for value, label in after.items():
        if value not in before:
            changes.append(_safe(where, "value_added", f"{label} was added"))
    return changes
