"""A second of ``just stress-python``: sixteen threads that append and wait, and readers in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import stress

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 1 / 3


@pytest.mark.timeout(180)
@pytest.mark.parametrize("durability", stress.MODES)
def test_marks_keep_their_laws_and_followers_see_one_order(path: Path, durability: str) -> None:
    tally = stress.run(path, durability, SECONDS)
    assert tally.events > 0
    assert tally.looks > 0
