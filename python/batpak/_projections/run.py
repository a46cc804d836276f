"""A projection run as evidence: what was folded, up to where, and which state came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from batpak._batpak import report_hash
from batpak._errors import InvalidInput, InvalidReport
from batpak._folding import Stretch
from batpak._observing.attestation import Attestation
from batpak._observing.evidence_report import EvidenceReport, durable_size, frontier_over
from batpak._projections.classes import run_digest
from batpak._projections.code import PYTHON
from batpak._projections.determinism import replayed
from batpak._projections.projection import instance_of
from batpak._projections.selection import selected
from batpak._proving.keys import PublicKey
from batpak._reports import Report

if TYPE_CHECKING:
    from uuid import UUID

    from batpak._frontier import Mark
    from batpak._projections.projection import Projection
    from batpak._projections.selection import Selection
    from batpak._projections.snapshot import Identity
    from batpak._proving.proving import Proving

SignatureState = Literal["valid", "invalid", "unsigned", "missing", "unknown_key", "revoked_key"]

_INPUTS: Final[dict[str, type]] = {
    "projection": str,
    "version": int,
    "code_digest": bytes,
    "python": str,
    "filters": dict,
}
_FACTS: Final[dict[str, type]] = {"root": bytes, "state_hash": bytes}


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ProjectionRun(EvidenceReport):
    """What a projection makes of the log up to an event; made by ``View.run_report``.

    ``inputs``: name and version of the ``projection``, the ``code_digest`` (32 bytes) of its code and of the event
    classes and upcasters that it reads with, the ``python`` version that the digest is of, and the ``filters`` that
    chose the events. ``counts``: the ``events`` that handlers took. ``facts``:
    the ``root`` of the journal's Merkle tree at the frontier, and the ``state_hash``, the hash of the state's canonical
    bytes, 32 bytes each.
    """

    KIND: ClassVar[str | None] = "projection_run"

    def __post_init__(self) -> None:
        """Refuse what is no projection run, so that none of the members that are named here is missing."""
        # Without arguments, super() would look for the class that dataclass made this one of.
        EvidenceReport.__post_init__(self)
        _check(self)

    @property
    def events(self) -> int:
        """How many events handlers took."""
        return self.counts["events"]

    @property
    def root(self) -> bytes:
        """The root of the journal's Merkle tree at the frontier, 32 bytes."""
        return cast("bytes", self.facts["root"])

    @property
    def state_hash(self) -> bytes:
        """Hash of the state's canonical bytes, 32 bytes."""
        return cast("bytes", self.facts["state_hash"])

    @property
    def filters(self) -> Selection:
        """The conditions that chose the events."""
        return cast("Selection", self.inputs["filters"])


@dataclass(frozen=True, slots=True)
class RunVerification(Report):
    """Whether a projection run is what an attestation says.

    Attributes:
        ok: whether everything but ``code_agrees`` agrees, and the signature is "valid", or "unsigned" in a journal
            without a key.
        journal_agrees: whether it is about this journal.
        root_agrees: whether the journal has this root, and this last event, at that size.
        projection_agrees: whether the projection has the name and the version that are stated.
        code_agrees: whether its code, and the event classes and upcasters that it reads with, have the digest that is
            stated. Another Python version has other digests, so this is no part of ``ok``.
        events_agree: whether as many events were folded; None if it was not replayed.
        state_agrees: whether the same state came out; None if it was not replayed.
        signature: "valid", "invalid" (or the body is not the one whose hash is stated), "unsigned" (the journal had no
            key), "missing" (it had one), "unknown_key" (the key is not the given one, or none of the journal's) or
            "revoked_key" (the journal says that it must not be trusted; if you do, give it as ``public_key``).
        state: the state that came out of the replay; it is the one that was attested if ``state_agrees``. None if it
            was not replayed.
    """

    ok: bool
    journal_agrees: bool
    root_agrees: bool
    projection_agrees: bool
    code_agrees: bool
    events_agree: bool | None
    state_agrees: bool | None
    signature: SignatureState
    state: Any = None

    def _repr_html_(self) -> str:
        from batpak._html import table

        shown = {name: getattr(self, name) for name in self.__slots__}
        return table(type(self).__name__, {**shown, "state": f"{self.state!r:.500}"})


def report_of(
    store: Proving, identity: Identity, watermark: Mark | None, events: int, state_hash: bytes
) -> ProjectionRun:
    """The report on a state up to a mark."""
    if watermark is None:
        raise InvalidInput("the journal shows no event yet, so there is nothing to report")
    size = watermark.sequence + 1
    if store._core.read_only and durable_size(store) < size:
        raise InvalidInput(
            f"event {size - 1}, the last one of this state, is not known to be synced, and a report must not be ahead "
            "of what is; report again when its writer has called sync(), or once its interval is over"
        )
    # A writer syncs them for this.
    root = store.root(size)
    return ProjectionRun(
        kind="projection_run",
        journal_id=store._core.journal_id,
        frontier=frontier_over(store, size),
        inputs={
            "projection": identity.name,
            "version": identity.version,
            "code_digest": identity.run_digest,
            "python": PYTHON,
            "filters": identity.filters,
        },
        counts={"events": events},
        findings=(),
        facts={"root": root, "state_hash": state_hash},
    )


def _check(run: ProjectionRun) -> None:
    """Raise InvalidReport if a report is no projection run."""
    for what, members, wanted in (
        ("inputs", run.inputs, _INPUTS),
        ("counts", run.counts, {"events": int}),
        ("facts", run.facts, _FACTS),
    ):
        fits = members.keys() == wanted.keys() and all(type(members[name]) is wanted[name] for name in wanted)
        if not fits:
            raise InvalidReport(f"not a projection run: its {what} lack a member, or have one that is of another type")
    if run.findings:
        raise InvalidReport("not a projection run: it has findings, and a replay finds nothing or fails")
    if run.frontier.size == 0:
        raise InvalidReport("not a projection run: its frontier is before the first event")
    try:
        selected(run.filters)
    except (TypeError, InvalidInput) as error:
        raise InvalidReport(f"not a projection run: its filters are none: {error}") from None


def verify_run(
    store: Proving,
    attestation: Attestation,
    projection: Projection[Any] | type[Projection[Any]],
    *,
    public_key: PublicKey | None = None,
) -> RunVerification:
    """Replay a projection up to the event that an attestation names, and compare what comes out with what it says.

    Args:
        store: an open store of the journal, or of a copy; one that was opened with ``read_only=True`` will do.
        attestation: what ``View.attest`` returned.
        projection: the projection, as an instance or a class.
        public_key: the key that must have signed it, known from elsewhere. If None, any of the journal's own counts,
            and those come with the journal: then "valid" does not say who signed.

    Returns:
        What agrees, and the state that came out. A disagreement is no exception.

    Raises:
        InvalidReport: the attestation's body is not that of a projection run.
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
    >>> verification.ok, verification.signature, verification.state
    (True, 'valid', 1)
    """
    from batpak._projections.projecting import Projecting

    if not isinstance(store, Projecting):
        raise TypeError(f"store must be a batpak.Store, opened on the journal or on a copy, not {type(store).__name__}")
    if not isinstance(attestation, Attestation):
        raise TypeError(f"attestation must be a batpak.Attestation, not {type(attestation).__name__}")
    if public_key is not None and not isinstance(public_key, PublicKey):
        raise TypeError(f"public_key must be a batpak.PublicKey, not {type(public_key).__name__}")
    wanted = instance_of(projection)
    run = ProjectionRun.from_bytes(attestation.body)
    size = run.frontier.size
    journal = run.journal_id == attestation.journal_id and run.journal_id in _ids(store)
    root = _has_root(store, size, run.root) and frontier_over(store, size) == run.frontier
    replay = replayed(store, wanted, Stretch(selected(run.filters), size - 1)) if root else None
    events_agree = None if replay is None else replay.events == run.events
    state_agrees = None if replay is None else replay.state_hash == run.state_hash
    signature = _signature(store, attestation, size, public_key)
    named = (wanted.name, wanted.version) == (run.inputs["projection"], run.inputs["version"])
    agree = journal and root and named and events_agree is True and state_agrees is True
    return RunVerification(
        ok=agree and signature in ("valid", "unsigned"),
        journal_agrees=journal,
        root_agrees=root,
        projection_agrees=named,
        code_agrees=run_digest(wanted, store._registry) == run.inputs["code_digest"],
        events_agree=events_agree,
        state_agrees=state_agrees,
        signature=signature,
        state=None if replay is None else replay.state,
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
    if report_hash(attestation.body) != attestation.body_hash:
        return "invalid"
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
    return "valid" if attestation.verify(key).outcome == "signed" else "invalid"
