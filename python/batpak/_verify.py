"""Verification without an open store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batpak import _batpak

if TYPE_CHECKING:
    from batpak._batpak import Event
    from batpak._keys import PublicKey
    from batpak._receipt import AppendReceipt
    from batpak._verification import Verification


def verify(path: str | os.PathLike[str], *, public_key: PublicKey | None = None) -> Verification:
    """Check the journal in a directory, without opening it and without changing a byte.

    Every axis is checked as ``Store.verify`` does; damage that keeps a store from opening is a finding here. Beside a
    running writer, it checks what
    was written when it began.

    Args:
        path: the directory.
        public_key: the key that must have signed every frame; if None, the keys that the journal names itself.

    Returns:
        The verdict.

    Raises:
        StorageError: the operating system refused; StorageMissing if there is no such directory.
    """
    return _batpak.verify_directory(os.fspath(path), None if public_key is None else public_key._core)


def verify_receipt(
    receipt: AppendReceipt, *, public_key: PublicKey | None = None, event: Event | None = None
) -> Verification:
    """Check a receipt without a store.

    Args:
        receipt: what ``append`` returned, or what ``AppendReceipt.from_bytes`` read.
        public_key: the key that must have signed it. Without one, a signature is there but cannot be checked:
            "unverifiable".
        event: the event that it should be of; its content and order are compared.

    Returns:
        The verdict; what could not be checked is ``not_checked``.
    """
    key = None if public_key is None else public_key._core
    return _batpak.verify_receipt(receipt._source, key, event)
