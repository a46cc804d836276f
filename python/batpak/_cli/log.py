"""``batpak log``: the events of a journal in commit order, or as trees of causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exit_codes import OK, USAGE, CommandError
from .following import add_follow, print_event, print_following
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
    add_follow(parser)
    parser.add_argument("--tree", action="store_true", help="put each event under the event that caused it")
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the events."""
    _refuse_contradictions(arguments)
    selected = filters(arguments)
    if arguments.follow:
        with open_reading(arguments.directory, durable=arguments.durable) as store:
            print_following(store, selected, limit=arguments.limit, as_json=arguments.json)
        return OK
    with (
        Progress("log", "opening", quiet=arguments.quiet) as progress,
        open_reading(arguments.directory, durable=arguments.durable) as store,
    ):
        events = progress.counting(store.query(**selected, **in_range(arguments)))
        progress.doing = "searching"
        if arguments.tree:
            print_tree(store, events, progress, as_json=arguments.json)
            return OK
        for event in events:
            progress.before_output()
            print_event(event, as_json=arguments.json)
    return OK


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Say which options do not go together.

    Raises:
        CommandError: with exit code 2.
    """
    if arguments.follow:
        given = {
            "--until": arguments.until is not None,
            "--before": arguments.before is not None,
            "--reverse": arguments.reverse,
            "--tree": arguments.tree,
        }
        for option, is_given in given.items():
            if is_given:
                raise CommandError(f"{option} needs an end, and --follow has none", USAGE)
    if arguments.tree and arguments.reverse:
        raise CommandError("--tree puts causes before what they caused, so it does not go with --reverse", USAGE)
