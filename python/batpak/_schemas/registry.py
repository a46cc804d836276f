"""Which class belongs to which kind of event, and how its instances become plain values and come back.

A class announced with ``@batpak.event`` is written as a map of its fields and read back as an equal instance. It is a
dataclass, an attrs class, a msgspec ``Struct``, a pydantic model, or a ``TypedDict``, whose instances are plain dicts.
What a field may hold follows from its annotation:

| annotation | stored as |
|---|---|
| ``None`` ``bool`` ``int`` ``float`` ``str`` ``bytes`` ``Decimal`` ``UUID`` | itself |
| ``datetime`` ``date`` ``time`` ``timedelta`` | itself |
| ``list[T]``, ``tuple[T, ...]``, ``tuple[A, B]`` | list |
| ``dict[str, T]`` | map |
| ``T | None``, ``Literal`` of str, int, bool and None | as its value |
| ``A | B`` that can be told apart, see ``unions`` | as its value |
| an ``Enum`` class | the member's value |
| a class of these families, registered or not, its own included (``Self``) | map |
| ``object``, ``Any`` | any untyped value, as it is |

``Annotated``, ``NewType`` and ``type`` aliases count as what they wrap. Everything else is refused when the class is
registered.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from batpak._errors import (
    DuplicateKind,
    InvalidKind,
    InvalidValue,
    LimitExceeded,
    PayloadMismatch,
    SchemaError,
    UnregisteredType,
)
from batpak._schemas.families import family_of
from batpak._schemas.hints import full_name, schema_error
from batpak._schemas.records import Record, record_of
from batpak._schemas.shapes import Misfit
from batpak._schemas.upcast import Upcasters

if TYPE_CHECKING:
    from collections.abc import Callable

    from batpak._schemas.upcast import Upcast

T = TypeVar("T")
Lift = TypeVar("Lift", bound="Upcast")
Made = TypeVar("Made")
Given = ParamSpec("Given")

CATEGORY_MAX = 0xF
TYPE_ID_MAX = 0xFFF
VERSION_MAX = 0xFFFF
DEPTH_MAX = 128

# FORMAT.md, section 3: system events, the reserved category, and what the network protocol and the runtime assign.
RESERVED_CATEGORIES = (0x0, 0xD)
RESERVED_KINDS = frozenset(
    {0xFA01, 0xFA02, 0xFA10, 0xFA11, *range(0xFA20, 0xFA25)}
    | {0xFA00 | tens | unit for tens in range(0x30, 0x90, 0x10) for unit in (0, 1)}
    | {0xC5B7, 0xC5B8, 0xC5B9}
)


@dataclasses.dataclass(frozen=True, slots=True)
class EventType:
    """One registered class: ``cls``, its ``kind_code`` (category << 12 | type id) and its ``version``.

    Thread-safety: immutable; any number of threads may use it.

    Example:
        >>> from dataclasses import dataclass
        >>> registry = Registry()
        >>> @registry.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class Walked:
        ...     steps: tuple[int, ...]
        ...     fast: bool = False
        >>> walked = registry.lookup_type(Walked)
        >>> walked  # doctest: +ELLIPSIS
        EventType(cls=<class '...Walked'>, kind_code=61441, version=1)
        >>> walked.to_plain(Walked((3, 4)))
        {'steps': [3, 4], 'fast': False}
        >>> walked.from_plain({"steps": [3, 4]})
        Walked(steps=(3, 4), fast=False)

    """

    cls: type
    kind_code: int
    version: int
    _record: Record = dataclasses.field(repr=False, compare=False)

    @property
    def takes_dicts(self) -> bool:
        """Whether ``cls`` is a TypedDict, so that its instances are dicts that only the kind tells apart."""
        return self._record.source is dict

    def to_plain(self, instance: object) -> dict[str, object]:
        """Return the plain value that is stored for ``instance``.

        Nothing is converted but what the annotations say: tuples become lists, Enum members their values, instances
        of classes dicts. What a type cannot tell (NaN, naive datetimes, sizes) is checked later, by the encoder.

        Args:
            instance: an instance of exactly ``cls``; a dict if that is a TypedDict.

        Returns:
            A new dict from field name to plain value, in the order of the fields.

        Raises:
            InvalidValue: the instance or a field is not of the annotated type; ``path`` says where.
            LimitExceeded: it is nested too deeply to follow, perhaps because it contains itself.
            UnsupportedAnnotation: at the first use only: a forward reference still names nothing, or nothing supported.

        Thread-safety: safe, as long as no other thread changes ``instance`` meanwhile.

        """
        try:
            return cast("dict[str, object]", self._record.to_plain(instance))
        except Misfit as error:
            message = f"{error.path}: {error.message}"
            raise InvalidValue(message, path=error.path) from error.cause
        except RecursionError:
            message = f"payload: nested too deeply (at most {DEPTH_MAX} levels); does it contain itself?"
            raise LimitExceeded(message, what="nesting of values", actual=None, limit=DEPTH_MAX) from None

    def from_plain(self, value: object) -> object:
        """Return the instance of ``cls`` that ``value`` stands for.

        It is built with ``cls(**fields)``, so ``__post_init__`` runs, as do converters and validators of attrs. A
        pydantic model is built with ``model_construct``, which validates nothing and runs ``model_post_init``. A
        TypedDict is a new dict. A field that is missing gets its default.

        Args:
            value: what was stored: a dict from field name to plain value.

        Returns:
            A new instance of ``cls``.

        Raises:
            PayloadMismatch: a field without default is missing, ``cls`` does not have a field, a value is not of the
                annotated type, a converter changed it, or ``cls`` raised (that exception is the cause); ``path`` says
                where.
            UnsupportedAnnotation: at the first use only: a forward reference still names nothing, or nothing supported.

        Thread-safety: safe.

        """
        try:
            return self._record.from_plain(value)
        except Misfit as error:
            message = f"{error.path}: {error.message}"
            raise PayloadMismatch(message, type_name=self.cls.__qualname__, path=error.path) from error.cause


def _with_parentheses(decorating: Callable[Given, Made]) -> Callable[Given, Made]:
    """Have a method that makes a decorator say what is missing if it is put above a class without parentheses."""

    @functools.wraps(decorating)
    def checked(*given: Given.args, **options: Given.kwargs) -> Made:
        if len(given) > 1:
            raise TypeError("write @batpak.event(category=0xF, type_id=1), with the numbers of the kind in parentheses")
        return decorating(*given, **options)

    return checked


class Registry:
    """Which class is which kind. Most programs use the one behind ``batpak.event``; ``Store.open`` takes another.

    An example is at ``event``, the decorator that fills it.

    Thread-safety: registration is guarded by a lock; look-ups are plain dict reads.
    """

    __slots__ = ("_by_kind", "_by_type", "_has_typed_dicts", "_lock", "_revision", "_upcasters")

    def __init__(self) -> None:
        """Make an empty registry."""
        self._lock = threading.Lock()
        self._by_kind: dict[int, EventType] = {}
        self._by_type: dict[type, EventType] = {}
        # While there is none, dicts need no look at their kind.
        self._has_typed_dicts = False
        self._upcasters = Upcasters()
        # Another number after each registration: who keeps what was read by these classes sees that they changed.
        self._revision = 0

    def __repr__(self) -> str:
        """Return the classes with their kinds, in the order of the kinds."""
        entries = [f"{each.cls.__qualname__} 0x{each.kind_code:04X} version {each.version}" for each in self.types()]
        return f"Registry({', '.join(entries)})"

    @_with_parentheses
    def event(self, *, category: int, type_id: int, version: int = 1) -> Callable[[type[T]], type[T]]:
        """Announce a class as the payload of one kind of event.

        The class is a dataclass, an attrs class, a msgspec ``Struct``, a pydantic 2 model or a ``TypedDict``. What is
        written are the values of its fields, by the names of the attributes; aliases, renaming, tags and what else its
        library does to its own output do not matter. The instances of a TypedDict are plain dicts: a dict that is
        written with ``kind=`` that of a registered TypedDict is checked against it.

        The decorator returns the class unchanged. A class of the same module, qualified name, version and field
        annotations as the one that has the kind takes its place, so that a notebook cell may be run again; instances of
        the old one can then no longer be written.

        Args:
            category: 1..15 without 13, the upper four bits of the kind.
            type_id: 0..4095, the lower twelve bits.
            version: 1..65535, to be raised when the fields change. 0 is what untyped events carry.

        Returns:
            The decorator; put it above ``@dataclass`` or ``@attrs.define``.

        Raises:
            InvalidKind: out of range, or a kind that is not for users.
            SchemaError: by the decorator: not a class of these families or one that could not be restored, a version
                out of range, or a class that already has another kind.
            UnsupportedAnnotation: by the decorator: a field's annotation has no exact encoding.
            DuplicateKind: by the decorator: another class has the kind.

        Thread-safety: safe.

        Example:
            >>> from dataclasses import dataclass
            >>> registry = Registry()
            >>> @registry.event(category=0xF, type_id=1, version=2)
            ... @dataclass(frozen=True)
            ... class PlayerMoved:
            ...     x: int
            ...     y: int
            >>> registry
            Registry(PlayerMoved 0xF001 version 2)
            >>> registry.lookup_kind(0xF001) == registry.lookup_type(PlayerMoved)
            True

        """
        code = _kind_code(category, type_id)

        def register(cls: type[T]) -> type[T]:
            family = family_of(cls)
            if family is None:
                name = getattr(cls, "__qualname__", repr(type(cls)))
                message = (
                    f"{name}: only dataclasses, attrs classes, msgspec Structs, pydantic 2 models and TypedDicts can "
                    "be registered: put @dataclass below @event"
                )
                raise SchemaError(message, type_name=name)
            if type(version) is not int or not 1 <= version <= VERSION_MAX:
                raise schema_error(cls, f"version is an int in 1..{VERSION_MAX}; 0 is what untyped events carry")
            self._add(EventType(cls, code, version, record_of(cls, family, {})))
            return cls

        return register

    def upcast(self, cls: type, *, from_version: int) -> Callable[[Lift], Lift]:
        """Announce the function that lifts the plain value of one version of a class to that of the next version.

        The functions of a class form a chain from version 1 to the registered one. It is applied when an event of an
        older version is read, and then the class is made as ever. What is stored, ``event.value`` and
        ``event.raw_payload``, stays what it was. ``Store.open`` refuses a chain that lacks a step.

        The decorator returns the function unchanged. A function of the same module and qualified name takes the place
        of the one that lifts the same version, so that a notebook cell may be run again.

        Args:
            cls: a class that is registered here.
            from_version: the version that the function takes, from 1 to the one before the registered one.

        Returns:
            The decorator. Its function takes a dict from field name to plain value, which is its own to change, and
            returns the dict of the next version, the same one or another.

        Raises:
            UnregisteredType: the class is not registered here.
            SchemaError: ``from_version`` is out of range; or by the decorator: what it is put on cannot be called.
            DuplicateUpcaster: by the decorator: another function lifts this version.

        Thread-safety: safe. The function is called by whichever thread reads, by several at once.

        Example:
            >>> from dataclasses import dataclass
            >>> registry = Registry()
            >>> @registry.event(category=0xF, type_id=1, version=2)
            ... @dataclass(frozen=True)
            ... class PlayerMoved:
            ...     x: int
            ...     y: int
            >>> @registry.upcast(PlayerMoved, from_version=1)
            ... def position_is_two_fields(plain):
            ...     plain["x"], plain["y"] = plain.pop("position")
            ...     return plain
            >>> import batpak, tempfile
            >>> moved = registry.lookup_type(PlayerMoved)
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     with batpak.Store.open(directory, registry=registry) as store:
            ...         place = batpak.Coordinate("player:alice", "room")
            ...         receipt = store.append(place, {"position": [1, 2]}, kind=moved.kind_code, version=1)
            ...         store.get(receipt.sequence).payload
            PlayerMoved(x=1, y=2)

        """
        known = self.lookup_type(cls)
        if known is None:
            name = getattr(cls, "__qualname__", repr(type(cls)))
            message = f"{name} is not registered here: put @event(category=..., type_id=...) above it, and upcast below"
            raise UnregisteredType(message, type_name=name)
        if type(from_version) is not int or not 1 <= from_version < known.version:
            problem = (
                f"from_version is an int from 1 to {known.version - 1}, before version {known.version} of the class"
            )
            if known.version == 1:
                problem = "version 1 is the first, so nothing can be lifted to it: raise version= of the class"
            raise schema_error(cls, problem)

        def register(lift: Lift) -> Lift:
            if not callable(lift):
                raise schema_error(cls, f"an upcaster is a function of a dict, not {type(lift).__qualname__}")
            with self._lock:
                self._upcasters.add(known, from_version, lift)
                self._revision += 1
            return lift

        return register

    def lookup_type(self, cls: type) -> EventType | None:
        """Return what is registered for exactly the class ``cls``, or None. Thread-safe; raises nothing."""
        return self._by_type.get(cls)

    def lookup_kind(self, code: int) -> EventType | None:
        """Return what is registered for ``code`` (category << 12 | type id), or None. Thread-safe; raises nothing."""
        return self._by_kind.get(code)

    def types(self) -> list[EventType]:
        """Return what is registered, in the order of the kinds. Thread-safe; raises nothing."""
        return sorted(self._by_kind.copy().values(), key=lambda each: each.kind_code)

    def check_upcasters(self) -> None:
        """Raise ``UpcasterMissing`` if a class has upcasters and they do not lead from version 1 to its own.

        ``Store.open`` calls it. A class without any is left alone. Thread-safe.
        """
        for known in self.types():
            self._upcasters.check(known)

    def lifted_versions(self) -> dict[int, int]:
        """Return the kinds that have upcasters, each with the version of its class. Thread-safe; raises nothing."""
        lifted = {code: self._by_kind.get(code) for code in self._upcasters.kinds()}
        return {code: known.version for code, known in lifted.items() if known is not None}

    def _add(self, new: EventType) -> None:
        with self._lock:
            known, holder = self._by_type.get(new.cls), self._by_kind.get(new.kind_code)
            if known == new:
                return
            if known is not None:
                problem = f"already registered as kind 0x{known.kind_code:04X} version {known.version}"
                raise schema_error(new.cls, problem)
            if holder is not None and not _same_definition(holder, new):
                message = (
                    f"{full_name(new.cls)}: kind 0x{new.kind_code:04X} belongs to another definition, "
                    f"{full_name(holder.cls)} version {holder.version}; take another type_id, or, to "
                    "change a class in a running session, a new Registry()"
                )
                raise DuplicateKind(message, type_name=new.cls.__qualname__)
            self._by_type[new.cls] = new
            self._by_kind[new.kind_code] = new
            self._has_typed_dicts = self._has_typed_dicts or new.takes_dicts
            if holder is not None:
                del self._by_type[holder.cls]
            self._revision += 1


def _kind_code(category: int, type_id: int) -> int:
    ints = type(category) is int and type(type_id) is int
    if not (ints and 0 <= category <= CATEGORY_MAX and 0 <= type_id <= TYPE_ID_MAX):
        message = f"a kind is an int category in 1..{CATEGORY_MAX} and an int type_id in 0..{TYPE_ID_MAX}"
        raise InvalidKind(message)
    code = category << 12 | type_id
    if category in RESERVED_CATEGORIES or code in RESERVED_KINDS:
        message = f"kind 0x{code:04X} is not for users: take a category in 1..15 without 13, or another type_id"
        raise InvalidKind(message)
    return code


def _same_definition(old: EventType, new: EventType) -> bool:
    if full_name(old.cls) != full_name(new.cls) or old.version != new.version:
        return False
    return old._record.definition() == new._record.definition()


default_registry = Registry()
event = default_registry.event
upcast = default_registry.upcast
