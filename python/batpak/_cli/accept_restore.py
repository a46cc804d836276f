"""``batpak accept-restore``: an old copy was put in the place of a journal, and that was honest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak

from .append import write_receipt
from .exit_codes import OK, USAGE, CommandError
from .opening import add_actor, add_directory, add_json, add_key, load_key, require_directory

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Go on with an old copy that was put in the place of a lost journal, as another lineage, and say so in it for "
        "good: what is kept, what was given up, who did it and why. Prints the receipt of the event that says so."
    )
    add_directory(parser)
    add_actor(parser)
    add_key(parser, purpose="the key of a signed journal")
    parser.add_argument(
        "--pins", metavar="DIR", type=Path, help="where the highest checkpoint of the lost journal is remembered"
    )
    parser.add_argument(
        "--abandoned", metavar="FILE", type=Path, help="a checkpoint of the lost journal that somebody kept"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Accept it."""
    require_directory(arguments.directory)
    abandoned = None
    if arguments.abandoned is not None:
        try:
            abandoned = batpak.Checkpoint(arguments.abandoned.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, batpak.InvalidProof) as error:
            raise CommandError(f"--abandoned: {error}", USAGE) from error
    receipt = batpak.accept_restore(
        arguments.directory,
        reason=arguments.reason,
        actor=arguments.actor,
        signing_key=load_key(arguments.key),
        pins=arguments.pins,
        abandoned=abandoned,
    )
    write_receipt(receipt, as_json=arguments.json)
    return OK
