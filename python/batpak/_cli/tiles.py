"""``batpak tiles``: the tree of a journal as files for a web server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import output
from .argument_types import sequence
from .checkpoint import checkpoint_over
from .exit_codes import FAILED, OK, CommandError
from .export import refuse_inside
from .opening import add_directory, open_reading

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Write the whole Merkle tree as C2SP tlog-tiles, which any static file server can publish: event hashes and "
        "what they add up to, nothing of what the events say. Files that are there are kept; the checkpoint comes last."
    )
    add_directory(parser)
    parser.add_argument("out", metavar="OUT", type=Path, help="the directory to write to; it is made if it is missing")
    parser.add_argument(
        "--size", metavar="N", type=sequence, help="of the checkpoint over N events (default: the last one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write them."""
    refuse_inside(arguments.out, arguments.directory)
    with open_reading(arguments.directory) as store:
        checkpoint = checkpoint_over(store, arguments.size)
        try:
            store.export_tiles(arguments.out, checkpoint=checkpoint)
        except OSError as error:
            raise CommandError(f"cannot write to {arguments.out}: {error}", FAILED) from error
    output.write(f"the tree of {checkpoint.size} events")
    return OK
