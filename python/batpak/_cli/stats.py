"""``batpak stats``: figures about a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output
from .exit_codes import OK
from .opening import add_directory, add_json, open_reading

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Print figures about a journal."
    add_directory(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    with open_reading(arguments.directory) as store:
        members = {"name": store.name, "journal_id": str(store.journal_id)}
        figures = output.plain(store.stats())
        if isinstance(figures, dict):
            members.update(figures)
    if arguments.json:
        output.write_json(members)
        return OK
    width = max(map(len, members))
    for name, value in members.items():
        shown = value if isinstance(value, str) else output.json_text(value)
        output.write(f"{name:<{width}}  {output.escape(shown)}")
    return OK
