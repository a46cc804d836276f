"""``batpak append``: one event per JSON line of stdin."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import batpak
from batpak import _payloads

from . import argument_types, output
from .advice import reason_of
from .exit_codes import FAILED, OK, USAGE, CommandError, exit_code_of
from .lines import Defaults, add_defaults, draft_of, given_defaults, members_of, numbered, parse
from .opening import add_directory, add_json, add_writing, load_key, open_writing, require_directory

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Append one event per JSON line of stdin and print a receipt for each. A line is an object with the members "
        "entity, scope, kind, payload and, if wanted, version, correlation_id, causation_id, metadata, "
        "private_metadata, expect and key; the options are defaults for what it leaves out. A bad line ends the "
        "command."
    )
    add_directory(parser)
    add_defaults(parser)
    parser.add_argument("--payload-only", action="store_true", help="each line is the payload itself, in tagged JSON")
    parser.add_argument(
        "--expect",
        metavar="CLOCK|new",
        type=argument_types.expectation,
        help="append only if this is the clock of the entity's last event, or if it has none (new)",
    )
    parser.add_argument(
        "--idempotency-key",
        metavar="TEXT",
        help="if an event was written under this key, print its receipt and write nothing; for one line",
    )
    add_writing(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Append every line."""
    if sys.stdin is None:
        raise CommandError("stdin is closed", USAGE)
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    defaults = given_defaults(arguments)
    conditions = Conditions(arguments.expect, arguments.idempotency_key)
    appended = 0
    # Zero until the first line has been read.
    line_number = 0
    with open_writing(arguments, key) as store:
        try:
            for line_number, line in numbered(sys.stdin.buffer):  # noqa: B007 - the handlers below name the line
                receipt = _append(store, line, defaults, conditions, payload_only=arguments.payload_only)
                appended += 1
                write_receipt(receipt, as_json=arguments.json)
        except BrokenPipeError:
            # Whoever stopped reading receipts must not take the lines that were left for appended.
            output.abandon_stdout()
            raise CommandError(f"stdout was closed; {_count(appended)} appended", FAILED) from None
        except (ValueError, TypeError, batpak.Conflict) as error:
            message = f"line {line_number}: {reason_of(error)}; {_count(appended)} appended before it"
            raise CommandError(message, exit_code_of(error) if isinstance(error, batpak.Conflict) else USAGE) from error
        except (Exception, KeyboardInterrupt):
            output.diagnose(f"line {line_number}: not finished; {_count(appended)} appended before it")
            raise
    return OK


def _count(appended: int) -> str:
    return "1 event was" if appended == 1 else f"{appended} events were"


@dataclass(slots=True)
class Conditions:
    """On which a line is appended if it names none itself; the key is for one line.

    Attributes:
        expect: what the entity's last event must be.
        key: the idempotency key, until a line took it.
        taken: whether one did.
    """

    expect: batpak.Expect | int | None
    key: str | None
    taken: bool = False

    def of(self, members: dict[str, object]) -> dict[str, Any]:
        """The conditions of a line, taken out of its members.

        Raises:
            ValueError: they are none, or another line took the key.
        """
        expect = members.pop("expect", None)
        key = members.pop("key", None)
        if expect is None:
            expect = self.expect
        elif expect == "new":
            expect = batpak.NEW
        elif type(expect) is not int:
            raise ValueError('"expect" is neither a clock nor "new"')
        if key is None and self.key is not None:
            if self.taken:
                raise ValueError('--idempotency-key is for one line; give each line a "key" of its own')
            key, self.taken = self.key, True
        elif key is not None and not isinstance(key, str):
            raise ValueError('"key" is not text')
        return {"expect": expect, "key": key}


def _append(
    store: batpak.Store, line: bytes, defaults: Defaults, conditions: Conditions, *, payload_only: bool
) -> batpak.AppendReceipt:
    """Append what a line asks for.

    Raises:
        ValueError: it is not such a line; nothing was appended.
        Conflict: its conditions do not hold; the same.
    """
    parsed = parse(line)
    if payload_only:
        members: dict[str, object] = {"payload": parsed}
    else:
        members = members_of(parsed, advice=" (with --payload-only, a line is the payload itself)")
    under = conditions.of(members)
    # A batch of one is what a single append writes.
    return store.append_batch([_payloads.draft_with(draft_of(members, defaults), **under)])[0]


def write_receipt(receipt: batpak.AppendReceipt, *, as_json: bool) -> None:
    """Print a receipt, at once."""
    if as_json:
        output.write_json(json.loads(receipt.to_json()))
    else:
        output.write(f"{receipt.sequence:>8}  {receipt.event_id}  {receipt.event_hash.hex()}")
    # A receipt in a buffer is none: whoever feeds the command by hand or by pipe sees it when it holds.
    output.flush()
