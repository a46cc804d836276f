"""A directory in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from batpak import _batpak
from batpak._errors import InvalidInput
from batpak._proving.verify import core_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from batpak._proving.keys import PublicKey
    from batpak._verification import Verification


class MemoryDisk:
    """One journal's directory in memory, which knows what a power cut would leave of it.

    It lives as long as something refers to it; every ``open_store`` on it finds what the one before left. As on a real
    disk, one store at a time may have it open for writing (the second gets ``StoreLocked``), any number for reading.
    The lock and the files are of this process alone: a forked child has a copy of its own. It takes two to three times
    the memory of its files.

    Any number of threads may use it; each method looks at one moment.

    Args:
        files: bytes by name, such as ``files`` returns them, all of them durable; an empty disk if None. Names are
            relative and separated by ``/``.

    Raises:
        InvalidInput: no directory could hold files of these names.

    >>> from batpak.testing import open_store
    >>> disk = MemoryDisk()
    >>> with open_store(disk, durability="manual") as store:
    ...     receipt = store.append(Coordinate("order:1", "shop"), {"paid": True}, kind=Kind(0xF, 1))
    ...     power_cut = disk.crash()
    >>> with open_store(power_cut) as store:  # the event was never synced
    ...     store.verify_receipt(receipt).ok
    False
    >>> with open_store(disk) as store:
    ...     store.verify_receipt(receipt).ok
    True
    """

    __slots__ = ("_core",)

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self._core = _batpak.MemoryDisk(dict(files or {}))

    @classmethod
    def _of(cls, core: _batpak.MemoryDisk) -> MemoryDisk:
        made = cls.__new__(cls)
        made._core = core
        return made

    @classmethod
    def load(cls, path: str | PathLike[str]) -> MemoryDisk:
        """Read a real directory, with all that is below it. Directories without files are left out.

        Args:
            path: the directory of a journal that nobody is writing to.

        Returns:
            A disk with the same files, all of them durable. The directory is not touched again.

        Raises:
            OSError: it cannot be read.
        """
        root = Path(path)
        next(root.iterdir(), None)  # searching a directory that is not there would find nothing in silence
        files = (each for each in sorted(root.rglob("*")) if each.is_file())
        return cls({each.relative_to(root).as_posix(): each.read_bytes() for each in files})

    def save(self, path: str | PathLike[str]) -> None:
        """Write the files as they are now to a real directory, for ``batpak.Store.open`` and the command line.

        Args:
            path: a directory that is empty, or not there yet.

        Raises:
            FileExistsError: it is not empty.
            OSError: it cannot be written.
        """
        root = Path(path)
        root.mkdir(parents=True, exist_ok=True)
        if next(root.iterdir(), None) is not None:
            raise FileExistsError(f"{root} is not empty; save to a new directory")
        for name, content in self.files().items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def files(self) -> dict[str, bytes]:
        """Every file's bytes by name, in the order of names, as a process would read them now: a new dict.

        ``MemoryDisk({**disk.files(), name: changed})`` is a disk that somebody tampered with.
        """
        return self._core.files()

    def copy(self) -> MemoryDisk:
        """What a new process would find if this one was killed now: all that was written, and no lock.

        Returns:
            Another disk, which shares nothing with this one. What is not synced is not synced there either.
        """
        return self._of(self._core.copy())

    def crash(
        self, keep: Literal["nothing", "some", "everything"] = "nothing", *, seed: int | None = None
    ) -> MemoryDisk:
        """What a power cut would leave now. This disk and the stores that have it open are as they were.

        What was synced is always left. The rest is what ``keep`` says: a disk may write any of it, in any order.

        Args:
            keep: of what is not synced, "nothing", "everything" (as a kill of the process would), or "some": each
                write and each new or removed name survives or not by chance, and a write may survive in part, torn at
                blocks of 512 or 4,096 bytes, or as zeros.
            seed: for "some", and needed there: 0 to 2**64 - 1. The same seed at the same moment leaves the same.

        Returns:
            Another disk, unlocked, which shares nothing with this one; everything on it is durable.

        Raises:
            InvalidInput: ``keep`` is something else, or ``seed`` is missing, unneeded or out of range.
        """
        if (keep == "some") != (seed is not None):
            raise InvalidInput('seed= is for keep="some", and needed there')
        if seed is not None:
            return self._of(self._core.crash_by_chance(seed))
        if keep == "nothing":
            return self._of(self._core.crash_losing())
        if keep == "everything":
            return self._of(self._core.crash_keeping())
        raise InvalidInput('keep must be "nothing", "some" or "everything"')

    def verify(self, *, public_key: PublicKey | None = None) -> Verification:
        """Check the journal on this disk without opening it, as ``batpak.verify`` checks a directory.

        Args:
            public_key: the key that must have signed every frame; if None, the keys that the journal names itself.

        Returns:
            The verdict; damage is a finding.

        Raises:
            NotAJournal: there is no journal.
        """
        return _batpak.verify_directory(_batpak.Place.memory(self._core, None, None), core_key(public_key), None)

    def __repr__(self) -> str:
        sizes = self._core.sizes().values()
        unsynced = self._core.unsynced()
        return f"<batpak.testing.MemoryDisk {len(sizes)} files, {sum(sizes)} bytes, {unsynced} unsynced changes>"

    def _repr_html_(self) -> str:
        from batpak._html import table

        return table(repr(self), self._core.sizes())

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a MemoryDisk is not pickled; use copy(), or pass its files()")
