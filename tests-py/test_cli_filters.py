"""Which events ``log``, ``tail`` and ``export`` are about: their filters are the same."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import batpak
from cli_support import fail, succeed

if TYPE_CHECKING:
    from pathlib import Path

CORRELATION = UUID(int=7)
CAUSE = UUID(int=8)


@pytest.fixture
def various(journal: Path) -> Path:
    """A journal with events that differ in everything that filters look at; the payload is the event's number."""

    def draft(number: int, entity: str, scope: str, kind: batpak.Kind, metadata: dict[str, str]) -> batpak.Draft:
        correlation = CORRELATION if number % 2 else None
        coordinate = batpak.Coordinate(entity, scope)
        cause = CAUSE if number > 2 else None
        return batpak.Draft(
            coordinate, number, kind=kind, metadata=metadata, correlation_id=correlation, causation_id=cause
        )

    drafts = [
        draft(0, "player", "hall", batpak.Kind(0xF, 1), {"trace": "a=b", "actor": "x"}),
        draft(1, "player:alice", "hall", batpak.Kind(0xF, 1), {"trace": "t2"}),
        draft(2, "player:alice:left", "room", batpak.Kind(0xF, 2), {"actor": "x"}),
        draft(3, "players", "room", batpak.Kind(0xE, 1), {}),
        draft(4, "player:bob", "room", batpak.Kind(0xE, 2), {"trace": "a=b", "actor": "y"}),
    ]
    for each in drafts:
        # One by one, so that their times differ.
        with batpak.Store.open(journal) as store:
            store.append_batch([each])
    return journal


def numbers(directory: Path, *options: str, command: str = "log") -> list[int]:
    lines = succeed(command, directory, *options, *(() if command == "export" else ("--json",))).splitlines()
    return [json.loads(line)["payload"] for line in lines]


def time_of(directory: Path, number: int, **later: int) -> str:
    """The time of an event in a zone that is not UTC."""
    with batpak.Store.open(directory, read_only=True) as store:
        (event,) = (each for each in store.query() if each.payload == number)
    moment = event.timestamp + timedelta(**later)
    return (moment + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00")


@pytest.mark.parametrize("command", ["log", "export", "tail"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--entity", "player"], [0]),
        (["--entity-prefix", "player"], [0, 1, 2, 4]),
        (["--entity-prefix", "player:alice"], [1, 2]),
        (["--scope", "room"], [2, 3, 4]),
        (["--kind", "0xF:1"], [0, 1]),
        (["--category", "14"], [3, 4]),
        (["--category", "0xF", "--scope", "room"], [2]),
        (["--correlation", str(CORRELATION)], [1, 3]),
        (["--correlation", CORRELATION.hex.upper()], [1, 3]),
        (["--causation", str(CAUSE)], [3, 4]),
        (["--causation", CAUSE.hex, "--correlation", str(CORRELATION)], [3]),
        (["--causation", str(CORRELATION)], []),
        (["--metadata", "trace=a=b"], [0, 4]),
        (["--metadata", "trace=a=b", "--metadata", "actor=y"], [4]),
        (["--metadata", "trace=t2", "--entity-prefix", "player:bob"], []),
    ],
)
def test_filters(various: Path, command: str, options: list[str], expected: list[int]) -> None:
    assert numbers(various, *options, command=command) == expected


def test_times(various: Path) -> None:
    assert numbers(various, "--since", time_of(various, 2)) == [2, 3, 4]
    assert numbers(various, "--since", time_of(various, 2, microseconds=1)) == [3, 4]
    assert numbers(various, "--before", time_of(various, 2)) == [0, 1]
    assert numbers(various, "--before", time_of(various, 2, microseconds=1)) == [0, 1, 2]
    assert numbers(various, "--since", time_of(various, 1), "--before", time_of(various, 3)) == [1, 2]
    assert numbers(various, "--since", "2000-01-01T00:00Z", "--before", "2000-01-02T00:00:00.5-03:00") == []


def test_reverse(various: Path) -> None:
    assert numbers(various, "--reverse") == [4, 3, 2, 1, 0]
    assert numbers(various, "--reverse", "--limit", "2") == [4, 3]
    assert numbers(various, "--reverse", "-n", "1", "--entity-prefix", "player:alice", command="export") == [2]


def test_durable_shows_what_is_synced(journal: Path) -> None:
    with batpak.Store.open(journal, durability="manual") as store:
        store.append(batpak.Coordinate("e", "s"), 1, kind=0xF001)
        store.sync()
        store.append(batpak.Coordinate("e", "s"), 2, kind=0xF001)
        for command in ("log", "export", "tail"):
            assert numbers(journal, command=command) == [1, 2]
            assert numbers(journal, "--durable", command=command) == [1]
    assert numbers(journal, "--durable") == [1, 2]


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--since", "2026-01-02T03:04:05"], "2026-01-02T03:04:05Z for UTC"),
        (["--before", "2026-01-02"], "2026-01-02T00:00:00Z for UTC"),
        (["--before", "yesterday"], "ISO 8601"),
        (["--correlation", "alice"], "is not a UUID"),
        (["--causation", "5"], "is not a UUID"),
        (["--metadata", "trace"], "KEY=VALUE"),
        (["--metadata", "a=1", "--metadata", "a=2"], "two values for one key"),
        (["--category", "16"], "0..15"),
        (["--category", "-1"], "0..15"),
        (["--after", "-1"], "0..18446744073709551615"),
        (["--until", "18446744073709551616"], "0..18446744073709551615"),
        (["--limit", "many"], "is not a whole number"),
        (["--tree", "--reverse"], "does not go with --reverse"),
        (["--follow", "--until", "5"], "--until needs an end"),
        (["--follow", "--before", "2026-01-02T00:00:00Z"], "--before needs an end"),
        (["--follow", "--reverse"], "--reverse needs an end"),
        (["--follow", "--tree"], "--tree needs an end"),
    ],
)
def test_what_cannot_be_meant(journal: Path, options: list[str], advice: str) -> None:
    assert advice in fail(2, "log", journal, *options)
