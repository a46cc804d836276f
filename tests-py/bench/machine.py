"""States what the figures were taken on; without it they mean nothing."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

DISTRIBUTIONS: Final = ("batpak", "rocksdict", "lmdb", "msgspec", "cryptography")
PEER_LOCK: Final = Path(__file__).resolve().parents[2] / "tests-rs" / "bench" / "peer" / "Cargo.lock"


def describe(directory: Path) -> dict[str, str]:
    """Return the processor, the file system of `directory` and all versions, as labelled text."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": load,
        "file system": _file_system(directory),
        "page cache": "warm: every journal was written just before, and nothing is dropped",
        "python": platform.python_version(),
        **{name: _version(name) for name in DISTRIBUTIONS},
        "sqlite3": sqlite3.sqlite_version,
        "Rust crate batpak": _crate_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _file_system(directory: Path) -> str:
    """Return type and mount options of the innermost mount that holds `directory`."""
    best, found = Path("/"), "unknown"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        # Fields of proc(5): the mount point is the fifth; the type comes first after the dash. A space is \040.
        fields = before.split()
        mount = Path(fields[4].replace("\\040", " "))
        # Of two mounts on one point the later one hides the earlier.
        if directory.is_relative_to(mount) and mount.is_relative_to(best):
            best, found = mount, f"{after.split()[0]} ({fields[5]})"
    return f"{found}: in memory, so a sync costs nothing here" if found.startswith("tmpfs") else found


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _crate_version() -> str:
    lines = PEER_LOCK.read_text(encoding="utf-8").splitlines()
    place = lines.index('name = "batpak"')
    return lines[place + 1].partition('"')[2].rstrip('"')
