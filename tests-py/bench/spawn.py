"""Runs and times a fresh Python interpreter, for the workloads that are programs, and gives it something to chew."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final

from .clock import Reading

PACKAGES: Final = ("asyncio", "email", "json")
"""Of the standard library: about seventy files of source."""


def run_python(*arguments: str) -> Reading:
    """Run this interpreter with `arguments` and return its wall time and CPU time as one event.

    Raises RuntimeError, with what the program wrote to standard error, if it fails.
    """
    cpu_start = os.times()
    wall_start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    wall = time.perf_counter() - wall_start
    cpu_end = os.times()
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    cpu = cpu_end.children_user + cpu_end.children_system - cpu_start.children_user - cpu_start.children_system
    return Reading(1, wall, cpu)


def copy_packages(directory: Path) -> Path:
    """Copy the source of some of the standard library below `directory` and return where it lies."""
    target = directory / "packages"
    library = Path(sysconfig.get_path("stdlib"))
    for package in PACKAGES:
        shutil.copytree(library / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    return target
