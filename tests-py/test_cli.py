"""The command ``batpak`` as a whole, as a real process: its exit statuses, its help, and nothing unsafe on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import batpak
from batpak import _errors
from batpak._cli import COMMANDS, exit_codes, output
from batpak._cli.kinds import kind_from_json, parse_kind
from cli_support import NASTY, UNSAFE, drafts, fail, fill, line_of, succeed, succeed_json
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path


def test_every_exception_has_a_row() -> None:
    pending: list[type[BaseException]] = [_errors.BatpakError]
    while pending:
        cls = pending.pop()
        if cls.__module__ == _errors.__name__:
            assert cls in exit_codes.BY_EXCEPTION, cls
            pending += cls.__subclasses__()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_errors.NotAJournal("x"), 10),
        (_errors.StorageMissing("x"), 10),
        (_errors.StoreLocked("x"), 11),
        (_errors.WrongKey("x"), 12),
        (_errors.ExpectationFailed("x"), 13),
        (_errors.KeyConflict("x"), 13),
        (_errors.GateDefect("x"), 1),
        (_errors.MarkTimeout("x"), 1),
        (_errors.JournalDamaged("x"), 3),
        (_errors.UnsupportedFormat("x"), 4),
        (_errors.LimitExceeded("x"), 2),
        (_errors.StorageFull("x"), 1),
        (KeyboardInterrupt(), 130),
        (FileNotFoundError("x"), 1),
        (LookupError("x"), 1),
    ],
)
def test_exit_code_of_exceptions(error: BaseException, expected: int) -> None:
    assert exit_codes.exit_code_of(error) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonesuch"],
        ["log"],
        ["log", "d", "--lim", "3"],
        ["log", "d", "--kind", "99:1"],
        ["append", "d", "--kind", "x"],
    ],
)
def test_bad_command_lines_are_usage_errors(arguments: list[str]) -> None:
    assert "usage: batpak" in fail(2, *arguments)


def test_an_option_that_a_command_has_not_shows_the_usage_of_that_command(journal: Path) -> None:
    said = fail(2, "tail", journal, "--reverse")
    assert "usage: batpak tail " in said
    assert "batpak tail: error: unrecognized arguments: --reverse" in said
    assert "usage: batpak [-h]" in fail(2, "--reverse")


def test_help_and_version() -> None:
    listing = succeed("--help")
    for command in COMMANDS:
        assert command in listing
        assert "usage: batpak" in succeed(command, "--help")
    assert succeed("--version") == f"batpak {batpak.__version__}\n"


@pytest.mark.parametrize(
    "command",
    [["log"], ["log", "-f"], ["tail"], ["export"], ["import"], ["verify"], ["stats"], ["show", "0"], ["append"]],
)
def test_a_missing_directory_is_no_journal(tmp_path: Path, command: list[str]) -> None:
    name, *rest = command
    assert "no such directory" in fail(10, name, tmp_path / "missing", *rest)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    "command",
    [["init"], ["log"], ["tail", "-f"], ["export"], ["import"], ["stats"], ["show", "0"], ["append"], ["verify"]],
)
def test_a_directory_of_something_else_is_no_journal(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    name, *rest = command
    fail(10, name, tmp_path, *rest)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_unsafe_reaches_the_terminal(journal: Path) -> None:
    members = {"payload": {NASTY: [NASTY]}, "metadata": {"m": NASTY}, "private_metadata": {"p": NASTY}}
    (receipt,) = succeed_json("append", journal, stdin=line_of(**members, entity="a\u202eb"))
    for arguments in (["log"], ["log", "--tree"], ["tail"], ["show", str(receipt["sequence"])]):
        name, *rest = arguments
        shown = succeed(name, journal, *rest)
        assert not UNSAFE.search(shown)
        assert "\\u001b" in shown
        assert succeed_json(name, journal, *rest)[0]["payload"] == members["payload"]
    assert not UNSAFE.search(fail(2, "show", journal, NASTY))
    assert not UNSAFE.search(fail(2, NASTY))
    assert not UNSAFE.search(fail(2, "log", journal, "--limit", NASTY))


def test_escape() -> None:
    assert output.escape("a\\b\n\x00é\udc80") == "a\\\\b\\n\\u0000é\\udc80"
    assert json.loads(f'"{output.sanitize(NASTY)}"') == NASTY


def test_reading_needs_no_write_permission_and_writes_nothing(journal: Path) -> None:
    fill(journal, drafts(2))

    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(journal.rglob("*")) if path.is_file()}

    before = contents()
    for arguments in (["log"], ["log", "--tree"], ["tail"], ["export"], ["show", "0"], ["stats"], ["verify"]):
        name, *rest = arguments
        succeed(name, journal, *rest)
    assert contents() == before


@pytest.mark.parametrize("text", ["0xF:1", "15:1", "0xF001", "61441", "0xf:0x1"])
def test_kinds_on_the_command_line(text: str) -> None:
    assert parse_kind(text) == KIND
    assert kind_from_json(text) == KIND


@pytest.mark.parametrize("value", [[15, 1], 0xF001, "0xF001"])
def test_kinds_in_json(value: object) -> None:
    assert kind_from_json(value) == KIND


@pytest.mark.parametrize("text", ["", ":", "16:1", "1:4096", "-1", "0x10000", "F001", "1:2:3"])
def test_what_is_no_kind(text: str) -> None:
    with pytest.raises(ValueError, match=r"kind|category|type id"):
        parse_kind(text)
