"""``batpak log``: the events of a journal in commit order, or as trees of causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output
from .events import event_json, event_line
from .exit_codes import OK
from .kinds import FORMS, kind_argument
from .opening import add_directory, add_json, open_reading
from .tree import print_tree

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Print events in commit order: sequence, time (UTC), entity, scope, kind, payload."
    add_directory(parser)
    parser.add_argument("--entity", metavar="E", help="only events of this entity")
    parser.add_argument("--scope", metavar="S", help="only events in this scope")
    parser.add_argument("--kind", metavar="KIND", type=kind_argument, help=f"only events of this kind: {FORMS}")
    parser.add_argument("--after", metavar="N", type=int, help="only events after sequence N")
    parser.add_argument("--until", metavar="N", type=int, help="only events up to and including sequence N")
    parser.add_argument("--limit", metavar="N", type=int, help="at most N events")
    parser.add_argument("--system", action="store_true", help="the journal's own events too")
    parser.add_argument("--tree", action="store_true", help="put each event under the event that caused it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the events."""
    with open_reading(arguments.directory) as store:
        events = store.query(
            entity=arguments.entity,
            scope=arguments.scope,
            kind=arguments.kind,
            after=arguments.after,
            until=arguments.until,
            limit=arguments.limit,
            system=arguments.system,
        )
        if arguments.tree:
            print_tree(store, events, as_json=arguments.json)
        elif arguments.json:
            for event in events:
                output.write_json(event_json(event))
        else:
            for event in events:
                output.write(event_line(event))
    return OK
