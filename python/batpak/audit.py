"""The events that ``batpak audit`` writes, as typed payloads.

Importing this module registers them in the default registry, so that a store opened afterwards gives them back typed:

    import batpak
    from batpak import audit

    with batpak.Store.open("batpak-audit", read_only=True) as store:
        for event in store.query(kind=batpak.Kind(audit.CATEGORY, 3)):
            opened: audit.FileOpened = event.payload
            print(event.timestamp, opened.path, opened.mode)

Every event of a run names the run's ``RunStarted`` as its cause. An event records an attempt: Python announces what it
is about to do, and whether it then succeeded is not known. Names come as the operating system has them: text where they
are valid UTF-8, else ``bytes`` (as ``os.fsencode`` gives them). What child processes do is not recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from batpak import event

__all__ = [
    "CATEGORY",
    "CodeExecuted",
    "FileChanged",
    "FileOpened",
    "ModuleImported",
    "OtherEvent",
    "ProcessStarted",
    "RunEnded",
    "RunStarted",
    "SocketUsed",
]

CATEGORY: Final = 0xE
"""The category of all kinds of this module."""


@event(category=CATEGORY, type_id=1, version=1)
@dataclass(frozen=True, slots=True)
class RunStarted:
    """A recorded program is about to run.

    Attributes:
        argv: the program and its arguments, as on a command line after ``python``; each text or bytes.
        program: the script, directory or module; text or bytes.
        python: implementation and version, for instance ``"cpython 3.11.7"``.
        executable: the interpreter; text or bytes.
        pid: the process id.
        cwd: the working directory; text, bytes, or None if there is none.
        included: the globs of further audit events that were asked for.
    """

    argv: list[object]
    program: object
    python: str
    executable: object
    pid: int
    cwd: object
    included: list[str]


@event(category=CATEGORY, type_id=2, version=1)
@dataclass(frozen=True, slots=True)
class RunEnded:
    """The program has ended and its exit handlers have run.

    A process that was killed, left by ``os._exit`` or replaced itself has no such event.

    Attributes:
        exit_code: the exit status as a shell sees it, 0..255; None if it is not known.
        error: the uncaught exception, class and message, if that ended the program.
        events: how many events were recorded between start and end.
        dropped: how many could not be recorded.
        forks: how often the process forked.
        children_followed: whether what children did was recorded; always false in this version.
    """

    exit_code: int | None
    error: str | None
    events: int
    dropped: int
    forks: int
    children_followed: bool = False


@event(category=CATEGORY, type_id=3, version=1)
@dataclass(frozen=True, slots=True)
class FileOpened:
    """A file was to be opened.

    Attributes:
        path: its name, text or bytes; None if a descriptor was given.
        fd: the descriptor, if one was given instead of a name.
        mode: the mode of ``open``, for instance ``"rb"``; None for ``os.open``.
        flags: the flags of ``os.open``.
    """

    path: object
    fd: int | None
    mode: str | None
    flags: int


@event(category=CATEGORY, type_id=4, version=1)
@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """A process was to be started, forked or replaced.

    Attributes:
        event: Python's name of the event, for instance ``"subprocess.Popen"`` or ``"os.fork"``.
        program: what was to run, text or bytes; None for a fork.
        arguments: its arguments, each text or bytes.
    """

    event: str
    program: object
    arguments: list[object] = field(default_factory=list)


@event(category=CATEGORY, type_id=5, version=1)
@dataclass(frozen=True, slots=True)
class SocketUsed:
    """A socket was to be bound, connected or used otherwise, or a name looked up.

    Attributes:
        event: Python's name of the event, for instance ``"socket.connect"``.
        address: the address or name concerned, as text.
    """

    event: str
    address: str | None


@event(category=CATEGORY, type_id=6, version=1)
@dataclass(frozen=True, slots=True)
class ModuleImported:
    """A module was to be imported.

    Attributes:
        module: its full name.
        path: the file of an extension module, text or bytes, if Python said it.
    """

    module: str
    path: object


@event(category=CATEGORY, type_id=7, version=1)
@dataclass(frozen=True, slots=True)
class CodeExecuted:
    """Source was to be compiled, or a code object executed.

    Attributes:
        event: ``"compile"`` or ``"exec"``.
        name: the name of the code object, for instance ``"<module>"``; text, bytes or None.
        file: the file it says it comes from; text, bytes or None.
    """

    event: str
    name: object
    file: object


@event(category=CATEGORY, type_id=8, version=1)
@dataclass(frozen=True, slots=True)
class FileChanged:
    """A file or directory was to be made, changed, renamed or removed.

    Attributes:
        event: Python's name of the event, for instance ``"os.remove"`` or ``"shutil.copyfile"``.
        path: the file concerned; text, bytes or None.
        target: the second name of a rename, link or copy; text, bytes or None.
    """

    event: str
    path: object
    target: object


@event(category=CATEGORY, type_id=9, version=1)
@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Another audit event of Python that ``--include`` asked for.

    Attributes:
        event: its name, for instance ``"sqlite3.connect"``.
        arguments: its arguments, each as a shortened ``repr``.
    """

    event: str
    arguments: list[str]
