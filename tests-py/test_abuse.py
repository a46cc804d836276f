"""What programs do to a store without meaning to: each of these once lost events or crashed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import batpak

PLACE = batpak.Coordinate("thing:1", "place")
KIND = batpak.Kind(0xF, 1)


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("source", ["x=(\n", "# coding: xx\n"])
def test_a_script_that_does_not_compile_ends_under_audit_as_without(tmp_path: Path, source: str) -> None:
    script = tmp_path / "broken.py"
    script.write_text(source)
    plain = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    entry = Path(sys.executable).with_name("batpak")
    recorded = subprocess.run(
        [entry, "audit", "--dir", tmp_path / "run", script], capture_output=True, text=True, check=False
    )
    # The words differ a little: Python reads a script's file itself, and a recorded one from memory.
    assert recorded.returncode == plain.returncode == 1
    assert "SyntaxError" in plain.stderr
    assert "SyntaxError" in recorded.stderr
    assert "Traceback" not in recorded.stderr


def test_a_script_with_a_null_byte_is_refused_under_audit(tmp_path: Path) -> None:
    # Python itself differs here: 3.11.2 runs such a script up to that byte, later ones refuse it.
    script = tmp_path / "broken.py"
    script.write_text("print(1)\n\0")
    entry = Path(sys.executable).with_name("batpak")
    recorded = subprocess.run(
        [entry, "audit", "--dir", tmp_path / "run", script], capture_output=True, text=True, check=False
    )
    assert recorded.returncode == 1
    assert recorded.stdout == ""
    assert "null bytes" in recorded.stderr
    assert "Traceback" not in recorded.stderr


def test_a_descriptor_that_belongs_to_another_file_is_noticed(tmp_path: Path) -> None:
    code = """
import batpak, os, sys
store = batpak.Store.open(sys.argv[1] + "/journal", durability="manual")
store.append(batpak.Coordinate("a", "b"), {}, kind=0xF001)
os.closerange(3, 64)
others = [open(f"{sys.argv[1]}/{n}", "w+b") for n in range(12)]
try:
    store.sync()
except (batpak.StorePoisoned, batpak.StorageError) as error:
    print(error.code, flush=True)
os._exit(0)
"""
    done = run(code, str(tmp_path))
    assert done.stdout.strip() in {"store_poisoned", "storage_missing"}, done.stderr


def test_deleting_the_lock_file_lets_no_second_writer_in(tmp_path: Path) -> None:
    with batpak.Store.open(tmp_path / "journal") as store:
        (tmp_path / "journal" / "LOCK").unlink()
        with pytest.raises(batpak.StoreLocked):
            batpak.Store.open(tmp_path / "journal")
        store.append(PLACE, {}, kind=KIND)
    with batpak.Store.open(tmp_path / "journal") as store:
        assert store.verify().ok


def test_closing_is_no_error_for_those_whose_event_was_written(tmp_path: Path) -> None:
    for turn in range(5):
        store = batpak.Store.open(tmp_path / f"journal-{turn}", durability="always")
        returned: list[batpak.AppendReceipt] = []
        going = threading.Barrier(3)

        def write(store: batpak.Store = store, returned: list = returned, going: threading.Barrier = going) -> None:
            going.wait()
            try:
                while True:
                    returned.append(store.append(PLACE, {}, kind=KIND))
            except batpak.StoreClosed:
                pass

        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        going.wait()
        while not returned:
            pass
        store.close()
        for thread in threads:
            thread.join()
        with batpak.Store.open(tmp_path / f"journal-{turn}", read_only=True) as again:
            assert sorted(r.event_hash for r in returned) == sorted(e.event_hash for e in again.query())


def test_more_segments_than_a_process_may_have_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 40, hard))
    try:
        with batpak.Store.open(tmp_path / "journal", segment_bytes=4096) as store:
            for number in range(100):
                store.append(PLACE, b"x" * 3000, kind=KIND, version=number)
            assert store.stats().segments > 90
        with batpak.Store.open(tmp_path / "journal", segment_bytes=4096) as store:
            assert [event.payload_version for event in store.query()] == list(range(100))
            assert store.verify().ok
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_fork_past_python_is_noticed(tmp_path: Path) -> None:
    code = """
import batpak, ctypes, gc, os, sys
store = batpak.Store.open(sys.argv[1], durability="manual")
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    status = 1
    try:
        store.append(batpak.Coordinate("a", "b"), {}, kind=0xF001)
    except batpak.ForkedStore:
        status = 7
    # Dropping the child's copy must not unlock the parent's.
    del store
    gc.collect()
    os._exit(status)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), store.append(batpak.Coordinate("a", "b"), {}, kind=0xF001).sequence)
try:
    batpak.Store.open(sys.argv[1])
except batpak.StoreLocked:
    print("locked")
store.close()
"""
    done = run(code, str(tmp_path / "journal"))
    assert done.stdout.split() == ["7", "1", "locked"], done.stderr


def test_verify_beside_a_writer_that_seals_finds_nothing(tmp_path: Path) -> None:
    with batpak.Store.open(tmp_path / "journal", segment_bytes=4096) as store:
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                store.append(PLACE, b"x" * 300, kind=KIND)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            verdicts = [batpak.verify(tmp_path / "journal") for _ in range(40)]
        finally:
            done.set()
            writer.join()
    assert [verdict.findings for verdict in verdicts if not verdict.ok] == []


def test_log_bytes_behind_event_0_are_never_discarded(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    batpak.Store.open(journal).close()
    log = journal / "segments" / f"{0:020}.log"
    log.write_bytes(log.read_bytes() + b"somebody's events" * 100)
    (journal / "frontier").unlink()
    (journal / "journal.meta").unlink()
    (journal / "checkpoints").write_bytes((journal / "checkpoints").read_bytes()[:32])
    before = log.read_bytes()
    with pytest.raises(batpak.JournalDamaged):
        batpak.Store.open(journal)
    assert log.read_bytes() == before
