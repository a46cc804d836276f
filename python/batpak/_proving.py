"""The half of a store that proves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batpak._errors import InvalidInput
from batpak._filters import number
from batpak._keys import PublicKey
from batpak._proofs import Checkpoint, ConsistencyProof, InclusionProof
from batpak._verify import core_key, core_receipt
from batpak._writing import Writing

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from batpak._filters import Filters
    from batpak._receipt import AppendReceipt
    from batpak._verification import Verification


def _size(of: Checkpoint | int | None, name: str) -> int | None:
    return of.size if isinstance(of, Checkpoint) else number(of, name)


class Proving(Writing):
    """What ``Store`` says about the whole journal. Not for users."""

    __slots__ = ()

    def checkpoint(self) -> Checkpoint:
        """State what the journal is now, and keep that in the journal.

        It covers every event that was written before the call, by any thread; they are synced first. If nothing was
        written since the last checkpoint, that one is returned. A journal with a key signs it. A close makes one too if
        the journal has a key or is pinned.

        Returns:
            The checkpoint: a text (C2SP tlog-checkpoint) with its parts as attributes.

        Raises:
            StoreReadOnly: only the writer states anything; a reader has ``checkpoints()``.
            StorePoisoned: an earlier failure ended writing.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
        ...     checkpoint = store.checkpoint()
        ...     proof = store.prove(receipt.event_id, checkpoint)
        ...     proof.verify(checkpoint).axes.anchors
        'passed'
        """
        return Checkpoint(self._core.checkpoint())

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints that the journal keeps, oldest first. Their signatures are not checked here.

        Raises:
            JournalDamaged: the file that keeps them is damaged.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return [Checkpoint(text) for text in self._core.checkpoints()]

    def root(self, size: int | None = None) -> bytes:
        """The root of the Merkle tree (RFC 6962, SHA-256) over the first events, 32 bytes.

        Args:
            size: how many events, 0 to ``len(store)``; all if None. A writer syncs them first; a reader takes those
                that are known to be synced.

        Raises:
            InvalidInput: there are fewer events, or a reader does not know them to be synced.
            StorePoisoned, StorageError: they cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return self._core.root(number(size, "size"))

    def prove(self, ref: UUID | bytes | str | int, size: Checkpoint | int | None = None) -> InclusionProof:
        """Prove that an event is in the journal.

        Args:
            ref: the event's id, or its sequence.
            size: the checkpoint under which it is to be proved, or a number of events; all if None.

        Returns:
            The proof. It leads to ``root(size)``, or to the checkpoint's root.

        Raises:
            EventNotFound: there is no such event.
            InvalidInput: the event is not among the first ``size``, or as for ``root``.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        event_hash, index, of, path = self._core.prove(ref, _size(size, "size"))
        return InclusionProof(event_hash, index, of, tuple(path))

    def prove_consistency(self, old: Checkpoint | int, new: Checkpoint | int | None = None) -> ConsistencyProof:
        """Prove that the journal of a later size goes on from that of an earlier one: nothing in it was changed.

        Args:
            old: a checkpoint, or a number of events from 0 on.
            new: a later checkpoint, or a number of events; all if None.

        Returns:
            The proof, with both roots as this journal has them: compare them with the checkpoints that you hold, or
            have ``verify`` do it.

        Raises:
            InvalidInput: ``old`` is larger than ``new``, or as for ``root``.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        first = _size(old, "old")
        if first is None:
            raise TypeError("old must be a batpak.Checkpoint or an int, not NoneType")
        old_size, old_root, new_size, new_root, path = self._core.prove_consistency(first, _size(new, "new"))
        return ConsistencyProof(old_size, old_root, new_size, new_root, tuple(path))

    def export_evidence(
        self,
        path: str | os.PathLike[str],
        *,
        checkpoint: Checkpoint | None = None,
        payloads: bool = True,
        **filters: Unpack[Filters],
    ) -> int:
        """Write chosen events with everything that proves them into one file, for somebody without the journal.

        The file is a ZIP that checks itself (``python3 FILE``) with a verifier of its own, in plain Python;
        ``batpak.verify_evidence`` and ``batpak verify FILE`` check it too. FORMAT.md section 19 has every byte. It
        holds the kept checkpoints with proofs that each goes on from the one before.

        Args:
            path: the file, which is replaced if it is there; it is whole or not there.
            checkpoint: one of ``checkpoints()``, under which the events are proved. None makes a new one; a reader
                takes the last one that is kept.
            payloads: whether payloads and private metadata are in it; if not, only headers and hashes are.
            filters: those of ``query``, which see. Events behind the checkpoint are left out.

        Returns:
            How many events it holds.

        Raises:
            InvalidInput: a filter is out of range, the checkpoint is not of this journal, or a reader finds none.
            JournalDamaged: bytes that were synced are damaged or were changed.
            OSError: the file cannot be written.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        from batpak._evidence.writing import Contents, checkpoint_line, event_line, write_bundle

        stated, kept = self._stated(checkpoint)
        last = stated.size - 1
        until = filters.get("until")
        bounded: Filters = {**filters, "until": last if until is None else min(until, last)}
        events = self.query(**bounded, reverse=False) if stated.size else iter(())
        key = self.public_key
        # Those from before the journal had a key prove nothing to whoever trusts the key.
        earlier = [each for each in kept if each.size < stated.size and (each.signatures or key is None)]
        contents = Contents(
            checkpoint=stated,
            keys=[] if key is None else [key],
            events=(event_line(event, self.prove(event.sequence, stated), payload=payloads) for event in events),
            earlier=(checkpoint_line(each, self.prove_consistency(each, stated)) for each in earlier),
            query={name: str(value) for name, value in filters.items() if value is not None},
            payloads=payloads,
        )
        return write_bundle(Path(path), contents)

    def export_tiles(self, directory: str | os.PathLike[str], *, checkpoint: Checkpoint | None = None) -> Checkpoint:
        """Write the whole tree as files that any static file server can publish: C2SP tlog-tiles.

        Anybody can then make and check every proof without asking. Files that are there already are kept: a tile
        never changes. Entries are the event hashes; nothing else of the events is published.

        Args:
            directory: where they go; it is made if it is missing. The checkpoint is written last, as ``checkpoint``.
            checkpoint: as for ``export_evidence``.

        Returns:
            The checkpoint that was published.

        Raises:
            InvalidInput: the checkpoint is not of this journal, a reader finds none, or the directory holds the tiles
                of another history.
            OSError: a file cannot be written.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        from batpak._publishing import publish, published

        stated, _ = self._stated(checkpoint)
        before = published(Path(directory))
        if before is not None and before.size > stated.size:
            raise InvalidInput(f"{os.fspath(directory)} holds {before.size} events already; publish a later checkpoint")
        if before is not None and (before.origin, self.root(before.size)) != (stated.origin, before.root):
            raise InvalidInput(f"{os.fspath(directory)} holds the tiles of another history; choose another directory")
        publish(self._core, stated, Path(directory))
        return stated

    def _stated(self, checkpoint: Checkpoint | None) -> tuple[Checkpoint, list[Checkpoint]]:
        """The checkpoint that is meant, which is of this journal, and all that are kept."""
        if checkpoint is None and not self._core.read_only:
            checkpoint = self.checkpoint()
        kept = self.checkpoints()
        if checkpoint is None:
            if not kept:
                raise InvalidInput("the journal keeps no checkpoint; have its writer call checkpoint()")
            checkpoint = kept[-1]
        if not isinstance(checkpoint, Checkpoint):
            raise TypeError(f"checkpoint must be a batpak.Checkpoint, not {type(checkpoint).__name__}")
        if checkpoint.origin != f"{self._core.name}/{self._core.journal_id}" or checkpoint.root != self.root(
            checkpoint.size
        ):
            raise InvalidInput("the checkpoint is not of this journal")
        return checkpoint, kept

    @property
    def public_key(self) -> PublicKey | None:
        """The key by which the journal signs now; None if it has none. Hand it to auditors by a way of its own."""
        core = self._core.public_key()
        return None if core is None else PublicKey(core)

    def verify_receipt(self, receipt: AppendReceipt, *, public_key: PublicKey | None = None) -> Verification:
        """Check a receipt against this journal.

        Args:
            receipt: what ``append`` returned, or what ``AppendReceipt.from_bytes`` read.
            public_key: the key that must have signed it; the journal's own if None.

        Returns:
            The verdict. Reason codes are, for instance, ``missing_committed_event``, ``content_hash_mismatch``,
            ``lost_unsynced``,
            ``missing_signature``, ``unknown_signing_key``, ``invalid_signature``.

        Raises:
            JournalDamaged: the event's bytes changed on disk.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return self._core.verify_receipt(core_receipt(receipt), core_key(public_key))

    def verify(self) -> Verification:
        """Check the whole journal as it lies on disk: content, order with the chains, completeness, heads, signatures.

        Damage is a finding of the verdict, not an exception. It can be interrupted by Ctrl-C. Signatures are checked
        with the keys that the
        journal names itself; ``batpak.verify(path, public_key=)`` takes one from outside.

        Raises:
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return self._core.verify()
