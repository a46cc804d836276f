"""Gates: what decides, before an event exists, whether it may be written."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

from batpak import _batpak
from batpak._errors import GateDefect, GateDenied, InvalidInput, LimitExceeded
from batpak._receipt import AppendReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batpak._batpak import CoreProposal, CoreStore
    from batpak._proposal import Proposal

Decision = Literal["permit", "deny", "defect"]
GateMode = Literal["first", "all"]
_MODES: Final = ("first", "all")
_MESSAGE_MAX: Final = 2_000
"""Characters that are kept of the message of a defect, and of the description of a gate."""
_NAME_MAX: Final = 200
"""Characters that are kept of the name of a gate."""
_DENY_BYTES_MAX: Final = 64 * 1024
"""What a ``Deny`` or a ``Bypass`` may say, encoded."""


@dataclass(frozen=True, slots=True)
class Deny:
    """What a gate returns to refuse.

    Code, message and context are at most 64 KiB, encoded.

    Attributes:
        code: stable, for programs: "over_budget".
        message: for people.
        context: a plain value (see ``Store.append``) that says more, or None.

    Raises:
        InvalidInput: there is no code; or what is said cannot be recorded (InvalidValue, LimitExceeded).
        TypeError: the message is no text.
    """

    code: str
    message: str = ""
    context: object = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or not self.code:
            raise InvalidInput('code must be a text that is not empty, such as "over_budget"')
        if not isinstance(self.message, str):
            raise TypeError(f"message must be a str, not {type(self.message).__name__}")
        # What cannot be recorded is refused where it comes from.
        _recordable([self.code, self.message, self.context], "what a Deny says")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said.

    Attributes:
        gate: its name.
        decision: "permit"; "deny"; or "defect", if the gate itself failed, which refuses as well.
        code: the code of the denial, or the name of the exception; empty for a permit.
        message: the message of the denial, or of the exception.
        context: the context of the denial, or None.
        description: what the gate says that it is for; empty if it does not.
    """

    gate: str
    decision: Decision
    code: str = ""
    message: str = ""
    context: object = field(default=None, hash=False)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Bypass:
    """Has events written past every gate; recorded in the journal, in the same frame as the events.

    Attributes:
        reason: why, not empty.
        approver: who answers for it, not empty; pseudonymous, since it stays as long as the journal's own events.

    Raises:
        InvalidInput: one of them is empty, no text, or cannot be recorded (InvalidValue, LimitExceeded).
    """

    reason: str
    approver: str

    def __post_init__(self) -> None:
        for name in ("reason", "approver"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(f"a bypass needs a {name}: a text that is not empty")
        _recordable([self.reason, self.approver], "what a Bypass says")


@dataclass(frozen=True, slots=True)
class DenialReceipt(AppendReceipt):
    """Evidence that gates refused a proposal: the receipt of the event that records it.

    The event holds the verdicts and a commitment to what was proposed, not the proposal. Whoever is given ``opening``
    can see what was proposed, and check with ``commits_to`` that it is that; without it nothing can be guessed.

    Attributes:
        verdicts: what the gates said, in the order in which they were asked.
        commitment: 32 bytes.
        opening: what the commitment stands for: salt, headers and payloads. It is not stored anywhere.
    """

    verdicts: tuple[Verdict, ...] = ()
    commitment: bytes = b""
    opening: bytes = field(default=b"", repr=False)

    def commits_to(self, opening: bytes) -> bool:
        """Whether these bytes are what the denial's commitment stands for."""
        return _batpak.proposal_commitment(opening) == self.commitment

    def __reduce__(self) -> tuple[object, ...]:
        return (_denial, (self.to_bytes(), self.verdicts, self.commitment, self.opening))


class Gate(Protocol):
    """Any callable that takes a proposal and returns None, which permits, or a ``Deny``.

    Its name in verdicts is its attribute ``name`` if it has one, else its ``__name__``; a text in an attribute
    ``description`` goes with it, as far as 2,000 characters. Whatever it raises, and
    whatever else it returns, is a defect, and refuses.
    """

    def __call__(self, proposal: Proposal, /) -> Deny | None:
        """Decide."""
        ...


def gate_name(gate: Gate) -> str:
    """The name of a gate in verdicts, as far as it can be recorded."""
    name = _told(gate, "name") or _told(gate, "__name__") or type(gate).__name__
    return _kept(name, _NAME_MAX)


def _told(gate: Gate, attribute: str) -> str:
    """A text that a gate has as an attribute; empty if it has none."""
    try:
        text = getattr(gate, attribute, None)
    except Exception:  # noqa: BLE001 - a gate that cannot tell it has none
        return ""
    return text if isinstance(text, str) else ""


asking: Final[dict[int, list[int]]] = {}
"""By thread, the stores whose gates it is asking just now; empty but while a gate decides."""


class Gating:
    """The gates of a store, and what is done with what they say."""

    __slots__ = ("gates", "mode", "record_denials")

    def __init__(self, gates: Iterable[Gate] = (), mode: GateMode = "first", *, record_denials: bool = True) -> None:
        """Refuses what is no gate."""
        self.gates = checked(gates)
        if not isinstance(mode, str):
            raise TypeError(f"gate_mode must be a str, not {type(mode).__name__}")
        if mode not in _MODES:
            raise InvalidInput(f'gate_mode is {mode!r:.100}; it must be "first" or "all"')
        if not isinstance(record_denials, bool):
            raise TypeError(f"record_denials must be a bool, not {type(record_denials).__name__}")
        self.mode = mode
        self.record_denials = record_denials

    def decide(self, core: CoreStore, proposal: CoreProposal, seen: Proposal, more: tuple[Gate, ...]) -> None:
        """Ask the gates about a proposal; return if all permit it.

        Raises:
            GateDenied, GateDefect: one did not.
        """
        verdicts: list[Verdict] = []
        cause: Exception | None = None
        stores = asking.setdefault(threading.get_ident(), [])
        stores.append(id(core))
        try:
            for gate in (*self.gates, *more):
                verdict, error = _ask(gate, seen)
                verdicts.append(replace(verdict, description=_kept(_told(gate, "description"), _MESSAGE_MAX)))
                cause = cause or error
                if verdict.decision != "permit" and self.mode == "first":
                    break
        finally:
            stores.pop()
            if not stores:
                del asking[threading.get_ident()]
        refusals = [verdict for verdict in verdicts if verdict.decision != "permit"]
        if refusals:
            self._refuse(core, proposal, tuple(verdicts), refusals, cause)

    def _refuse(
        self,
        core: CoreStore,
        proposal: CoreProposal,
        verdicts: tuple[Verdict, ...],
        refusals: list[Verdict],
        cause: Exception | None,
    ) -> None:
        receipt = _record(core, proposal, verdicts) if self.record_denials else None
        denied = any(verdict.decision == "deny" for verdict in refusals)
        said = "; ".join(f"{verdict.gate}: {verdict.message or verdict.code}" for verdict in refusals)
        error = GateDenied if denied else GateDefect
        raise error(f"nothing was written: {said}", verdicts=verdicts, receipt=receipt) from cause


def checked(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Gates as a tuple; TypeError if one cannot be called."""
    if callable(gates):
        raise TypeError(f"gates must be a list of callables; write gates=[{gate_name(gates)}]")
    if isinstance(gates, str | bytes | dict) or not hasattr(gates, "__iter__"):
        raise TypeError(f"gates must be a list of callables, not {type(gates).__name__}")
    named = tuple(gates)
    for gate in named:
        if not callable(gate):
            raise TypeError(f"a gate must be callable, and {type(gate).__name__} is not")
    return named


def refuse_inside_gate(core: CoreStore) -> None:
    """Refuse a write that a gate attempts on the store that it guards: it would be asked about itself."""
    if id(core) in asking.get(threading.get_ident(), ()):
        raise InvalidInput("a gate may not write to the store that it guards; return a batpak.Deny, or None to permit")


def _ask(gate: Gate, proposal: Proposal) -> tuple[Verdict, Exception | None]:
    name = gate_name(gate)
    try:
        answer = gate(proposal)
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate failed, and that refuses
        return Verdict(name, "defect", type(error).__name__, _said(error)), error
    if answer is None:
        return Verdict(name, "permit"), None
    # The type itself is asked: what an answer says of its class may be anything.
    if issubclass(type(answer), Deny):
        return _denied(name, answer)
    reason = f"the gate returned {type(answer).__name__}; it must return None to permit, or a batpak.Deny"
    return Verdict(name, "defect", "TypeError", reason), None


def _denied(name: str, answer: Deny) -> tuple[Verdict, Exception | None]:
    """What a denial says, as it was said: the gate may keep the context, and change it."""
    try:
        said = _recordable([answer.code, answer.message, answer.context], "what a Deny says")
        code, message, context = _batpak.decode_value(said)
    except Exception as error:  # noqa: BLE001 - it was changed since it was made, into what cannot be recorded
        return Verdict(name, "defect", type(error).__name__, _said(error)), error
    return Verdict(name, "deny", code, message, context), None


def _said(error: Exception) -> str:
    """The message of an exception, as far as it can be recorded."""
    try:
        return _kept(str(error), _MESSAGE_MAX)
    except Exception:  # noqa: BLE001 - an exception that cannot even be printed
        return "(its message cannot be shown)"


def _kept(text: str, characters: int) -> str:
    """The beginning of a text, with escapes for what UTF-8 cannot encode."""
    return text[:characters].encode("utf-8", "backslashreplace").decode()


def _recordable(value: object, what: str) -> bytes:
    """Its canonical bytes.

    Raises:
        InvalidValue: it has none.
        LimitExceeded: they are too many.
    """
    encoded = _batpak.encode_value(value, allow_nonfinite=False)
    if len(encoded) > _DENY_BYTES_MAX:
        message = f"{what} has {len(encoded)} bytes, encoded; at most {_DENY_BYTES_MAX} are recorded"
        raise LimitExceeded(message, what=what, actual=len(encoded), limit=_DENY_BYTES_MAX)
    return encoded


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "gate": verdict.gate,
        "decision": verdict.decision,
        "code": verdict.code,
        "message": verdict.message,
        "context": verdict.context,
        "description": verdict.description,
    }


def _record(core: CoreStore, proposal: CoreProposal, verdicts: tuple[Verdict, ...]) -> DenialReceipt:
    receipt, opening = core.deny(proposal, [_plain(verdict) for verdict in verdicts])
    return _denial(receipt.to_bytes(), verdicts, _batpak.proposal_commitment(opening), opening)


def _denial(receipt: bytes, verdicts: tuple[Verdict, ...], commitment: bytes, opening: bytes) -> DenialReceipt:
    """The receipt of a denial, made of that of its event."""
    base = AppendReceipt.from_bytes(receipt)
    return DenialReceipt(
        base.journal_id,
        base.event_id,
        base.sequence,
        base.clock,
        base.hlc,
        base.event_hash,
        base.key_id,
        base.signature,
        base._source,
        verdicts,
        commitment,
        opening,
    )
