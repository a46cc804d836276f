"""The half of a store that proves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batpak._errors import InvalidInput
from batpak._filters import number
from batpak._proving.keys import JournalKey, PublicKey, signer_of
from batpak._proving.lineage import Lineage, lineages_of
from batpak._proving.proofs import Checkpoint, ConsistencyProof, InclusionProof
from batpak._proving.verify import core_key, core_receipt
from batpak._schemas.typed import kind_of
from batpak._writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import Unpack
    from uuid import UUID

    from batpak._batpak import Event
    from batpak._filters import Filters
    from batpak._proving.keys import ExternalSigner, SigningKey
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
            InvalidInput: ``old`` is larger than ``new``, a checkpoint states another history than this journal has, or
                as for ``root``.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        first = _size(old, "old")
        if first is None:
            raise TypeError("old must be a batpak.Checkpoint or an int, not NoneType")
        old_size, old_root, new_size, new_root, path = self._core.prove_consistency(first, _size(new, "new"))
        for given, root in ((old, old_root), (new, new_root)):
            if isinstance(given, Checkpoint) and given.root != root:
                raise InvalidInput(
                    f"the checkpoint of {given.size} events states another history than this journal has: it was "
                    "changed since, or it is a copy that went another way, and no proof leads from one to the other"
                )
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
            How many events it holds. 0 if none matches: the file then speaks of the checkpoints, and of no event.

        Raises:
            InvalidInput: a filter is out of range, the checkpoint is not of this journal, or a reader finds none.
            TypeError: an argument is of another type; ``until`` is a sequence, and a checkpoint goes to ``checkpoint``.
            JournalDamaged: bytes that were synced are damaged or were changed.
            OSError: the file cannot be written.
            StorePoisoned, StorageError: the events cannot be synced or read.
            StoreClosed, ForkedStore: this store cannot be used.
        """
        from batpak._evidence.writing import Contents, checkpoint_line, event_line, write_bundle

        if isinstance(filters.get("until"), Checkpoint):
            raise TypeError("until must be an int, not Checkpoint; a checkpoint is given as checkpoint=")
        until = number(filters.get("until"), "until")
        stated, kept = self._stated(checkpoint)
        last = stated.size - 1
        # The bundle names the kind, whoever was told of a class.
        chosen: Filters = {**filters, "kind": kind_of(self._registry, filters.get("kind"))}
        bounded: Filters = {**chosen, "until": last if until is None else min(until, last)}
        events = self.query(**bounded, reverse=False) if stated.size else iter(())
        begun = [lineage.from_sequence for lineage in self.lineages() if lineage.from_sequence < stated.size]
        key = next((key for key in reversed(self.signing_keys()) if key.from_sequence < stated.size), None)
        # Those from before this key prove nothing to whoever trusts the key.
        since = -1 if key is None else key.from_sequence
        earlier = [each for each in kept if since < each.size < stated.size and each.origin == stated.origin]
        contents = Contents(
            checkpoint=stated,
            keys=[] if key is None else [key.public_key],
            events=(
                event_line(event, self.prove(event.sequence, stated), payload=payloads)
                for event in self._with(begun, events)
            ),
            earlier=(checkpoint_line(each, self.prove_consistency(each, stated)) for each in earlier),
            query={name: str(value) for name, value in chosen.items() if value is not None},
            payloads=payloads,
        )
        return write_bundle(Path(path), contents)

    def _with(self, sequences: list[int], events: Iterable[Event]) -> Iterator[Event]:
        """The events with those of these sequences among them, each once, in order."""
        missing = iter([*sequences, None])
        due = next(missing)
        for event in events:
            while due is not None and due < event.sequence:
                yield self.get(due)
                due = next(missing)
            if due == event.sequence:
                due = next(missing)
            yield event
        while due is not None:
            yield self.get(due)
            due = next(missing)

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
        from batpak._proving.publishing import publish, published

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
        origin = f"{self._core.name}/{self._core.journal_id}"
        if checkpoint is None:
            own = [each for each in kept if each.origin == origin]
            if not own:
                raise InvalidInput("the journal keeps no checkpoint of its own; have its writer call checkpoint()")
            checkpoint = own[-1]
        if not isinstance(checkpoint, Checkpoint):
            raise TypeError(f"checkpoint must be a batpak.Checkpoint, not {type(checkpoint).__name__}")
        if checkpoint.origin != origin or checkpoint.root != self.root(checkpoint.size):
            raise InvalidInput("the checkpoint is not of this journal as it goes on now; make one with checkpoint()")
        return checkpoint, kept

    @property
    def public_key(self) -> PublicKey | None:
        """The key by which the journal signs now; None if it has none. Hand it to auditors by a way of its own."""
        core = self._core.public_key()
        return None if core is None else PublicKey(core)

    def lineages(self) -> list[Lineage]:
        """The histories that this one went over into, oldest first; the last one's ``journal_id`` is the journal's.

        There is none unless an old copy was restored, or the journal is a fork.

        Raises:
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return lineages_of(self._core)

    def signing_keys(self) -> list[JournalKey]:
        """The keys that the journal has had, in the order in which they came; the last one signs now.

        Raises:
            StoreClosed, ForkedStore: this store cannot be used.
        """
        return [JournalKey(PublicKey(core), begun, revoked) for core, begun, revoked in self._core.signing_keys()]

    def rotate_key(self, new_key: SigningKey | ExternalSigner | str | PathLike[str] | bytes) -> AppendReceipt:
        """Have another key sign from now on.

        The key in force signs the new one and states in a checkpoint what was written under it; the event that brings
        the new key is signed by the new key, and so is a checkpoint after it. When this returns, all of that is synced.
        Whoever trusted the old key can follow to the new one, and for whoever is given the new one its checkpoint
        vouches for everything before. Open the journal with the new key from now on. Other threads may append
        meanwhile.

        Args:
            new_key: a key that this journal never had; as ``signing_key`` of ``Store.open``.

        Returns:
            The receipt of the event (kind 0x0003 on ``batpak:keys``).

        Raises:
            InvalidInput: the journal has no key, or had this one before, or another thread exchanged the key meanwhile.
            InvalidKey: the file or bytes hold no key.
            SignerFailed: one of the two keys is an ``ExternalSigner`` that did not sign.
            StorePoisoned, StorageError: it cannot be written or synced; ``signing_keys()`` tells which key is in force.
            StoreReadOnly, StoreClosed, ForkedStore: this store cannot be used for it.

        >>> import tempfile
        >>> first, second = SigningKey.generate(), SigningKey.generate()
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, signing_key=first) as store:
        ...     receipt = store.rotate_key(second)
        ...     [key.public_key for key in store.signing_keys()] == [first.public_key, second.public_key]
        True
        """
        return self._core.rotate_key(signer_of(new_key))

    def revoke_key(self, key: PublicKey | bytes, *, reason: str) -> AppendReceipt:
        """Say that a key fell into wrong hands, or may have. To revoke the one in force, ``rotate_key`` first.

        What it signed counts from then on only as far as a checkpoint covers it that a later key made before this; one
        is made if there is none yet. A verdict over a log in which something else is signed by it has the finding
        ``revoked_signing_key``. It cannot be taken back. When this returns, it is synced.

        Args:
            key: the public key, or its ``key_id``.
            reason: why, for people; 1 to 4,096 bytes of UTF-8. It is permanent and not secret.

        Returns:
            The receipt of the event (kind 0x0004 on ``batpak:keys``).

        Raises:
            InvalidInput: the journal never had the key, it is in force, or it is revoked already; or the reason is
                empty or too long.
            SignerFailed: the key in force is an ``ExternalSigner`` that did not sign.
            StorePoisoned, StorageError: it cannot be written or synced.
            StoreReadOnly, StoreClosed, ForkedStore: this store cannot be used for it.
        """
        key_id = key.key_id if isinstance(key, PublicKey) else key
        if not isinstance(key_id, bytes) or len(key_id) != 32:
            raise InvalidInput("key must be a batpak.PublicKey, or the 32 bytes of its key_id")
        return self._core.revoke_key(key_id, reason)

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
