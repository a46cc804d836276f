"""JSON lines as events to append: what ``append`` and ``import`` read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import UUID

from batpak import Coordinate, Draft, _json

from .kinds import FORMS, kind_argument, kind_from_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from batpak import Kind

MEMBERS: Final = frozenset(
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
"""What a line may say of an event that is to be written."""

LINE_BYTES_MAX: Final = 256 * 1024 * 1024
"""The longest line: more than the largest payload needs in the form of JSON that needs most."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a line need not say."""

    entity: str | None = None
    scope: str | None = None
    kind: Kind | None = None


def add_defaults(parser: argparse.ArgumentParser) -> None:
    """Options that say what a line need not say."""
    parser.add_argument("--entity", metavar="E", help="the entity of lines that name none")
    parser.add_argument("--scope", metavar="S", help="the scope of lines that name none")
    parser.add_argument("--kind", metavar="KIND", type=kind_argument, help=f"the kind of lines that name none: {FORMS}")


def given_defaults(arguments: argparse.Namespace) -> Defaults:
    """What ``add_defaults`` read."""
    return Defaults(arguments.entity, arguments.scope, arguments.kind)


def numbered(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1 on.

    A line that is too long comes as its first ``LINE_BYTES_MAX + 1`` bytes, which ``parse`` refuses.
    """
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if line.strip():
            yield number, line


def parse(line: bytes) -> object:
    """A line as ``members_of`` and ``payload_of`` take it.

    Raises:
        ValueError: it is not JSON, or too long.
    """
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"longer than {LINE_BYTES_MAX} bytes")
    try:
        return _json.parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start + 1} of the line") from None
    except ValueError as error:
        # A line is one line; where in it, the column says.
        raise ValueError(str(error).removeprefix("payload: ").replace(" at line 1, column", " at column")) from None


def members_of(parsed: object, *, advice: str = "") -> dict[str, object]:
    """The members of a line that is an object, each as it was parsed.

    Raises:
        ValueError: it is something else, or has a key twice.
    """
    if type(parsed) is not dict:
        # What has a key twice is not a dict; the walk over it knows why.
        payload_of(parsed, name="")
        raise ValueError(f"not an object{advice}")
    return parsed


def payload_of(parsed: object, *, name: str = "payload") -> object:
    """The value whose tagged form ``parsed`` is; ``name`` is what messages call it.

    Raises:
        ValueError: it is no tagged form of a value.
    """
    try:
        return _json.from_tagged(parsed)
    except ValueError as error:
        reason = f"{name}{str(error).removeprefix('payload')}"
        raise ValueError(reason if name else reason.removeprefix(": ")) from None


def draft_of(members: Mapping[str, object], defaults: Defaults) -> Draft:
    """The event that a line asks for.

    Args:
        members: as ``members_of`` returns them.
        defaults: for what the line leaves out.

    Raises:
        ValueError: a member is unknown, missing or not what it must be.
    """
    unknown = sorted(members.keys() - MEMBERS)
    if unknown:
        raise ValueError(f"unknown member {', '.join(map(repr, unknown))}")
    if "payload" not in members:
        raise ValueError('"payload" is missing')
    values = {name: payload_of(member, name=name) for name, member in members.items()}
    return Draft(
        Coordinate(_text(values, "entity", defaults.entity), _text(values, "scope", defaults.scope)),
        values["payload"],
        kind=_kind(values.get("kind"), defaults.kind),
        version=_version(values.get("version")),
        correlation_id=_id(values, "correlation_id"),
        causation_id=_id(values, "causation_id"),
        metadata=_metadata(values.get("metadata")),
        private_metadata=_private_metadata(values.get("private_metadata")),
    )


def _kind(value: object, default: Kind | None) -> Kind:
    if value is not None:
        return kind_from_json(value)
    if default is None:
        raise ValueError("no kind, and no --kind")
    return default


def _text(values: Mapping[str, object], name: str, default: str | None) -> str:
    value = values.get(name)
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


def _id(values: Mapping[str, object], name: str) -> UUID | None:
    value = values.get(name)
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
