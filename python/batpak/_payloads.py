"""Payloads between what users pass and what the core stores: the compiled module calls these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak import _batpak
from batpak._errors import InvalidInput, NewerVersion, UnregisteredType
from batpak._schemas.families import family_of
from batpak._schemas.registry import Registry, default_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batpak._batpak import Coordinate, Draft, Kind
    from batpak._schemas.registry import EventType

    Item = tuple[Coordinate, object] | Draft


def resolver(registry: Registry) -> Callable[[object, object, int | None], tuple[object, int, int]]:
    """How ``append`` turns a payload that is not of a plain type into plain value, kind and version."""

    def resolve(payload: object, kind: object, version: int | None) -> tuple[object, int, int]:
        known = registry.lookup_type(type(payload))
        if known is None:
            raise _unknown(payload)
        if kind is not None or version is not None:
            name = type(payload).__name__
            raise InvalidInput(f"{name} brings its own kind and version; leave kind= and version= out")
        return known.to_plain(payload), known.kind_code, known.version

    return resolve


def _unknown(payload: object) -> Exception:
    if family_of(type(payload)) is not None:
        name = type(payload).__qualname__
        return UnregisteredType(
            f"{name} is not registered; put @batpak.event(category=..., type_id=...) above it", type_name=name
        )
    try:
        _batpak.encode_value(payload, allow_nonfinite=False)
    except Exception as refusal:  # noqa: BLE001 - it is what the caller raises
        return refusal
    return UnregisteredType(f"{type(payload).__qualname__} is not registered", type_name=type(payload).__qualname__)


def dict_type(registry: Registry, kind: Kind | int | None, version: int | None) -> EventType | None:
    """The TypedDict that a dict of this kind is checked against.

    A version that is not the registered one says that the dict is none of this class: it is written as it is.
    """
    code = kind.code if isinstance(kind, _batpak.Kind) else kind
    known = registry.lookup_kind(code) if type(code) is int else None
    if known is None or not known.takes_dicts:
        return None
    return known if version is None or (isinstance(version, int) and version == known.version) else None


def items_with_dicts(registry: Registry, items: Iterable[Item], default: Kind | int | None) -> Iterator[Item]:
    """The items of a batch, the dicts among them with the kind of a TypedDict checked and as plain values."""
    for item in items:
        yield item_with_dict(registry, item, default)


def item_with_dict(registry: Registry, item: Item, default: Kind | int | None) -> Item:
    """One item of a batch, as above."""
    draft: object = item
    if isinstance(item, tuple) and len(item) == 2 and type(item[1]) is dict and isinstance(item[0], _batpak.Coordinate):
        draft = _batpak.Draft(*item)
    if not isinstance(draft, _batpak.Draft) or type(draft.payload) is not dict:
        return item
    kind = default if draft.kind is None else draft.kind
    known = dict_type(registry, kind, draft.version)
    if known is None:
        return item
    return draft_with(draft, payload=known.to_plain(draft.payload), kind=kind, version=known.version)


_DRAFT_FIELDS = (
    "coordinate",
    "payload",
    "kind",
    "version",
    "correlation_id",
    "causation_id",
    "metadata",
    "private_metadata",
    "expect",
    "key",
)


def draft_with(draft: Draft, **changed: Any) -> Draft:
    """The same event to be, but for these fields."""
    fields: dict[str, Any] = {name: getattr(draft, name) for name in _DRAFT_FIELDS}
    return _batpak.Draft(**(fields | changed))


def restorer(registry: Registry) -> Callable[[int, int, object], object]:
    """How a typed payload is read back: an instance of its class, or the plain value if nobody knows it."""

    def restore(kind_code: int, version: int, value: object) -> object:
        known = registry.lookup_kind(kind_code)
        if known is None:
            return value
        if version > known.version:
            name = known.cls.__qualname__
            raise NewerVersion(
                f"the event was written with version {version} of {name}, and this program knows {known.version}; "
                "upgrade it, or read event.value",
                type_name=name,
                stored=version,
                known=known.version,
            )
        if version == known.version:
            return known.from_plain(value)
        lifted = registry._upcasters.lifted(known, version, value)
        return value if lifted is None else known.from_plain(lifted)

    return restore


restore_default = restorer(default_registry)
