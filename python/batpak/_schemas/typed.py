"""Reading events as instances of one class: a payload of another class is refused instead of given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak._batpak import Kind
from batpak._errors import PayloadMismatch, SchemaError, UnregisteredType
from batpak._schemas.families import family_of
from batpak._schemas.upcast import missing

if TYPE_CHECKING:
    from batpak._batpak import Event
    from batpak._schemas.registry import EventType, Registry


def registered(registry: Registry, cls: type) -> EventType:
    """Return what is registered for ``cls``. Raises ``UnregisteredType``, or ``TypeError`` if it is no class."""
    if not isinstance(cls, type):
        raise TypeError(f"name a class that was registered with @batpak.event, not {type(cls).__name__}")
    known = registry.lookup_type(cls)
    if known is not None:
        return known
    name = cls.__qualname__
    advice = "put @batpak.event(category=..., type_id=...) above it, or open the store with its registry="
    if family_of(cls) is None:
        advice = "name a class that was registered with @batpak.event"
    raise UnregisteredType(f"{name} is not registered in this store's registry: {advice}", type_name=name)


def kind_of(registry: Registry, kind: Kind | int | type[Any] | None) -> Kind | int | None:
    """Return what is meant by ``kind=``: of a class, the kind that it is registered as.

    What is neither a class nor a kind is returned as it is: the core says what is wrong with it. Raises
    ``UnregisteredType``.
    """
    return Kind.from_code(registered(registry, kind).kind_code) if isinstance(kind, type) else kind


def payload_as(registry: Registry, known: EventType, event: Event) -> Any:
    """Return ``event.payload`` if it is of the class, or raise what keeps it from being so, with the event's name."""
    try:
        return _payload_as(registry, known, event)
    except SchemaError as error:
        error.add_note(f"event {event.sequence} ({event.event_id}) of kind 0x{event.kind.code:04X}")
        raise


def _payload_as(registry: Registry, known: EventType, event: Event) -> Any:
    name, where = known.cls.__qualname__, f"event {event.sequence}"
    code = event.kind.code
    if code != known.kind_code:
        other = registry.lookup_kind(code)
        kind = f"0x{code:04X}" if other is None else f"0x{code:04X} ({other.cls.__qualname__})"
        message = (
            f"{where} is of kind {kind}, and {name} is 0x{known.kind_code:04X}: ask for its own class, or for none"
        )
        raise PayloadMismatch(message, type_name=name, path=None)
    if event.payload_version == 0 or event.encoding != "value":
        message = f"{where} was written under the kind of {name} without a class; event.value has what was stored"
        raise PayloadMismatch(message, type_name=name, path=None)
    if event.payload_version < known.version and not registry._upcasters.any_for(known):
        raise missing(known, event.payload_version)
    payload = event.payload
    if type(payload) is not (dict if known.takes_dicts else known.cls):
        message = f"{where} was restored as {type(payload).__qualname__}: {name} makes instances of another class"
        raise PayloadMismatch(message, type_name=name, path="payload")
    return payload
