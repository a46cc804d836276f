"""Whether replaying the log makes the same state again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from batpak._batpak import report_hash
from batpak._filters import number
from batpak._folding import Plan, Stretch, forgotten, name_of, noted
from batpak._projections.classes import run_digest
from batpak._projections.projection import instance_of
from batpak._projections.steadiness import unsteady_names
from batpak._reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from batpak._batpak import Event
    from batpak._projections.projection import Projection
    from batpak._projections.selection import Selection, Until
    from batpak._proving.proving import Proving

    FindingCode = Literal[
        "replays_differ",
        "restored_differs",
        "kept_differs",
        "child_differs",
        "child_failed",
        "state_mutated",
        "unsteady_name",
    ]


@dataclass(frozen=True, slots=True)
class DeterminismFinding(Report):
    """One thing that makes replays differ, or may.

    Attributes:
        code: "replays_differ": two replays in this process made different states. "restored_differs": going on from a
            restored snapshot made another state. "kept_differs": a view keeps another state than a replay up to the
            same event makes; only ``View.check`` looks. "child_differs": a process with another hash seed made another
            state. "child_failed": there the projection raised. "state_mutated": a handler changed the state that it was
            given. "unsteady_name": the code uses something that is another each time, such as the time; this one is
            advice, since nobody has seen it matter.
        message: for people.
        sequence: the event concerned, or None.
    """

    code: FindingCode
    message: str
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A state that a view keeps, by its hash, and the events that it says it was made of."""

    stretch: Stretch
    state_hash: bytes
    events: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out of folding from the first event on."""

    state: Any
    state_hash: bytes
    events: int


@dataclass(frozen=True, slots=True)
class DeterminismReport(Report):
    """What replays of a projection showed.

    Attributes:
        ok: whether no replay differed and no handler was seen to change its input; advice does not count.
        projection: its name.
        version: its version.
        code_digest: digest of its code, and of the event classes and upcasters that it reads with, 32 bytes.
        sequence: the last event that readers saw; what was appended later is in no replay; None if they saw none.
        events: how many events handlers took.
        state_hash: hash of the state's canonical bytes, 32 bytes.
        sampled: at how many events the state was compared before and after, and restored from its canonical bytes.
        child_checked: whether it was replayed in another process.
        child_skipped: why not, or None.
        findings: what was found, advice last.
    """

    ok: bool
    projection: str
    version: int
    code_digest: bytes
    sequence: int | None
    events: int
    state_hash: bytes
    sampled: int
    child_checked: bool
    child_skipped: str | None
    findings: tuple[DeterminismFinding, ...]


def check_determinism(
    store: Proving,
    projection: Projection[Any] | type[Projection[Any]],
    *,
    until: Until = None,
    every: int = 16,
    **filters: Unpack[Selection],
) -> DeterminismReport:
    """Check that replaying the log makes the same state again.

    It replays three times in this process, once going on from a restored state again and again, and once in a process
    of its own with another PYTHONHASHSEED, which opens the journal read-only. That needs a journal in a directory, the
    process-wide registry, and a projection that another process can import.

    Args:
        store: an open store.
        projection: an instance or a class. Its state must be one that can be kept.
        until, filters: as for ``Store.project``.
        every: compare the state before and after a handler, and restore it, at every so many events, 1 or more.

    Returns:
        The report; no replay that differs is an exception.

    Raises:
        InvalidInput: an argument is out of range, or a handler returned None in place of a state.
        InvalidValue: the state cannot be kept; ``path`` says where in it.
        TypeError: an argument is of another type.
        Whatever a handler raises, with a note that names the event; and what ``Store.query`` raises.

    >>> import tempfile
    >>> class Tags(batpak.Projection[list[str]]):
    ...     name = "tags"
    ...     def initial(self) -> list[str]:
    ...         return []
    ...     @batpak.on(0xF001)
    ...     def tagged(self, state: list[str], event: batpak.Event) -> list[str]:
    ...         state.append(event.payload["tag"])
    ...         return state
    >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"tag": "new"}, kind=0xF001)
    ...     report = batpak.check_determinism(store, Tags)
    >>> report.ok, report.findings[0].code
    (False, 'state_mutated')
    """
    from batpak._projections.projecting import Projecting

    if not isinstance(store, Projecting):
        raise TypeError(f"store must be a batpak.Store, not {type(store).__name__}")
    return check(store, instance_of(projection), store._stretch(until, filters), every=every)


def check(
    store: Proving, projection: Projection[Any], stretch: Stretch, *, every: int, kept: Kept | None = None
) -> DeterminismReport:
    """Check a projection over chosen events; see ``check_determinism``."""
    from batpak._projections.determinism_child import replayed_elsewhere

    nth = number(every, "every", least=1)
    if nth is None:
        raise TypeError("every must be an int, not NoneType; 1 looks at every event")
    digest, cls = run_digest(projection, store._registry), type(projection)
    replay = replayed(store, projection, stretch)
    state_hash, events = replay.state_hash, replay.events
    findings: list[DeterminismFinding] = []
    restored_hash, sampled = _sampled(store, projection, stretch, nth, findings)
    if replayed(store, projection, stretch).state_hash != state_hash:
        findings.append(_differs("replays_differ", "two replays in one process made different states"))
    elif restored_hash != state_hash:
        findings.append(
            _differs(
                "restored_differs",
                "going on from a restored state made another one: it depends on something that is not kept, such as "
                "the order of a dict, which comes back sorted",
            )
        )
    if kept is not None:
        findings.extend(_kept_otherwise(store, projection, kept))
    outcome = replayed_elsewhere(store, projection, stretch)
    if outcome.problem is not None:
        findings.append(_differs("child_failed", f"in another process it raised {outcome.problem}"))
    elif outcome.state_hash is not None and (outcome.state_hash, outcome.events) != (state_hash, events):
        findings.append(_differs("child_differs", "a process with another PYTHONHASHSEED made another state"))
    ok = not findings
    findings.extend(
        DeterminismFinding(
            "unsteady_name",
            f"{cls.__qualname__}.{function} uses {name}, which may give something else at each replay; take it from "
            "the event",
        )
        for function, name in unsteady_names(cls)
    )
    return DeterminismReport(
        ok=ok,
        projection=projection.name,
        version=projection.version,
        code_digest=digest,
        sequence=None if stretch.until < 0 else stretch.until,
        events=events,
        state_hash=state_hash,
        sampled=sampled,
        child_checked=outcome.skipped is None,
        child_skipped=outcome.skipped,
        findings=tuple(findings),
    )


def replayed(store: Proving, projection: Projection[Any], stretch: Stretch) -> Replay:
    """Fold from the first event on."""
    plan = Plan(projection)
    state, events, _ = plan.fold(plan.initial(), plan.steps(store, stretch))
    return Replay(state, report_hash(type(projection)._form.encoded(state)), events)


def _kept_otherwise(store: Proving, projection: Projection[Any], kept: Kept) -> Iterator[DeterminismFinding]:
    replay = replayed(store, projection, kept.stretch)
    if (replay.state_hash, replay.events) == (kept.state_hash, kept.events):
        return
    sequence = None if kept.stretch.until < 0 else kept.stretch.until
    what = "another state" if replay.state_hash != kept.state_hash else "another number of events"
    message = (
        f"the view keeps {what} than a replay up to the same event makes: it was made with something else than what "
        "is there now; forget the snapshot, materialise the projection anew, and raise its version"
    )
    yield DeterminismFinding("kept_differs", message, sequence)


def _differs(code: FindingCode, message: str) -> DeterminismFinding:
    return DeterminismFinding(code, message)


def _sampled(
    store: Proving,
    projection: Projection[Any],
    stretch: Stretch,
    every: int,
    findings: list[DeterminismFinding],
) -> tuple[bytes, int]:
    """Replay with looks at the state before and after a handler, which then goes on from a restored one."""
    plan, form = Plan(projection), type(projection)._form
    state = plan.initial()
    optional = plan.optional or state is None
    mutating: set[str] = set()
    sampled = 0
    for position, (_, handler, event) in zip(count(), plan.steps(store, stretch), strict=False):
        before = form.encoded(state) if position % every == 0 else None
        if before is not None:
            sampled += 1
            state = form.decoded(before)
        following = _folded(handler, state, event)
        if following is None and not optional:
            raise forgotten(name_of(projection, handler), event)
        name = name_of(projection, handler)
        if before is not None and name not in mutating and form.encoded(state) != before:
            mutating.add(name)
            findings.append(
                DeterminismFinding(
                    "state_mutated",
                    f"{name} changed the state that it was given at event {event.sequence}; return a new one",
                    event.sequence,
                )
            )
        state = following
    return report_hash(form.encoded(state)), sampled


def _folded(handler: Any, state: Any, event: Event) -> Any:
    try:
        return handler(state, event)
    except Exception as error:
        noted(error, event)
        raise
