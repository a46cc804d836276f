"""Verification without an open store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._proving.keys import PublicKey
from batpak._receipt import AppendReceipt

if TYPE_CHECKING:
    from batpak._batpak import Event
    from batpak._verification import Verification


def core_key(public_key: PublicKey | None) -> _batpak.PublicKey | None:
    """The compiled half of a key.

    Raises:
        TypeError: it is no PublicKey.
    """
    if public_key is None:
        return None
    if not isinstance(public_key, PublicKey):
        raise TypeError(f"public_key must be a batpak.PublicKey, not {type(public_key).__name__}")
    return public_key._core


def core_receipt(receipt: AppendReceipt) -> _batpak.ReceiptSource:
    """The compiled half of a receipt.

    Raises:
        TypeError: it is no AppendReceipt.
    """
    if not isinstance(receipt, AppendReceipt):
        raise TypeError(
            f"receipt must be a batpak.AppendReceipt, not {type(receipt).__name__}; see from_bytes, from_json"
        )
    return receipt._source


def verify(
    path: str | os.PathLike[str],
    *,
    public_key: PublicKey | None = None,
    pins: str | os.PathLike[str] | None = None,
) -> Verification:
    """Check the journal in a directory, without opening it and without changing a byte.

    Every axis is checked as ``Store.verify`` does; damage that keeps a store from opening is a finding here. Beside a
    running writer, it checks what
    was written when it began.

    Args:
        path: the directory.
        public_key: the key that must have signed every frame and checkpoint; if None, the keys that the journal names
            itself.
        pins: the directory outside the journal's that remembers the highest checkpoint that was seen of it (see
            ``Store.open``); it is only read. Rung 3 if there is one and the journal goes on from it.

    Returns:
        The verdict.

    Raises:
        NotAJournal: there is no journal in the directory, or no directory.
        StorageError: the operating system refused.
    """
    return _batpak.verify_directory(os.fspath(path), core_key(public_key), None if pins is None else os.fspath(pins))


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
    return _batpak.verify_receipt(core_receipt(receipt), core_key(public_key), event)
