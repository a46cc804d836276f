"""Functions that lift the plain value of one version of a class to the next, and the chains that they form.

They are kept by kind, not by class: a class that is defined again in a notebook keeps those of the one it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from batpak._errors import DuplicateUpcaster, PayloadMismatch, UpcasterMissing, UpcastFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batpak._schemas.registry import EventType

Upcast = Callable[[dict[str, Any]], dict[str, Any]]


class Upcasters:
    """The upcasters of one registry, whose lock is held by whoever calls ``add``."""

    __slots__ = ("_by_kind",)

    def __init__(self) -> None:
        # The inner dicts are replaced and never changed: readers take no lock.
        self._by_kind: dict[int, Mapping[int, Upcast]] = {}

    def add(self, known: EventType, from_version: int, lift: Upcast) -> None:
        """Add one, or put it in the place of its own earlier definition. Raises ``DuplicateUpcaster``."""
        steps = self._by_kind.get(known.kind_code, {})
        holder = steps.get(from_version)
        if holder is not None and not _same_function(holder, lift):
            name = known.cls.__qualname__
            message = (
                f"{name}: version {from_version} is lifted by another function already, {_name_of(holder)}; "
                "give from_version= the version that this one takes"
            )
            raise DuplicateUpcaster(message, type_name=name, from_version=from_version)
        self._by_kind[known.kind_code] = {**steps, from_version: lift}

    def any_for(self, known: EventType) -> bool:
        """Whether there is any for the class."""
        return known.kind_code in self._by_kind

    def kinds(self) -> Iterator[int]:
        """Kind codes that have any."""
        return iter(tuple(self._by_kind))

    def steps_of(self, kind_code: int) -> Mapping[int, Upcast]:
        """The upcasters of the class that has a kind, by the version that each takes."""
        return self._by_kind.get(kind_code, {})

    def check(self, known: EventType) -> None:
        """Raise ``UpcasterMissing`` if there are some for the class, and not all from version 1 on."""
        steps = self._by_kind.get(known.kind_code, {})
        for version in range(1, known.version if steps else 1):
            if version not in steps:
                raise missing(known, version)

    def lifted(self, known: EventType, version: int, value: object) -> dict[str, Any] | None:
        """Return ``value`` of ``version`` as one of the registered version; None if there is no upcaster at all.

        ``value`` is handed to the first of them, which may change it.
        """
        steps = self._by_kind.get(known.kind_code)
        if steps is None:
            return None
        name = known.cls.__qualname__
        if not isinstance(value, dict):
            message = f"payload: expected a map for version {version} of {name}, found {type(value).__qualname__}"
            raise PayloadMismatch(message, type_name=name, path="payload")
        for step in range(version, known.version):
            lift = steps.get(step)
            if lift is None:
                raise missing(known, step)
            try:
                value = lift(value)
            except UpcastFailed:
                raise  # of an event that this upcaster read: it names its own class and step
            except Exception as error:
                raise _failed(known, step, f"raised {type(error).__name__}: {error}") from error
            if type(value) is not dict:
                raise _failed(known, step, f"returned {type(value).__qualname__}, and an upcaster returns a dict")
        return value


def missing(known: EventType, version: int) -> UpcasterMissing:
    """Return the exception for a step that nobody wrote."""
    name = known.cls.__qualname__
    message = (
        f"nothing lifts version {version} of {name} to version {version + 1}: put "
        f"@batpak.upcast({known.cls.__name__}, from_version={version}) above a function that takes the dict of the one "
        "and returns that of the other"
    )
    return UpcasterMissing(message, type_name=name, from_version=version, known=known.version)


def _failed(known: EventType, step: int, problem: str) -> UpcastFailed:
    name = known.cls.__qualname__
    message = f"the upcaster of {name} from version {step} to {step + 1} {problem}; event.value has what was stored"
    return UpcastFailed(message, type_name=name, from_version=step)


def _same_function(old: object, new: object) -> bool:
    if old is new:
        return True
    name = getattr(new, "__qualname__", None)
    if name is None or name != getattr(old, "__qualname__", None):
        return False
    if getattr(old, "__module__", None) != getattr(new, "__module__", None):
        return False
    # All lambdas of a place have one name: only the same text is the same function.
    return "<lambda>" not in name.rpartition(".")[2] or getattr(old, "__code__", None) == getattr(new, "__code__", 0)


def _name_of(lift: object) -> str:
    name = getattr(lift, "__qualname__", None)
    return repr(type(lift).__qualname__) if name is None else f"{getattr(lift, '__module__', '?')}.{name}"
