"""Histories that go on as other ones: an accepted restore, and a fork."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batpak import _batpak
from batpak._errors import InvalidInput
from batpak._proving.keys import signer_of
from batpak._proving.proofs import Checkpoint
from batpak._reports import Report

if TYPE_CHECKING:
    from os import PathLike
    from uuid import UUID

    from batpak._proving.keys import ExternalSigner, SigningKey
    from batpak._receipt import AppendReceipt


@dataclass(frozen=True, slots=True)
class Lineage(Report):
    """A history that goes on from another one, as an event of the journal's own tells of it.

    Attributes:
        journal_id: what its events carry, and its checkpoints' origin names.
        parent_id: what those before it carry.
        from_sequence: the sequence of the event that began it: how many events it goes on from.
        kept_root: the root of the tree over them, 32 bytes.
        cause: ``"restore"`` or ``"fork"``.
        abandoned_size: how many events the history had that was given up, as far as is known; None if it is not known.
        abandoned_root: the root of the tree over them, 32 bytes, or None.
        actor: who had it so.
        reason: and why.
    """

    journal_id: UUID
    parent_id: UUID
    from_sequence: int
    kept_root: bytes
    cause: Literal["restore", "fork"]
    abandoned_size: int | None
    abandoned_root: bytes | None
    actor: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: bytes as lower-case hex, ids as text."""
        return {
            "journal_id": str(self.journal_id),
            "parent_id": str(self.parent_id),
            "from_sequence": self.from_sequence,
            "kept_root": self.kept_root.hex(),
            "cause": self.cause,
            "abandoned_size": self.abandoned_size,
            "abandoned_root": None if self.abandoned_root is None else self.abandoned_root.hex(),
            "actor": self.actor,
            "reason": self.reason,
        }


def lineages_of(core: _batpak.CoreStore) -> list[Lineage]:
    """Those that the journal tells of, oldest first."""
    lineages = []
    for (journal_id, parent_id), begun, root, forked, given_up, actor, reason in core.lineages():
        size, abandoned_root = given_up or (None, None)
        cause: Literal["restore", "fork"] = "fork" if forked else "restore"
        lineages.append(Lineage(journal_id, parent_id, begun, root, cause, size, abandoned_root, actor, reason))
    return lineages


def accept_restore(
    path: str | PathLike[str],
    *,
    reason: str,
    actor: str,
    signing_key: SigningKey | ExternalSigner | str | PathLike[str] | bytes | None = None,
    pins: str | PathLike[str] | None = None,
    abandoned: Checkpoint | None = None,
) -> AppendReceipt:
    """Go on with an old copy of a journal that was put in the place of the lost one, and say so in it for good.

    A restored copy looks exactly like a rollback by somebody who wants events gone. So an open with ``pins`` refuses it
    (``RollbackDetected``), and without one the journal would say two different things under one id. This begins another
    lineage: its events carry another journal id, and its checkpoints another origin. The event that begins it names
    what is kept and what was given up, who did it and why. Receipts of events that were given up verify as
    ``missing_committed_event``. No other process may have the journal open for writing.

    Args:
        path: the journal's directory, with the restored copy in it.
        reason: why, for people; 1 to 4,096 bytes of UTF-8. It is permanent and not secret.
        actor: who, likewise.
        signing_key: the key of a signed journal; as for ``Store.open``.
        pins: the directory that remembers the highest checkpoint seen. What it knows of the lost history is recorded as
            given up, and it is content from then on, because it sees the restore. Every other directory of pins that
            knew of the lost history goes on refusing until this is called with it, too.
        abandoned: a checkpoint of the lost history that somebody else holds, if no pin knows more.

    Returns:
        The receipt of the event (kind 0x0007 on ``batpak``).

    Raises:
        InvalidInput: ``reason`` or ``actor`` is empty or too long; nothing is missing, as far as ``pins`` knows; or
            ``abandoned`` is of another journal, not signed by its key, or not larger than what is kept.
        CheckpointMismatch, JournalDamaged: the copy is not whole: its log is not what its own checkpoints say.
        KeyRequired, WrongKey, KeyNotInJournal: as for ``Store.open``.
        NotAJournal, StoreLocked, StorageError: the same.

    >>> import pathlib, shutil, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     journal, backup, pins = (pathlib.Path(directory, name) for name in ("journal", "backup", "pins"))
    ...     with Store.open(journal, pins=pins) as store:
    ...         receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     _ = shutil.copytree(journal, backup)
    ...     with Store.open(journal, pins=pins) as store:
    ...         lost = store.append(Coordinate("order:2", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     shutil.rmtree(journal)
    ...     _ = shutil.copytree(backup, journal)
    ...     begun = accept_restore(journal, reason="the disk died", actor="operator-7", pins=pins)
    ...     with Store.open(journal, pins=pins) as store:
    ...         store.verify_receipt(receipt).ok, store.verify_receipt(lost).reason_code, len(store.lineages())
    (True, 'missing_committed_event', 1)
    """
    if abandoned is not None:
        if not isinstance(abandoned, Checkpoint):
            raise TypeError(f"abandoned must be a batpak.Checkpoint, not {type(abandoned).__name__}")
        _require_lost(path, abandoned)
    given_up = None if abandoned is None else (abandoned.size, abandoned.root)
    return _depart(path, signing_key, pins, source=None, actor=actor, reason=reason, given_up=given_up)


def fork(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    reason: str,
    actor: str,
    signing_key: SigningKey | ExternalSigner | str | PathLike[str] | bytes | None = None,
    pins: str | PathLike[str] | None = None,
) -> AppendReceipt:
    """Copy what is synced of a journal to another directory, where it goes on by itself as another lineage.

    The source is only read, and may be open for writing meanwhile. The fork keeps its history with every proof; its own
    events carry another journal id, so neither can be taken for the other.

    Args:
        source: the journal's directory.
        target: a directory that is empty, or is made.
        reason: why, for people; 1 to 4,096 bytes of UTF-8. It is permanent and not secret.
        actor: who, likewise.
        signing_key: the key of a signed journal; only its owner can fork it. As for ``Store.open``.
        pins: the directory of pins that the fork will be opened with. One that knows the source refuses the fork
            otherwise: it could be an old copy.

    Returns:
        The receipt of the event that begins the fork (kind 0x0007 on ``batpak``).

    Raises:
        InvalidInput: ``reason`` or ``actor`` is empty or too long, or ``target`` lies inside ``source`` or is not
            empty.
        NotAJournal: there is no journal at ``source``, or a fork that was not finished.
        JournalDamaged: the source is damaged.
        KeyRequired, WrongKey, KeyNotInJournal: as for ``Store.open``.
        StorageError: the operating system refused. What is in ``target`` then is no journal, and may be removed.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     journal, trial = pathlib.Path(directory, "journal"), pathlib.Path(directory, "trial")
    ...     with Store.open(journal) as store:
    ...         receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...         _ = store.sync()
    ...         begun = fork(journal, trial, reason="what if", actor="operator-7")
    ...     with Store.open(trial) as store:
    ...         store.get(receipt.event_id).payload, store.lineages()[0].parent_id == receipt.journal_id
    ({'paid': True}, True)
    """
    if Path(target).resolve().is_relative_to(Path(source).resolve()):
        raise InvalidInput("target lies inside the source's directory; choose one outside")
    return _depart(target, signing_key, pins, source=Path(source), actor=actor, reason=reason, given_up=None)


def _depart(
    path: str | PathLike[str],
    signing_key: SigningKey | ExternalSigner | str | PathLike[str] | bytes | None,
    pins: str | PathLike[str] | None,
    *,
    source: Path | None,
    actor: str,
    reason: str,
    given_up: tuple[int, bytes] | None,
) -> AppendReceipt:
    return _batpak.depart(
        Path(path),
        source=source,
        signing_key=None if signing_key is None else signer_of(signing_key),
        pins=None if pins is None else Path(pins),
        actor=actor,
        reason=reason,
        abandoned=given_up,
    )


def _require_lost(path: str | PathLike[str], abandoned: Checkpoint) -> None:
    """Refuse a checkpoint that does not tell of a lost history of this journal."""
    from batpak._schemas.registry import Registry
    from batpak._store import Store

    with Store.open(path, create=False, read_only=True, registry=Registry()) as store:
        keys, events = store.signing_keys(), len(store)
        if abandoned.origin != f"{store.name}/{store.journal_id}":
            raise InvalidInput("abandoned is a checkpoint of another journal")
    if keys and not any(abandoned.verify(public_key=key.public_key).axes.signatures == "passed" for key in keys):
        raise InvalidInput("abandoned is not signed by a key of the journal")
    if abandoned.size <= events:
        raise InvalidInput(f"abandoned is of {abandoned.size} events, and the copy has {events}: nothing was given up")
