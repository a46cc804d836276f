"""``batpak revoke``: a key fell into wrong hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import batpak

from .append import write_receipt
from .exit_codes import OK, USAGE, CommandError
from .opening import add_directory, add_json, add_key, load_key, require_directory

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Say that a key which the journal had fell into wrong hands, or may have. What it signed counts from then on "
        "only as far as a checkpoint of a later key covers it. It cannot be taken back. "
        "`batpak rotate` first if it signs now."
    )
    add_directory(parser)
    parser.add_argument(
        "key_id", metavar="KEYID", help="the first digits of its id, as `batpak keys` prints it; 8 or more"
    )
    parser.add_argument("--reason", required=True, help="why, for people; permanent, and not secret")
    add_key(parser, purpose="the key in force", required=True)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Revoke it."""
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    wanted = arguments.key_id.lower()
    with batpak.Store.open(arguments.directory, create=False, signing_key=key) as store:
        fitting = [each for each in store.signing_keys() if each.key_id.hex().startswith(wanted)]
        if len(wanted) < 8 or len(fitting) != 1:
            raise CommandError(
                f"{arguments.key_id!r} is not the first 8 or more digits of the id of one key of this journal; "
                "`batpak keys` lists them",
                USAGE,
            )
        write_receipt(store.revoke_key(fitting[0].public_key, reason=arguments.reason), as_json=arguments.json)
    return OK
