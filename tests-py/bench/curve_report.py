"""Turns curves into tables, in which one sees at once what stays flat, and into what programs read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from statistics import median

from .curve import Series, Step
from .measure import Measurement
from .report import better, number, spread


def curve_tables(results: Sequence[Series]) -> list[str]:
    """Return the lines of all tables; the series of one step follow one another."""
    lines: list[str] = []
    for (entities, step), group in groupby(results, key=lambda series: (series.entities, series.step)):
        lines += ["", f"{step.title}; {entities.value} ({step.unit.value}, {better(step.unit)})"]
        for series in group:
            lines += _lines(step, series)
    return lines


def _lines(step: Step, series: Series) -> list[str]:
    lines = [f"  {series.subject.label}, {series.subject.durability}"]
    base_size = _base(series.by_size)
    for size, taken in series.by_size.items():
        figures = _figures(taken)
        events = _page_events(taken)
        page = f"  {number(events)} a page" if events else ""
        noisy = sum(one.noise is not None for one in taken)
        noise = f"  {noisy} of {len(taken)} rounds noisy" if noisy else ""
        ratio = ""
        if base_size is not None and size >= base_size:
            base = median(_figures(series.by_size[base_size]))
            ratio = f"  {median(figures) / base:.2f} of {base_size:,}" if base else ""
        lines.append(f"    {size:>12,} {spread(figures):<40}{ratio:<24}{page}{noise}".rstrip())
    if series.failure is not None:
        lines.append(f"    did not run: {series.failure}")
    return lines


def curve_json(results: Sequence[Series]) -> list[dict[str, object]]:
    """Return everything that was measured, every round of it."""
    return [
        {
            "entities": series.entities.value,
            "operation": series.step.name,
            "title": series.step.title,
            "unit": series.step.unit.value,
            "subject": asdict(series.subject),
            "failure": series.failure,
            "sizes": [
                {"events": size, "median": median(_figures(taken)), "rounds": [asdict(one) for one in taken]}
                for size, taken in series.by_size.items()
            ],
        }
        for series in results
    ]


def _base(by_size: Mapping[int, Sequence[Measurement]]) -> int | None:
    """Return the smallest size whose pages are as long as the last one's: a shorter page is not the same work."""
    if not by_size:
        return None
    longest = max(_page_events(taken) for taken in by_size.values())
    return min(size for size, taken in by_size.items() if _page_events(taken) >= 0.99 * longest)


def _page_events(taken: Sequence[Measurement]) -> float:
    return median(one.reading.page_events for one in taken)


def _figures(taken: Sequence[Measurement]) -> list[float]:
    """Return the figures of the quiet rounds, or of all if none was quiet."""
    return [one.figure for one in taken if one.noise is None] or [one.figure for one in taken]
