"""``batpak tail``: the last events of a journal, and then those that are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import argument_types
from .exit_codes import OK
from .following import add_follow, print_event, print_following
from .opening import add_directory, add_json, open_reading
from .selecting import add_filters, filters

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from batpak import Event, Store

LIMIT: Final = 10
"""How many events are printed unless the user says where to begin."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Print the last events in commit order, as log does. With --follow go on with new ones; with --after begin "
        "behind that event, so that nothing between two runs is missed."
    )
    add_directory(parser)
    parser.add_argument(
        "-n",
        "--limit",
        metavar="N",
        type=argument_types.sequence,
        help=f"the last N events (default: {LIMIT}, and all with --after)",
    )
    add_follow(parser)
    add_filters(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    selected = filters(arguments)
    limit = LIMIT if arguments.limit is None and arguments.after is None else arguments.limit
    with open_reading(arguments.directory, durable=arguments.durable) as store:
        # What is printed now ends here, and what is followed begins here.
        last = len(store) - 1
        for event in _last(store, {**selected, "until": last}, limit):
            print_event(event, as_json=arguments.json)
        if arguments.follow:
            after = last if arguments.after is None else max(last, arguments.after)
            print_following(store, {**selected, "after": after}, limit=None, as_json=arguments.json)
    return OK


def _last(store: Store, selected: dict[str, Any], limit: int | None) -> Iterator[Event]:
    """The last ``limit`` events, or all, in commit order."""
    if limit is None:
        yield from store.query(**selected)
        return
    # Sequences, not events: the memory does not grow with the payloads.
    newest_first = [event.sequence for event in store.query(**selected, reverse=True, limit=limit)]
    for sequence in reversed(newest_first):
        yield store.get(sequence)
