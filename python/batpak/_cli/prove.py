"""``batpak prove``: a proof that an event is in a journal, for whoever does not have the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output
from .argument_types import sequence
from .checkpoint import checkpoint_over
from .exit_codes import OK
from .opening import add_directory, open_reading
from .show import parse_ref

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Print a C2SP tlog-proof: the Merkle path of an event to the root that a checkpoint of the journal states, and "
        "that checkpoint. With the event's hash, any verifier of such proofs can check it."
    )
    add_directory(parser)
    parser.add_argument("ref", metavar="REF", help="the event's sequence or id")
    parser.add_argument(
        "--size", metavar="N", type=sequence, help="under the checkpoint over N events (default: the last one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the proof."""
    ref = parse_ref(arguments.ref)
    with open_reading(arguments.directory) as store:
        checkpoint = checkpoint_over(store, arguments.size)
        text = store.prove(ref, checkpoint).to_text(checkpoint)
    for line in text.splitlines():
        output.write(output.escape(line))
    return OK
