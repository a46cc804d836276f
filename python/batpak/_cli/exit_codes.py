"""What the command's exit status says, and the one place where an exception becomes one.

====  ==========================================================================
0     done, and nothing that was checked failed
1     the operation failed
2     the command line or the input cannot be accepted
3     the journal is damaged or was tampered with
4     something that is present could not be checked
10    there is no journal
11    another process is writing the journal
12    the signing key is missing, unreadable or another one
13    the journal is not as an append supposes: ``--expect``, or a key of another event
125   ``batpak audit`` itself failed; every other status is the audited program's
130   interrupted
====  ==========================================================================
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batpak import _errors as errors

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
TAMPERED: Final = 3
UNCHECKED: Final = 4
NO_JOURNAL: Final = 10
LOCKED: Final = 11
KEY: Final = 12
CONFLICT: Final = 13
AUDIT_FAILED: Final = 125
INTERRUPTED: Final = 130


class CommandError(Exception):
    """A command ends with ``message`` on stderr and ``exit_code``."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


# Every class of batpak's tree has a row of its own: a new one fails a test, it does not inherit by accident.
BY_EXCEPTION: Final[Mapping[type[BaseException], int]] = MappingProxyType(
    {
        errors.BatpakError: FAILED,
        errors.InvalidInput: USAGE,
        errors.InvalidCoordinate: USAGE,
        errors.InvalidKind: USAGE,
        errors.InvalidValue: USAGE,
        errors.InvalidEncoding: USAGE,
        errors.InvalidReceipt: USAGE,
        errors.InvalidProof: USAGE,
        errors.InvalidReport: USAGE,
        errors.InvalidFixture: USAGE,
        errors.LimitExceeded: USAGE,
        errors.SchemaError: USAGE,
        errors.UnsupportedAnnotation: FAILED,
        errors.DuplicateKind: FAILED,
        errors.UnregisteredType: FAILED,
        errors.PayloadMismatch: FAILED,
        errors.NewerVersion: UNCHECKED,
        errors.UpcasterMissing: FAILED,
        errors.DuplicateUpcaster: FAILED,
        errors.UpcastFailed: FAILED,
        errors.DefinitionChanged: FAILED,
        errors.Conflict: CONFLICT,
        errors.ExpectationFailed: CONFLICT,
        errors.KeyConflict: CONFLICT,
        errors.GateDenied: FAILED,
        errors.GateDefect: FAILED,
        errors.EventNotFound: FAILED,
        errors.SigningKeyError: KEY,
        errors.KeyRequired: KEY,
        errors.KeyNotInJournal: KEY,
        errors.SignerFailed: KEY,
        errors.WrongKey: KEY,
        errors.InvalidKey: KEY,
        errors.StoreError: FAILED,
        errors.NotAJournal: NO_JOURNAL,
        errors.StoreLocked: LOCKED,
        errors.StoreClosed: FAILED,
        errors.SubscriptionClosed: FAILED,
        errors.StoreReadOnly: FAILED,
        errors.ForkedStore: FAILED,
        errors.StorePoisoned: FAILED,
        errors.UnsupportedFormat: UNCHECKED,
        errors.JournalDamaged: TAMPERED,
        errors.HistoryChanged: TAMPERED,
        errors.CheckpointMismatch: TAMPERED,
        errors.RollbackDetected: TAMPERED,
        errors.ForkDetected: TAMPERED,
        errors.CursorDamaged: TAMPERED,
        errors.CursorError: FAILED,
        errors.CursorMismatch: FAILED,
        errors.CursorInUse: FAILED,
        errors.CursorDisplaced: FAILED,
        errors.ReactionFailed: FAILED,
        errors.MarkTimeout: FAILED,
        errors.JournalRewound: FAILED,
        errors.StorageError: FAILED,
        errors.StoragePermission: FAILED,
        # The directory itself is gone or never was.
        errors.StorageMissing: NO_JOURNAL,
        errors.StorageFull: FAILED,
        KeyboardInterrupt: INTERRUPTED,
        OSError: FAILED,
        Exception: FAILED,
    }
)


def exit_code_of(error: BaseException) -> int:
    """The exit status that ``error`` means: the row of the nearest class."""
    if isinstance(error, CommandError):
        return error.exit_code
    for cls in type(error).__mro__:
        if cls in BY_EXCEPTION:
            return BY_EXCEPTION[cls]
    return FAILED
