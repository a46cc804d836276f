"""``batpak keys``: the keys that a journal has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output
from .exit_codes import OK
from .opening import add_directory, add_json, open_reading

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Print the keys that the journal has had, oldest first; the last one signs now. Which of them are its owner's, "
        "nobody but the owner can tell: compare with one that was given to you."
    )
    add_directory(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    with open_reading(arguments.directory) as store:
        keys = store.signing_keys()
    for key in keys:
        if arguments.json:
            output.write_json(key.to_dict())
        else:
            revoked = "" if key.revoked_at is None else f"  revoked by event {key.revoked_at}"
            output.write(f"{key.key_id.hex()}  from event {key.from_sequence}{revoked}")
    return OK
