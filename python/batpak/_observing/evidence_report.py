"""Evidence reports: statements about a journal that a machine can compare and a key can sign.

A report's body is the canonical bytes of everything that it says. No path, no time of day and no order of chance goes
into it, so whoever asks the same of the same history gets the same bytes, and two auditors compare 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar
from uuid import UUID

from batpak import _batpak
from batpak._errors import InvalidInput, InvalidReport, JournalDamaged, StorePoisoned
from batpak._reports import Report, StoreStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batpak._proving.proving import Proving

Value = TypeVar("Value")

VERSION: Final = 1
FINDINGS_MAX: Final = 100
"""A report names so many findings; its counts count them all."""

_MEMBERS: Final = ("batpak_report", "kind", "journal_id", "frontier", "inputs", "counts", "findings", "ok", "facts")


@dataclass(frozen=True, slots=True)
class EvidenceFinding(Report):
    """One thing that is wrong with what a report looked at.

    Attributes:
        axis: what it concerns: "content", "order" and so on, as the axes of a ``Verification``.
        code: stable identifier of the kind of finding.
        message: for people; the same on every machine.
        sequence: the event, or None.
    """

    axis: str
    code: str
    message: str
    sequence: int | None

    @property
    def _place(self) -> tuple[int, str, str, str]:
        """Findings about no event first, then in commit order."""
        return (-1 if self.sequence is None else self.sequence, self.axis, self.code, self.message)


@dataclass(frozen=True, slots=True)
class EvidenceFrontier(Report):
    """The part of a journal that a report speaks of: its first ``size`` events, all of which are durable.

    Attributes:
        size: how many events.
        sequence: the last of them; None if there is none.
        event_hash: its hash, 32 bytes, which stands for all of its entity's history; None if it cannot be read.
    """

    size: int
    sequence: int | None
    event_hash: bytes | None


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class EvidenceReport(Report):
    """A statement about a journal. Immutable, hashable, picklable; equal to every report with the same body.

    Attributes:
        kind: which report it is, such as "chain_walk".
        journal_id: the journal, by the id of the lineage that it is in.
        frontier: the part of the journal that it speaks of.
        inputs: what was asked for, as plain values; what was not given is left out.
        counts: how many of what; whole numbers.
        findings: what is wrong, in commit order.
        facts: what else was found, as plain values.
    """

    KIND: ClassVar[str | None] = None

    kind: str
    journal_id: UUID
    frontier: EvidenceFrontier
    inputs: Mapping[str, Any]
    counts: Mapping[str, int]
    findings: tuple[EvidenceFinding, ...]
    facts: Mapping[str, Any]
    _body: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Make the body, and take from it what is shown: nobody else holds the dicts."""
        if self.KIND not in (None, self.kind):
            raise InvalidReport(f"not a report of the kind {self.KIND!r}, but {self.kind!r:.100}")
        findings = tuple(sorted(self.findings, key=lambda finding: finding._place))
        members = {
            "batpak_report": VERSION,
            "kind": self.kind,
            "journal_id": self.journal_id,
            "frontier": _members_of(self.frontier),
            "inputs": dict(self.inputs),
            "counts": dict(self.counts),
            "findings": [_members_of(finding) for finding in findings],
            "ok": not findings,
            "facts": dict(self.facts),
        }
        body = _batpak.encode_value(members, allow_nonfinite=False)
        own = _batpak.decode_value(body)
        object.__setattr__(self, "findings", findings)
        for name in ("inputs", "counts", "facts"):
            object.__setattr__(self, name, MappingProxyType(own[name]))
        object.__setattr__(self, "_body", body)

    @property
    def ok(self) -> bool:
        """Whether nothing that was looked at is wrong. It says nothing of what was not looked at."""
        return not self.findings

    @property
    def body(self) -> bytes:
        """Everything that the report says as canonical bytes; ``from_bytes`` reads them."""
        return self._body

    @property
    def body_hash(self) -> bytes:
        """The hash of the body, 32 bytes (BLAKE3 in a mode of its own): what an attestation signs."""
        return _batpak.report_hash(self._body)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body. The class of a certain report takes only bodies of its kind.

        Raises:
            InvalidReport: the bytes are anything else.
        """
        try:
            return cls._from_members(_batpak.decode_value(body), body)
        except InvalidReport:
            raise
        except (InvalidInput, TypeError) as error:
            raise InvalidReport(f"not an evidence report: {error}") from error

    @classmethod
    def _from_members(cls, members: object, body: bytes) -> Self:
        if not isinstance(members, dict) or sorted(members) != sorted(_MEMBERS):
            raise InvalidReport("not an evidence report: it has other members")
        if type(members["batpak_report"]) is not int or members["batpak_report"] != VERSION:
            raise InvalidReport("an evidence report of another version; read it with a newer batpak")
        findings = _of_type(members["findings"], list, "findings")
        report = cls(
            kind=_of_type(members["kind"], str, "kind"),
            journal_id=_of_type(members["journal_id"], UUID, "journal_id"),
            frontier=_frontier_from(_of_type(members["frontier"], dict, "frontier")),
            inputs=_of_type(members["inputs"], dict, "inputs"),
            counts=_counts_from(_of_type(members["counts"], dict, "counts")),
            findings=tuple(_finding_from(each) for each in findings),
            facts=_of_type(members["facts"], dict, "facts"),
        )
        # What contradicts itself, such as findings in another order or an "ok" that they belie, makes other bytes.
        if report._body != body:
            raise InvalidReport("not an evidence report: its members contradict each other")
        return report

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON: bytes as lower-case hex, ids and times as text."""
        members: Any = _batpak.decode_value(self._body)
        del members["batpak_report"]
        plained: dict[str, Any] = _plain(members)
        return {**plained, "body_hash": self.body_hash.hex()}

    def to_json(self) -> str:
        """The report on one line of tagged JSON (FORMAT.md, section 14), which loses nothing."""
        from batpak import _json

        members: Any = _batpak.decode_value(self._body)
        return _json.dumps({**members, "body_hash": self.body_hash})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` returned.

        Raises:
            InvalidReport: the text is anything else, or its body has another hash.
        """
        from batpak import _json

        try:
            members = _json.loads(text)
            stated = members.pop("body_hash", None) if isinstance(members, dict) else None
            body = _batpak.encode_value(members, allow_nonfinite=False)
        except InvalidInput as error:
            raise InvalidReport(f"not an evidence report: {error}") from error
        report = cls.from_bytes(body)
        if stated != report.body_hash:
            raise InvalidReport("not an evidence report: its body has another hash than it says")
        return report

    def __eq__(self, other: object) -> bool:
        return self._body == other._body if isinstance(other, EvidenceReport) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._body)

    def __bool__(self) -> bool:
        """Raise TypeError: whether all is well is ``ok``."""
        raise TypeError("a report has no truth value; look at .ok or .findings")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self).from_bytes, (self._body,))

    def __repr__(self) -> str:
        state = "ok" if self.ok else f"{len(self.findings)} findings"
        return f"<batpak.{type(self).__name__} {self.kind} over {self.frontier.size} events: {state}>"

    def _repr_html_(self) -> str:
        from batpak._html import table

        rows = {**self.to_dict(), "findings": len(self.findings)}
        rows |= {f"finding {index}": finding.message for index, finding in enumerate(self.findings, 1)}
        return table(type(self).__name__, rows)


def durable_size(store: Proving) -> int:
    """How many events, from sequence 0 on, are durable: a writer syncs first, a reader takes what it knows of."""
    if not store._core.read_only:
        try:
            return store.sync()
        except StorePoisoned:
            # Reading goes on, and what was synced before stands.
            pass
    try:
        durable = store.frontier().durable
    except JournalDamaged:
        # The last event cannot be read, but it is known where it is.
        return StoreStats(**store._core.stats()).durable_events
    return 0 if durable is None else durable.sequence + 1


def frontier_over(store: Proving, size: int) -> EvidenceFrontier:
    """The frontier of the first ``size`` events, which are durable."""
    if size == 0:
        return EvidenceFrontier(0, None, None)
    try:
        event_hash = store.get(size - 1).event_hash
    except JournalDamaged:
        event_hash = None
    return EvidenceFrontier(size, size - 1, event_hash)


def _members_of(part: EvidenceFinding | EvidenceFrontier) -> dict[str, Any]:
    return {name: getattr(part, name) for name in type(part).__dataclass_fields__}


def _of_type(value: object, wanted: type[Value], member: str) -> Value:
    if type(value) is not wanted:
        raise InvalidReport(f"not an evidence report: {member} is a {type(value).__name__}, not a {wanted.__name__}")
    return value


def _counts_from(counts: dict[str, Any]) -> dict[str, int]:
    return {name: _of_type(count, int, f"the count {name!r:.100}") for name, count in counts.items()}


def _frontier_from(members: dict[str, Any]) -> EvidenceFrontier:
    if sorted(members) != ["event_hash", "sequence", "size"]:
        raise InvalidReport("not an evidence report: its frontier has other members")
    size = _of_type(members["size"], int, "size")
    sequence, event_hash = members["sequence"], members["event_hash"]
    if size < 0 or sequence != (size - 1 if size else None) or isinstance(sequence, bool):
        raise InvalidReport("not an evidence report: its frontier contradicts itself")
    if event_hash is not None and (size == 0 or len(_of_type(event_hash, bytes, "event_hash")) != 32):
        raise InvalidReport("not an evidence report: its frontier's hash is none")
    return EvidenceFrontier(size, sequence, event_hash)


def _finding_from(members: object) -> EvidenceFinding:
    if not isinstance(members, dict) or sorted(members) != ["axis", "code", "message", "sequence"]:
        raise InvalidReport("not an evidence report: a finding has other members")
    axis, code, message = (_of_type(members[name], str, name) for name in ("axis", "code", "message"))
    sequence = members["sequence"]
    if sequence is not None and _of_type(sequence, int, "sequence") < 0:
        raise InvalidReport("not an evidence report: a finding's sequence is negative")
    return EvidenceFinding(axis, code, message, sequence)


def _plain(value: Any) -> Any:
    """A value for people's JSON; what JSON has no plain form for is tagged."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    from batpak import _json

    return _json.to_tagged(value)
