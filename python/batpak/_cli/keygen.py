"""``batpak keygen``: a new signing key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak

from . import output
from .exit_codes import FAILED, OK, CommandError
from .opening import add_json

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Write a new Ed25519 key that only its owner may read (PKCS#8 PEM); nothing is overwritten."
    parser.add_argument("file", metavar="FILE", type=Path, help="the key file to write")
    parser.add_argument("--public", metavar="FILE", type=Path, help="write the public key (PEM) to this file too")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write it."""
    # Said before anything is written: a key whose public half has no place is not made.
    for path in (arguments.file, arguments.public):
        if path is not None and path.exists():
            raise CommandError(f"{path}: the file exists and is not overwritten", FAILED)
    key = batpak.SigningKey.generate()
    key.save(arguments.file)
    public = key.public_key
    if arguments.public is not None:
        with arguments.public.open("x", encoding="ascii") as file:
            file.write(public.to_pem())
    members = {"public_key": public.to_bytes().hex(), "key_id": key.key_id.hex()}
    if arguments.json:
        output.write_json(members)
    else:
        for name, value in members.items():
            output.write(f"{name:<10}  {value}")
    return OK
