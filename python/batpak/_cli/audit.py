"""``batpak audit``: run a Python program and record what it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import Parser, output
from .advice import reason_of
from .audit_run import Options, Recording
from .exit_codes import AUDIT_FAILED, OK
from .opening import add_durability, add_key, load_key
from .program import Program

if TYPE_CHECKING:
    import argparse

_USAGE: Final = (
    "batpak audit [--dir DIR] [--include EVENT-GLOB]... [--key KEYFILE] [--durability WHEN] [--json] "
    "[-m MODULE | SCRIPT] ARGS..."
)
_DEFAULT_DIRECTORY: Final = Path("batpak-audit")
_WITH_VALUE: Final = frozenset({"--dir", "--include", "--key", "--durability"})


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments before the program."""
    parser.usage = _USAGE
    parser.description = (
        "Run a Python program as python would and record the files it opens, the processes it starts, its sockets, "
        "imports and executed code, with start and end. The exit status is the program's own; 125 if batpak itself "
        "failed. Child processes are not followed."
    )
    parser.add_argument(
        "--dir",
        metavar="DIR",
        dest="directory",
        type=Path,
        default=_DEFAULT_DIRECTORY,
        help="the journal, made if there is none (default: ./%(default)s)",
    )
    parser.add_argument(
        "--include",
        metavar="EVENT-GLOB",
        action="append",
        default=[],
        help="record these audit events of Python too, for instance 'sqlite3.*'; may be repeated",
    )
    add_key(parser, purpose="sign every event with this key")
    # A thread of ours would make every fork of the program one of a multi-threaded process.
    add_durability(parser, "manual")
    parser.add_argument("--json", action="store_true", help="at the end, write a summary as one JSON line to stderr")
    # For the help and for completion: ``_split`` leaves nothing of the program to this parser.
    parser.add_argument("-m", metavar="MODULE", dest="module", help="run a module, as python -m does")
    parser.add_argument("program", metavar="SCRIPT", nargs="*", type=Path, help="or a script, then its own arguments")


def main(arguments: list[str]) -> int:
    """Run the program.

    Raises:
        SystemExit: the program's own, as every other exception that it does not catch.
    """
    own, program = _split(arguments)
    parser = Parser(prog="batpak audit")
    configure(parser)
    namespace = parser.parse_args(own)
    if program is None:
        parser.error("a script, or -m and a module, is missing")
    try:
        key = load_key(namespace.key)
        options = Options(
            directory=namespace.directory.absolute(),
            include=tuple(namespace.include),
            signing_key=key,
            durability=namespace.durability,
            json_summary=namespace.json,
        )
        recording = Recording.start(program, options)
    except Exception as error:  # noqa: BLE001 - whatever it is, the program was not started
        output.diagnose(f"the program was not started: {reason_of(error)}")
        return AUDIT_FAILED
    recording.run(program)
    return OK


def _split(arguments: list[str]) -> tuple[list[str], Program | None]:
    """Cut before the program: everything after its name belongs to it, whatever it looks like."""
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        rest = arguments[index + 1 :]
        if argument.startswith("-m"):
            # ``-m MODULE`` or ``-mMODULE``.
            return arguments[:index], _program([argument[2:], *rest] if argument != "-m" else rest, is_module=True)
        if argument == "--":
            return arguments[:index], _program(rest, is_module=False)
        if not argument.startswith("-"):
            return arguments[:index], _program([argument, *rest], is_module=False)
        index += 2 if argument in _WITH_VALUE else 1
    return arguments, None


def _program(command: list[str], *, is_module: bool) -> Program | None:
    return Program(command[0], is_module, tuple(command[1:])) if command else None
