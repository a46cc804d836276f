"""The workloads of batpak that are whole programs: its import, and `batpak audit` around another program."""

from pathlib import Path
from statistics import median
from typing import Final

import batpak

from .clock import Reading
from .spawn import copy_packages, run_python

PAIRS: Final = 11


def import_time(_directory: Path, _count: int) -> Reading:
    """Start Python with and without `import batpak`, in turn, and return the median difference."""
    # The first start of each writes byte code and fills the page cache.
    run_python("-c", "import batpak")
    run_python("-c", "pass")
    pairs = [(run_python("-c", "import batpak"), run_python("-c", "pass")) for _ in range(PAIRS)]
    return Reading(
        1,
        median(loaded.seconds - bare.seconds for loaded, bare in pairs),
        median(loaded.cpu_seconds - bare.cpu_seconds for loaded, bare in pairs),
    )


def audit(directory: Path, _count: int) -> Reading:
    """Run `python -m compileall` over the copied packages under `batpak audit`, which must leave events behind."""
    packages = copy_packages(directory)
    journal = directory / "journal"
    reading = run_python(
        "-m", "batpak", "audit", "--dir", str(journal), "-m", "compileall", "-q", "-f", str(packages)
    )  # fmt: skip
    with batpak.Store.open(journal, read_only=True) as store:
        if not len(store):
            message = "the audit recorded nothing"
            raise RuntimeError(message)
    return reading


WORKLOADS: Final = {"import": import_time, "audit": audit}
