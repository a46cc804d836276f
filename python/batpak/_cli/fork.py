"""``batpak fork``: a copy of a journal that goes on by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak

from .append import write_receipt
from .exit_codes import OK
from .opening import add_actor, add_directory, add_json, add_key, load_key, require_directory

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Copy what is synced of a journal to another directory, where it goes on as another lineage. "
        "The journal is only read. Prints the receipt of the event that begins the fork."
    )
    add_directory(parser)
    parser.add_argument("target", metavar="TARGET", type=Path, help="a directory that is empty, or is made")
    add_actor(parser)
    add_key(parser, purpose="the key of a signed journal")
    parser.add_argument("--pins", metavar="DIR", type=Path, help="the pins that the fork will be opened with")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fork it."""
    require_directory(arguments.directory)
    receipt = batpak.fork(
        arguments.directory,
        arguments.target,
        reason=arguments.reason,
        actor=arguments.actor,
        signing_key=load_key(arguments.key),
        pins=arguments.pins,
    )
    write_receipt(receipt, as_json=arguments.json)
    return OK
