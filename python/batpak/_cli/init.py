"""``batpak init``: a new journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import batpak

from . import output
from .exit_codes import FAILED, OK, CommandError
from .opening import add_directory, add_json, add_key, load_key

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Make a new journal in a directory that is empty or does not exist yet."
    add_directory(parser)
    parser.add_argument("--name", default="batpak.local", help="the journal's name, for good (default: %(default)s)")
    add_key(parser, purpose="sign every event with this key")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make it."""
    if (arguments.directory / "journal.meta").exists() or (arguments.directory / "segments").exists():
        raise CommandError(f"{arguments.directory}: there is a journal already", FAILED)
    key = load_key(arguments.key)
    with batpak.Store.open(arguments.directory, name=arguments.name, signing_key=key) as store:
        members = {
            "journal_id": str(store.journal_id),
            "name": store.name,
            "key_id": None if key is None else key.key_id.hex(),
        }
    if arguments.json:
        output.write_json(members)
    else:
        signed = "unsigned" if key is None else f"signed with key {key.key_id.hex()}"
        output.write(f"journal {members['journal_id']} ({output.escape(arguments.name)}), {signed}")
    return OK
