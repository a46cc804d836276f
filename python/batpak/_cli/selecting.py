"""Which events a command is about: the same options for every command that reads many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import argument_types
from .kinds import FORMS, kind_argument

if TYPE_CHECKING:
    import argparse


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Options that say which events."""
    parser.add_argument("--entity", metavar="E", help="only events of this entity")
    parser.add_argument("--scope", metavar="S", help="only events in this scope")
    parser.add_argument("--kind", metavar="KIND", type=kind_argument, help=f"only events of this kind: {FORMS}")
    parser.add_argument("--after", metavar="N", type=argument_types.sequence, help="only events after sequence N")
    parser.add_argument("--system", action="store_true", help="the journal's own events too")


def add_range(parser: argparse.ArgumentParser) -> None:
    """Options that say where to stop."""
    parser.add_argument(
        "--until", metavar="N", type=argument_types.sequence, help="only events up to and including sequence N"
    )
    parser.add_argument("-n", "--limit", metavar="N", type=argument_types.sequence, help="at most N events")


def filters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``add_filters`` read, as ``Store.query`` takes it."""
    return {
        "entity": arguments.entity,
        "scope": arguments.scope,
        "kind": arguments.kind,
        "after": arguments.after,
        "system": arguments.system,
    }


def in_range(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``add_range`` read, as ``Store.query`` takes it."""
    return {"until": arguments.until, "limit": arguments.limit}
