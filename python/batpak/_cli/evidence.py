"""``batpak evidence``: chosen events in one file that proves itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import output
from .argument_types import sequence
from .checkpoint import checkpoint_over
from .exit_codes import FAILED, OK, USAGE, CommandError
from .export import refuse_inside
from .opening import add_directory, add_json, open_reading
from .selecting import add_filters, add_range, filters, in_range

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Write events, their proofs under a checkpoint of the journal, the checkpoints and the public key into one "
        "file. `python3 FILE` checks it, and so does `batpak verify FILE`: without the journal, and without trust in "
        "whoever sends it."
    )
    add_directory(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="the file to write, a ZIP; it is replaced")
    add_filters(parser)
    add_range(parser)
    parser.add_argument(
        "--size", metavar="N", type=sequence, help="under the checkpoint over N events (default: the last one)"
    )
    parser.add_argument("--headers-only", action="store_true", help="without payloads and private metadata")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write it."""
    if arguments.reverse:
        raise CommandError("--reverse: a bundle is in commit order", USAGE)
    refuse_inside(arguments.file, arguments.directory)
    with open_reading(arguments.directory, durable=arguments.durable) as store:
        checkpoint = checkpoint_over(store, arguments.size)
        chosen = {**filters(arguments), **in_range(arguments)}
        try:
            count = store.export_evidence(
                arguments.file, checkpoint=checkpoint, payloads=not arguments.headers_only, **chosen
            )
        except OSError as error:
            raise CommandError(f"cannot write {arguments.file}: {error}", FAILED) from error
    if arguments.json:
        output.write_json({"file": str(arguments.file), "events": count, "checkpoint_size": checkpoint.size})
    else:
        if count == 0:
            output.diagnose("no event matches: the file speaks of the checkpoints only")
        output.write(f"{count} events under the checkpoint over {checkpoint.size} events")
    return OK
