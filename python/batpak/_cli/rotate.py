"""``batpak rotate``: another key signs from now on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak

from .append import write_receipt
from .exit_codes import OK
from .opening import add_directory, add_json, add_key, load_key, require_directory, require_key

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Have another key sign the journal from now on. The one in force signs the new one, and checkpoints before "
        "and after say what belongs to which. Prints the receipt of the event that says so."
    )
    add_directory(parser)
    parser.add_argument(
        "new_key", metavar="NEWKEYFILE", type=Path, help="the key that follows (PEM or note signer key)"
    )
    add_key(parser, purpose="the key in force", required=True)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exchange the key."""
    require_directory(arguments.directory)
    key, new_key = load_key(arguments.key), require_key(arguments.new_key)
    with batpak.Store.open(arguments.directory, create=False, signing_key=key) as store:
        write_receipt(store.rotate_key(new_key), as_json=arguments.json)
    return OK
