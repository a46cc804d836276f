"""An embedded, append-only journal whose history can be proved to a stranger.

Open a ``Store`` on a directory, append typed events, get receipts, replay, project, and show an auditor that nothing
was edited, reordered, dropped or
rolled back. ``FORMAT.md`` of the project maps every byte.
"""

from __future__ import annotations

from batpak._batpak import Coordinate, Draft, Event, Events, Kind, Receipts
from batpak._causation import CausationTree
from batpak._consuming.cursor import Cursor
from batpak._consuming.cursor_position import CursorPosition
from batpak._consuming.pending_reaction import PendingReaction
from batpak._consuming.reactor import ReactReport
from batpak._errors import (
    BatpakError,
    CheckpointMismatch,
    Conflict,
    CursorDamaged,
    CursorDisplaced,
    CursorError,
    CursorInUse,
    CursorMismatch,
    DefinitionChanged,
    DuplicateKind,
    DuplicateUpcaster,
    EventNotFound,
    ExpectationFailed,
    ForkDetected,
    ForkedStore,
    GateDefect,
    GateDenied,
    HistoryChanged,
    InvalidCoordinate,
    InvalidEncoding,
    InvalidFixture,
    InvalidInput,
    InvalidKey,
    InvalidKind,
    InvalidProof,
    InvalidReceipt,
    InvalidReport,
    InvalidValue,
    JournalDamaged,
    JournalRewound,
    KeyConflict,
    KeyNotInJournal,
    KeyRequired,
    LimitExceeded,
    MarkTimeout,
    NewerVersion,
    NotAJournal,
    PayloadMismatch,
    ReactionFailed,
    RollbackDetected,
    SchemaError,
    SignerFailed,
    SigningKeyError,
    StorageError,
    StorageFull,
    StorageMissing,
    StoragePermission,
    StoreClosed,
    StoreError,
    StoreLocked,
    StorePoisoned,
    StoreReadOnly,
    SubscriptionClosed,
    UnregisteredType,
    UnsupportedAnnotation,
    UnsupportedFormat,
    UpcasterMissing,
    UpcastFailed,
    WrongKey,
)
from batpak._expect import ANY, NEW, Expect
from batpak._follow import Follow
from batpak._frontier import Frontier, Mark
from batpak._gates import Bypass, DenialReceipt, Deny, Gate, Verdict
from batpak._observing.attestation import Attestation, AttestationVerdict
from batpak._observing.chain_walk import ChainWalkReport
from batpak._observing.evidence_report import EvidenceFinding, EvidenceFrontier, EvidenceReport
from batpak._observing.read_walk import ReadWalkReport
from batpak._observing.resources import ResourceReport
from batpak._observing.subscription import Subscription
from batpak._outbox import Outbox
from batpak._projections.determinism import DeterminismFinding, DeterminismReport, check_determinism
from batpak._projections.projected import Projected
from batpak._projections.projection import Projection, on
from batpak._projections.run import ProjectionRun, RunVerification, verify_run
from batpak._projections.view import View
from batpak._proposal import Proposal, Proposed
from batpak._proving.bundles import verify_evidence
from batpak._proving.keys import ExternalSigner, JournalKey, PublicKey, SigningKey
from batpak._proving.lineage import Lineage, accept_restore, fork
from batpak._proving.proofs import Checkpoint, ConsistencyProof, InclusionProof, NoteSignature
from batpak._proving.verify import verify, verify_receipt
from batpak._reaction import Reaction
from batpak._receipt import AppendReceipt, Hlc
from batpak._reports import OpenReport, StoreStats
from batpak._schemas.registry import Registry, event, upcast
from batpak._store import Store
from batpak._verification import Axes, Finding, Verification

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "NEW",
    "AppendReceipt",
    "Attestation",
    "AttestationVerdict",
    "Axes",
    "BatpakError",
    "Bypass",
    "CausationTree",
    "ChainWalkReport",
    "Checkpoint",
    "CheckpointMismatch",
    "Conflict",
    "ConsistencyProof",
    "Coordinate",
    "Cursor",
    "CursorDamaged",
    "CursorDisplaced",
    "CursorError",
    "CursorInUse",
    "CursorMismatch",
    "CursorPosition",
    "DefinitionChanged",
    "DenialReceipt",
    "Deny",
    "DeterminismFinding",
    "DeterminismReport",
    "Draft",
    "DuplicateKind",
    "DuplicateUpcaster",
    "Event",
    "EventNotFound",
    "Events",
    "EvidenceFinding",
    "EvidenceFrontier",
    "EvidenceReport",
    "Expect",
    "ExpectationFailed",
    "ExternalSigner",
    "Finding",
    "Follow",
    "ForkDetected",
    "ForkedStore",
    "Frontier",
    "Gate",
    "GateDefect",
    "GateDenied",
    "HistoryChanged",
    "Hlc",
    "InclusionProof",
    "InvalidCoordinate",
    "InvalidEncoding",
    "InvalidFixture",
    "InvalidInput",
    "InvalidKey",
    "InvalidKind",
    "InvalidProof",
    "InvalidReceipt",
    "InvalidReport",
    "InvalidValue",
    "JournalDamaged",
    "JournalKey",
    "JournalRewound",
    "KeyConflict",
    "KeyNotInJournal",
    "KeyRequired",
    "Kind",
    "LimitExceeded",
    "Lineage",
    "Mark",
    "MarkTimeout",
    "NewerVersion",
    "NotAJournal",
    "NoteSignature",
    "OpenReport",
    "Outbox",
    "PayloadMismatch",
    "PendingReaction",
    "Projected",
    "Projection",
    "ProjectionRun",
    "Proposal",
    "Proposed",
    "PublicKey",
    "ReactReport",
    "Reaction",
    "ReactionFailed",
    "ReadWalkReport",
    "Receipts",
    "Registry",
    "ResourceReport",
    "RollbackDetected",
    "RunVerification",
    "SchemaError",
    "SignerFailed",
    "SigningKey",
    "SigningKeyError",
    "StorageError",
    "StorageFull",
    "StorageMissing",
    "StoragePermission",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreLocked",
    "StorePoisoned",
    "StoreReadOnly",
    "StoreStats",
    "Subscription",
    "SubscriptionClosed",
    "UnregisteredType",
    "UnsupportedAnnotation",
    "UnsupportedFormat",
    "UpcastFailed",
    "UpcasterMissing",
    "Verdict",
    "Verification",
    "View",
    "WrongKey",
    "accept_restore",
    "check_determinism",
    "event",
    "fork",
    "on",
    "upcast",
    "verify",
    "verify_evidence",
    "verify_receipt",
    "verify_run",
]
