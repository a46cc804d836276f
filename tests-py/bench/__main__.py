"""Measures batpak and its peers in turn and prints medians, spread and ratios: `python -m bench --help`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .machine import describe
from .measure import TESTS, Bench, MeasurementError, rust_peer_path
from .report import Outcome, table, write_json
from .rows import ROWS, Row

EVENTS: Final = 200_000
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

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
        results = _measure(wish, Bench(directory, wish.rust_peer))
    for row, outcomes in results:
        _say("", *table(row, outcomes))
    if wish.json is not None:
        write_json(wish.json, machine, results)
    return int(any(outcomes[0].failure is not None for _, outcomes in results))


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
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=_positive, default=ROUNDS, help="how often each is measured (default %(default)s)"
    )
    parser.add_argument("--only", help=f"rows to measure, with commas between them: {', '.join(names)}")
    parser.add_argument("--events", type=_positive, default=EVENTS, help="events per workload (default %(default)s)")
    parser.add_argument("--dir", type=Path, default=TESTS.parent / "target" / "bench", help="where the stores go")
    parser.add_argument("--peer", type=Path, default=rust_peer_path(), help="the Rust peer's program")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    given = parser.parse_args(arguments)
    wanted = given.only.split(",") if given.only else list(names)
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no such row: {', '.join(unknown)}")
    return Wish(
        rows=tuple(names[name] for name in wanted),
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
