"""Signing keys on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batpak import _batpak
from batpak._errors import InvalidKey
from batpak._reports import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike


def _read_text(path: str | PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidKey(f"{os.fspath(path)} is not a key file") from error


def write_secret(path: str | PathLike[str], text: str) -> None:
    """Write a file that only its owner may read, and that must not be there yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _note_name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise InvalidKey(f"{name!r:.100} cannot be the name of a note key: it is empty, or has white space or +")
    return name


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
    def from_note(cls, text: str) -> SigningKey:
        """Read a note signer key, ``PRIVATE+KEY+name+id+key``, as programs keep it that sign C2SP notes.

        Raises:
            InvalidKey: it is anything else.
        """
        return cls(_batpak.SigningKey.from_note(text.removesuffix("\n")))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> SigningKey:
        """Read a file that holds PKCS#8 PEM or a note signer key.

        Raises:
            InvalidKey: the file holds anything else.
            OSError: it cannot be read.
        """
        text = _read_text(path)
        return cls.from_note(text.strip()) if text.lstrip().startswith("PRIVATE+KEY+") else cls.from_pem(text)

    def to_pem(self) -> str:
        """PKCS#8 PEM: the secret itself."""
        return self._core.to_pem()

    def to_note(self, name: str) -> str:
        """The note signer key of this name, one line without its end: the secret itself.

        Args:
            name: whose key it is; for checkpoints of a journal their origin, ``store.checkpoint().origin``. Not empty,
                without white space and ``+``.

        Raises:
            InvalidKey: it cannot be a name.
        """
        return self._core.to_note(_note_name(name))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a PKCS#8 PEM file that only its owner may read (mode 0600).

        Raises:
            FileExistsError: there is a file already; a key is never overwritten.
            OSError: it cannot be written.
        """
        write_secret(path, self.to_pem())

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature (RFC 8032) over these bytes, 64 bytes."""
        return self._core.sign(data)

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


class ExternalSigner:
    """A key that never enters this process: it lives in an agent, another process or a hardware module.

    A store asks it for one signature an append, a batch or a checkpoint, and verifies the answer before it writes: what
    was not signed does not exist. While it signs, other appends to the store wait for their turn, and everything else
    goes on. It is called in the thread that appends, makes the checkpoint, exchanges the key or closes: by one
    thread at a time for events, one for checkpoints, and any that is about to exchange the key. It may read the store;
    to append, make checkpoints, exchange keys or close from inside it is refused.
    If it raises or returns anything else, the append raises ``SignerFailed``, with that as its cause, and nothing is
    written. ``KeyboardInterrupt`` and ``SystemExit`` come through as they are.

    Args:
        public_key: the half that verifies.
        sign: is given the bytes to sign, 57 to about 500 of them, and returns the Ed25519 signature (RFC 8032) over
            them, 64 bytes.

    >>> key = SigningKey.generate()  # elsewhere, as a rule
    >>> signer = ExternalSigner(key.public_key, key.sign)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, signing_key=signer) as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     store.verify_receipt(receipt, public_key=key.public_key).outcome
    'signed'
    """

    __slots__ = ("_core", "_public_key")

    def __init__(self, public_key: PublicKey, sign: Callable[[bytes], bytes]) -> None:
        if not isinstance(public_key, PublicKey):
            raise TypeError(f"public_key must be a batpak.PublicKey, not {type(public_key).__name__}")
        if not callable(sign):
            raise TypeError(f"sign must be callable, not {type(sign).__name__}")
        self._public_key = public_key
        self._core = _batpak.ExternalSigner(public_key._core, sign)

    @property
    def public_key(self) -> PublicKey:
        """The half that verifies."""
        return self._public_key

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the public key, 32 bytes."""
        return self._public_key.key_id

    def __repr__(self) -> str:
        return repr(self._core)


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
    def from_note(cls, text: str) -> PublicKey:
        """Read a note verifier key, ``name+id+key``, as verifiers of C2SP notes are given it.

        Raises:
            InvalidKey: it is anything else.
        """
        return cls(_batpak.parse_note_verifier_key(text.removesuffix("\n"))[1])

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PublicKey:
        """Read a file that holds SPKI PEM or a note verifier key.

        Raises:
            InvalidKey: the file holds anything else.
            OSError: it cannot be read.
        """
        text = _read_text(path)
        return cls.from_pem(text) if text.lstrip().startswith("-----") else cls.from_note(text.strip())

    def to_bytes(self) -> bytes:
        """The 32 bytes of RFC 8032."""
        return self._core.to_bytes()

    def to_pem(self) -> str:
        """SPKI PEM."""
        return self._core.to_pem()

    def to_note(self, name: str) -> str:
        """The note verifier key of this name, as verifiers of C2SP notes and tiles are given it.

        Args:
            name: whose key it is; for checkpoints of a journal their origin, ``store.checkpoint().origin``. Not empty,
                without white space and ``+``.

        Raises:
            InvalidKey: it cannot be a name.
        """
        return _batpak.note_verifier_key(_note_name(name), self._core)

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


@dataclass(frozen=True, slots=True)
class JournalKey(Report):
    """A key that a journal has or had.

    Attributes:
        public_key: the half that verifies.
        from_sequence: the sequence of the event that brought it. It signs from there on, up to where the next one
            comes.
        revoked_at: the sequence of the event that revoked it; None if it was not. What it signed counts as far as a
            later key's checkpoint from before that covers it.
    """

    public_key: PublicKey
    from_sequence: int
    revoked_at: int | None

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the public key, 32 bytes."""
        return self.public_key.key_id

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: bytes as lower-case hex."""
        return {
            "key_id": self.key_id.hex(),
            "public_key": self.public_key.to_bytes().hex(),
            "from_sequence": self.from_sequence,
            "revoked_at": self.revoked_at,
        }


def signer_of(
    given: SigningKey | ExternalSigner | str | PathLike[str] | bytes,
) -> _batpak.SigningKey | _batpak.ExternalSigner:
    """What the core signs with: a key, a signer, or a key file's path or content."""
    if isinstance(given, SigningKey | ExternalSigner):
        return given._core
    if isinstance(given, bytes):
        return SigningKey.from_pem(given)._core
    return SigningKey.load(given)._core
