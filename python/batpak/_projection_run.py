"""A projection run as evidence: what was folded, up to where, and which state came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from batpak import _batpak
from batpak._determinism import replayed
from batpak._errors import InvalidEncoding, InvalidInput
from batpak._folding import Stretch
from batpak._keys import PublicKey
from batpak._projection import instance_of
from batpak._projection_code import PYTHON, code_digest
from batpak._reports import Report
from batpak._selection import selected

if TYPE_CHECKING:
    from uuid import UUID

    from batpak._frontier import Mark
    from batpak._projection import Projection
    from batpak._proving import Proving
    from batpak._snapshot import Identity

SignatureState = Literal["valid", "invalid", "unsigned", "missing", "unknown_key", "revoked_key"]

KIND: Final = "projection run"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class ProjectionRun(Report):
    """What a projection makes of the log up to an event.

    Attributes:
        journal_id: the journal.
        projection: name of the projection.
        version: its version.
        code_digest: digest of its code, 32 bytes.
        python: the Python version that the digest is of.
        filters: the conditions that chose the events.
        sequence: the last event that was looked at.
        size: how many events the journal had up to there.
        root: the root of its Merkle tree at that size, 32 bytes.
        events: how many events handlers took.
        state_hash: hash of the state's canonical bytes, 32 bytes.
        body: all of that as canonical bytes; there is no time in it, so equal runs have equal bodies.
        body_hash: hash of the body, 32 bytes.
    """

    journal_id: UUID
    projection: str
    version: int
    code_digest: bytes
    python: str
    filters: dict[str, Any]
    sequence: int
    size: int
    root: bytes
    events: int
    state_hash: bytes
    body: bytes
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Attestation(Report):
    """The body of a report, signed by the journal's key.

    Attributes:
        body: canonical bytes of what is stated.
        journal_id: the journal that it is about.
        key_id: the key that signed it; None in a journal without a key.
        signature: 64 bytes, or None.
    """

    body: bytes
    journal_id: UUID
    key_id: bytes | None
    signature: bytes | None

    @property
    def body_hash(self) -> bytes:
        """Hash of the body, 32 bytes."""
        return _batpak.report_hash(self.body)


@dataclass(frozen=True, slots=True)
class RunVerification(Report):
    """Whether a projection run is what an attestation says.

    Attributes:
        ok: whether everything agrees, and the signature is "valid", or "unsigned" in a journal without a key.
        journal_agrees: whether it is about this journal.
        root_agrees: whether the journal has this root at that size.
        projection_agrees: whether the projection has the name and the version that are stated.
        code_agrees: whether its code has the digest that is stated. Another Python version has other digests, so this
            is no part of ``ok``.
        events_agree: whether as many events were folded; None if it was not replayed.
        state_agrees: whether the same state came out; None if it was not replayed.
        signature: "valid", "invalid", "unsigned" (the journal had no key), "missing" (it had one), "unknown_key" (the
            key is not the given one, or none of the journal's) or "revoked_key" (the journal says that it must not be
            trusted; if you do, give it as ``public_key``).
    """

    ok: bool
    journal_agrees: bool
    root_agrees: bool
    projection_agrees: bool
    code_agrees: bool
    events_agree: bool | None
    state_agrees: bool | None
    signature: SignatureState


def report_of(
    store: Proving, identity: Identity, watermark: Mark | None, events: int, state_hash: bytes
) -> ProjectionRun:
    """The report on a state up to a mark."""
    if watermark is None:
        raise InvalidInput("the journal shows no event yet, so there is nothing to report")
    size = watermark.sequence + 1
    # A writer syncs them for this.
    root = store.root(size)
    stated = {
        "report": KIND,
        "format": FORMAT,
        "journal_id": store._core.journal_id,
        "projection": identity.name,
        "version": identity.version,
        "code_digest": identity.code,
        "python": PYTHON,
        "filters": identity.filters,
        "sequence": watermark.sequence,
        "size": size,
        "root": root,
        "events": events,
        "state_hash": state_hash,
    }
    return _report(_batpak.encode_value(stated, allow_nonfinite=False), stated)


def attested(store: Proving, report: ProjectionRun) -> Attestation:
    """The report, signed if the journal has a key."""
    signed = _batpak.sign_report(store._core, report.body)
    key_id, signature = (None, None) if signed is None else signed
    return Attestation(report.body, report.journal_id, key_id, signature)


_TYPES: Final = {
    "report": str,
    "format": int,
    "journal_id": None,
    "projection": str,
    "version": int,
    "code_digest": bytes,
    "python": str,
    "filters": dict,
    "sequence": int,
    "size": int,
    "root": bytes,
    "events": int,
    "state_hash": bytes,
}


def _report(body: bytes, stated: dict[str, Any]) -> ProjectionRun:
    fields = {name: stated[name] for name in _TYPES if name not in ("report", "format")}
    return ProjectionRun(**fields, body=body, body_hash=_batpak.report_hash(body))


def read_body(body: bytes) -> ProjectionRun:
    """The report in a body.

    Raises:
        InvalidInput: the bytes are no body of a projection run.
    """
    from uuid import UUID

    try:
        stated = _batpak.decode_value(body)
    except InvalidEncoding as error:
        raise InvalidInput(f"the attestation's body cannot be read: {error.message}") from None
    if type(stated) is not dict or stated.get("report") != KIND or stated.get("format") != FORMAT:
        raise InvalidInput("the attestation is not about a projection run of a format that this software knows")
    fits = stated.keys() == _TYPES.keys() and all(
        type(stated[name]) is (UUID if wanted is None else wanted) for name, wanted in _TYPES.items()
    )
    if not fits or not 0 <= stated["sequence"] < 2**64 - 1 or stated["size"] != stated["sequence"] + 1:
        raise InvalidInput("the attestation's body lacks a field, or has one that is of another type or out of range")
    try:
        selected(stated["filters"])
    except (TypeError, InvalidInput) as error:
        raise InvalidInput(f"the attestation's body has filters that are none: {error}") from None
    return _report(body, stated)


def verify_run(
    store: Proving,
    attestation: Attestation,
    projection: Projection[Any] | type[Projection[Any]],
    *,
    public_key: PublicKey | None = None,
) -> RunVerification:
    """Replay a projection up to the event that an attestation names, and compare what comes out with what it says.

    Args:
        store: an open store of the journal, or of a copy.
        attestation: what ``View.attest`` returned.
        projection: the projection, as an instance or a class.
        public_key: the key that must have signed it; any of the journal's own if None.

    Returns:
        What agrees. A disagreement is no exception.

    Raises:
        InvalidInput: the attestation's body is not that of a projection run.
        TypeError: an argument is of another type.
        Whatever a handler raises, with a note that names the event; and what ``Store.query`` raises.

    >>> import tempfile
    >>> class Orders(batpak.Projection[int]):
    ...     name = "orders"
    ...     def initial(self) -> int:
    ...         return 0
    ...     @batpak.on(0xF001)
    ...     def placed(self, state: int, event: batpak.Event) -> int:
    ...         return state + 1
    >>> key = SigningKey.generate()
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, signing_key=key) as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=0xF001)
    ...     attestation = store.materialise(Orders).attest()
    ...     verification = batpak.verify_run(store, attestation, Orders, public_key=key.public_key)
    >>> verification.ok, verification.signature
    (True, 'valid')
    """
    if not isinstance(attestation, Attestation):
        raise TypeError(f"attestation must be a batpak.Attestation, not {type(attestation).__name__}")
    if public_key is not None and not isinstance(public_key, PublicKey):
        raise TypeError(f"public_key must be a batpak.PublicKey, not {type(public_key).__name__}")
    wanted = instance_of(projection)
    stated = read_body(attestation.body)
    journal = stated.journal_id == attestation.journal_id and stated.journal_id in _ids(store)
    root = _has_root(store, stated.size, stated.root)
    state_hash, events = (None, None)
    if root:
        state_hash, events = replayed(store, wanted, Stretch(selected(stated.filters), stated.sequence))
    signature = _signature(store, attestation, stated.size, public_key)
    named = (wanted.name, wanted.version) == (stated.projection, stated.version)
    agree = journal and root and named and (events, state_hash) == (stated.events, stated.state_hash)
    return RunVerification(
        ok=agree and signature in ("valid", "unsigned"),
        journal_agrees=journal,
        root_agrees=root,
        projection_agrees=named,
        code_agrees=code_digest(wanted) == stated.code_digest,
        events_agree=None if events is None else events == stated.events,
        state_agrees=None if state_hash is None else state_hash == stated.state_hash,
        signature=signature,
    )


def _ids(store: Proving) -> set[UUID]:
    """The ids that the journal has and had."""
    found = {store._core.journal_id}
    for lineage in store.lineages():
        found |= {lineage.journal_id, lineage.parent_id}
    return found


def _has_root(store: Proving, size: int, root: bytes) -> bool:
    return size <= store._core.events() and store.root(size) == root


def _signature(store: Proving, attestation: Attestation, size: int, public_key: PublicKey | None) -> SignatureState:
    keys = store.signing_keys()
    if attestation.signature is None or attestation.key_id is None:
        signed = public_key is not None or any(key.from_sequence < size for key in keys)
        return "missing" if signed else "unsigned"
    key = public_key
    if key is None:
        known = next((each for each in keys if each.public_key.key_id == attestation.key_id), None)
        if known is None:
            return "unknown_key"
        if known.revoked_at is not None:
            return "revoked_key"
        key = known.public_key
    if key.key_id != attestation.key_id:
        return "unknown_key"
    if len(attestation.signature) != 64:
        return "invalid"
    valid = _batpak.verify_report(key._core, attestation.journal_id.bytes, attestation.body, attestation.signature)
    return "valid" if valid else "invalid"
