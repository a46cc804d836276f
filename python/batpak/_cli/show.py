"""``batpak show``: one event with every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from . import output
from .events import event_json, payload_text
from .exit_codes import OK, USAGE, CommandError
from .opening import add_directory, add_json, open_reading

if TYPE_CHECKING:
    import argparse

# A sequence has at most 20 digits, an id at least 32.
_SEQUENCE_DIGITS_MAX: Final = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Print one event: all header fields, then the payload."
    add_directory(parser)
    parser.add_argument("ref", metavar="REF", help="the event's sequence or id")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the event."""
    ref = parse_ref(arguments.ref)
    with open_reading(arguments.directory) as store:
        event = store.get(ref)
        members = event_json(event)
        if arguments.json:
            output.write_json(members)
            return OK
        for name, value in members.items():
            if name not in {"payload", "metadata", "private_metadata"}:
                output.write(f"{name:<16}  {_scalar(value)}")
        output.write(f"{'metadata':<16}  {payload_text(dict(event.metadata))}")
        output.write(f"{'private_metadata':<16}  {payload_text(event.private_metadata)}")
        output.write(f"{'payload':<16}  {payload_text(event.payload, indent=2)}")
    return OK


def parse_ref(text: str) -> int | UUID:
    """An event's sequence or id, as it is given on a command line.

    Raises:
        CommandError: with exit code 2.
    """
    if text.isascii() and text.isdigit() and len(text) <= _SEQUENCE_DIGITS_MAX:
        return int(text)
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is neither a sequence nor an event id", USAGE) from None


def _scalar(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return output.escape(str(value))
