"""``batpak export``: events as lines that say everything about them, to keep, to check and to write elsewhere."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import output
from .exit_codes import OK, USAGE, CommandError
from .exported import exported
from .opening import add_directory, add_quiet, open_reading
from .progress import Progress
from .selecting import add_filters, add_range, filters, in_range

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Write events in commit order, one JSON object a line, in ASCII: everything that import needs to write the "
        "event again elsewhere, where it is from (journal, sequence, id, hash), and its header, with which anybody "
        "can check the line. The journal's events at the time when the command began."
    )
    add_directory(parser)
    add_filters(parser)
    add_range(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="write to FILE instead of stdout; it is replaced when all is written and on the disk, and not before",
    )
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write them."""
    if arguments.output is not None:
        refuse_inside(arguments.output, arguments.directory)
    with (
        Progress("export", "opening", quiet=arguments.quiet) as progress,
        open_reading(arguments.directory, durable=arguments.durable) as store,
    ):
        events = store.query(**filters(arguments), **in_range(arguments))
        progress.doing = "searching"
        with written_to(arguments.output) as write:
            for event in progress.counting(events):
                if arguments.output is None:
                    progress.before_output()
                write(output.json_text(exported(event)))
    return OK


def refuse_inside(file: Path, directory: Path) -> None:
    """A file of ours among a journal's own could make the journal unreadable.

    Raises:
        CommandError: ``file`` is in ``directory``.
    """
    if directory.exists() and file.resolve().is_relative_to(directory.resolve()):
        raise CommandError(f"{file}: the file would be inside the journal; choose another place", USAGE)


@contextmanager
def written_to(file: Path | None) -> Iterator[Callable[[str], None]]:
    """Where lines go: stdout, or a file that appears whole or not at all."""
    if file is None:
        yield output.write
        return
    target = file.resolve()
    if target.exists() and not target.is_file():
        # A pipe or a device cannot be replaced.
        with target.open("w", encoding="ascii", newline="\n") as stream:
            yield lambda line: _write_line(stream.write, line)
        return
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("x", encoding="ascii", newline="\n") as stream:
            if target.exists():
                unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
            yield lambda line: _write_line(stream.write, line)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _write_line(write: Callable[[str], int], line: str) -> None:
    write(line)
    write("\n")
