"""Measures batpak and its peers in turn and prints medians, spread and ratios: `python -m bench --help`.

With `--curve`: how the cost of operations grows with the number of events.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .curve import OPERATIONS, PEERS, SIZES, Curve, Entities, measure_curve
from .curve_report import curve_json, curve_tables
from .machine import describe
from .measure import TESTS, Bench, MeasurementError, rust_peer_path
from .report import Outcome, rows_json, table, write_json
from .rows import ROWS, Row

EVENTS: Final = 200_000
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for: rows, or a curve."""

    curve: Curve | None
    rows: tuple[Row, ...]
    rounds: int
    events: int
    directory: Path
    rust_peer: Path
    json: Path | None


def main(arguments: Sequence[str]) -> int:
    """Measure what `arguments` ask for; return 1 only if a workload of our own could not run at all."""
    wish = _parse(arguments)
    wish.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wish.directory) as temporary:
        directory = Path(temporary).resolve()
        machine = describe(directory)
        for name, value in machine.items():
            _say(f"{name + ':':<20} {value}")
        bench = Bench(directory, wish.rust_peer)
        if wish.curve is not None:
            return _curve(wish.curve, bench, machine, wish.json)
        results = _measure(wish, bench)
    for row, outcomes in results:
        _say("", *table(row, outcomes))
    if wish.json is not None:
        write_json(wish.json, machine, "rows", rows_json(results))
    return int(any(outcomes[0].failure is not None for _, outcomes in results))


def _curve(curve: Curve, bench: Bench, machine: Mapping[str, str], json: Path | None) -> int:
    results = measure_curve(bench, curve, _progress)
    _say(*curve_tables(results))
    if json is not None:
        write_json(json, machine, "curves", curve_json(results))
    peers = {peer.store for peer in curve.peers}
    return int(any(series.failure is not None for series in results if series.subject.store not in peers))


def _measure(wish: Wish, bench: Bench) -> list[tuple[Row, list[Outcome]]]:
    results: list[tuple[Row, list[Outcome]]] = []
    for row in wish.rows:
        events = min(wish.events, row.events_max or wish.events)
        results.append((row, [Outcome(row.ours, events), *(Outcome(against.peer, events) for against in row.peers)]))
    for turn in range(max([wish.rounds, *(row.rounds_min for row in wish.rows)])):
        for row, outcomes in results:
            if turn < max(wish.rounds, row.rounds_min):
                _turn(bench, row, outcomes, turn)
    return results


def _turn(bench: Bench, row: Row, outcomes: Sequence[Outcome], turn: int) -> None:
    """Measure every subject of a row once, starting with another one in each round."""
    first = turn % len(outcomes)
    for outcome in (*outcomes[first:], *outcomes[:first]):
        if outcome.failure is not None:
            continue
        _progress(f"round {turn + 1}, {row.name}: {outcome.subject.label}")
        try:
            outcome.by_round[turn] = bench.measure(outcome.subject, row.unit, outcome.events)
        except MeasurementError as failure:
            outcome.failure = str(failure)


def _parse(arguments: Sequence[str]) -> Wish:
    names = {row.name: row for row in ROWS}
    shapes = {entities.name.lower(): entities for entities in Entities}
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=_positive, default=ROUNDS, help="how often each is measured (default %(default)s)"
    )
    parser.add_argument("--only", help=f"rows to measure, with commas between them: {', '.join(names)}")
    parser.add_argument("--events", type=_positive, default=EVENTS, help="events per workload (default %(default)s)")
    parser.add_argument("--dir", type=Path, default=TESTS.parent / "target" / "bench", help="where the stores go")
    parser.add_argument("--peer", type=Path, default=rust_peer_path(), help="the Rust peer's program")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    curve = parser.add_argument_group("curves, instead of rows")
    curve.add_argument("--curve", help=f"operations, with commas between them: {', '.join(OPERATIONS)}")
    curve.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of events (default %(default)s)")
    curve.add_argument("--entities", default=",".join(shapes), help="one entity for many events, or for each")
    curve.add_argument("--peers", default="", help=f"measure these too: {', '.join(PEERS)} (default none)")
    curve.add_argument("--each", action="store_true", help="grow ours by single appends instead of batches")
    given = parser.parse_args(arguments)
    if given.curve and given.only:
        parser.error("--curve measures no rows: leave --only out")

    def chosen(text: str, known: Iterable[str], what: str) -> tuple[str, ...]:
        wanted = tuple(dict.fromkeys(text.split(","))) if text else ()
        if unknown := [name for name in wanted if name not in known]:
            parser.error(f"no such {what}: {', '.join(unknown)}")
        return wanted

    try:
        sizes = tuple(sorted({_positive(size) for size in given.sizes.split(",")}))
    except (ValueError, argparse.ArgumentTypeError):
        parser.error("--sizes: numbers of at least 1, with commas between them")
    return Wish(
        curve=Curve(
            operations=chosen(given.curve, OPERATIONS, "operation"),
            sizes=sizes,
            entities=tuple(shapes[name] for name in chosen(given.entities, shapes, "kind of entities")),
            peers=tuple(PEERS[name] for name in chosen(given.peers, PEERS, "peer")),
            rounds=given.rounds,
            each=given.each,
        )
        if given.curve
        else None,
        rows=tuple(names[name] for name in chosen(given.only or ",".join(names), names, "row")),
        rounds=given.rounds,
        events=given.events,
        directory=given.dir,
        rust_peer=given.peer.absolute(),
        json=given.json,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = "must be at least 1"
        raise argparse.ArgumentTypeError(message)
    return number


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def _say(*lines: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    sys.stdout.writelines(line + "\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
