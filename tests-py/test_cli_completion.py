"""``batpak completion``: the scripts know the whole command line, and bash's completes in a real bash.

zsh and fish need not be installed: of their scripts it is tested that every command, option and choice is in them.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from batpak._cli import COMMANDS, command_line
from batpak._cli.completion_tree import Command, Tree, tree_of
from cli_support import TIMEOUT_S, fail, succeed

if TYPE_CHECKING:
    from pathlib import Path

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return tree_of(command_line(COMMANDS)[0])


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: succeed("completion", shell) for shell in ("bash", "zsh", "fish")}


def command(tree: Tree, name: str) -> Command:
    return next(each for each in tree.commands if each.name == name)


def test_the_tree_is_the_command_line(tree: Tree) -> None:
    assert [each.name for each in tree.commands] == list(COMMANDS)
    assert [each.summary for each in tree.commands] == list(COMMANDS.values())
    append = {flag: option for option in command(tree, "append").options for flag in option.flags}
    assert append["--durability"].value is not None
    assert append["--durability"].value.choices == ("always", "interval", "manual")
    assert append["--payload-only"].value is None
    assert append["--key"].value is not None
    assert append["--key"].value.form == "file"
    (directory,) = command(tree, "append").places
    assert (directory.value.form, directory.rest) == ("directory", False)
    assert command(tree, "audit").places[0].rest
    # What argparse would put into the help is in it, and no "%(default)s".
    assert all("%" not in option.help for each in tree.commands for option in each.options)


def test_every_help_has_what_the_tree_has(tree: Tree) -> None:
    """Read from what people see, not from the parser that the tree is read from."""
    for each in tree.commands:
        listing = succeed(each.name, "--help").partition("options:")[2]
        shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*(?![\w*])", re.sub(r"(?m)^ {4,}.*$", "", listing)))
        assert shown <= {flag for option in each.options for flag in option.flags} | {"-"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_word_is_in_every_script(tree: Tree, scripts: dict[str, str], shell: str) -> None:
    script = scripts[shell]
    assert f"`batpak completion {shell}`" in script
    for each in tree.commands:
        own = lines_about(each.name, shell, script)
        for option in each.options:
            for flag in option.flags:
                spelling = flag if shell != "fish" else ("-l " if flag.startswith("--") else "-s ") + flag.lstrip("-")
                assert re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", own), (each.name, flag)
            for word in option.value.choices if option.value else ():
                assert word in own


def lines_about(name: str, shell: str, script: str) -> str:
    if shell == "bash":
        return "\n".join(re.findall(rf"^ +(?:{name}\)|'{name} ).*$", script, re.MULTILINE))
    if shell == "zsh":
        return script[script.index(f" {name}) _arguments") :].partition(" ;;")[0]
    return "\n".join(line for line in script.splitlines() if f"__batpak_command {name}'" in line)


def test_quotes_and_brackets_of_help_texts_are_escaped(scripts: dict[str, str]) -> None:
    # shlex reads what sh does: single quotes without escapes, and a backslash outside them.
    specifications = [word for word in shlex.split(scripts["zsh"], comments=True) if re.match(r"[(*]\S*\[?", word)]
    assert any("journal's own" in word for word in specifications)
    for word in specifications:
        if "[" in word:
            assert len(re.findall(r"(?<!\\)\[", word)) == len(re.findall(r"(?<!\\)\]", word)) == 1, word
    for line in scripts["fish"].splitlines():
        assert len(re.findall(r"(?<!\\)'", line)) % 2 == 0, line


def test_an_unknown_shell() -> None:
    assert "invalid choice" in fail(2, "completion", "tcsh")


# bash


@pytest.fixture
def workplace(tmp_path: Path, scripts: dict[str, str]) -> Path:
    """A directory with something to complete, and the script beside it."""
    place = tmp_path / "place"
    (place / "journal of mine").mkdir(parents=True)
    (place / "just a file.pem").write_text("", encoding="ascii")
    (tmp_path / "script").write_text(scripts["bash"], encoding="ascii")
    return place


def completions(workplace: Path, *words: str) -> list[str]:
    """What bash offers for the last of ``words``, which are cut as bash cuts them."""
    assert BASH is not None
    code = f"""
        source {shlex.quote(str(workplace.parent / "script"))}
        complete -p batpak >/dev/null || exit 7
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _batpak
        for word in "${{COMPREPLY[@]}}"; do printf '%s\\n' "$word"; done
    """
    done = subprocess.run(
        [BASH, "--norc", "--noprofile", "-c", code, "bash", "batpak", *words],
        cwd=workplace,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not installed")


@needs_bash
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["ke"], ["keygen", "keys"]),
        (["nonesuch"], []),
        (["--v"], ["--version"]),
        (["log", ""], ["journal of mine"]),
        (["log", "jou"], ["journal of mine"]),
        (["log", "journal of mine", ""], []),
        (["log", "--li"], ["--limit"]),
        (["log", "journal of mine", "--tr"], ["--tree"]),
        (["log", "--limit", ""], []),
        (["log", "--entity", "player", ":", "alice", "jou"], ["journal of mine"]),
        (["log", "--entity", "player", ":", "a"], []),
        (["append", "--durability", ""], ["always", "interval", "manual"]),
        (["append", "--durability", "m"], ["manual"]),
        (["append", "--durability", "="], ["always", "interval", "manual"]),
        (["append", "--durability", "=", "a"], ["always"]),
        (["append", "--durability", "=", "always", "jou"], ["journal of mine"]),
        (["init", "x", "--key", "ju"], ["just a file.pem"]),
        (["import", "x", "j"], ["journal of mine", "just a file.pem"]),
        (["keygen", "ju"], ["just a file.pem"]),
        (["audit", "--dir", "j"], ["journal of mine"]),
        (["audit", "--dur"], ["--durability"]),
        (["audit", "ju"], ["just a file.pem"]),
        (["audit", "script.py", "--dur"], []),
        (["audit", "script.py", "--dir", "ju"], ["just a file.pem"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["nonesuch", ""], []),
    ],
)
def test_bash_completes(workplace: Path, words: list[str], expected: list[str]) -> None:
    assert sorted(completions(workplace, *words)) == sorted(expected)


@needs_bash
@pytest.mark.parametrize("name", list(COMMANDS))
def test_bash_offers_every_option_of_a_command(workplace: Path, tree: Tree, name: str) -> None:
    flags = [flag for option in command(tree, name).options for flag in option.flags]
    assert sorted(completions(workplace, name, "-")) == sorted(flags)
