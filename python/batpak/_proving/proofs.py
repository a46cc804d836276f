"""Checkpoints and proofs: what a stranger can check without the journal."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from batpak import _batpak
from batpak._errors import InvalidProof
from batpak._proving.verify import core_key

if TYPE_CHECKING:
    from batpak._batpak import Event
    from batpak._proving.keys import PublicKey
    from batpak._verification import Verification

_TLOG_PROOF: Final = "c2sp.org/tlog-proof@v1"
_LINES_MAX: Final = 64
_INDEX_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line of a checkpoint, not checked yet (C2SP signed-note).

    Attributes:
        name: what the key is called.
        key_id: 4 bytes that tell keys of one name apart.
        signature: as the key's algorithm gives it; 64 bytes for Ed25519.
    """

    name: str
    key_id: bytes
    signature: bytes


class Checkpoint(str):
    """What a journal says of itself at a size: a C2SP tlog-checkpoint, which is a text.

    It states the root of the Merkle tree (RFC 6962, SHA-256) over the first ``size`` events. Whoever keeps this text
    can later prove that nothing before was edited, reordered, dropped or rolled back. Make one with
    ``Store.checkpoint()``, or from a text that somebody sent.

    Attributes:
        origin: which journal: its name, ``/``, and its id.
        size: number of events.
        root: the root, 32 bytes.
        signatures: the signature lines, not checked; empty if the journal has no key.

    Raises:
        InvalidProof: the text is no checkpoint.
    """

    __slots__ = ("origin", "root", "signatures", "size")

    origin: str
    size: int
    root: bytes
    signatures: tuple[NoteSignature, ...]

    def __new__(cls, text: str) -> Self:
        self = super().__new__(cls, text)
        try:
            self.origin, self.size, self.root, lines = _batpak.parse_checkpoint(str(self))
        except UnicodeEncodeError as error:
            raise InvalidProof("not a checkpoint: it holds half of a surrogate pair") from error
        self.signatures = tuple(NoteSignature(*line) for line in lines)
        return self

    @property
    def journal_id(self) -> UUID | None:
        """The journal's id, as the origin says; None if this origin names none."""
        try:
            return UUID(self.origin.rpartition("/")[2])
        except ValueError:
            return None

    def verify(self, *, public_key: PublicKey | None = None) -> Verification:
        """Check who signed.

        Args:
            public_key: the journal's key, from somebody whom you trust. Without one, signatures are there but cannot
                be checked: "unverifiable".

        Returns:
            The verdict, whose ``signatures`` axis is the only one that a checkpoint alone can settle. Rung 2 if signed.
        """
        return _batpak.verify_checkpoint(str(self), core_key(public_key))

    def __repr__(self) -> str:
        return f"<Checkpoint {self.origin!r} size={self.size} root={self.root.hex()}>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (Checkpoint, (str(self),))

    def __str__(self) -> str:
        return super().__str__()


def _checkpoint(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a batpak.Checkpoint or its text, not {type(value).__name__}")
    return str(value if isinstance(value, Checkpoint) else Checkpoint(value))


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an event is leaf ``index`` of the tree over the first ``size`` events (RFC 9162 section 2.1.3).

    Attributes:
        event_hash: the event's, 32 bytes.
        index: its sequence.
        size: number of events in the tree.
        path: the hashes from the leaf up, 32 bytes each.
    """

    event_hash: bytes
    index: int
    size: int
    path: tuple[bytes, ...]

    @property
    def root(self) -> bytes | None:
        """The root that the event and the path lead to; None if the path does not fit index and size."""
        return _batpak.inclusion_root(self.event_hash, self.index, self.size, list(self.path))

    def verify(
        self, checkpoint: Checkpoint | str, *, public_key: PublicKey | None = None, event: Event | None = None
    ) -> Verification:
        """Check that the event is under a checkpoint, and who signed that.

        Args:
            checkpoint: the one that the proof was made for.
            public_key: the journal's key, from somebody whom you trust.
            event: the event that this should be of; its hash and sequence are compared.

        Returns:
            The verdict. Reason codes are ``inclusion_mismatch``, ``content_hash_mismatch``, ``sequence_mismatch``,
            ``invalid_signature``, ``missing_signature``, ``unknown_signing_key``.

        Raises:
            InvalidProof: the text is no checkpoint.
        """
        parts = (self.event_hash, self.index, self.size, list(self.path))
        return _batpak.verify_inclusion(parts, _checkpoint(checkpoint, "checkpoint"), core_key(public_key), event)

    def to_text(self, checkpoint: Checkpoint | str, *, extra: bytes | None = None) -> str:
        """The proof with its checkpoint as a C2SP tlog-proof, for verifiers that are not ours.

        Args:
            checkpoint: the one that the proof was made for.
            extra: data of your own, which nothing authenticates.

        Raises:
            InvalidProof: it is not the checkpoint of this proof.
        """
        stated = Checkpoint(_checkpoint(checkpoint, "checkpoint"))
        if (stated.size, stated.root) != (self.size, self.root):
            raise InvalidProof("the proof does not lead to the root of this checkpoint; prove the event for its size")
        lines = [_TLOG_PROOF]
        if extra is not None:
            lines.append(f"extra {base64.b64encode(extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(each).decode() for each in self.path]
        return "\n".join(lines) + "\n\n" + str(stated)

    @classmethod
    def from_text(cls, text: str, event_hash: bytes) -> tuple[InclusionProof, Checkpoint, bytes | None]:
        """Read a C2SP tlog-proof.

        Args:
            text: the proof with its checkpoint.
            event_hash: of the event that it should be about, 32 bytes; the text does not say.

        Returns:
            The proof, its checkpoint, and the extra data or None. Nothing of it was checked.

        Raises:
            InvalidProof: the text is no tlog-proof.
        """
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if lines[0] != _TLOG_PROOF or not blank or len(lines) > _LINES_MAX + 3:
            raise InvalidProof(f"not a tlog-proof: it begins with {_TLOG_PROOF} and holds a checkpoint")
        del lines[0]
        extra = _decoded(lines.pop(0)[6:], None) if lines and lines[0].startswith("extra ") else None
        word, _, number = lines.pop(0).partition(" ") if lines else ("", "", "")
        if word != "index" or not number.isascii() or not number.isdigit() or len(number) > 20:
            raise InvalidProof("not a tlog-proof: no line gives the index")
        if str(int(number)) != number or int(number) > _INDEX_MAX:
            raise InvalidProof("not a tlog-proof: the index is not written as it must be, or above 2^64 - 1")
        checkpoint = Checkpoint(note)
        path = tuple(_decoded(line, 32) for line in lines)
        return cls(bytes(event_hash), int(number), checkpoint.size, path), checkpoint, extra


def _decoded(text: str, length: int | None) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidProof("not a tlog-proof: a line is not base64") from error
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        raise InvalidProof("not a tlog-proof: a line is not a SHA-256 hash in base64")
    return data


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of one size goes on from that of another (RFC 9162 section 2.1.4).

    Attributes:
        old_size: number of events in the older tree.
        old_root: its root, 32 bytes.
        new_size: number of events in the newer tree.
        new_root: its root, 32 bytes.
        path: 32 bytes each.
    """

    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    path: tuple[bytes, ...]

    def verify(
        self, old: Checkpoint | str, new: Checkpoint | str, *, public_key: PublicKey | None = None
    ) -> Verification:
        """Check that the journal of one checkpoint goes on from that of an older one, and who signed them.

        Args:
            old: the older checkpoint.
            new: the newer one.
            public_key: the journal's key, from somebody whom you trust.

        Returns:
            The verdict. Reason codes are ``checkpoint_mismatch``, ``consistency_mismatch``, ``invalid_signature``,
            ``missing_signature``, ``unknown_signing_key``.

        Raises:
            InvalidProof: a text is no checkpoint.
        """
        parts = (self.old_size, self.old_root, self.new_size, self.new_root, list(self.path))
        return _batpak.verify_consistency(parts, _checkpoint(old, "old"), _checkpoint(new, "new"), core_key(public_key))
