"""Everything that batpak raises.

BatpakError
├── InvalidInput (also ValueError)      what was passed in cannot be accepted; nothing was written
│   ├── InvalidCoordinate               entity or scope breaks a rule
│   ├── InvalidKind                     not a kind, or one that users may not write
│   ├── InvalidValue                    a payload holds something with no exact encoding
│   ├── InvalidEncoding                 bytes that are not the one canonical encoding
│   ├── InvalidReceipt                  bytes or JSON that are not a receipt
│   ├── InvalidProof                    text that is not a checkpoint or a proof
│   ├── InvalidReport                   bytes or JSON that are not an evidence report or an attestation
│   ├── InvalidFixture                  a file that is not a frozen definition of a class
│   └── LimitExceeded                   larger than a documented maximum
├── SchemaError (also TypeError)        a typed payload cannot be registered, written or read
│   ├── UnsupportedAnnotation           a field's annotation has no exact encoding
│   ├── DuplicateKind                   two classes claim one kind
│   ├── UnregisteredType                a class that no ``@event`` announced
│   ├── PayloadMismatch                 stored bytes do not fit the registered class
│   ├── NewerVersion                    written by a newer version of the class than this program knows
│   ├── UpcasterMissing                 nothing lifts an older version of a class to the next one
│   ├── DuplicateUpcaster               two functions lift the same version of a class
│   ├── UpcastFailed                    an upcaster raised, or returned what is no dict
│   └── DefinitionChanged               a frozen version of a class has another definition now
├── Conflict                            the journal is not as the append supposes; nothing was written
│   ├── ExpectationFailed               the entity's last event is not the expected one
│   └── KeyConflict                     another event was written under the same idempotency key
├── GateDenied                          a gate refused; nothing was written
│   └── GateDefect                      a gate failed, and so refused
├── EventNotFound (also LookupError)    no such event in this journal
├── SigningKeyError                     the key is missing, unreadable or another one
│   ├── KeyRequired                     a signed journal was opened for writing without its key
│   ├── KeyNotInJournal                 a key was given for a journal that was written without one
│   ├── SignerFailed                    a key that is kept elsewhere did not sign
│   ├── WrongKey                        the key is not the journal's
│   └── InvalidKey (also ValueError)    bytes that are not an Ed25519 key
└── StoreError                          about one journal
    ├── NotAJournal                     the directory holds something else, or nothing
    ├── StoreLocked                     another writer has it open
    ├── StoreClosed                     used after close
    ├── SubscriptionClosed              a subscription was asked for events after its close
    ├── StoreReadOnly                   a write through a read-only store
    ├── ForkedStore                     used in a forked child
    ├── StorePoisoned                   an earlier write or sync failed; reopen to recover
    ├── UnsupportedFormat               written by a newer batpak
    ├── JournalDamaged                  bytes are damaged, missing or were changed
    │   ├── HistoryChanged              the log is not what was said of it
    │   │   ├── CheckpointMismatch      its own last checkpoint says otherwise
    │   │   ├── RollbackDetected        the pin tells of more events
    │   │   └── ForkDetected            the pin tells of other events
    │   └── CursorDamaged               the file of a cursor is damaged, or of another one
    ├── CursorError                     a cursor cannot go on as was asked; nothing was given or moved
    │   ├── CursorMismatch              it was begun with other conditions
    │   ├── CursorInUse                 one of this name is open
    │   └── CursorDisplaced             the event that it had come to is gone
    ├── ReactionFailed                  a handler failed for good
    ├── MarkTimeout (also TimeoutError) events did not come as far as was asked in the time given
    ├── JournalRewound                  recovery cut events that this reader had seen
    └── StorageError (also OSError)     the operating system refused
        ├── StoragePermission (also PermissionError)
        ├── StorageMissing (also FileNotFoundError)
        └── StorageFull
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from batpak._gates import DenialReceipt, Verdict
    from batpak._receipt import AppendReceipt


class BatpakError(Exception):
    """Base of every batpak exception.

    ``code`` is a stable identifier of the class of failure. Attributes named in each class are typed and survive
    pickling.
    """

    code: ClassVar[str] = "batpak"
    _attributes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str, **attributes: object) -> None:
        super().__init__(message)
        self.message = message
        for name in type(self)._attribute_names():
            setattr(self, name, attributes.pop(name, None))
        if attributes:
            unknown = ", ".join(sorted(attributes))
            raise TypeError(f"{type(self).__name__} has no attribute {unknown}")

    @classmethod
    def _attribute_names(cls) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            for name in base.__dict__.get("_attributes", ()):
                names[name] = None
        return tuple(names)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        attributes = {name: getattr(self, name) for name in self._attribute_names()}
        return (_rebuild, (type(self), self.message, attributes))


def _rebuild(cls: type[BatpakError], message: str, attributes: dict[str, object]) -> BatpakError:
    return cls(message, **attributes)


class InvalidInput(BatpakError, ValueError):
    """What was passed in cannot be accepted; nothing was written."""

    code = "invalid_input"


class InvalidCoordinate(InvalidInput):
    """An entity or scope breaks a rule of coordinates. ``field`` is "entity" or "scope"."""

    code = "invalid_coordinate"
    _attributes: ClassVar[tuple[str, ...]] = ("field",)
    field: str | None


class InvalidKind(InvalidInput):
    """Not a kind, or one that users may not write."""

    code = "invalid_kind"


class InvalidValue(InvalidInput):
    """A payload holds something that has no exact encoding. ``path`` says where, for instance ``payload.items[3]``."""

    code = "invalid_value"
    _attributes: ClassVar[tuple[str, ...]] = ("path",)
    path: str | None


class InvalidEncoding(InvalidInput):
    """Bytes are not the one canonical encoding. ``offset`` is where in them."""

    code = "invalid_encoding"
    _attributes: ClassVar[tuple[str, ...]] = ("offset",)
    offset: int | None


class InvalidReceipt(InvalidInput):
    """Bytes or JSON that are not a receipt."""

    code = "invalid_receipt"


class InvalidProof(InvalidInput):
    """Text that is not a checkpoint, a signed note or a proof."""

    code = "invalid_proof"


class InvalidReport(InvalidInput):
    """Bytes or JSON that are not an evidence report, or not an attestation of one."""

    code = "invalid_report"


class InvalidFixture(InvalidInput):
    """``file`` is not a frozen definition of a class: damaged, changed by hand, or written by a newer batpak."""

    code = "invalid_fixture"
    _attributes: ClassVar[tuple[str, ...]] = ("file",)
    file: str | None


class LimitExceeded(InvalidInput):
    """Larger than a documented maximum: ``what`` was ``actual``, at most ``limit``."""

    code = "limit_exceeded"
    _attributes: ClassVar[tuple[str, ...]] = ("what", "actual", "limit")
    what: str | None
    actual: int | None
    limit: int | None


class SchemaError(BatpakError, TypeError):
    """A typed payload cannot be registered, written or read. ``type_name`` is the class concerned."""

    code = "schema"
    _attributes: ClassVar[tuple[str, ...]] = ("type_name",)
    type_name: str | None


class UnsupportedAnnotation(SchemaError):
    """The annotation of ``field`` has no exact encoding."""

    code = "unsupported_annotation"
    _attributes: ClassVar[tuple[str, ...]] = ("field",)
    field: str | None


class DuplicateKind(SchemaError):
    """Two classes claim one kind."""

    code = "duplicate_kind"


class UnregisteredType(SchemaError):
    """A class that no ``@batpak.event`` announced was passed as a payload."""

    code = "unregistered_type"


class PayloadMismatch(SchemaError):
    """The stored payload does not fit the registered class. ``path`` says where."""

    code = "payload_mismatch"
    _attributes: ClassVar[tuple[str, ...]] = ("path",)
    path: str | None


class NewerVersion(SchemaError):
    """The event was written with ``stored`` version of its class; this program knows ``known``."""

    code = "newer_version"
    _attributes: ClassVar[tuple[str, ...]] = ("stored", "known")
    stored: int | None
    known: int | None


class UpcasterMissing(SchemaError):
    """Nothing lifts version ``from_version`` of the class to the next one; this program knows version ``known``."""

    code = "upcaster_missing"
    _attributes: ClassVar[tuple[str, ...]] = ("from_version", "known")
    from_version: int | None
    known: int | None


class DuplicateUpcaster(SchemaError):
    """Two functions lift version ``from_version`` of the class."""

    code = "duplicate_upcaster"
    _attributes: ClassVar[tuple[str, ...]] = ("from_version",)
    from_version: int | None


class UpcastFailed(SchemaError):
    """The upcaster from version ``from_version`` raised, which is the cause, or returned something else than a dict.

    ``event.value`` still has what was stored.
    """

    code = "upcast_failed"
    _attributes: ClassVar[tuple[str, ...]] = ("from_version",)
    from_version: int | None


class DefinitionChanged(SchemaError):
    """Version ``version`` of the class was frozen in ``file`` with another definition than it has now."""

    code = "definition_changed"
    _attributes: ClassVar[tuple[str, ...]] = ("version", "file")
    version: int | None
    file: str | None


class Conflict(BatpakError):
    """The journal is not as the append supposes. Nothing was written."""

    code = "conflict"


class ExpectationFailed(Conflict):
    """The last event of ``entity`` is not the expected one: its clock is ``actual``, None if there is no event."""

    code = "expectation_failed"
    _attributes: ClassVar[tuple[str, ...]] = ("entity", "actual")
    entity: str | None
    actual: int | None


class KeyConflict(Conflict):
    """Another event, ``sequence``, was written under the same idempotency key."""

    code = "key_conflict"
    _attributes: ClassVar[tuple[str, ...]] = ("sequence",)
    sequence: int | None


class GateDenied(BatpakError):
    """A gate refused, and nothing was written but, where denials are recorded, the denial.

    ``verdicts`` is what the gates said, in the order in which they were asked; ``receipt`` the DenialReceipt, or None.
    """

    code = "gate_denied"
    _attributes: ClassVar[tuple[str, ...]] = ("verdicts", "receipt")
    verdicts: tuple[Verdict, ...]
    receipt: DenialReceipt | None


class GateDefect(GateDenied):
    """A gate raised, or returned what is no answer, and so refused; what it raised is the cause of this exception."""

    code = "gate_defect"


class EventNotFound(BatpakError, LookupError):
    """No such event in this journal. ``ref`` is what was asked for."""

    code = "event_not_found"
    _attributes: ClassVar[tuple[str, ...]] = ("ref",)
    ref: str | None


class SigningKeyError(BatpakError):
    """The signing key is missing, unreadable or another one."""

    code = "signing_key"


class KeyRequired(SigningKeyError):
    """The journal is signed and was opened for writing without its key. ``key_id`` is the key's, in hex."""

    code = "key_required"
    _attributes: ClassVar[tuple[str, ...]] = ("key_id",)
    key_id: str | None


class KeyNotInJournal(SigningKeyError):
    """A key was given for a journal that was written without one; ``adopt_key=True`` makes it the journal's first.

    If the journal should have a key, another journal was put in its place.
    """

    code = "key_not_in_journal"


class SignerFailed(SigningKeyError):
    """An ``ExternalSigner`` raised, or returned what is not its key's signature: nothing was written.

    What it raised is the ``__cause__``. Also what a signer gets that appends, makes checkpoints or closes.
    """

    code = "signer_failed"


class WrongKey(SigningKeyError):
    """The key is not the journal's. ``key_id`` is the expected one, in hex."""

    code = "wrong_key"
    _attributes: ClassVar[tuple[str, ...]] = ("key_id",)
    key_id: str | None


class InvalidKey(SigningKeyError, ValueError):
    """Bytes that are not an Ed25519 key."""

    code = "invalid_key"


class StoreError(BatpakError):
    """About one journal."""

    code = "store"


class NotAJournal(StoreError):
    """The directory at ``path`` holds something else, or nothing."""

    code = "not_a_journal"
    _attributes: ClassVar[tuple[str, ...]] = ("path",)
    path: str | None


class StoreLocked(StoreError):
    """Another writer has the journal open: process ``pid`` (None if it did not say)."""

    code = "store_locked"
    _attributes: ClassVar[tuple[str, ...]] = ("path", "pid")
    path: str | None
    pid: int | None


class StoreClosed(StoreError):
    """The store was used after ``close``."""

    code = "store_closed"


class SubscriptionClosed(StoreError):
    """A subscription was asked for events after its ``close``. The store may be open still."""

    code = "subscription_closed"


class StoreReadOnly(StoreError):
    """A write through a store that was opened with ``read_only=True``."""

    code = "store_read_only"


class ForkedStore(StoreError):
    """The store was opened before a fork and used in the child; open it again there, or in a new process."""

    code = "forked_store"


class StorePoisoned(StoreError):
    """An earlier write or sync failed: reading goes on, writing is over until the journal is reopened."""

    code = "store_poisoned"


class UnsupportedFormat(StoreError):
    """``file`` has format ``version``, which this software does not know."""

    code = "unsupported_format"
    _attributes: ClassVar[tuple[str, ...]] = ("file", "version")
    file: str | None
    version: int | None


class JournalDamaged(StoreError):
    """Bytes are damaged, missing or were changed: ``file``, byte ``offset`` in it, and the ``sequence`` it concerns."""

    code = "journal_damaged"
    _attributes: ClassVar[tuple[str, ...]] = ("file", "offset", "sequence")
    file: str | None
    offset: int | None
    sequence: int | None


class HistoryChanged(JournalDamaged):
    """The log is shorter than, or different from, what was said of it. Nothing was changed now.

    ``size`` and ``root`` (32 bytes) are what was said; ``log_size`` is how many events the log has, ``log_root`` its
    root at ``size``, None if it is shorter. Find out who did it, and restore the journal from a copy that is whole.
    """

    code = "history_changed"
    _attributes: ClassVar[tuple[str, ...]] = ("size", "root", "log_size", "log_root")
    size: int
    root: bytes
    log_size: int
    log_root: bytes | None


class CheckpointMismatch(HistoryChanged):
    """The journal's own last checkpoint tells of another log."""

    code = "checkpoint_mismatch"


class RollbackDetected(HistoryChanged):
    """The pin tells of more events than there are: the log was cut, or an old copy was put in its place."""

    code = "rollback_detected"


class ForkDetected(HistoryChanged):
    """The pin tells of other events: two histories go by the id of one journal."""

    code = "fork_detected"


class CursorDamaged(JournalDamaged):
    """The file of the cursor ``name`` is damaged, or of another cursor or journal. Nothing was given or changed."""

    code = "cursor_damaged"
    _attributes: ClassVar[tuple[str, ...]] = ("name",)
    name: str | None


class CursorError(StoreError):
    """The cursor ``name`` cannot go on as was asked. Nothing was given out, and its position is what it was."""

    code = "cursor"
    _attributes: ClassVar[tuple[str, ...]] = ("name",)
    name: str | None


class CursorMismatch(CursorError):
    """The cursor was begun with other conditions: ``expected`` are those, ``found`` the ones it was opened with now."""

    code = "cursor_mismatch"
    _attributes: ClassVar[tuple[str, ...]] = ("expected", "found")
    expected: Mapping[str, object]
    found: Mapping[str, object]


class CursorInUse(CursorError):
    """A cursor of this name is open in this process."""

    code = "cursor_in_use"


class CursorDisplaced(CursorError):
    """The event that the cursor had come to is gone, or is another one: the journal was cut, or a copy was restored.

    ``sequence`` is how far it had come, ``expected`` the hash of the event there (32 bytes), ``found`` what it is now,
    None if the journal is shorter. ``Store.rewind_cursor`` goes on from an earlier event.
    """

    code = "cursor_displaced"
    _attributes: ClassVar[tuple[str, ...]] = ("sequence", "expected", "found")
    sequence: int
    expected: bytes
    found: bytes | None


class ReactionFailed(StoreError):
    """The handler of a reactor failed for good, ``attempts`` times; what it raised last is the cause of this exception.

    The cursor ``name`` stands before the event, ``sequence`` and ``event_id``.
    """

    code = "reaction_failed"
    _attributes: ClassVar[tuple[str, ...]] = ("name", "sequence", "event_id", "attempts")
    name: str | None
    sequence: int
    event_id: UUID
    attempts: int


class MarkTimeout(StoreError, TimeoutError):
    """Events exist, but had not reached ``mark`` in the time given. They may still reach it.

    ``receipts`` are those of the append that asked, in order; empty for ``wait_for``.
    """

    code = "mark_timeout"
    _attributes: ClassVar[tuple[str, ...]] = ("mark", "receipts")
    mark: str | None
    receipts: Sequence[AppendReceipt]


class JournalRewound(StoreError):
    """Recovery cut unsynced events that this reader had seen: of ``from_events``, the first ``to_events`` still stand.

    It is raised once; discard what was derived from the others, and go on reading.
    """

    code = "journal_rewound"
    _attributes: ClassVar[tuple[str, ...]] = ("from_events", "to_events")
    from_events: int
    to_events: int


class StorageError(StoreError, OSError):
    """The operating system refused. ``errno`` and ``filename`` as in ``OSError``; ``operation`` is what was tried."""

    code = "storage"
    _attributes: ClassVar[tuple[str, ...]] = ("errno", "filename", "operation")
    operation: str | None

    def __new__(cls, message: str, **_attributes: object) -> Self:
        return super().__new__(cls, message)


class StoragePermission(StorageError, PermissionError):
    """This user may not do that."""

    code = "storage_permission"


class StorageMissing(StorageError, FileNotFoundError):
    """A file or the directory is gone."""

    code = "storage_missing"


class StorageFull(StorageError):
    """The disk or a quota is full. The event was not written."""

    code = "storage_full"
