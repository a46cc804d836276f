"""Messages on the command line advise the command's options, not the library's arguments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import batpak
from batpak._cli.advice import in_options
from cli_support import batpak_command, drafts, fail, fill, line_of

SOURCES = Path(__file__).parent.parent / "src"

# Advice that spells a keyword argument: ``create=True``, ``signing_key=``.
ARGUMENT = re.compile(r"(?<![\w.-])[a-z][a-z_]*=(?![=\"{}<])")

# Commands never get there: they write through no read-only store, see only what is durable in none that writes, and their
# times are plain; `batpak.testing` has no command.
NEVER_SAID_TO_COMMANDS = (
    "this store was opened with read_only=True",
    "visibility=",
    "a time with fold=1",
    "short_bytes is for",
)


def test_what_the_core_advises_is_said_in_options() -> None:
    texts = [
        text
        for source in sorted(SOURCES.rglob("*.rs"))
        for line in source.read_text(encoding="utf-8").splitlines()
        if not line.strip().startswith(("//", "#["))
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        if ARGUMENT.search(text) and " " in text
    ]
    advice = [text for text in texts if not re.match(r"<?[A-Z]\w*[( ]", text)]
    assert any("create=True" in text for text in advice)
    for text in advice:
        if not text.startswith(NEVER_SAID_TO_COMMANDS):
            assert not ARGUMENT.search(in_options(text)), text


def test_messages_that_have_nothing_to_change_stay() -> None:
    assert in_options("no event 7 in this journal") == "no event 7 in this journal"


def advises(message: str, *options: str) -> None:
    assert not ARGUMENT.search(message), message
    for option in options:
        assert option in message


def test_no_journal(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    advises(fail(10, "log", tmp_path / "empty"), "`batpak init`")


def test_locked(journal: Path) -> None:
    with batpak.Store.open(journal):
        advises(fail(11, "append", journal, stdin=line_of()), "commands that only read work")


def test_the_key_is_missing(tmp_path: Path, key_file: Path) -> None:
    batpak.Store.open(tmp_path / "signed", signing_key=key_file).close()
    advises(fail(12, "append", tmp_path / "signed", stdin=line_of()), "--key KEYFILE")


@pytest.mark.parametrize("command", ["append", "import"])
def test_nan(journal: Path, command: str) -> None:
    advises(fail(2, command, journal, stdin=line_of(payload={"$float": "nan"})), "--allow-nonfinite")
    assert batpak_command(command, journal, "--allow-nonfinite", stdin=line_of(payload={"$float": "nan"})).stderr == ""


def test_a_damaged_copy_of_event_0(journal: Path) -> None:
    fill(journal, drafts(1))
    (journal / "journal.meta").write_bytes(b"damaged")
    advises(fail(3, "append", journal, stdin=line_of()), "--rebuild-meta")
    verdict = batpak_command("verify", journal)
    assert verdict.returncode == 3
    advises(verdict.stdout)
    advises(batpak_command("verify", journal, "--json").stdout)
    advises(fail(125, "audit", "--dir", journal, "program.py"), "--rebuild-meta")
