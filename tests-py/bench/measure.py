"""Takes one measurement: a fresh process in a fresh directory, again if another process ate the machine meanwhile."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Final

from .clock import Reading
from .rows import Subject, Unit

NOISY_TRIES_MAX: Final = 3
WALL_TO_CPU_MAX: Final = 1.3
FOREIGN_CORES_MAX: Final = 0.5
READING_FIELDS: Final = tuple(field.name for field in fields_of(Reading))
"""The Rust peer writes some of them only, and a field of its own."""
TESTS: Final = Path(__file__).resolve().parent.parent


class MeasurementError(Exception):
    """A workload did not run to its end; the message is the last line that it wrote."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure in its row's unit; `noise` says, in words, why not to trust it, or is None."""

    figure: float
    reading: Reading
    noise: str | None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to measure (`directory`) and the Rust peer's program."""

    directory: Path
    rust_peer: Path

    def measure(self, subject: Subject, unit: Unit, count: int) -> Measurement:
        """Measure `subject` with `count` events; a noisy measurement is repeated up to twice and the quickest kept.

        Raises MeasurementError if a workload fails.
        """
        return self.quietest(lambda: (self._try(subject, unit, count),))[0]

    def quietest(self, take: Callable[[], tuple[Measurement, ...]]) -> tuple[Measurement, ...]:
        """Return what `take` measures; again, up to twice, if any of it is noisy, and then of each the best try."""
        tries: list[tuple[Measurement, ...]] = []
        while len(tries) < NOISY_TRIES_MAX:
            tries.append(take())
            if all(taken.noise is None for taken in tries[-1]):
                return tries[-1]
        return tuple(min(several, key=_preference) for several in zip(*tries, strict=True))

    def prepare(self, subject: Subject, workload: str, store: Path, count: int) -> None:
        """Run a workload of `subject` that is not measured. Raises MeasurementError if it fails."""
        self._run(subject.store, workload, store, count)

    def take(self, subject: Subject, unit: Unit, store: Path, count: int) -> Measurement:
        """Measure `subject` once in the directory `store`. Raises MeasurementError if the workload fails."""
        # What earlier workloads left to be written or freed must not be done on this one's time.
        os.sync()
        busy_start, wall_start = _machine_cpu_seconds(), time.perf_counter()
        output, own = self._run(subject.store, subject.workload, store, count)
        wall = time.perf_counter() - wall_start
        foreign_cores = (_machine_cpu_seconds() - busy_start - own) / wall
        fields = json.loads(output)
        reading = Reading(**{name: fields[name] for name in READING_FIELDS if name in fields})
        timed = unit not in {Unit.BYTES_PER_EVENT, Unit.MEBIBYTES}
        noise = _noise(subject, reading, foreign_cores) if timed else None
        return Measurement(_figure(unit, reading, store, count), reading, noise)

    def _try(self, subject: Subject, unit: Unit, count: int) -> Measurement:
        with tempfile.TemporaryDirectory(dir=self.directory) as temporary:
            store = Path(temporary) / "store"
            if subject.setup is not None:
                self.prepare(subject, subject.setup, store, count)
            return self.take(subject, unit, store, count)

    def _run(self, store: str, workload: str, directory: Path, count: int) -> tuple[str, float]:
        """Run one workload; return its output and the CPU seconds that it and its children used."""
        if store == "rust":
            command = [str(self.rust_peer), workload, str(directory), str(count)]
        else:
            command = [sys.executable, "-m", "bench.workload", store, workload, str(directory), str(count)]
        cpu_start = os.times()
        try:
            done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
        except OSError as failure:
            raise MeasurementError(str(failure)) from failure
        cpu_end = os.times()
        killed = workload.endswith("-killed") and done.returncode in {-signal.SIGKILL, -signal.SIGABRT}
        if done.returncode and not killed:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise MeasurementError(lines[-1])
        cpu = cpu_end.children_user + cpu_end.children_system - cpu_start.children_user - cpu_start.children_system
        return done.stdout, cpu


def rust_peer_path() -> Path:
    """Return where `cargo build --release --target-dir target/peer` puts the Rust peer."""
    return TESTS.parent / "target" / "peer" / "release" / "peer-bench"


def _figure(unit: Unit, reading: Reading, store: Path, count: int) -> float:
    match unit:
        case Unit.EVENTS_PER_S:
            return reading.events / reading.seconds
        case Unit.MILLISECONDS:
            return reading.seconds * 1e3
        case Unit.MICROSECONDS_PER_PAGE:
            return reading.seconds / reading.events * 1e6
        case Unit.MEBIBYTES:
            return reading.rss_bytes / 2**20
        case Unit.P99_MS:
            return reading.latencies_us["p99"] / 1e3
        case Unit.BYTES_PER_EVENT:
            # Blocks, not lengths: space reserved ahead counts, and holes do not.
            return sum(path.stat().st_blocks * 512 for path in store.rglob("*")) / count


def _preference(taken: Measurement) -> tuple[bool, float]:
    return taken.noise is not None, taken.reading.seconds


def _noise(subject: Subject, reading: Reading, foreign_cores: float) -> str | None:
    if subject.cpu_bound and reading.seconds > WALL_TO_CPU_MAX * reading.cpu_seconds:
        return f"wall {reading.seconds / max(reading.cpu_seconds, 1e-9):.2f}x CPU"
    # A workload that waits for the disk says nothing by its own CPU time; what everybody else used does.
    if foreign_cores > FOREIGN_CORES_MAX:
        return f"others used {foreign_cores:.1f} cores"
    return None


def _machine_cpu_seconds() -> float:
    """Return the CPU time that everything on this machine has used since it started."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
