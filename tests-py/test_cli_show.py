"""``batpak show`` and ``batpak stats``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import batpak
from cli_support import drafts, fail, fill, line_of, succeed, succeed_json

if TYPE_CHECKING:
    from pathlib import Path


def test_show(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    by_sequence = succeed("show", journal, str(receipt["sequence"]))
    assert succeed("show", journal, receipt["event_id"]) == by_sequence
    for text in ("player:alice", "room", "0xF001", receipt["event_id"], receipt["event_hash"], '"x": 1'):
        assert text in by_sequence
    (shown,) = succeed_json("show", journal, receipt["event_id"])
    with batpak.Store.open(journal, read_only=True) as store:
        event = store.get(receipt["sequence"])
    assert shown["prev_hash"] == event.prev_hash.hex()
    assert shown["hlc"] == [event.hlc.wall_us, event.hlc.counter]
    assert shown["payload"] == {"x": 1}


def test_show_what_is_not_there(journal: Path) -> None:
    fail(1, "show", journal, "999")
    fail(1, "show", journal, "01890000-0000-7000-8000-000000000000")
    fail(2, "show", journal, "player:alice")


def test_stats(journal: Path) -> None:
    fill(journal, drafts(3))
    (figures,) = succeed_json("stats", journal)
    assert figures["name"] == "batpak.local"
    assert isinstance(figures["events"], int)
    assert figures["journal_id"] in succeed("stats", journal)
