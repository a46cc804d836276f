"""``batpak keygen``: a new signing key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak
from batpak._proving.keys import write_secret

from . import output
from .exit_codes import FAILED, OK, USAGE, CommandError
from .opening import add_json

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Write a new Ed25519 key that only its owner may read, as PKCS#8 PEM or as a note signer key; "
        "nothing is overwritten."
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the key file to write")
    parser.add_argument("--public", metavar="FILE", type=Path, help="write the public key to this file too")
    parser.add_argument("--note", metavar="NAME", help="write note keys of this name instead of PEM (C2SP signed-note)")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write it."""
    # Said before anything is written: a key whose public half has no place is not made.
    for path in (arguments.file, arguments.public):
        if path is not None and path.exists():
            raise CommandError(f"{path}: the file exists and is not overwritten", FAILED)
    key = batpak.SigningKey.generate()
    public = key.public_key
    try:
        secret, shown = (
            (key.to_pem(), public.to_pem())
            if arguments.note is None
            else (key.to_note(arguments.note) + "\n", public.to_note(arguments.note) + "\n")
        )
    except batpak.InvalidKey as error:
        raise CommandError(f"--note: {error}", USAGE) from error
    write_secret(arguments.file, secret)
    if arguments.public is not None:
        with arguments.public.open("x", encoding="utf-8") as file:
            file.write(shown)
    members = {"public_key": public.to_bytes().hex(), "key_id": key.key_id.hex()}
    if arguments.json:
        output.write_json(members)
    else:
        for name, value in members.items():
            output.write(f"{name:<10}  {value}")
    return OK
