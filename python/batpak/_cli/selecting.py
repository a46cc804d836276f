"""Which events a command is about: the same options for every command that reads many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import argument_types
from .exit_codes import USAGE, CommandError
from .kinds import FORMS, kind_argument

if TYPE_CHECKING:
    import argparse

_FILTERS: Final = ("entity", "entity_prefix", "scope", "kind", "category", "correlation", "causation", "after", "since")
_RANGE: Final = ("until", "before", "limit")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Options that say which events; all that are given must fit."""
    parser.add_argument("--entity", metavar="E", help="only events of this entity")
    parser.add_argument("--entity-prefix", metavar="E", help="only events of this entity and of those below it (E:...)")
    parser.add_argument("--scope", metavar="S", help="only events in this scope")
    parser.add_argument("--kind", metavar="KIND", type=kind_argument, help=f"only events of this kind: {FORMS}")
    parser.add_argument(
        "--category", metavar="C", type=argument_types.category, help="only events of kinds of this category, 0 to 15"
    )
    parser.add_argument(
        "--correlation", metavar="ID", type=argument_types.identifier, help="only events with this correlation id"
    )
    parser.add_argument(
        "--causation",
        metavar="ID",
        type=argument_types.identifier,
        help="only events that name this one as their cause",
    )
    parser.add_argument(
        "--metadata",
        metavar="KEY=VALUE",
        type=argument_types.pair,
        action="append",
        default=[],
        help="only events whose metadata say this; may be repeated",
    )
    parser.add_argument("--after", metavar="N", type=argument_types.sequence, help="only events after sequence N")
    parser.add_argument(
        "--since", metavar="TIME", type=argument_types.moment, help="only events at this time (ISO 8601) or later"
    )
    parser.add_argument("--system", action="store_true", help="the journal's own events too")
    parser.add_argument(
        "--durable", action="store_true", help="only events known to be on the disk, which a power cut cannot take back"
    )


def add_range(parser: argparse.ArgumentParser) -> None:
    """Options that say where to stop, and in which order to go there."""
    parser.add_argument(
        "--until", metavar="N", type=argument_types.sequence, help="only events up to and including sequence N"
    )
    parser.add_argument(
        "--before", metavar="TIME", type=argument_types.moment, help="only events before this time (ISO 8601)"
    )
    parser.add_argument("--reverse", action="store_true", help="the newest first")
    parser.add_argument("-n", "--limit", metavar="N", type=argument_types.sequence, help="at most N events")


def filters(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``add_filters`` read, as ``Store.query`` and ``Store.follow`` take it; only what was given.

    Raises:
        CommandError: one metadata key has two values.
    """
    selected = _given(arguments, _FILTERS)
    if arguments.metadata:
        selected["metadata"] = _metadata(arguments.metadata)
    if arguments.system:
        selected["system"] = True
    return selected


def in_range(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``add_range`` read, as ``Store.query`` takes it; only what was given."""
    selected = _given(arguments, _RANGE)
    if arguments.reverse:
        selected["reverse"] = True
    return selected


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _metadata(pairs: list[tuple[str, str]]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for key, value in pairs:
        if wanted.setdefault(key, value) != value:
            raise CommandError(f"--metadata {key}: no event has two values for one key", USAGE)
    return wanted
