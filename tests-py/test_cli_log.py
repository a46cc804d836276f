"""``batpak log``: which events are printed, and how."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import batpak
from cli_support import line_of, succeed, succeed_json

if TYPE_CHECKING:
    from pathlib import Path


def test_log_selects(journal: Path) -> None:
    lines = [
        line_of(entity="a", scope="x", kind=[15, 1]),
        line_of(entity="b", scope="x", kind=[15, 2]),
        line_of(entity="a", scope="y", kind=[15, 2]),
    ]
    receipts = succeed_json("append", journal, stdin="\n".join(lines))
    first, second, third = (receipt["sequence"] for receipt in receipts)

    def selected(*options: str) -> list[int]:
        return [event["sequence"] for event in succeed_json("log", journal, *options)]

    assert selected() == [first, second, third]
    assert selected("--entity", "a") == [first, third]
    assert selected("--scope", "x") == [first, second]
    assert selected("--kind", "0xF:2") == [second, third]
    assert selected("--after", str(first)) == [second, third]
    assert selected("--until", str(second)) == [first, second]
    assert selected("--limit", "1") == [first]
    assert selected("--system")[0] == 0
    assert len(succeed("log", journal).splitlines()) == 3


def test_log_line(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    line = succeed("log", journal).removesuffix("\n")
    sequence, time, entity, scope, kind, payload = re.split(r"\s{2,}", line.strip())
    assert (int(sequence), entity, scope, kind) == (receipt["sequence"], "player:alice", "room", "0xF001")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert json.loads(payload) == {"x": 1}


def test_a_long_payload_is_summarised(journal: Path) -> None:
    succeed("append", journal, stdin=line_of(payload="x" * 10_000))
    line = succeed("log", journal)
    assert len(line) < 300
    assert line.endswith("…\n")


def test_what_gates_decided_is_told_by_name(journal: Path) -> None:
    coordinate = batpak.Coordinate("order:1", "shop")
    with batpak.Store.open(journal, gates=[lambda proposal: batpak.Deny("no", "not today")]) as store:
        with pytest.raises(batpak.GateDenied):
            store.append(coordinate, 1, kind=0xF001)
        store.append(coordinate, 1, kind=0xF001, bypass=batpak.Bypass("drill", "approver:7"))
    denied, bypassed = succeed("log", journal, "--entity", "batpak:gates", "--system").splitlines()
    assert "denied {" in denied
    assert '"code": "no"' in denied
    assert "bypassed {" in bypassed
    assert '"approver": "approver:7"' in bypassed
