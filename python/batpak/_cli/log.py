"""``batpak log``: the events of a journal in commit order, or as trees of causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output
from .events import event_json, event_line
from .exit_codes import OK
from .opening import add_directory, add_json, add_quiet, open_reading
from .progress import Progress
from .selecting import add_filters, add_range, filters, in_range
from .tree import print_tree

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Print events in commit order: sequence, time (UTC), entity, scope, kind, payload."
    add_directory(parser)
    add_filters(parser)
    add_range(parser)
    parser.add_argument("--tree", action="store_true", help="put each event under the event that caused it")
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the events."""
    with Progress("log", "opening", quiet=arguments.quiet) as progress, open_reading(arguments.directory) as store:
        events = progress.counting(store.query(**filters(arguments), **in_range(arguments)))
        progress.doing = "searching"
        if arguments.tree:
            print_tree(store, events, progress, as_json=arguments.json)
            return OK
        for event in events:
            progress.before_output()
            if arguments.json:
                output.write_json(event_json(event))
            else:
                output.write(event_line(event))
    return OK
