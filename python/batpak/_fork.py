"""Forked children must not touch their parent's stores."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batpak import _batpak

_open: weakref.WeakSet[_batpak.CoreStore] = weakref.WeakSet()
_registered = False


def watch(core: _batpak.CoreStore) -> None:
    """Mark this store's copy dead in every child from now on, and close the child's copy of its lock."""
    global _registered  # noqa: PLW0603 - one handler serves the process; it is registered at the first open, not at import
    _open.add(core)
    if not _registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork_in_child)
        _registered = True


def _after_fork_in_child() -> None:
    for core in list(_open):
        core.after_fork_in_child()
