"""Makes ``tests-rs/vectors/corpus``: what every implementation of the format must accept, and what it must refuse.

Run it from ``tests-py`` with ``python -m corpus DIRECTORY``; the directory is made anew. Every verdict here was written
from FORMAT.md, and none was copied from what a verifier said.
"""

from __future__ import annotations
