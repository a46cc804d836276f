"""For the tests of programs that use batpak: a disk in memory, a clock set by hand, and storage that fails on cue.

``open_store`` opens the real ``batpak.Store`` on them: nothing is imitated but the disk, the time and the failures. See
``docs/testing.md`` of the project for whole tests.

>>> from datetime import timedelta
>>> from batpak.testing import ManualClock, MemoryDisk, open_store
>>> disk, clock = MemoryDisk(), ManualClock()
>>> with open_store(disk, clock=clock) as store:
...     first = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
...     moved_to = clock.advance(timedelta(days=1))
...     second = store.append(Coordinate("order:1", "shop"), {"sent": True}, kind=Kind(0xF, 2))
...     store.get(second.sequence).timestamp - store.get(first.sequence).timestamp
datetime.timedelta(days=1)
>>> with open_store(disk.crash()) as store:  # what a power cut leaves now: the store was closed, so everything
...     store.verify().ok, len(store)
(True, 4)
"""

from __future__ import annotations

from batpak.testing._clock import ManualClock
from batpak.testing._disk import MemoryDisk
from batpak.testing._faults import Call, Fault, Faults
from batpak.testing._open import StoreOptions, open_store

__all__ = ["Call", "Fault", "Faults", "ManualClock", "MemoryDisk", "StoreOptions", "open_store"]
