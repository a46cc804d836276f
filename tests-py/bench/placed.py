"""The workload's events with everything they are found by: entity, kind, and tenant, the declared metadata key."""

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from .event import ENTITIES, SCOPES, Event, event

KINDS: Final = 61
"""A prime, so that an entity meets every kind."""
TENANTS: Final = 100
PAGE: Final = 100


class Placed(NamedTuple):
    """One event; `kind` counts from 0 to KINDS - 1."""

    sequence: int
    entity: str
    scope: str
    kind: int
    tenant: str
    payload: Event


class By(Enum):
    """What a page is read by; the value is the distance, in events, from one that matches to the next."""

    ENTITY = ENTITIES
    KIND = KINDS
    METADATA = TENANTS


def entity_name(number: int) -> str:
    """Return the name of entity `number`, as `coordinate_names` gives it."""
    return f"agent:{number:04d}"


def tenant_name(number: int) -> str:
    """Return the value of the metadata key `tenant`."""
    return f"t{number}"


def place(index: int, entity: int | None = None) -> Placed:
    """Return event `index` (from 0), of entity `index % ENTITIES` unless another number is given."""
    number = index % ENTITIES if entity is None else entity
    return Placed(
        index,
        entity_name(number),
        f"team:{number % SCOPES}",
        index % KINDS,
        tenant_name(index % TENANTS),
        event(index),
    )


def parts(start: int, end: int, length: int, *, own: bool) -> Iterator[list[Placed]]:
    """Yield events `start` to `end` in lists of `length`, made as they are asked for; `own`: each its own entity."""
    for first in range(start, end, length):
        yield [place(index, index if own else None) for index in range(first, min(first + length, end))]
