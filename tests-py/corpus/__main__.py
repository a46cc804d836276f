"""Writes the corpus anew: ``python -m corpus DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

from corpus.making import make

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m corpus DIRECTORY")
    make(Path(sys.argv[1]))
