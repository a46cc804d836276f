"""Printing events as they are written, by whatever process."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batpak import JournalRewound

from . import output
from .events import event_json, event_line
from .exit_codes import OK

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from batpak import Event, Store


def add_follow(parser: argparse.ArgumentParser) -> None:
    """The option ``--follow``."""
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on with new events as they are written, until interrupted"
    )


def print_event(event: Event, *, as_json: bool) -> None:
    """One event on one line."""
    if as_json:
        output.write_json(event_json(event))
    else:
        output.write(event_line(event))


def print_following(store: Store, filters: dict[str, Any], *, limit: int | None, as_json: bool) -> None:
    """Print what is there and then what is written, each event as soon as it is seen.

    Args:
        store: opened for reading.
        filters: as ``Store.follow`` takes them, ``after`` among them.
        limit: end after so many events; None for never.
        as_json: one JSON object a line.
    """
    if limit == 0:
        return
    # What the caller printed before.
    output.flush()
    _end_with_the_reader()
    for count, event in enumerate(_followed(store, filters), start=1):
        print_event(event, as_json=as_json)
        # Whoever reads a pipe wants it now.
        output.flush()
        if count == limit:
            return


def _followed(store: Store, filters: dict[str, Any]) -> Iterator[Event]:
    """The events; where the history was rewound, stderr says so."""
    events = iter(store.follow(**filters))
    while True:
        try:
            event = next(events)
        except StopIteration:
            return
        except JournalRewound as rewound:
            output.diagnose(_rewound_text(rewound.from_events or 0, rewound.to_events or 0))
            continue
        yield event


def _rewound_text(from_events: int, to_events: int) -> str:
    return (
        f"the journal was rewound: {from_events} events were visible, and the writer's crash recovery kept the first "
        f"{to_events}; what was printed with sequence {to_events} or above is void, and new events take its place"
    )


def _end_with_the_reader() -> None:
    """End the process when nobody reads its pipe any more: the next event, which would tell, may never be."""
    with suppress(OSError, ValueError, AttributeError):
        descriptor = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            threading.Thread(target=_wait_for_hangup, args=(descriptor,), name="batpak-reader", daemon=True).start()


def _wait_for_hangup(descriptor: int) -> None:
    poll = select.poll()
    # No event is asked for; errors and hang-ups are always told.
    poll.register(descriptor, 0)
    poll.poll()
    # Nothing is open for writing, and nobody reads what is left.
    os._exit(OK)
