"""Refuse a wheel that carries a path of the machine that built it, or lacks what type checkers look for."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

# Home directories, and wherever this checkout lies.
PATHS = re.compile(
    rb"/(?:root|home/[^/\0]+|Users/[^/\0]+)/[\w.]|" + re.escape(bytes(Path(__file__).resolve().parents[2]))
)


def main(path: str) -> int:
    """Check one wheel; the exit status says whether it may be given to others."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        leaks = {name: match.group() for name in names if (match := PATHS.search(wheel.read(name)))}
    missing = {"batpak/py.typed", "batpak/_batpak.pyi"} - set(names)
    for name, leak in leaks.items():
        print(f"{name} carries a path of this machine: {leak!r}", file=sys.stderr)
    for name in sorted(missing):
        print(f"{name} is missing", file=sys.stderr)
    return 1 if leaks or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
