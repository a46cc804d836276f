"""Runs one workload in this process and prints one JSON line: `python -m bench.workload STORE WORKLOAD DIR COUNT`."""

import importlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

MODULES: Final = {
    "ours": "ours",
    "indexed": "indexed",
    "declared": "declared",
    "program": "programs",
    "rocksdict": "rocks",
    "rocksdict-indexed": "rocks_indexed",
    "lmdb": "lightning",
    "sqlite3": "sqlite",
    "bare": "bare",
}
"""Imported by name, so that a missing peer stops its own rows only."""


def main(arguments: list[str]) -> None:
    """Run the workload that the command line names."""
    store, workload, directory, count = arguments
    workloads = importlib.import_module(f"bench.{MODULES[store]}").WORKLOADS
    reading = workloads[workload](Path(directory), int(count))
    sys.stdout.write(json.dumps(asdict(reading)) + "\n")
    sys.stdout.flush()
    if workload.endswith("-killed"):
        # Nothing gets to close the store that the workload left open.
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
