"""``batpak append``: one event per JSON line of stdin."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import UUID

import batpak
from batpak import _json

from . import output
from .exit_codes import FAILED, OK, USAGE, CommandError
from .kinds import FORMS, kind_argument, kind_from_json
from .opening import (
    add_directory,
    add_durability,
    add_json,
    add_key,
    load_key,
    require_directory,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_MEMBERS: Final = frozenset(
    {
        "entity",
        "scope",
        "kind",
        "payload",
        "version",
        "correlation_id",
        "causation_id",
        "metadata",
        "private_metadata",
    }
)


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What a line need not say."""

    entity: str | None
    scope: str | None
    kind: batpak.Kind | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Append one event per JSON line of stdin and print a receipt for each. A line is an object with the members "
        "entity, scope, kind, payload and, if wanted, version, correlation_id, causation_id, metadata and "
        "private_metadata; the options are defaults for what it leaves out. A bad line ends the command."
    )
    add_directory(parser)
    parser.add_argument("--entity", metavar="E", help="the entity of lines that name none")
    parser.add_argument("--scope", metavar="S", help="the scope of lines that name none")
    parser.add_argument("--kind", metavar="KIND", type=kind_argument, help=f"the kind of lines that name none: {FORMS}")
    parser.add_argument("--payload-only", action="store_true", help="each line is the payload itself, in tagged JSON")
    add_durability(parser, "interval")
    add_key(parser, purpose="the key of a signed journal")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Append every line."""
    if sys.stdin is None:
        raise CommandError("stdin is closed", USAGE)
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    defaults = _Defaults(arguments.entity, arguments.scope, arguments.kind)
    appended = 0
    # Zero until the first line has been read.
    line_number = 0
    with batpak.Store.open(
        arguments.directory, create=False, signing_key=key, durability=arguments.durability, registry=batpak.Registry()
    ) as store:
        try:
            for line_number, line in _lines(sys.stdin.buffer):  # noqa: B007 - the handlers below name the line
                receipt = _append(store, line, defaults, payload_only=arguments.payload_only)
                appended += 1
                _print_receipt(receipt, as_json=arguments.json)
        except BrokenPipeError:
            # Whoever stopped reading receipts must not take the lines that were left for appended.
            output.abandon_stdout()
            raise CommandError(f"stdout was closed; {_count(appended)} appended", FAILED) from None
        except (ValueError, TypeError) as error:
            # The payload parser speaks of the whole line as the payload.
            reason = str(error) if arguments.payload_only else str(error).removeprefix("payload.")
            message = f"line {line_number}: {reason}; {_count(appended)} appended before it"
            raise CommandError(message, USAGE) from error
        except (Exception, KeyboardInterrupt):
            output.diagnose(f"line {line_number}: not finished; {_count(appended)} appended before it")
            raise
    return OK


def _count(appended: int) -> str:
    return "1 event was" if appended == 1 else f"{appended} events were"


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield number, line


def _append(store: batpak.Store, line: bytes, defaults: _Defaults, *, payload_only: bool) -> batpak.AppendReceipt:
    """Append what a line asks for.

    Raises:
        ValueError: it is not such a line; nothing was appended.
    """
    parsed = _json.loads(line.decode("utf-8"))
    members = {"payload": parsed} if payload_only else parsed
    if not isinstance(members, dict):
        raise ValueError("not an object (with --payload-only, a line is the payload itself)")  # noqa: TRY004 - bad input, whatever its type
    unknown = sorted(members.keys() - _MEMBERS)
    if unknown:
        raise ValueError(f"unknown member {', '.join(map(repr, unknown))}")
    if "payload" not in members:
        raise ValueError('"payload" is missing')
    return store.append(
        batpak.Coordinate(_text(members, "entity", defaults.entity), _text(members, "scope", defaults.scope)),
        members["payload"],
        kind=_kind(members.get("kind"), defaults.kind),
        version=_version(members.get("version")),
        correlation_id=_id(members, "correlation_id"),
        causation_id=_id(members, "causation_id"),
        metadata=_metadata(members.get("metadata")),
        private_metadata=_private_metadata(members.get("private_metadata")),
    )


def _kind(value: object, default: batpak.Kind | None) -> batpak.Kind:
    if value is not None:
        return kind_from_json(value)
    if default is None:
        raise ValueError("no kind, and no --kind")
    return default


def _text(members: dict[str, object], name: str, default: str | None) -> str:
    value = members.get(name)
    if value is None:
        if default is None:
            raise ValueError(f"no {name}, and no --{name}")
        return default
    if not isinstance(value, str):
        raise ValueError(f'"{name}" is not text')  # noqa: TRY004 - bad input, whatever its type
    return value


def _version(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    raise ValueError('"version" is not a number')


def _id(members: dict[str, object], name: str) -> UUID | None:
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError(f'"{name}" is not a UUID')


def _metadata(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    raise ValueError('"metadata" is not an object of texts')


def _private_metadata(value: object) -> dict[str, object] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return value
    raise ValueError('"private_metadata" is not an object')


def _print_receipt(receipt: batpak.AppendReceipt, *, as_json: bool) -> None:
    if as_json:
        output.write_json(json.loads(receipt.to_json()))
    else:
        output.write(f"{receipt.sequence:>8}  {receipt.event_id}  {receipt.event_hash.hex()}")
    # A receipt in a buffer is none: whoever feeds the command by hand or by pipe sees it when it holds.
    output.flush()
