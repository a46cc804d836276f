"""``batpak import``: exported or hand-written lines as new events, in batches that are written whole or not at all."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import batpak

from . import output
from .advice import reason_of
from .argument_types import batch_events
from .exit_codes import OK, USAGE, CommandError
from .exported import checked, is_exported
from .lines import Defaults, add_defaults, draft_of, given_defaults, members_of, numbered, parse
from .opening import add_directory, add_json, add_quiet, add_writing, load_key, open_writing, require_directory
from .progress import Progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BATCH_EVENTS: Final = 1000
"""How many events a batch has unless the user says otherwise."""

BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is not continued past this many bytes of lines: encoded, it stays below the limit of a frame."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Append the events of JSON lines: of lines that export wrote, which must be unchanged, or of lines as append "
        "reads them. They become new events with new sequences, ids and times. The events of one batch are written "
        "together or not at all; a bad line ends the command, and nothing of its batch is written. The journal's own "
        "events in an export are passed over and counted."
    )
    add_directory(parser)
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, default=Path("-"), help="the lines; stdin if it is - or left out"
    )
    add_defaults(parser)
    parser.add_argument(
        "--batch",
        metavar="N",
        type=batch_events,
        default=BATCH_EVENTS,
        help="at most N events a batch, 1 to 65536 (default: %(default)s); one of 8 MiB of lines ends earlier",
    )
    add_writing(parser)
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Import every line."""
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    with _opened(arguments.file) as stream, open_writing(arguments, key) as store:
        importing = _Import(store, numbered(stream), given_defaults(arguments), arguments.batch)
        try:
            with Progress("import", "reading", quiet=arguments.quiet) as progress:
                while importing.write_batch():
                    progress.count = importing.imported
        except (ValueError, TypeError) as error:
            message = f"line {importing.line_number}: {reason_of(error)}; {importing.so_far()}"
            raise CommandError(message, USAGE) from error
        except (Exception, KeyboardInterrupt):
            output.diagnose(f"line {importing.line_number}: not finished; {importing.so_far()}")
            raise
    # Only now, with the store closed, is everything on the disk.
    if arguments.json:
        output.write_json(importing.to_dict())
    else:
        output.write(importing.summary())
    return OK


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file, or stdin, which is left open.

    Raises:
        CommandError: stdin is closed.
    """
    if file != Path("-"):
        with file.open("rb") as stream:
            yield stream
    elif sys.stdin is None:
        raise CommandError("stdin is closed", USAGE)
    else:
        yield sys.stdin.buffer


@dataclass(slots=True)
class _Import:
    """How far an import is."""

    store: batpak.Store
    lines: Iterator[tuple[int, bytes]]
    defaults: Defaults
    batch_events: int
    # The line that was read last.
    line_number: int = 0
    # The last line whose event, and that of all before it, is written or was passed over.
    line_done: int = 0
    imported: int = 0
    passed_over: int = 0
    batches: int = 0
    # Zero, which no imported event has, until there is one.
    first_sequence: int = 0

    def write_batch(self) -> bool:
        """Read and write one batch; return whether there may be another.

        Raises:
            ValueError: a line is bad; nothing of the batch was written.
        """
        first = self._read()
        if first is None:
            self.line_done = self.line_number
            return False
        before = len(self.store)
        self.first_sequence = self.first_sequence or before
        try:
            self.store.append_batch(self._drafts(first))
        finally:
            # This is the only writer. The events exist even if only the wait for the disk was interrupted.
            written = len(self.store) - before
            if written:
                self.imported += written
                self.batches += 1
                self.line_done = self.line_number
        return True

    def _drafts(self, first: tuple[batpak.Draft, int]) -> Iterator[batpak.Draft]:
        """One batch, read while it is taken: whatever refuses an event, ``line_number`` names its line."""
        read: tuple[batpak.Draft, int] | None = first
        count = size = 0
        while read is not None:
            draft, length = read
            yield draft
            count += 1
            size += length
            read = self._read() if count < self.batch_events and size < BATCH_BYTES else None

    def _read(self) -> tuple[batpak.Draft, int] | None:
        """The next event and the length of its line; None at the end."""
        for number, line in self.lines:
            self.line_number = number
            members = members_of(parse(line))
            if not is_exported(members):
                return draft_of(members, self.defaults), len(line)
            event = checked(members)
            if not event.is_system:
                return _draft_of_event(event), len(line)
            self.passed_over += 1
        return None

    def so_far(self) -> str:
        """What is in the journal when the command ends early."""
        if self.imported == 0:
            return "nothing was imported"
        return f"{_events(self.imported)} of lines 1 to {self.line_done} were imported, and no later ones"

    def summary(self) -> str:
        """What was done, for people."""
        text = f"{_events(self.imported)} imported"
        if self.imported:
            last = self.first_sequence + self.imported - 1
            text += f", sequences {self.first_sequence} to {last}, batches {self.batches}"
        if self.passed_over:
            text += f"; {self.passed_over} of the exported journal's own passed over"
        return text

    def to_dict(self) -> dict[str, object]:
        """What was done, for programs."""
        return {
            "imported": self.imported,
            "passed_over": self.passed_over,
            "batches": self.batches,
            "lines": self.line_done,
            "first_sequence": self.first_sequence if self.imported else None,
            "last_sequence": self.first_sequence + self.imported - 1 if self.imported else None,
        }


def _draft_of_event(event: batpak.Event) -> batpak.Draft:
    """What an event keeps when it is written again."""
    return batpak.Draft(
        event.coordinate,
        event.value,
        kind=event.kind,
        version=event.payload_version,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        metadata=event.metadata,
        private_metadata=event.private_metadata,
    )


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
