"""A short form of ``just kills``: threads that append singles, batches and keyed events, killed at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kills

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 4


@pytest.mark.timeout(120)
@pytest.mark.parametrize("durability", kills.MODES)
def test_nothing_that_was_told_is_lost_and_no_key_is_written_twice(tmp_path: Path, durability: str) -> None:
    tally = kills.run(tmp_path, durability, KILLS, "short")
    assert (tally.kills, tally.receipts > 0) == (KILLS, True)
