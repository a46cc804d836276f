"""Opening journals and keys for the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import batpak

from .exit_codes import KEY, NO_JOURNAL, CommandError

if TYPE_CHECKING:
    import argparse
    from typing import Literal

    Visibility = Literal["written", "durable"]


def add_directory(parser: argparse.ArgumentParser) -> None:
    """The argument DIR."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="the journal's directory")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, one value a line, in ASCII")


def add_key(parser: argparse.ArgumentParser, *, purpose: str, required: bool = False) -> None:
    """The option ``--key``."""
    parser.add_argument(
        "--key", metavar="KEYFILE", type=Path, required=required, help=f"{purpose} (PKCS#8 PEM or note signer key)"
    )


def add_actor(parser: argparse.ArgumentParser) -> None:
    """The options ``--reason`` and ``--actor``."""
    parser.add_argument("--reason", required=True, help="why, for people; permanent, and not secret")
    parser.add_argument("--actor", required=True, help="who; likewise")


def add_durability(parser: argparse.ArgumentParser, default: str) -> None:
    """The option ``--durability``."""
    parser.add_argument(
        "--durability",
        choices=("always", "interval", "manual"),
        default=default,
        help="when events reach the disk: before each receipt, soon, or at the end (default: %(default)s)",
    )


def add_nonfinite(parser: argparse.ArgumentParser) -> None:
    """The option ``--allow-nonfinite``."""
    parser.add_argument(
        "--allow-nonfinite", action="store_true", help='take NaN and infinities too, written {"$float": "nan"}'
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """The option ``--quiet``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line on a terminal")


def add_writing(parser: argparse.ArgumentParser) -> None:
    """The options of a command that appends what it reads; ``open_writing`` takes them."""
    add_nonfinite(parser)
    add_durability(parser, "interval")
    add_key(parser, purpose="the key of a signed journal")
    parser.add_argument(
        "--adopt-key", action="store_true", help="sign a journal from now on that was written without a key"
    )


def require_directory(directory: Path) -> None:
    """Say that there is no journal where there is not even a directory.

    Raises:
        CommandError: with exit code 10.
    """
    if not directory.exists():
        raise CommandError(f"{directory}: no such directory", NO_JOURNAL)


def open_reading(directory: Path, *, durable: bool = False) -> batpak.Store:
    """The journal, read-only, with every payload as the plain value that is stored.

    Args:
        directory: where it is.
        durable: whether to see only what is known to be on the disk.
    """
    require_directory(directory)
    visibility: Visibility = "durable" if durable else "written"
    return batpak.Store.open(directory, create=False, read_only=True, registry=batpak.Registry(), visibility=visibility)


def open_writing(arguments: argparse.Namespace, key: batpak.SigningKey | None) -> batpak.Store:
    """The journal, to append to as the options of ``add_writing`` say; it must be there."""
    return batpak.Store.open(
        arguments.directory,
        create=False,
        signing_key=key,
        adopt_key=arguments.adopt_key,
        durability=arguments.durability,
        registry=batpak.Registry(),
        allow_nonfinite=arguments.allow_nonfinite,
    )


def load_key(path: Path | None) -> batpak.SigningKey | None:
    """The signing key in ``path``, if one was named.

    Raises:
        CommandError: with exit code 12, the file cannot be read.
    """
    return None if path is None else require_key(path)


def require_key(path: Path) -> batpak.SigningKey:
    """The signing key in ``path``.

    Raises:
        CommandError: with exit code 12, the file cannot be read.
    """
    try:
        return batpak.SigningKey.load(path)
    except OSError as error:
        raise CommandError(f"cannot read the key: {error}", KEY) from error


def load_public_key(path: Path | None) -> batpak.PublicKey | None:
    """The public key in ``path``, if one was named.

    Raises:
        CommandError: with exit code 12, the file cannot be read.
    """
    if path is None:
        return None
    try:
        return batpak.PublicKey.load(path)
    except OSError as error:
        raise CommandError(f"cannot read the key: {error}", KEY) from error
