"""Which cursors are open: one object of a name at a time, so that no two move the same position."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

from batpak._errors import CursorInUse

if TYPE_CHECKING:
    from batpak import _batpak
    from batpak._consuming.cursor import Cursor


class CursorNames:
    """The names of one store's open cursors. A cursor that nobody holds any longer gives its name back."""

    __slots__ = ("_cursors", "_lock")

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._cursors: WeakValueDictionary[str, Cursor] = WeakValueDictionary()

    def take(self, name: str, cursor: Cursor) -> None:
        """Let ``cursor`` have the name; CursorInUse if another one has it."""
        with self._lock:
            self._refuse_taken(name)
            self._cursors[name] = cursor

    def give_back(self, name: str, cursor: Cursor) -> None:
        """Let the name be free if it is this cursor's."""
        with self._lock:
            if self._cursors.get(name) is cursor:
                del self._cursors[name]

    def require_free(self, name: str) -> None:
        """CursorInUse if a cursor of this name is open."""
        with self._lock:
            self._refuse_taken(name)

    def _refuse_taken(self, name: str) -> None:
        if name in self._cursors:
            message = f"cursor {name!r} is open already; close it first, or use each in a with block of its own"
            raise CursorInUse(message, name=name)


_names: WeakKeyDictionary[_batpak.CoreStore, CursorNames] = WeakKeyDictionary()


def names_of(core: _batpak.CoreStore) -> CursorNames:
    """Those of a store."""
    return _names.setdefault(core, CursorNames())
