"""``batpak completion``: a script that completes this command line in a shell, made from the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import COMMANDS, command_line, completion_bash, completion_fish, completion_zsh, output
from .completion_tree import tree_of
from .exit_codes import OK

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from .completion_tree import Tree

_SCRIPTS: Final[Mapping[str, Callable[[Tree], str]]] = {
    "bash": completion_bash.script,
    "zsh": completion_zsh.script,
    "fish": completion_fish.script,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        'Print a completion script. bash: eval "$(batpak completion bash)" in ~/.bashrc. zsh: write it to a file '
        "_batpak in a directory of $fpath. fish: write it to ~/.config/fish/completions/batpak.fish."
    )
    parser.add_argument("shell", metavar="SHELL", choices=tuple(_SCRIPTS), help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    parser, _ = command_line(COMMANDS)
    output.write(_SCRIPTS[arguments.shell](tree_of(parser)).rstrip("\n"))
    return OK
