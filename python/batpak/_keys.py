"""Signing keys on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._errors import InvalidKey

if TYPE_CHECKING:
    from os import PathLike


def _read_pem(path: str | PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise InvalidKey(f"{os.fspath(path)} is not a PEM file") from error


class SigningKey:
    """An Ed25519 key that signs (RFC 8032).

    Keep its file away from the journal that it signs. It is never printed, compared or pickled. Any thread may use it.

    >>> key = SigningKey.generate()
    >>> len(key.key_id)
    32
    """

    __slots__ = ("_core",)

    def __init__(self, core: _batpak.SigningKey) -> None:
        self._core = core

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random key, from the operating system's random numbers."""
        return cls(_batpak.SigningKey.generate())

    @classmethod
    def from_pem(cls, pem: str | bytes) -> SigningKey:
        """Read PKCS#8 PEM.

        Raises:
            InvalidKey: it is anything else.
        """
        try:
            text = pem.decode("ascii") if isinstance(pem, bytes) else pem
        except UnicodeDecodeError as error:
            raise InvalidKey("not a PEM text") from error
        return cls(_batpak.SigningKey.from_pem(text))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> SigningKey:
        """Read a PKCS#8 PEM file.

        Raises:
            InvalidKey: the file holds anything else.
            OSError: it cannot be read.
        """
        return cls.from_pem(_read_pem(path))

    def to_pem(self) -> str:
        """PKCS#8 PEM: the secret itself."""
        return self._core.to_pem()

    def save(self, path: str | PathLike[str]) -> None:
        """Write a PKCS#8 PEM file that only its owner may read (mode 0600).

        Raises:
            FileExistsError: there is a file already; a key is never overwritten.
            OSError: it cannot be written.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self.to_pem())
            file.flush()
            os.fsync(file.fileno())

    @property
    def public_key(self) -> PublicKey:
        """The half that verifies."""
        return PublicKey(self._core.public_key)

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the public key, 32 bytes."""
        return self._core.key_id

    def __repr__(self) -> str:
        return repr(self._core)

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a SigningKey is not pickled; save() it, and load() it where it is needed")


class PublicKey:
    """An Ed25519 key that verifies (RFC 8032). Immutable, hashable, comparable, picklable; any thread may use it."""

    __slots__ = ("_core",)

    def __init__(self, core: _batpak.PublicKey) -> None:
        self._core = core

    @classmethod
    def from_bytes(cls, data: bytes) -> PublicKey:
        """From the 32 bytes of RFC 8032.

        Raises:
            InvalidKey: they are not a usable key.
        """
        if len(data) != 32:
            raise InvalidKey(f"an Ed25519 public key has 32 bytes, not {len(data)}")
        return cls(_batpak.PublicKey.from_bytes(data))

    @classmethod
    def from_pem(cls, pem: str) -> PublicKey:
        """Read SPKI PEM.

        Raises:
            InvalidKey: it is anything else.
        """
        return cls(_batpak.PublicKey.from_pem(pem))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PublicKey:
        """Read an SPKI PEM file.

        Raises:
            InvalidKey: the file holds anything else.
            OSError: it cannot be read.
        """
        return cls.from_pem(_read_pem(path))

    def to_bytes(self) -> bytes:
        """The 32 bytes of RFC 8032."""
        return self._core.to_bytes()

    def to_pem(self) -> str:
        """SPKI PEM."""
        return self._core.to_pem()

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the 32 bytes."""
        return self._core.key_id

    def __repr__(self) -> str:
        return repr(self._core)

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._core == other._core

    def __hash__(self) -> int:
        return hash(self._core)

    def __reduce__(self) -> tuple[object, ...]:
        return (PublicKey.from_bytes, (self.to_bytes(),))
