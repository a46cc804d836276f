"""Causation as a timeline: each event under the event that caused it, brothers in commit order.

Two passes: the first keeps a few integers per event, the second reads the events again in the order of the tree. Memory
therefore does not grow with payloads, and neither pass recurses: a chain of causes may be as long as the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batpak import Kind

from . import audit_text, output
from .events import coordinate_text, event_json, time_text, what_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batpak import Event, Store

    from .progress import Progress

DEPTH_MAX: Final = 32
"""Levels that are indented; deeper events say their depth instead, so that no line grows with a chain of causes."""

NO_END: Final = "no end recorded"

# As wide as a time in UTC with microseconds.
_TIME_WIDTH: Final = len("2026-01-02T03:04:05.000006Z")


@dataclass(frozen=True, slots=True)
class _Strokes:
    """What the branches are drawn with."""

    child: str
    last: str
    through: str
    empty: str


_LINES: Final = _Strokes("├─ ", "└─ ", "│  ", "   ")
_ASCII: Final = _Strokes("|- ", "`- ", "|  ", "   ")


@dataclass(slots=True)
class _Forest:
    """The shown events by position, and who caused whom."""

    sequences: list[int] = field(default_factory=list)
    wall_us: list[int] = field(default_factory=list)
    # The position of the cause; None for a root.
    parents: list[int | None] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=dict)
    roots: list[int] = field(default_factory=list)
    # Runs by position, and whether their end is in the journal.
    runs: dict[int, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of the tree: an event, its depth, and what is drawn before it and before its children."""

    position: int
    root: int
    depth: int = 0
    branch: str = ""
    below: str = ""
    # Entity and scope of the cause: they are repeated only where they change.
    around: tuple[str, str] | None = None
    # Not the event itself, but the line that says that its run has no end.
    missing_end: bool = False


def print_tree(store: Store, events: Iterable[Event], progress: Progress, *, as_json: bool) -> None:
    """Print ``events``, which are in commit order, as trees."""
    forest = _plant(store, events)
    progress.before_output()
    strokes = _LINES if output.can_draw() else _ASCII
    stack = [_Place(root, root) for root in reversed(forest.roots)]
    while stack:
        place = stack.pop()
        if place.missing_end:
            if not as_json:
                output.write(_line("", "", place.branch, NO_END))
            continue
        event = store.get(forest.sequences[place.position])
        elapsed_us = forest.wall_us[place.position] - forest.wall_us[place.root]
        if as_json:
            output.write_json(_json(forest, event, place, elapsed_us))
        else:
            output.write(_text(event, place, elapsed_us))
        stack.extend(_below(forest, place, strokes, (event.entity, event.scope)))


def _plant(store: Store, events: Iterable[Event]) -> _Forest:
    """The first pass."""
    forest = _Forest()
    positions: dict[bytes, int] = {}
    for position, event in enumerate(events):
        # Only an earlier event counts as the cause, so there is no circle whatever ids were written.
        cause = event.causation_id
        parent = None if cause is None else positions.get(cause.bytes)
        forest.sequences.append(event.sequence)
        forest.wall_us.append(event.hlc.wall_us)
        forest.parents.append(parent)
        if parent is None:
            forest.roots.append(position)
        else:
            forest.children.setdefault(parent, []).append(position)
        positions[event.event_id.bytes] = position
        if event.kind.code == audit_text.RUN_STARTED_CODE and audit_text.is_run_start(event.payload):
            forest.runs[position] = False
    _find_ends(store, forest, positions)
    return forest


def _find_ends(store: Store, forest: _Forest, positions: dict[bytes, int]) -> None:
    """Ask the journal, not the selection that is shown: an end that was filtered out is still recorded."""
    if not forest.runs:
        return
    first = forest.sequences[min(forest.runs)]
    for event in store.query(kind=Kind.from_code(audit_text.RUN_ENDED_CODE), after=first):
        run = None if event.causation_id is None else positions.get(event.causation_id.bytes)
        if run is not None and run in forest.runs:
            forest.runs[run] = True


def _below(forest: _Forest, place: _Place, strokes: _Strokes, around: tuple[str, str]) -> Iterator[_Place]:
    """The lines under ``place``, the last one first, as a stack wants them."""
    depth = place.depth + 1
    lines = [(child, False) for child in forest.children.get(place.position, ())]
    if forest.runs.get(place.position) is False:
        lines.append((place.position, True))
    is_last = True
    for position, missing_end in reversed(lines):
        if depth > DEPTH_MAX:
            branch = below = place.below
        elif is_last:
            branch, below = place.below + strokes.last, place.below + strokes.empty
        else:
            branch, below = place.below + strokes.child, place.below + strokes.through
        is_last = False
        yield _Place(position, place.root, depth, branch, below, around, missing_end)


def _text(event: Event, place: _Place, elapsed_us: int) -> str:
    text = what_text(event)
    if place.around != (event.entity, event.scope):
        text = f"{coordinate_text(event)}  {text}"
    if place.depth > DEPTH_MAX:
        text = f"(depth {place.depth}) {text}"
    if place.depth > 0:
        time = f"+{elapsed_us // 1_000_000}.{elapsed_us % 1_000_000:06d}s"
    else:
        time = time_text(event)
        if event.causation_id is not None:
            text = f"{text}  (caused by {event.causation_id}, not shown)"
    return _line(str(event.sequence), time, place.branch, text)


def _line(sequence: str, time: str, branch: str, text: str) -> str:
    return f"{sequence:>8}  {time:>{_TIME_WIDTH}}  {branch}{text}"


def _json(forest: _Forest, event: Event, place: _Place, elapsed_us: int) -> dict[str, object]:
    parent = forest.parents[place.position]
    members = event_json(event)
    members["tree"] = {
        "depth": place.depth,
        "parent": None if parent is None else forest.sequences[parent],
        "elapsed_us": elapsed_us,
    }
    if place.position in forest.runs:
        members["end_recorded"] = forest.runs[place.position]
    return members
