"""``batpak log --tree``: each event under its cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import batpak
from cli_support import batpak_command, drafts, fill, line_of, succeed, succeed_json
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path


def test_tree_puts_effects_under_their_cause(journal: Path) -> None:
    coordinate, elsewhere = batpak.Coordinate("e", "s"), batpak.Coordinate("f", "s")
    fill(
        journal,
        [
            batpak.Draft(coordinate, "root", kind=KIND),
            batpak.Draft(coordinate, "other root", kind=KIND),
            batpak.Draft(coordinate, "child", kind=KIND, causation_id=0),
            batpak.Draft(elsewhere, "grandchild", kind=KIND, causation_id=2),
            batpak.Draft(coordinate, "last child", kind=KIND, causation_id=0),
        ],
    )
    lines = succeed("log", journal, "--tree").splitlines()
    assert [re.sub(r"^.*?(?=[├└│]|e  s)", "", line).replace('"', "") for line in lines] == [
        "e  s  0xF001  root",
        "├─ 0xF001  child",
        "│  └─ f  s  0xF001  grandchild",
        "└─ 0xF001  last child",
        "e  s  0xF001  other root",
    ]
    assert re.search(r"\+0\.\d{6}s  ├─", lines[1])
    depths = [(event["tree"]["depth"], event["tree"]["parent"]) for event in succeed_json("log", journal, "--tree")]
    root = succeed_json("log", journal)[0]["sequence"]
    assert depths == [(0, None), (1, root), (2, root + 2), (1, root), (0, None)]


def test_tree_says_when_the_cause_is_not_shown(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    succeed("append", journal, stdin=line_of(causation_id=receipt["event_id"]))
    line = succeed("log", journal, "--tree", "--after", str(receipt["sequence"]))
    assert f"(caused by {receipt['event_id']}, not shown)" in line


def test_tree_of_a_long_chain_stays_flat(journal: Path) -> None:
    count = 5000
    coordinate = batpak.Coordinate("e", "s")
    fill(journal, [batpak.Draft(coordinate, n, kind=KIND, causation_id=n - 1 if n else None) for n in range(count)])
    lines = succeed("log", journal, "--tree").splitlines()
    assert len(lines) == count
    assert max(map(len, lines)) < 250
    assert f"(depth {count - 1})" in lines[-1]


def test_tree_where_boxes_cannot_be_drawn(journal: Path) -> None:
    fill(journal, [*drafts(1, "é"), batpak.Draft(batpak.Coordinate("e", "s"), "child", kind=KIND, causation_id=0)])
    done = batpak_command("log", journal, "--tree", environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "`- " in done.stdout
    assert "\\xe9" in done.stdout
