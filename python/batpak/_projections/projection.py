"""A read model: a class that says how a state is made of events, with one handler for each kind of event."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin

from batpak._batpak import Event, Kind
from batpak._errors import InvalidInput, UnregisteredType
from batpak._filters import kind_code
from batpak._projections.plain_function import is_plain
from batpak._projections.state import StateForm, form_of
from batpak._schemas.registry import Registry, default_registry

if TYPE_CHECKING:
    from collections.abc import Callable

State = TypeVar("State")
Handler = TypeVar("Handler", bound="Callable[..., Any]")

NAME_BYTES_MAX = 60
_MARK = "_batpak_kinds"
_RETURNS_A_STATE = "returns a state, so it is no async function and no generator; make it a plain method"


def on(*kinds: type | Kind | int) -> Callable[[Handler], Handler]:
    """Make a method of a ``Projection`` the handler of events of these kinds.

    Args:
        kinds: classes that were announced with ``@batpak.event``, ``batpak.Kind`` or its number for untyped events;
            one or more. A method that names a class is only given events whose payload is an instance of it: one that
            cannot be read so is refused as ``Store.get(as_=)`` refuses it, whether the method looks at the payload or
            not. A method that names a kind is given what there is.

    Returns:
        The decorator, which returns the method unchanged.

    Raises:
        InvalidInput: none is given.
        TypeError: one is no kind, or the method is async or a generator.
        InvalidKind: one is out of range. That a class is registered is checked when the projection is made.

    >>> class Paid(batpak.Projection[int]):
    ...     name = "paid"
    ...     def initial(self) -> int:
    ...         return 0
    ...     @batpak.on(0xF001, batpak.Kind(0xF, 2))
    ...     def paid(self, state: int, event: batpak.Event) -> int:
    ...         return state + event.payload["amount"]
    >>> [str(kind) for kind in Paid.kinds()]
    ['0xF:0x001', '0xF:0x002']
    """
    if not kinds:
        raise InvalidInput("@batpak.on names no kind; override otherwise() to see events of every other kind")
    checked = tuple(kind if isinstance(kind, type) else Kind.from_code(kind_code(kind)) for kind in kinds)

    def mark(handler: Handler) -> Handler:
        if not callable(handler) or isinstance(handler, type):
            raise TypeError("@batpak.on goes directly above a method of a batpak.Projection")
        if not is_plain(handler):
            raise TypeError(f"a handler {_RETURNS_A_STATE}")
        setattr(handler, _MARK, checked)
        return handler

    return mark


class Projection(Generic[State]):
    """A state that is made of events; ``Store.project`` folds it, ``Store.materialise`` keeps it up to date.

    A subclass has a ``name``, a ``version``, ``initial`` and handlers under ``@batpak.on``, each ``(self, state,
    event) -> state``. A handler returns the next state and leaves the one that it is given, and everything else, as it
    is: what it returns must depend on nothing but state and event. Events of kinds without a handler are not looked
    at, unless ``otherwise`` is overridden. A definition that cannot work is refused when the class is made.

    An event of a class under ``@batpak.on`` that cannot be read as that class ends the fold with UpcasterMissing,
    UpcastFailed, NewerVersion or PayloadMismatch, or UnregisteredType if the store has another registry.

    Attributes:
        name: under which its snapshots are kept: 1 to 60 bytes of UTF-8, without "@".
        version: an int, 1 or more; raise it when the meaning of the state changes, so that snapshots are made anew.
        state: what the state is, if it is no plain value: a class of the families that ``batpak.event`` takes, or any
            annotation that such a class may have, for instance ``dict[str, Account]``.
        registry: where the classes of ``@batpak.on`` are registered; the process-wide registry unless it is set.

    >>> class Count(batpak.Projection[int]):
    ...     name = "count"
    ...     def initial(self) -> int:
    ...         return 0
    ...     def otherwise(self, state: int, event: batpak.Event) -> int:
    ...         return state + 1
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=0xF001)
    ...     store.project(Count)
    1
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    state: ClassVar[Any] = None
    registry: ClassVar[Registry] = default_registry

    _handlers: ClassVar[dict[int, str]] = {}
    # The kinds whose handler named a class, and so is given nothing else than instances of it.
    _typed: ClassVar[dict[int, type]] = {}
    _form: ClassVar[StateForm]
    _optional: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Check the definition, so that a mistake shows where it is made."""
        super().__init_subclass__(**options)
        _check_name_and_version(cls)
        if cls.initial is Projection.initial:
            raise InvalidInput(f"{cls.__qualname__} has no initial(); it returns the state before the first event")
        cls._handlers, cls._typed = _handlers_of(cls)
        for method in sorted({"initial", "otherwise", *cls._handlers.values()}):
            if not is_plain(getattr(cls, method)):
                raise TypeError(f"{cls.__qualname__}.{method} {_RETURNS_A_STATE}")
        if not cls._handlers and cls.otherwise is Projection.otherwise:
            raise InvalidInput(f"{cls.__qualname__} handles nothing; put @batpak.on(...) above a method")
        cls._form = form_of(cls, cls.state)
        cls._optional = any(map(_holds_none, [cls.state, *_arguments(cls)]))

    def initial(self) -> State:
        """Return the state before the first event, a new one each time."""
        raise TypeError(f"{type(self).__qualname__} is the base of projections; derive a class from it")

    def otherwise(self, state: State, event: Event) -> State:
        """Take an event whose kind has no handler; unless it is overridden, such events are not even looked at."""
        del event
        return state

    @classmethod
    def kinds(cls) -> list[Kind]:
        """Return the kinds that have a handler, ascending."""
        return [Kind.from_code(code) for code in sorted(cls._handlers)]

    def __repr__(self) -> str:
        if type(self) is Projection:
            return "<Projection>"
        return f"<Projection {self.name!r} version {self.version}>"


def instance_of(projection: object) -> Projection[Any]:
    """A projection, which may be given as its class.

    Raises:
        TypeError: it is none.
    """
    if isinstance(projection, type) and issubclass(projection, Projection) and projection is not Projection:
        return projection()
    if not isinstance(projection, Projection) or type(projection) is Projection:
        raise TypeError(
            f"a projection is a class derived from batpak.Projection, or an instance of one, not {projection!r:.100}"
        )
    return projection


def _check_name_and_version(cls: type[Projection[Any]]) -> None:
    name = cls.__dict__.get("name")
    if not isinstance(name, str):
        raise InvalidInput(f'{cls.__qualname__} has no name of its own; write for instance name = "balance" in it')
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= NAME_BYTES_MAX or "@" in name:
        raise InvalidInput(
            f'{cls.__qualname__}.name is {name!a:.100}; it must have 1 to {NAME_BYTES_MAX} bytes and no "@"'
        )
    if type(cls.version) is not int or not 1 <= cls.version < 2**63:
        raise InvalidInput(f"{cls.__qualname__}.version is {cls.version!r:.100}; it must be an int, 1 or more")


def _handlers_of(cls: type[Projection[Any]]) -> tuple[dict[int, str], dict[int, type]]:
    """Which method takes which kind, and the classes by which kinds were named.

    A method that is overridden without ``@batpak.on`` keeps its kinds.
    """
    marked: dict[str, tuple[type | Kind, ...]] = {}
    for base in cls.__mro__:
        for name, value in vars(base).items():
            kinds = getattr(value, _MARK, None)
            if kinds is not None:
                marked.setdefault(name, kinds)
            elif _hides_a_mark(value):
                raise InvalidInput(
                    f"{cls.__qualname__}.{name}: @{type(value).__name__} hides the @batpak.on below it; a handler is a "
                    "plain method that takes self, state and event, with @batpak.on on top of it"
                )
    found: dict[int, str] = {}
    typed: dict[int, type] = {}
    for name in sorted(marked):
        if not callable(getattr(cls, name, None)):
            raise InvalidInput(f"{cls.__qualname__}.{name} takes events in a base class and is no method here")
        for kind in marked[name]:
            code = kind.code if isinstance(kind, Kind) else _code_of(cls, name, kind)
            if not isinstance(kind, Kind):
                typed[code] = kind
            if found.setdefault(code, name) != name:
                raise InvalidInput(
                    f"{cls.__qualname__}: both {found[code]} and {name} take events of {Kind.from_code(code)!r}; "
                    "let one method take them"
                )
    return found, typed


def _hides_a_mark(value: object) -> bool:
    """Whether this is a property, a staticmethod or the like around a handler that was marked."""
    inner = (getattr(value, name, None) for name in ("__wrapped__", "__func__", "fget", "func"))
    return any(hasattr(each, _MARK) for each in inner)


def _code_of(cls: type[Projection[Any]], handler: str, event_class: type) -> int:
    known = cls.registry.lookup_type(event_class)
    if known is None:
        raise UnregisteredType(
            f"{cls.__qualname__}.{handler} takes {event_class.__qualname__}, which is not registered; put "
            "@batpak.event(category=..., type_id=...) above it, or name the registry in the projection",
            type_name=event_class.__qualname__,
        )
    return known.kind_code


def _arguments(cls: type) -> list[object]:
    """What stands in the brackets of ``Projection[...]`` among the bases."""
    found: list[object] = []
    for base in cls.__mro__:
        for original in base.__dict__.get("__orig_bases__", ()):
            origin = get_origin(original)
            if isinstance(origin, type) and issubclass(origin, Projection):
                found.extend(get_args(original))
    return found


def _holds_none(hint: object) -> bool:
    if hint is type(None):
        return True
    if get_origin(hint) in (Union, types.UnionType):
        return any(map(_holds_none, get_args(hint)))
    return get_origin(hint) is typing.Annotated and _holds_none(get_args(hint)[0])
