"""Attestations: an evidence report, and the signature of the journal's key over it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from batpak import _batpak
from batpak._errors import InvalidInput, InvalidReport
from batpak._observing.evidence_report import EvidenceReport
from batpak._proving.verify import core_key
from batpak._reports import Report

if TYPE_CHECKING:
    from batpak._proving.keys import PublicKey
    from batpak._verification import Outcome

    Reason = Literal[
        "content_hash_mismatch", "journal_id_mismatch", "unknown_signing_key", "missing_signature", "invalid_signature"
    ]


VERSION: Final = 1
_LENGTHS: Final = {"body_hash": 32, "key_id": 32, "signature": 64}
_NULLABLE: Final = ("key_id", "signature")
_MEMBERS: Final = ("batpak_attestation", "journal_id", "body", *_LENGTHS)


@dataclass(frozen=True, slots=True)
class AttestationVerdict(Report):
    """What became of checking an attestation. It has no truth value of its own: look at ``ok`` or ``outcome``.

    Attributes:
        outcome: "signed" (the key that was given signed exactly this report), "unsigned_accepted" (nothing wrong, and
            no key was asked for or there), "invalid" (something is wrong) or "unverifiable" (there is a signature, and
            no key to check it with).
        reason_code: "content_hash_mismatch" (the body is not the one that the hash is of, or is no report),
            "journal_id_mismatch", "unknown_signing_key" (another key signed, or none was given), "missing_signature"
            or "invalid_signature"; None if nothing is wrong.
    """

    outcome: Outcome
    reason_code: Reason | None

    @property
    def ok(self) -> bool:
        """Whether nothing that was checked is wrong. Without a key that proves nothing."""
        return self.outcome != "invalid"

    def __bool__(self) -> bool:
        """Raise TypeError: a verdict is not a yes or no."""
        raise TypeError("a verdict has several outcomes; look at .ok or .outcome")


@dataclass(frozen=True, slots=True)
class Attestation(Report):
    """A report and who vouches for it. Made by ``Store.attest``; portable, immutable, hashable, picklable.

    Attributes:
        journal_id: the journal whose key signed, by the id of the lineage that it was in.
        body: the report's body.
        body_hash: its hash, 32 bytes, which is what the signature is over.
        key_id: 32 bytes, SHA-256 of the signing key's public half; None for a journal without a key.
        signature: 64 bytes, Ed25519; None likewise.
    """

    journal_id: UUID
    body: bytes
    body_hash: bytes
    key_id: bytes | None
    signature: bytes | None

    @property
    def report(self) -> EvidenceReport:
        """The report. Whether it is the one that was signed is for ``verify`` to say.

        That of a projection run is a ``batpak.ProjectionRun``, with ``events``, ``root``, ``state_hash`` and
        ``filters``; for a type checker, ``batpak.ProjectionRun.from_bytes(attestation.body)`` says so.

        Raises:
            InvalidReport: the body is no report, or one of a projection run that lacks something of it.
        """
        report = EvidenceReport.from_bytes(self.body)
        if report.kind == "projection_run":
            from batpak._projections.run import ProjectionRun

            return ProjectionRun.from_bytes(self.body)
        return report

    def verify(self, public_key: PublicKey | None = None, *, journal_id: UUID | None = None) -> AttestationVerdict:
        """Check that the report is the one that was signed, and by whom.

        Args:
            public_key: the key that must have signed, known from elsewhere. None checks what can be without one.
            journal_id: the journal that it must be about; None for whichever it names.

        Returns:
            The verdict.

        Raises:
            TypeError: an argument is of another type.
        """
        core = core_key(public_key)
        if journal_id is not None and not isinstance(journal_id, UUID):
            raise TypeError(f"journal_id must be a UUID, not {type(journal_id).__name__}")
        try:
            about = self.report.journal_id
        except InvalidReport:
            return AttestationVerdict("invalid", "content_hash_mismatch")
        reason: Reason | None = None
        if _batpak.report_hash(self.body) != self.body_hash:
            reason = "content_hash_mismatch"
        elif about != self.journal_id or journal_id not in (None, about):
            reason = "journal_id_mismatch"
        elif self.key_id is None or self.signature is None:
            wanted = core is not None or self.key_id is not None or self.signature is not None
            reason = "missing_signature" if wanted else None
        elif core is None:
            return AttestationVerdict("unverifiable", "unknown_signing_key")
        elif core.key_id != self.key_id:
            reason = "unknown_signing_key"
        elif len(self.signature) != _LENGTHS["signature"] or not _batpak.verify_report(
            core, self.journal_id.bytes, self.body, self.signature
        ):
            reason = "invalid_signature"
        if reason is not None:
            return AttestationVerdict("invalid", reason)
        return AttestationVerdict("unsigned_accepted" if core is None else "signed", None)

    def to_bytes(self) -> bytes:
        """Portable bytes."""
        members = {"batpak_attestation": VERSION, **{name: getattr(self, name) for name in _MEMBERS[1:]}}
        return _batpak.encode_value(members, allow_nonfinite=False)

    @classmethod
    def from_bytes(cls, data: bytes) -> Attestation:
        """Read portable bytes.

        Raises:
            InvalidReport: the bytes are anything else. Whether the report was changed is for ``verify`` to say.
        """
        try:
            return cls._from_members(_batpak.decode_value(data))
        except InvalidReport:
            raise
        except (InvalidInput, TypeError) as error:
            raise InvalidReport(f"not an attestation: {error}") from error

    def to_json(self) -> str:
        """The same on one line of JSON: bytes as lower-case hex, the id as text."""
        import json

        return json.dumps({"batpak_attestation": VERSION, **self.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> Attestation:
        """Read what ``to_json`` returned.

        Raises:
            InvalidReport: the text is anything else.
        """
        from batpak import _json

        try:
            members: Any = _json.loads(text)
        except InvalidInput as error:
            raise InvalidReport(f"not an attestation: {error}") from error
        if isinstance(members, dict):
            # What is spelled in another way stays text, which no member may be.
            members = {name: _unspelled(name, value) for name, value in members.items()}
        return cls._from_members(members)

    @classmethod
    def _from_members(cls, members: Any) -> Attestation:
        if not isinstance(members, dict) or sorted(members) != sorted(_MEMBERS):
            raise InvalidReport("not an attestation: it has other members")
        if type(members["batpak_attestation"]) is not int or members["batpak_attestation"] != VERSION:
            raise InvalidReport("an attestation of another version; read it with a newer batpak")
        if type(members["journal_id"]) is not UUID or type(members["body"]) is not bytes:
            raise InvalidReport("not an attestation: a member is of the wrong type")
        for name, length in _LENGTHS.items():
            value = members[name]
            if value is None and name in _NULLABLE:
                continue
            if type(value) is not bytes or len(value) != length:
                raise InvalidReport(f"not an attestation: {name} must be {length} bytes")
        return cls(**{name: members[name] for name in _MEMBERS[1:]})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: bytes as lower-case hex, the id as text."""
        return {
            "journal_id": str(self.journal_id),
            "body": self.body.hex(),
            "body_hash": self.body_hash.hex(),
            "key_id": None if self.key_id is None else self.key_id.hex(),
            "signature": None if self.signature is None else self.signature.hex(),
        }


def _unspelled(name: str, value: object) -> object:
    """A member as it was before ``to_json``; what is not as ``to_json`` spells it is returned as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        read = UUID(value) if name == "journal_id" else bytes.fromhex(value)
        if value == (str(read) if isinstance(read, UUID) else read.hex()):
            return read
    return value
