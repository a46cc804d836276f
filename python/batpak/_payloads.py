"""Payloads between what users pass and what the core stores: the compiled module calls these."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._errors import InvalidInput, NewerVersion, UnregisteredType
from batpak._schema import Registry, default_registry

if TYPE_CHECKING:
    from collections.abc import Callable


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
    if dataclasses.is_dataclass(payload) and not isinstance(payload, type):
        name = type(payload).__qualname__
        return UnregisteredType(
            f"{name} is not registered; put @batpak.event(category=..., type_id=...) above it", type_name=name
        )
    try:
        _batpak.encode_value(payload, allow_nonfinite=False)
    except Exception as refusal:  # noqa: BLE001 - it is what the caller raises
        return refusal
    return UnregisteredType(f"{type(payload).__qualname__} is not registered", type_name=type(payload).__qualname__)


def restorer(registry: Registry) -> Callable[[int, int, object], object]:
    """How a typed payload is read back: an instance of its class, or the plain value if nobody knows it."""

    def restore(kind_code: int, version: int, value: object) -> object:
        known = registry.lookup_kind(kind_code)
        if known is None or version < known.version:
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
        return known.from_plain(value)

    return restore


restore_default = restorer(default_registry)
