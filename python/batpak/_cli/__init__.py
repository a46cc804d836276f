"""The command ``batpak``: one file per command, and this one to choose between them."""

from __future__ import annotations

import argparse
import importlib
import keyword
import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, cast

import batpak

from . import output
from .advice import reason_of
from .exit_codes import INTERRUPTED, OK, USAGE, CommandError, exit_code_of

if TYPE_CHECKING:
    from collections.abc import Collection

COMMANDS: Final = {
    "init": "make a new journal",
    "append": "append events from JSON lines on stdin",
    "log": "print events, or with --tree what caused what",
    "tail": "print the last events, and then those that are written",
    "show": "print one event with every field",
    "export": "write events as lines that say everything about them",
    "import": "append events from such lines",
    "verify": "check a journal",
    "checkpoint": "state what a journal is, for others to keep",
    "prove": "print a proof that an event is in a journal",
    "evidence": "write chosen events into a file that proves itself",
    "tiles": "write the Merkle tree as files for a web server",
    "drill": "attack copies of a journal and say what noticed",
    "stats": "print figures about a journal",
    "report": "report on a journal, for others to compare",
    "schema": "prove that classes still read what they wrote",
    "keygen": "make a signing key",
    "keys": "print the keys that a journal has had",
    "rotate": "have another key sign a journal from now on",
    "revoke": "say that a key of a journal fell into wrong hands",
    "fork": "copy a journal that goes on by itself",
    "accept-restore": "go on with an old copy of a lost journal",
    "audit": "run a Python program and record what it does",
    "completion": "print a script that completes this command line in a shell",
}


class _Command(Protocol):
    """What the module of a command offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


class _AuditCommand(Protocol):
    """``audit`` cuts its own arguments: what follows the program's name is the program's."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def main(self, arguments: list[str]) -> int: ...


class Parser(argparse.ArgumentParser):
    """argparse without colours, abbreviations and raw control characters."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **{**options, "allow_abbrev": False})  # type: ignore[arg-type]
        # Newer versions of argparse colour their help unless told not to.
        self.color = False

    def error(self, message: str) -> NoReturn:
        super().error(output.sanitize(message))


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, without the program's name; None for those of the process.

    Returns:
        The exit status, as ``exit_codes`` says. ``batpak audit`` lets what ends the audited program through instead:
        ``SystemExit`` and uncaught exceptions.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["audit"]:
        # Out of reach of what follows: nothing around the audited program may catch what it raises.
        return cast("_AuditCommand", _load("audit")).main(arguments[1:])
    output.prepare()
    try:
        exit_code = _run(arguments)
        output.flush()
    except BrokenPipeError:
        # The reader has what it wanted.
        output.abandon_stdout()
        return OK
    except KeyboardInterrupt:
        _flush_if_possible()
        return INTERRUPTED
    except CommandError as error:
        output.diagnose(error.message)
        _flush_if_possible()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a command ends in one line and a status, never in a traceback
        output.diagnose(_message(error))
        _flush_if_possible()
        return exit_code_of(error)
    return exit_code


def _run(arguments: list[str]) -> int:
    parser, commands = command_line(arguments[:1])
    try:
        namespace, unknown = parser.parse_known_args(arguments)
        if unknown:
            # The usage of the command, which argparse would not show here.
            getattr(namespace, "_parser", parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else USAGE
    for command in commands:
        return command.run(namespace)
    parser.print_usage(sys.stderr)
    return USAGE


def command_line(configured: Collection[str]) -> tuple[Parser, list[_Command]]:
    """A parser that knows the names of all commands, and the arguments of those in ``configured``.

    Args:
        configured: names; what is none is passed over. Only their modules are imported.

    Returns:
        The parser, and the modules of the commands that were configured.
    """
    parser = Parser(prog="batpak", description="An append-only journal whose history can be proved to a stranger.")
    parser.add_argument("--version", action="version", version=f"batpak {batpak.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    commands = []
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary)
        subparser.set_defaults(_parser=subparser)
        if name in configured:
            command = cast("_Command", _load(name))
            command.configure(subparser)
            commands.append(command)
    return parser, commands


def _load(name: str) -> object:
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return importlib.import_module(f"{__name__}.{module}")


def _message(error: Exception) -> str:
    if isinstance(error, (batpak.BatpakError, OSError)):
        return reason_of(error)
    return f"{type(error).__name__}: {error}"


def _flush_if_possible() -> None:
    try:
        output.flush()
    except OSError:
        output.abandon_stdout()
