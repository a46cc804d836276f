"""The journal of ``batpak audit``: what is recorded, where, and what happens where batpak itself fails."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from audit_support import Ended, Workshop
from batpak import audit

if TYPE_CHECKING:
    from collections.abc import Callable

RUN_STARTED = batpak.Kind(audit.CATEGORY, 1)


# What is recorded


def test_what_a_program_does_is_recorded_in_order(workshop: Workshop) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    workshop.write("helper.py", "")
    workshop.write(
        "program.py",
        f"""
import os, socket, subprocess, sys
open("written.txt", "w").close()
os.rename("written.txt", "renamed.txt")
import helper
socket.create_connection(("127.0.0.1", {port})).close()
subprocess.run([sys.executable, "-c", "pass", "two words"], check=True)
exec("1 + 1")
sys.audit("myprogram.step", 1, "two")
sys.audit("otherprogram.step")
os.remove("renamed.txt")
""",
    )
    with listener:
        ended = workshop.audited("program.py", "argument", options=["--include", "myprogram.*"])
    assert ended == Ended(0, b"", b"")
    payloads = workshop.payloads()
    start, end = payloads[0], payloads[-1]
    assert isinstance(start, audit.RunStarted)
    assert start.argv == ["program.py", "argument"]
    assert start.cwd == str(workshop.path)
    assert start.included == ["myprogram.*"]
    assert isinstance(end, audit.RunEnded)
    assert (end.exit_code, end.error, end.events, end.dropped) == (0, None, len(payloads) - 2, 0)
    wanted: list[Callable[[Any], bool]] = [
        lambda p: isinstance(p, audit.FileOpened) and p.path == "written.txt" and p.mode == "w",
        lambda p: (
            isinstance(p, audit.FileChanged)
            and (p.event, p.path, p.target) == ("os.rename", "written.txt", "renamed.txt")
        ),
        lambda p: isinstance(p, audit.ModuleImported) and p.module == "helper",
        lambda p: isinstance(p, audit.SocketUsed) and p.event == "socket.connect" and str(port) in (p.address or ""),
        lambda p: (
            isinstance(p, audit.ProcessStarted)
            and (p.event, p.program, p.arguments)
            == ("subprocess.Popen", sys.executable, [sys.executable, "-c", "pass", "two words"])
        ),
        lambda p: isinstance(p, audit.CodeExecuted) and (p.event, p.name, p.file) == ("exec", "<module>", "<string>"),
        lambda p: isinstance(p, audit.OtherEvent) and (p.event, p.arguments) == ("myprogram.step", ["1", "'two'"]),
        lambda p: isinstance(p, audit.FileChanged) and (p.event, p.path) == ("os.remove", "renamed.txt"),
    ]
    position = 0
    for number, matches in enumerate(wanted):
        found = [at for at in range(position, len(payloads)) if matches(payloads[at])]
        assert found, (number, payloads[position:])
        position = found[0] + 1
    assert not any(isinstance(payload, audit.OtherEvent) and "other" in payload.event for payload in payloads)


def test_every_event_names_its_run(workshop: Workshop) -> None:
    program = workshop.write("program.py", "import json")
    for _run in range(2):
        assert workshop.audited(program).returncode == 0
    with batpak.Store.open(workshop.journal, create=False, read_only=True) as store:
        run = None
        runs = 0
        for event in store.query():
            if event.kind == RUN_STARTED:
                run, runs = event.event_id, runs + 1
                assert event.causation_id is None
            else:
                assert event.causation_id == run
        assert runs == 2
        assert store.verify().ok


def test_names_that_are_not_utf8_stay_bytes(workshop: Workshop) -> None:
    workshop.write(
        "program.py",
        "import os, sys\n"
        "open(os.fsdecode(b'caf\\xe9'), 'w').close()\n"
        "open(b'th\\xe9', 'w').close()\n"
        "os.remove(b'th\\xe9')\n"
        "print(ascii(sys.argv))\n",
    )
    workshop.same("program.py", b"na\xefve")
    (start,) = workshop.payloads(audit.RunStarted)
    assert start.argv == ["program.py", b"na\xefve"]
    paths = [opened.path for opened in workshop.payloads(audit.FileOpened)]
    assert b"caf\xe9" in paths
    assert b"th\xe9" in paths
    assert b"th\xe9" in [changed.path for changed in workshop.payloads(audit.FileChanged)]
    tree = workshop.tree()
    assert "caf\\udce9" in tree
    assert "na\\udcefve" in tree


def test_a_program_whose_own_name_is_not_utf8(workshop: Workshop) -> None:
    name = b"caf\xe9.py"
    Path(os.fsdecode(os.fsencode(workshop.path) + b"/" + name)).write_text("print(ascii(__file__))", encoding="utf-8")
    assert workshop.same(name).returncode == 0
    (start,) = workshop.payloads(audit.RunStarted)
    assert start.program == name


def test_a_program_that_uses_batpak_itself(workshop: Workshop) -> None:
    workshop.write(
        "program.py",
        """
from dataclasses import dataclass
import batpak
@batpak.event(category=0xE, type_id=1, version=1)
@dataclass(frozen=True)
class Mine:
    x: int
with batpak.Store.open("own") as store:
    receipt = store.append(batpak.Coordinate("e", "s"), Mine(1))
    print(store.get(receipt.event_id).payload)
""",
    )
    assert workshop.audited("program.py") == Ended(0, b"Mine(x=1)\n", b"")
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.dropped == 0


def test_the_timeline(workshop: Workshop) -> None:
    workshop.write("program.py", "open('notes.txt', 'w').close()\nraise SystemExit(3)")
    workshop.audited("program.py", "two words")
    lines = workshop.tree().splitlines()
    assert "run started: program.py 'two words'" in lines[0]
    assert any("├─" in line and "open notes.txt (w)" in line for line in lines)
    assert "└─" in lines[-1]
    assert "run ended: exit code 3" in lines[-1]
    assert all(line.isprintable() for line in lines)


def test_an_end_that_is_filtered_out_is_not_reported_missing(workshop: Workshop) -> None:
    workshop.audited(workshop.write("program.py", ""))
    done = workshop.run(["-m", "batpak", "log", "--tree", "--limit", "1", str(workshop.journal)])
    assert len(done.stdout.splitlines()) == 1


# Where batpak itself fails


def test_a_directory_of_something_else(workshop: Workshop) -> None:
    program = workshop.write("program.py", "print('must not run')")
    ended = workshop.audited(program, options=["--dir", "."])
    assert (ended.returncode, ended.stdout) == (125, b"")
    assert ended.stderr.startswith(b"batpak: the program was not started: ")


def test_a_journal_that_another_process_writes(workshop: Workshop) -> None:
    program = workshop.write("program.py", "print('must not run')")
    with batpak.Store.open(workshop.journal):
        ended = workshop.audited(program)
    assert (ended.returncode, ended.stdout) == (125, b"")


def test_keys(workshop: Workshop) -> None:
    program = workshop.write("program.py", "print('ran')")
    key = batpak.SigningKey.generate()
    key.save(workshop.path / "key.pem")
    assert workshop.audited(program, options=["--key", "missing.pem"]).returncode == 125
    assert workshop.audited(program, options=["--key", "key.pem"]) == Ended(0, b"ran\n", b"")
    # From here on the journal is signed.
    assert workshop.audited(program).returncode == 125
    assert batpak.verify(workshop.journal, public_key=key.public_key).ok


def test_a_record_that_cannot_be_finished(workshop: Workshop) -> None:
    program = workshop.write(
        "program.py",
        "import resource\n"
        "print('before', flush=True)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))\n"
        "try: open('/dev/null').close()\n"
        "finally: print('after')\n",
    )
    ended = workshop.audited(program)
    assert ended.stdout == b"before\nafter\n"
    assert ended.returncode == 125
    assert ended.stderr.startswith(b"batpak: ")
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-c", "pass"], ["-"], ["--dir"], ["--nonesuch", "x.py"]])
def test_usage(workshop: Workshop, arguments: list[str]) -> None:
    ended = workshop.run(["-m", "batpak", "audit", *arguments])
    assert ended.returncode == 2
    assert b"usage: batpak audit" in ended.stderr
    assert list(workshop.path.iterdir()) == []


def test_a_module_may_stick_to_its_option(workshop: Workshop) -> None:
    workshop.write("program.py", "import sys; print(sys.argv[1:], sys.orig_argv[1:])")
    assert workshop.audited("-mprogram", "x").stdout == b"['x'] ['-m', 'program', 'x']\n"


def test_options_after_the_program_belong_to_it(workshop: Workshop) -> None:
    program = workshop.write("program.py", "import sys; print(sys.argv[1:])")
    ended = workshop.audited(program, "--dir", "x", "--json", options=["--dir=elsewhere"])
    assert ended == Ended(0, b"['--dir', 'x', '--json']\n", b"")
    assert (workshop.path / "elsewhere").is_dir()
    assert not workshop.journal.exists()


def test_the_summary_goes_to_stderr(workshop: Workshop) -> None:
    program = workshop.write("program.py", "print('data')\nraise SystemExit(3)")
    ended = workshop.audited(program, options=["--json"])
    assert (ended.returncode, ended.stdout) == (3, b"data\n")
    summary = json.loads(ended.stderr)
    assert summary["exit_code"] == 3
    assert summary["journal"] == str(workshop.journal)
    (run,) = [
        json.loads(line)
        for line in workshop.run(
            ["-m", "batpak", "log", "--json", "--kind", "0xE001", str(workshop.journal)]
        ).stdout.splitlines()
    ]
    assert run["event_id"] == summary["run"]
    assert summary["events"] == len(workshop.payloads()) - 2


def test_the_journal_stays_where_it_was_named(workshop: Workshop) -> None:
    workshop.write("program.py", "import os\nos.mkdir('deep')\nos.chdir('deep')\nopen('here', 'w').close()")
    assert workshop.audited("program.py").returncode == 0
    assert list((workshop.path / "deep").iterdir()) == [workshop.path / "deep" / "here"]
    assert len(workshop.payloads(audit.RunEnded)) == 1
