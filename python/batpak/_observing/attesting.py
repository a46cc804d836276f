"""The part of a store that reports, and vouches for what it reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._errors import EventNotFound, InvalidInput
from batpak._observing.attestation import Attestation
from batpak._observing.chain_walk import chain_walk
from batpak._observing.evidence_report import EvidenceReport, durable_size
from batpak._observing.read_walk import read_walk
from batpak._observing.resources import resources
from batpak._proving.proving import Proving

if TYPE_CHECKING:
    from typing import Unpack

    from batpak._filters import Filters
    from batpak._observing.chain_walk import ChainWalkReport
    from batpak._observing.read_walk import ReadWalkReport
    from batpak._observing.resources import ResourceReport
    from batpak._reading import EventRef


class Attesting(Proving):
    """What ``Store`` states about itself for others to compare. Not for users."""

    __slots__ = ()

    def report_chain_walk(self, ref: EventRef, limit: int | None = None) -> ChainWalkReport:
        """Walk an entity's chain from an event back to its first, check every link, and report.

        The report speaks of the journal up to that event, whatever is written later: the same call gives the same
        bytes for as long as the history stands.

        Args:
            ref: event id or sequence to begin with. A writer syncs it first.
            limit: at most so many events, 1 or more; the whole chain if None.

        Returns:
            The report. Damage and links that do not fit are its findings; the walk ends there.

        Raises:
            EventNotFound: there is no such event.
            InvalidInput: ``limit`` is out of range, or a reader does not know the event to be durable.
            JournalDamaged: an event id cannot be looked up, because what it is looked up in is damaged.
            JournalRewound: in a read-only store, if recovery cut what was to be read.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     for paid in (False, True):
        ...         receipt = store.append(Coordinate("order:1", "shop"), {"paid": paid}, kind=Kind(0xF, 1))
        ...     report = store.report_chain_walk(receipt.event_id)
        >>> report.ok, report.facts["entity"], dict(report.counts)
        (True, 'order:1', {'events': 2, 'links': 1})
        """
        return chain_walk(self, ref, limit)

    def report_read_walk(self, **filters: Unpack[Filters]) -> ReadWalkReport:
        """Read every event that matches, each against its hash, and report.

        The report speaks of what is durable now, or up to ``until``. Two auditors who walk up to the same sequence of
        the same history get the same bytes, before and after anything is written behind it.

        Args:
            filters: those of ``query``, which see, but not ``reverse``: the walk is in commit order.

        Returns:
            The report; events that cannot be read are its findings. While it is made, the names of the entities that
            were met are held in memory.

        Raises:
            InvalidInput: a filter is out of range, empty or naive.
            TypeError: one is of another type, or there is none of that name.
            JournalRewound: in a read-only store, if recovery cut what was to be read.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import hashlib, tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
        ...     report = store.report_read_walk(scope="shop")
        >>> report.counts["events"], report.facts["digest"] == hashlib.sha256(receipt.event_hash).digest()
        (1, True)
        """
        return read_walk(self, filters)

    def report_resources(self) -> ResourceReport:
        """Report what the journal consists of: events, files, what is kept beside the log, keys, lineages.

        Returns:
            The report; what is kept and cannot be read is its findings. On a journal with millions of names this takes
            seconds, as ``stats`` does.

        Raises:
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     report = store.report_resources()
        >>> report.ok, report.counts["events"], report.facts["signed"]
        (True, 1, False)
        """
        return resources(self)

    def attest(self, report: EvidenceReport) -> Attestation:
        """Vouch for a report: sign it with the journal's key.

        It is not made again for that: who signs what somebody else made vouches for it unseen. What is checked is that
        it is about this journal, and that its frontier is of this history.

        Args:
            report: what one of the ``report_`` methods returned.

        Returns:
            The attestation; without a signature if the journal has no key.

        Raises:
            InvalidInput: the report is of another journal or another history, or of more than is durable.
            JournalDamaged: the last event that the report speaks of cannot be read.
            SignerFailed: the key is an ``ExternalSigner`` that did not sign.
            StoreReadOnly: only a store that is open for writing has the key.
            StorageError: the operating system refused.
            StoreClosed, ForkedStore: this store cannot be used.

        >>> import tempfile
        >>> key = SigningKey.generate()
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory, signing_key=key) as store:
        ...     attestation = store.attest(store.report_read_walk())
        >>> attestation.verify(key.public_key).outcome
        'signed'
        """
        if not isinstance(report, EvidenceReport):
            raise TypeError(f"report must be a batpak.EvidenceReport, not {type(report).__name__}")
        if report.journal_id != self._core.journal_id:
            raise InvalidInput(
                "the report is of another journal, or of a lineage that this one does not go on any more"
            )
        self._require_frontier(report)
        signed = _batpak.sign_report(self._core, report.body)
        key_id, signature = (None, None) if signed is None else signed
        return Attestation(report.journal_id, report.body, report.body_hash, key_id, signature)

    def _require_frontier(self, report: EvidenceReport) -> None:
        frontier = report.frontier
        if frontier.size > durable_size(self):
            raise InvalidInput(f"the report is of {frontier.size} events, and this journal has fewer that are durable")
        if frontier.sequence is None or frontier.event_hash is None:
            return
        try:
            found = self.get(frontier.sequence)
        except EventNotFound:
            found = None
        if found is None or found.event_hash != frontier.event_hash:
            raise InvalidInput(f"the report is of another history: event {frontier.sequence} is another one here")
