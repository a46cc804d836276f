"""The clock of one workload: what it timed, and how much of that time the process was computing."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

WARM_SHARE: Final = 20
"""One event in so many is appended before the clock starts."""
GETS_MAX: Final = 200_000
"""Random reads are spread over the whole store, but there are never more of them than this."""
BATCH: Final = 1_000
THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement: so many events in so much wall time, computing for `cpu_seconds` of it in all threads.

    For pages `events` counts pages, and `page_events` is how many events one had. `rss_bytes` is the memory of the
    process at the end, where that was asked for; `latencies_us` is how long single operations took, in microseconds, by
    the name of the percentile.
    """

    events: int
    seconds: float
    cpu_seconds: float
    page_events: float = 0.0
    rss_bytes: int = 0
    latencies_us: Mapping[str, float] = field(default_factory=dict[str, float])


class Clock:
    """Adds up the wall and CPU time of every `with` block it guards."""

    def __init__(self) -> None:
        """Start from zero, stopped."""
        self._seconds = 0.0
        self._cpu_seconds = 0.0
        self._wall_start = 0.0
        self._cpu_start = 0.0

    def __enter__(self) -> Self:
        """Let the clock run."""
        # The prepared workload is not garbage the timed code made; the collector stays on for what it does make.
        gc.collect()
        gc.freeze()
        self._cpu_start = time.process_time()
        self._wall_start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the clock and add up."""
        self._seconds += time.perf_counter() - self._wall_start
        self._cpu_seconds += time.process_time() - self._cpu_start

    def read(
        self,
        events: int,
        *,
        page_events: float = 0.0,
        rss_bytes: int = 0,
        latencies_us: Mapping[str, float] | None = None,
    ) -> Reading:
        """Return what was timed so far, spent on `events` events."""
        return Reading(events, self._seconds, self._cpu_seconds, page_events, rss_bytes, latencies_us or {})
