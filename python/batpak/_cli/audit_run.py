"""Recording one run of a program: the start, the compiled hook, and the end.

The end is written by an exit handler that is registered before the program starts: exit handlers run last in first out
and after the threads are joined, so everything the program still does at its exit is recorded before. A process that
leaves without exit handlers (a signal, ``os._exit``, ``os.exec*``) has no end, and that is what its journal says.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from batpak import Coordinate, Kind, Registry, Store, _batpak

from . import output
from .exit_codes import AUDIT_FAILED, INTERRUPTED
from .program import Program, run_as_main

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal
    from uuid import UUID

    from batpak import SigningKey

_SCOPE: Final = "audit"
# The layout of batpak.audit.RunStarted and RunEnded, version 1. The classes themselves stay unloaded: they would claim
# their kinds in the default registry of the audited program, which may be a user of batpak with kinds of its own.
_RUN_STARTED: Final = Kind(0xE, 1)
_RUN_ENDED: Final = Kind(0xE, 2)
_VERSION: Final = 1
_ERROR_MAX: Final = 500
_UNCAUGHT: Final = 1


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is recorded.

    Attributes:
        directory: the journal, absolute: the program may change the working directory.
        include: globs of further audit events to record.
        signing_key: the journal's key, if it is signed.
        durability: when events reach the disk.
        json_summary: whether to write a summary to stderr at the end.
    """

    directory: Path
    include: tuple[str, ...] = ()
    signing_key: SigningKey | None = None
    durability: Literal["always", "interval", "manual"] = "interval"
    json_summary: bool = False


@dataclass(slots=True)
class Recording:
    """A run that is being recorded, from ``start`` to the exit of the process."""

    store: Store
    hook: _batpak.AuditHook
    coordinate: Coordinate
    run_id: UUID
    json_summary: bool
    pid: int = field(default_factory=os.getpid)
    exit_code: int | None = None
    error: str | None = None

    @classmethod
    def start(cls, program: Program, options: Options) -> Self:
        """Open the journal, write the start and install the hook; from then on everything is recorded.

        Raises:
            batpak.BatpakError: the journal cannot be opened or written; nothing is recorded then.
        """
        store = Store.open(
            options.directory, signing_key=options.signing_key, durability=options.durability, registry=Registry()
        )
        try:
            coordinate = Coordinate(f"program:{Coordinate.escape(_program_name(program))}", _SCOPE)
            started = _run_started(program, options)
            receipt = store.append(coordinate, started, kind=_RUN_STARTED, version=_VERSION)
            hook = _batpak.start_audit(store._core, receipt.event_id.bytes, list(options.include))
        except BaseException:
            store.close()
            raise
        recording = cls(store, hook, coordinate, receipt.event_id, options.json_summary)
        atexit.register(recording.end)
        return recording

    def run(self, program: Program) -> None:
        """Run the program; what ends it comes through."""
        run_as_main(program, self._note_end)

    def _note_end(self, ending: BaseException | None) -> None:
        if isinstance(ending, SystemExit):
            self.exit_code = _status(ending.code)
        elif ending is None:
            self.exit_code = 0
        else:
            self.exit_code = INTERRUPTED if isinstance(ending, KeyboardInterrupt) else _UNCAUGHT
            self.error = _describe(ending)

    def end(self) -> None:
        """Write the end and close the journal; in a forked child, do nothing: that is another process."""
        if os.getpid() != self.pid:
            return
        try:
            self.hook.stop()
            ended = self._run_ended()
            try:
                self.store.append(
                    self.coordinate,
                    ended,
                    kind=_RUN_ENDED,
                    version=_VERSION,
                    causation_id=self.run_id,
                    correlation_id=self.run_id,
                )
            finally:
                self.store.close()
            if self.hook.last_error is not None:
                self._fail(f"{self.hook.dropped} events could not be recorded: {self.hook.last_error}")
        except BaseException as error:  # noqa: BLE001 - even an interrupt must not pass for a whole record
            self._fail(f"the end of the run could not be recorded: {error}")
        else:
            if self.json_summary:
                self._write_summary(ended)

    def _run_ended(self) -> dict[str, object]:
        return {
            "exit_code": self.exit_code,
            "error": self.error,
            "events": self.hook.recorded,
            "dropped": self.hook.dropped,
            "forks": self.hook.forks,
            "children_followed": False,
        }

    def _write_summary(self, ended: dict[str, object]) -> None:
        summary = {"journal": str(self.store.path), "run": str(self.run_id), **ended}
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(output.json_text(summary) + "\n")

    def _fail(self, message: str) -> None:
        """End the process with 125. From an exit handler only ``os._exit`` can still choose the status."""
        output.diagnose(message)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.flush()
        os._exit(AUDIT_FAILED)


def _run_started(program: Program, options: Options) -> dict[str, object]:
    try:
        cwd: object = _name(os.getcwd())  # noqa: PTH109
    except OSError:
        cwd = None
    return {
        "argv": [_name(word) for word in program.command],
        "program": _name(program.target),
        "python": f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}",
        "executable": _name(sys.executable),
        "pid": os.getpid(),
        "cwd": cwd,
        "included": list(options.include),
    }


def _name(name: str) -> str | bytes:
    """A name of the operating system: text if it is valid UTF-8, else its bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _program_name(program: Program) -> str:
    """What the runs of one program have in common: the module, or the script's file name."""
    name = program.target if program.is_module else os.path.basename(os.path.normpath(program.target))  # noqa: PTH119
    return name.encode("utf-8", "backslashreplace").decode("utf-8") or "?"


def _status(code: object) -> int:
    """The exit status that the interpreter makes of ``SystemExit.code``."""
    if code is None:
        return 0
    if isinstance(code, int):
        # What does not fit a C long becomes -1.
        return (code if -(2**63) <= code < 2**63 else -1) & 0xFF
    return _UNCAUGHT


def _describe(error: BaseException) -> str:
    name = type(error).__qualname__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the program's own __str__ may do anything
        message = "<str() failed>"
    text = f"{name}: {message}" if message else name
    return text[:_ERROR_MAX].encode("utf-8", "backslashreplace").decode("utf-8")
