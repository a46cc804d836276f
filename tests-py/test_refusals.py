"""What a store refuses: with which error, and that nothing was written, created or changed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Store
from plain_reader.frame import crc32c
from support import COORD, KIND, child_says, contents, contents_and_times, log_of, running_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPEN_HERE = """
import sys, batpak
try:
    batpak.Store.open(sys.argv[1])
except batpak.StoreLocked as error:
    print(error.pid, error.code)
"""
HOLD = """
import sys, batpak
with batpak.Store.open(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_second_writer_in_this_process(store: Store, path: Path) -> None:
    before = contents_and_times(path)
    with pytest.raises(batpak.StoreLocked) as caught:
        Store.open(path)
    assert (caught.value.pid, caught.value.path) == (os.getpid(), str(path))
    assert contents_and_times(path) == before
    store.append(COORD, 1, kind=KIND)
    store.close()
    with Store.open(path) as again:
        assert len(again) == 3


def test_second_writer_in_another_process(store: Store, path: Path) -> None:
    assert child_says(OPEN_HERE, path) == f"{os.getpid()} store_locked"
    store.close()
    assert child_says(OPEN_HERE.replace(".open(sys.argv[1])", ".open(sys.argv[1]).close()"), path) == ""


def test_the_lock_of_a_killed_writer_is_free(path: Path) -> None:
    with running_child(HOLD, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(batpak.StoreLocked) as caught:
            Store.open(path)
        assert caught.value.pid == child.pid
        with Store.open(path, read_only=True) as reader:
            assert len(reader) == 1
        child.kill()
        child.wait()
        with Store.open(path) as store:
            assert len(store) == 2


# -- directories of others --------------------------------------------------------------------------------------------

NOBODY = 65534
AS_NOBODY = """
import os, sys
sys.path[:0] = sys.argv[2:]
import batpak
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for options in {"create": True}, {"read_only": True}:
    try:
        batpak.Store.open(sys.argv[1], **options).close()
        print("opened")
    except PermissionError as error:
        print(error.code, isinstance(error, batpak.StorageError), error.errno)
"""


def reach(path: Path, base: Path) -> None:
    """Let everybody pass through the directories above; pytest makes its own private."""
    for above in path.parents:
        if above.name.startswith("pytest-of-") or above == base.parent or above.is_relative_to(base):
            above.chmod(above.stat().st_mode | stat.S_IXOTH)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500, 0o555])
def test_a_directory_of_another_owner(path: Path, tmp_path_factory: pytest.TempPathFactory, mode: int) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    reach(path, tmp_path_factory.getbasetemp())
    before = contents(path)
    for directory in (path, path / "segments"):
        # Without another user to be, this one loses the right to write instead.
        directory.chmod(mode if os.getuid() == 0 else mode & 0o555)
    if os.getuid() != 0:
        (path / "LOCK").chmod(0o400)
    try:
        lines = child_says(AS_NOBODY, path).splitlines()
    finally:
        for each in (path, path / "segments"):
            each.chmod(0o755)
        (path / "LOCK").chmod(0o644)
    assert lines[0] == "storage_permission True 13"
    if os.getuid() == 0:
        assert lines[1] == ("opened" if mode & 0o005 else "storage_permission True 13")
    assert contents(path) == before
    assert batpak.verify(path).ok


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(batpak.StorageError) as caught:
        Store.open(tmp_path / "file" / "journal")
    assert isinstance(caught.value, OSError)
    for options in ({}, {"read_only": True}, {"create": False}):
        with pytest.raises(batpak.StorageError, match="file is a file, and a journal is a directory") as caught:
            Store.open(tmp_path / "file", **options)  # type: ignore[arg-type]
        assert (caught.value.errno, caught.value.filename) == (errno.ENOTDIR, str(tmp_path / "file"))
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("durability", ["always", "interval", "manual"])
def test_a_vanished_directory(path: Path, durability: Any) -> None:
    with Store.open(path, durability="manual") as store:
        store.append(COORD, 1, kind=KIND)
        shutil.rmtree(path)
        with pytest.raises((batpak.StorageMissing, batpak.StorePoisoned)):
            store.append(COORD, 2, kind=KIND, durability=durability)
            store.sync()
        assert store.get(1).payload == 1
        with pytest.raises(batpak.StorePoisoned) as caught:
            store.append(COORD, 3, kind=KIND)
        assert "deleted" in str(caught.value)
        with pytest.raises(batpak.StorePoisoned):
            store.close()
    assert store.closed
    assert not path.exists()


def test_a_directory_that_vanished_is_told_at_close(path: Path) -> None:
    store = Store.open(path, durability="manual")
    store.append(COORD, 1, kind=KIND)
    shutil.rmtree(path)
    with pytest.raises((batpak.StorageMissing, batpak.StorePoisoned)):
        store.close()
    assert store.closed
    store.close()


# -- what is not a journal --------------------------------------------------------------------------------------------


def test_nothing_is_made_unless_asked(path: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(batpak.NotAJournal) as caught:
            Store.open(path, **options)  # type: ignore[arg-type]
        assert caught.value.path == str(path)
        assert not path.exists()
    path.mkdir()
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(batpak.NotAJournal):
            Store.open(path, **options)  # type: ignore[arg-type]
        assert list(path.iterdir()) == []


@pytest.mark.parametrize("options", [{}, {"create": False}, {"read_only": True}])
@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "segments/readme", "sub/journal.meta"])
def test_somebody_elses_directory(path: Path, name: str, options: dict[str, Any]) -> None:
    (path / name).parent.mkdir(parents=True)
    (path / name).write_bytes(b"mine")
    before = contents_and_times(path)
    with pytest.raises(batpak.NotAJournal):
        Store.open(path, **options)
    assert contents_and_times(path) == before


@pytest.mark.parametrize("name", ["notes.log", "00000000000000000001.txt", "1.log", f"{5:020d}.log.bak", "x"])
def test_a_foreign_file_among_the_segments(path: Path, name: str) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    (path / "segments" / name).write_bytes(b"foreign")
    before = contents_and_times(path, but="LOCK")
    for options in ({}, {"read_only": True}):
        with pytest.raises(batpak.StoreError) as caught:
            Store.open(path, **options)  # type: ignore[arg-type]
        assert name in str(caught.value)
    verdict = batpak.verify(path)
    assert not verdict.ok
    assert any(name in (finding.file or "") + finding.message for finding in verdict.findings)
    assert contents_and_times(path, but="LOCK") == before
    (path / "segments" / name).unlink()
    with Store.open(path) as store:
        assert store.get(1).payload == 1


@pytest.mark.parametrize("file", ["segment", "checkpoints", "journal.meta"])
def test_a_future_format_version(path: Path, file: str) -> None:
    with Store.open(path) as store:
        store.append(COORD, 1, kind=KIND)
    target = log_of(path) if file == "segment" else path / file
    data = bytearray(target.read_bytes())
    data[8:10] = struct.pack("<H", 2)
    crc_at = {"segment": 60, "checkpoints": 28, "journal.meta": len(data) - 4}[file]
    data[crc_at : crc_at + 4] = struct.pack("<I", crc32c(bytes(data[:crc_at])))
    target.write_bytes(data)
    before = contents_and_times(path, but="LOCK")
    for options in ({}, {"read_only": True}):
        with pytest.raises(batpak.UnsupportedFormat) as caught:
            Store.open(path, **options)  # type: ignore[arg-type]
        assert (caught.value.version, caught.value.file) == (2, str(target))
    assert not batpak.verify(path).ok
    assert contents_and_times(path, but="LOCK") == before


def test_damage_is_refused_with_its_place(path: Path) -> None:
    with Store.open(path) as store:
        store.append(COORD, "unmistakable", kind=KIND)
        store.append(COORD, "later", kind=KIND)
    log = log_of(path)
    data = bytearray(log.read_bytes())
    at = data.index(b"unmistakable")
    data[at] ^= 1
    log.write_bytes(data)
    before = contents_and_times(path, but="LOCK")
    for options in ({}, {"read_only": True}, {"create": False}):
        with pytest.raises(batpak.JournalDamaged) as caught:
            Store.open(path, **options)  # type: ignore[arg-type]
        assert caught.value.file == str(log)
        assert caught.value.sequence == 1
        assert caught.value.offset is not None
        assert 64 < caught.value.offset < at
    assert contents_and_times(path, but="LOCK") == before


def test_bytes_that_change_under_an_open_store(store: Store, path: Path) -> None:
    store.append(COORD, "unmistakable", kind=KIND)
    store.append(COORD, "later", kind=KIND)
    store.sync()
    log = log_of(path)
    at = log.read_bytes().index(b"unmistakable")
    with log.open("r+b") as file:
        file.seek(at)
        file.write(b"X")
    reads: list[Callable[[], object]] = [
        lambda: store.get(1),
        lambda: list(store.query()),
        lambda: list(store.walk_ancestors(2)),
    ]
    for read in reads:
        with pytest.raises(batpak.JournalDamaged) as caught:
            read()
        assert (caught.value.file, caught.value.sequence) == (str(log), 1)
    assert store.get(2).payload == "later"
    verdict = store.verify()
    assert (verdict.ok, verdict.axes.content) == (False, "failed")
    assert verdict.findings[0].sequence == 1


def test_missing_meta_is_rebuilt_on_request_only(path: Path) -> None:
    Store.open(path).close()
    meta = (path / "journal.meta").read_bytes()
    (path / "journal.meta").unlink()
    with pytest.raises(batpak.JournalDamaged):
        Store.open(path)
    with Store.open(path, rebuild_meta=True) as store:
        assert store.open_report.meta_rebuilt
    assert (path / "journal.meta").read_bytes() == meta


# -- read-only --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["open", "closed", "killed", "torn", "no lock file"])
def test_read_only_changes_nothing(path: Path, state: str) -> None:
    with running_child(HOLD, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        if state == "closed":
            child.communicate("\n")
        elif state != "open":
            child.kill()
            child.wait()
        if state == "torn":
            with log_of(path).open("ab") as file:
                file.write(b"torn" * 10)
        elif state == "no lock file":
            (path / "LOCK").unlink()
        before = contents_and_times(path)
        with Store.open(path, read_only=True) as reader, Store.open(path, read_only=True) as second:
            assert [event.sequence for event in reader.query(system=True)] == [0]
            assert reader.verify().ok
            assert reader.stats() == second.stats()
            assert (reader.open_report.tail_bytes > 0) == (state == "torn")
            assert batpak.verify(path).ok
        assert contents_and_times(path) == before


@pytest.mark.parametrize("options", [{"rebuild_meta": True}, {"signing_key": batpak.SigningKey.generate()}])
def test_read_only_takes_no_option_that_writes(store: Store, path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(batpak.InvalidInput):
        Store.open(path, read_only=True, **options)
    assert not store.closed
