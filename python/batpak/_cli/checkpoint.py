"""``batpak checkpoint``: what a journal is now, as a text to keep elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak

from . import output
from .exit_codes import FAILED, OK, CommandError
from .opening import add_directory, add_json, add_key, load_key, open_reading, require_directory

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "State what the journal is now, sign that if the journal has a key, keep it in the journal and print it: "
        "a C2SP tlog-checkpoint. Whoever keeps the text can tell later whether anything before was changed."
    )
    add_directory(parser)
    add_key(parser, purpose="the key of a signed journal")
    parser.add_argument("--pins", metavar="DIR", type=Path, help="remember it in this directory outside the journal's")
    parser.add_argument("--list", action="store_true", help="print those that the journal keeps instead, oldest first")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make one, or print those that there are."""
    if arguments.list:
        with open_reading(arguments.directory) as store:
            checkpoints = store.checkpoints()
        for number, checkpoint in enumerate(checkpoints):
            if number and not arguments.json:
                output.write("")
            _print(checkpoint, as_json=arguments.json)
        return OK
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    with batpak.Store.open(arguments.directory, create=False, signing_key=key, pins=arguments.pins) as store:
        _print(store.checkpoint(), as_json=arguments.json)
    return OK


def checkpoint_over(store: batpak.Store, size: int | None) -> batpak.Checkpoint:
    """The checkpoint of that size which the journal keeps; the last one for None.

    Raises:
        CommandError: it keeps none.
    """
    kept = store.checkpoints()
    found = [checkpoint for checkpoint in kept if size in (None, checkpoint.size)]
    if not found:
        which = "no checkpoint" if size is None else f"no checkpoint over {size} events"
        advice = (
            f"the journal keeps {which}; `batpak checkpoint` makes one, and with --list prints those that there are"
        )
        raise CommandError(advice, FAILED)
    return found[-1]


def _print(checkpoint: batpak.Checkpoint, *, as_json: bool) -> None:
    if as_json:
        members: dict[str, Any] = {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "signatures": [signature.name for signature in checkpoint.signatures],
            "text": str(checkpoint),
        }
        output.write_json(members)
    else:
        for line in str(checkpoint).splitlines():
            output.write(output.escape(line))
