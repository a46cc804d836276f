"""``python -m batpak`` is the command ``batpak``."""

from __future__ import annotations

import sys

from batpak._cli import main

if __name__ == "__main__":
    sys.exit(main())
