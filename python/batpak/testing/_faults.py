"""Storage that fails on cue, and the record of what was asked of it."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from batpak import _batpak

Operation = Literal[
    "create", "create directory", "list", "lock", "map", "open", "read", "remove", "rename", "sync", "truncate", "write"
]
ErrorName = Literal["EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS"]
Effect = Literal["not_done", "done", "short"]


@dataclass(frozen=True, slots=True, repr=False)
class Fault:
    """One failure of the storage: which call fails, and how. Immutable, hashable, comparable, picklable.

    Attributes:
        call: which of the calls that it is about, counted from 1 when the fault is armed.
        operation: only calls of this operation: "create" (open a new file), "create directory", "list", "lock",
            "map" (a file into memory), "open", "read", "remove", "rename", "sync" (of a file or a directory),
            "truncate" or "write"; all if None. ``StorageError.operation`` uses the same words.
        file: only calls about files or directories whose name matches this glob; ``*`` stands for any text, ``/``
            included, ``?`` for any one character of ASCII. A rename is about its first name, and the journal's own
            directory has an empty name.
        error: what the operating system says: "EIO", "ENOSPC", "EDQUOT", "EACCES" or "EROFS"; errors have the numbers
            of Linux.
        effect: what happened all the same: "not_done" (nothing), "done" (all of it, and then the call reported an
            error), or "short" (a write wrote its first ``short_bytes`` bytes; any other call did nothing).
        short_bytes: for "short", 0 or more.
        forever: whether all later calls that it is about fail as well.

    >>> Fault(2, operation="sync", file="segments/*.log")
    Fault(2, operation='sync', file='segments/*.log')
    """

    call: int = 1
    _: KW_ONLY
    operation: Operation | None = None
    file: str = "*"
    error: ErrorName = "EIO"
    effect: Effect = "not_done"
    short_bytes: int = 0
    forever: bool = False

    def __repr__(self) -> str:
        options = (each for each in dataclasses.fields(self) if each.kw_only)
        said = [f"{each.name}={value!r}" for each in options if (value := getattr(self, each.name)) != each.default]
        return f"Fault({', '.join([repr(self.call), *said])})"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made to the storage. Immutable, hashable, comparable, picklable.

    Attributes:
        number: its place among all calls, from 1.
        operation: what was asked; the words are those of ``Fault.operation``.
        file: name of the file or directory, relative to the journal's own, which has an empty name.
        bytes: how many bytes a write was to write; 0 for other operations.
        failed: whether a fault made it fail.
    """

    number: int
    operation: Operation
    file: str
    bytes: int
    failed: bool

    def __str__(self) -> str:
        told = f"{self.number}: {self.operation} {self.file}".rstrip()
        return f"{told} failed" if self.failed else told

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)


class Faults:
    """Says which calls to the storage fail, and remembers which were made.

    Pass it to ``open_store``; the stores of one ``Faults`` count together, opening and closing included, which is how
    a test reaches every call: fail the first, then, in a new run, the second, until nothing failed. The calls are the
    same in each run if one thread writes with a durability of "always" or "manual"; with "interval", syncs come when
    they are due. How many calls an operation takes may change with each version of batpak.

    Any number of threads may use it. It keeps about 50 bytes of memory for each call.

    Args:
        faults: what is armed from the beginning. If two hit a call, the first decides.

    Raises:
        InvalidInput: an attribute of a fault is out of range.

    >>> from batpak.testing import open_store
    >>> faults = Faults()
    >>> with open_store(faults=faults) as store:
    ...     faults.arm(Fault(operation="write", file="segments/*"))
    ...     store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    Traceback (most recent call last):
    batpak._errors.StorageError: cannot write memory/segments/00000000000000000000.log: Input/output error (os error 5)
    >>> [call.file for call in faults.hits()]
    ['segments/00000000000000000000.log']
    """

    __slots__ = ("_armed", "_core")

    def __init__(self, *faults: Fault) -> None:
        self._core = _batpak.Faults()
        self._armed: list[str] = []
        self.arm(*faults)

    def arm(self, *faults: Fault) -> None:
        """Add faults; they count calls from now on, so that 1 is the next one.

        Args:
            faults: in the order in which they decide, after those that are armed already.

        Raises:
            InvalidInput: an attribute is out of range; the faults before it are armed.
            TypeError: it is no Fault; the same.
        """
        for fault in faults:
            if not isinstance(fault, Fault):
                raise TypeError(f"not a batpak.testing.Fault: {type(fault).__name__}")
            self._core.arm(
                call=fault.call,
                operation=fault.operation,
                file=fault.file,
                error=fault.error,
                effect=fault.effect,
                short_bytes=fault.short_bytes,
                forever=fault.forever,
            )
            self._armed.append(repr(fault))

    def limit_space(self, space_bytes: int) -> None:
        """Let the disk fill up: writes take this many more bytes in all.

        The write that needs more writes what fits and fails with "ENOSPC", as does every later one that is not empty.
        Bytes count each time they are written, and removing files frees nothing.

        Args:
            space_bytes: 0 or more.

        Raises:
            InvalidInput: it is negative or out of range.
        """
        self._core.limit_space(space_bytes)
        self._armed.append(f"limit_space({space_bytes})")

    def heal(self) -> None:
        """End all faults, and the lack of space. What was recorded stays."""
        self._core.heal()
        self._armed.clear()

    def calls(self) -> list[Call]:
        """Every call that was made, in order: a new list."""
        return [Call(*each) for each in self._core.calls()]

    def hits(self) -> list[Call]:
        """The calls that failed, in order: a new list, empty while no fault hit any."""
        return [call for call in self.calls() if call.failed]

    def __repr__(self) -> str:
        armed = ", ".join(self._armed) or "none armed"
        return f"<batpak.testing.Faults {armed}; {self._core.count()} calls, {len(self.hits())} failed>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("Faults are neither copied nor pickled: the stores that were opened with them count in them")
