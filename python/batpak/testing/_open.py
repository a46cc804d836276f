"""Opening a store for a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from batpak import _batpak
from batpak._store import Store, absolute
from batpak.testing._clock import ManualClock
from batpak.testing._disk import MemoryDisk
from batpak.testing._faults import Faults

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Unpack

    from batpak._gates import Gate, GateMode
    from batpak._proving.keys import ExternalSigner, SigningKey
    from batpak._schemas.registry import Registry
    from batpak._store import Durability, Visibility


class StoreOptions(TypedDict, total=False):
    """The options of ``batpak.Store.open``, which says what they mean."""

    create: bool
    read_only: bool
    signing_key: SigningKey | ExternalSigner | str | os.PathLike[str] | bytes | None
    durability: Durability
    interval_ms: int
    segment_bytes: int
    name: str
    registry: Registry | None
    allow_nonfinite: bool
    rebuild_meta: bool
    index_metadata: Iterable[str] | None
    visibility: Visibility
    idempotency_window: int
    gates: Iterable[Gate]
    gate_mode: GateMode
    record_denials: bool
    pins: str | os.PathLike[str] | None
    checkpoint_events: int | None
    checkpoint_interval_ms: int | None
    adopt_key: bool


def open_store(
    place: MemoryDisk | str | os.PathLike[str] | None = None,
    *,
    clock: ManualClock | None = None,
    faults: Faults | None = None,
    **options: Unpack[StoreOptions],
) -> Store:
    """Open a journal for a test: in memory or on disk, with a clock of your own, on storage that fails on cue.

    It is ``batpak.Store.open``, and the store is the same in every respect, but that in memory there is no other
    process to lock out. ``Store.path`` is ``memory`` then, and so messages call it.

    Args:
        place: a disk in memory, or the path of a directory; a new disk in memory if None, gone with the store.
        clock: stamps the events; the operating system's if None.
        faults: makes calls to the storage fail, from the first call of the opening on; none if None.
        options: those of ``batpak.Store.open``.

    Returns:
        The open store, to be closed as any other. Any number of threads may use it.

    Raises:
        StorageError: a fault hit a call of the opening.
        TypeError: ``clock`` or ``faults`` is something else.
        Whatever ``batpak.Store.open`` raises.

    >>> with open_store(durability="always") as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     store.get(receipt.event_id).payload
    {'paid': True}
    """
    if not isinstance(clock, ManualClock | None):
        raise TypeError(f"clock must be a batpak.testing.ManualClock, not {type(clock).__name__}")
    if not isinstance(faults, Faults | None):
        raise TypeError(f"faults must be batpak.testing.Faults, not {type(faults).__name__}")
    core_clock = None if clock is None else clock._core
    core_faults = None if faults is None else faults._core
    if place is None:
        place = MemoryDisk()
    if isinstance(place, MemoryDisk):
        return Store.open(_batpak.Place.memory(place._core, core_clock, core_faults), **options)
    return Store.open(_batpak.Place.directory(Path(place), absolute(place), core_clock, core_faults), **options)
