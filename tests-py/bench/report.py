"""Turns measurements into the table that people read and the file that programs read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from .measure import Measurement
from .rows import Row, Subject, Unit


@dataclass(slots=True)
class Outcome:
    """The measurements of one subject of one row, by round, or why it could not run."""

    subject: Subject
    events: int
    by_round: dict[int, Measurement] = field(default_factory=dict[int, Measurement])
    failure: str | None = None

    @property
    def figures(self) -> list[float]:
        """The figures of the quiet rounds, or of all if none was quiet."""
        return [taken.figure for taken in _quiet(self.by_round).values()]

    @property
    def noisy(self) -> int:
        """In how many rounds another process interfered."""
        return sum(taken.noise is not None for taken in self.by_round.values())


def table(row: Row, outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines of one row; `outcomes` are ours and then its peers, in the row's order."""
    ours = outcomes[0]
    goals = [row.goal, *(against.goal for against in row.peers)]
    events = "" if row.events_max == 1 else f"; {ours.events:,} events"
    lines = [f"{row.name}: {row.title} ({row.unit.value}, {better(row.unit)}{events})"]
    for outcome, goal in zip(outcomes, goals, strict=True):
        label = f"  {outcome.subject.label:<32} {outcome.subject.durability:<16}"
        if outcome.failure is not None:
            lines.append(f"{label} did not run: {outcome.failure}")
            continue
        ratio = "" if outcome is ours else _ratio(ours, outcome)
        noisy = f"  {outcome.noisy} of {len(outcome.by_round)} rounds noisy" if outcome.noisy else ""
        goal_text = "" if goal == "-" else f"  goal: {goal}"
        lines.append(f"{label} {spread(outcome.figures)}{ratio}{goal_text}{noisy}")
        lines += _latencies(outcome)
    return lines


def _latencies(outcome: Outcome) -> list[str]:
    """Return a line with the medians of all percentiles, if single operations were timed."""
    readings = [taken.reading for taken in _quiet(outcome.by_round).values()]
    if not readings or not readings[0].latencies_us:
        return []
    medians = {name: median(reading.latencies_us[name] for reading in readings) for name in readings[0].latencies_us}
    operations = median(reading.events for reading in readings)
    told = ", ".join(f"{name} {figure / 1e3:.3f}" for name, figure in medians.items())
    return [f"    of {operations:,.0f} operations, ms: {told}"]


def better(unit: Unit) -> str:
    """Say which figures are the better ones."""
    return "higher is better" if unit is Unit.EVENTS_PER_S else "lower is better"


def rows_json(results: Sequence[tuple[Row, Sequence[Outcome]]]) -> list[dict[str, object]]:
    """Return everything that was measured, every round of it."""
    return [
        {
            "name": row.name,
            "title": row.title,
            "unit": row.unit.value,
            "goal": row.goal,
            "subjects": [
                {
                    **asdict(outcome.subject),
                    "goal": None if number == 0 else row.peers[number - 1].goal,
                    "events": outcome.events,
                    "median": median(outcome.figures) if outcome.by_round else None,
                    "failure": outcome.failure,
                    "rounds": [{"round": turn, **asdict(taken)} for turn, taken in outcome.by_round.items()],
                }
                for number, outcome in enumerate(outcomes)
            ],
        }
        for row, outcomes in results
    ]


def write_json(path: Path, machine: Mapping[str, str], name: str, body: Sequence[Mapping[str, object]]) -> None:
    """Write what was measured to `path`, under `name`, with what it was measured on."""
    path.write_text(json.dumps({"machine": dict(machine), name: body}, indent=2) + "\n", encoding="utf-8")


def spread(figures: Sequence[float]) -> str:
    """Return the median, and the least and the greatest of `figures`."""
    return f"{number(median(figures)):>10} ({number(min(figures))}..{number(max(figures))})"


def number(figure: float) -> str:
    """Return a figure as people read it."""
    # Three digits are more than any of these figures deserves.
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"  # noqa: PLR2004 - a count of digits


def _quiet(by_round: Mapping[int, Measurement]) -> Mapping[int, Measurement]:
    return {turn: taken for turn, taken in by_round.items() if taken.noise is None} or by_round


def _ratio(ours: Outcome, peer: Outcome) -> str:
    """Return ours to the peer: the ratio of the medians, and the spread over rounds quiet for both, or over all."""
    if not ours.by_round:
        return ""
    quiet = _quiet(ours.by_round).keys() & _quiet(peer.by_round).keys()
    shared = quiet or ours.by_round.keys() & peer.by_round.keys()
    ratios = [ours.by_round[turn].figure / peer.by_round[turn].figure for turn in shared]
    overall = median(ours.figures) / median(peer.figures)
    return f"  ours/peer {overall:.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
