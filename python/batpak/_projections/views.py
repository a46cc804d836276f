"""The materialised projections of one store: how far the slowest has come."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batpak._frontier import Mark
    from batpak._projections.view import View


class Views:
    """Knows the views of a store as long as somebody holds them. Any thread may use it."""

    __slots__ = ("_known", "_lock")

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._known: list[weakref.ref[View[Any]]] = []

    def add(self, view: View[Any]) -> None:
        """Count a view from now on."""
        with self._lock:
            self._known = [known for known in self._known if known() is not None]
            self._known.append(weakref.ref(view))

    def applied(self) -> Mark | None:
        """The smallest watermark; None if there is no view, or one that has looked at nothing yet."""
        # The list is replaced, never changed, but by ``add``, which only makes it longer.
        views = [view for known in tuple(self._known) if (view := known()) is not None]
        marks = [view.applied for view in views]
        return min((mark for mark in marks if mark is not None), default=None) if None not in marks else None
