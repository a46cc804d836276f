"""The command ``batpak``, as a real process: what it prints, and what its exit status says."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import _errors
from batpak._cli import exit_codes, output, verify
from batpak._cli.kinds import kind_from_json, parse_kind

if TYPE_CHECKING:
    from batpak._verification import AxisState, Outcome

COMMAND = [sys.executable, "-m", "batpak"]
KIND = batpak.Kind(0xF, 1)
TIMEOUT_S = 60

# A clear screen, a right-to-left override, DEL, a C1 control, a line separator, a tag: nothing for a terminal.
NASTY = "\x1b[2J\u202e\x7f\x9b\u2028\U000e0041"
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


def batpak_command(
    *arguments: str | Path, stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
    )


def succeed(*arguments: str | Path, stdin: str = "") -> str:
    done = batpak_command(*arguments, stdin=stdin)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def succeed_json(*arguments: str | Path, stdin: str = "") -> list[Any]:
    lines = succeed(*arguments, "--json", stdin=stdin).splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def fail(exit_code: int, *arguments: str | Path, stdin: str = "") -> str:
    done = batpak_command(*arguments, stdin=stdin)
    assert "Traceback" not in done.stderr
    assert done.returncode == exit_code, done.stderr
    assert done.stderr
    return done.stderr


def line_of(**members: object) -> str:
    return json.dumps({"entity": "player:alice", "scope": "room", "kind": "0xF001", "payload": {"x": 1}, **members})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    succeed("init", directory)
    return directory


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    batpak.SigningKey.generate().save(file)
    return file


def fill(directory: Path, drafts: list[batpak.Draft]) -> None:
    with batpak.Store.open(directory) as store:
        store.append_batch(drafts)


def drafts(count: int, payload: object = None) -> list[batpak.Draft]:
    coordinate = batpak.Coordinate("player:alice", "room")
    return [batpak.Draft(coordinate, {"n": n} if payload is None else payload, kind=KIND) for n in range(count)]


# Exit codes


def test_every_exception_has_a_row() -> None:
    pending: list[type[BaseException]] = [_errors.BatpakError]
    while pending:
        cls = pending.pop()
        if cls.__module__ == _errors.__name__:
            assert cls in exit_codes.BY_EXCEPTION, cls
            pending += cls.__subclasses__()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_errors.NotAJournal("x"), 10),
        (_errors.StorageMissing("x"), 10),
        (_errors.StoreLocked("x"), 11),
        (_errors.WrongKey("x"), 12),
        (_errors.JournalDamaged("x"), 3),
        (_errors.UnsupportedFormat("x"), 4),
        (_errors.LimitExceeded("x"), 2),
        (_errors.StorageFull("x"), 1),
        (KeyboardInterrupt(), 130),
        (FileNotFoundError("x"), 1),
        (LookupError("x"), 1),
    ],
)
def test_exit_code_of_exceptions(error: BaseException, expected: int) -> None:
    assert exit_codes.exit_code_of(error) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonesuch"],
        ["log"],
        ["log", "d", "--lim", "3"],
        ["log", "d", "--kind", "99:1"],
        ["append", "d", "--kind", "x"],
    ],
)
def test_bad_command_lines_are_usage_errors(arguments: list[str]) -> None:
    assert "usage: batpak" in fail(2, *arguments)


def test_help_and_version() -> None:
    listing = succeed("--help")
    for command in ("init", "append", "log", "show", "verify", "stats", "keygen", "audit"):
        assert command in listing
        assert "usage: batpak" in succeed(command, "--help")
    assert succeed("--version") == f"batpak {batpak.__version__}\n"


@pytest.mark.parametrize("command", [["log"], ["verify"], ["stats"], ["show", "0"], ["append"]])
def test_a_missing_directory_is_no_journal(tmp_path: Path, command: list[str]) -> None:
    name, *rest = command
    assert "no such directory" in fail(10, name, tmp_path / "missing", *rest)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("command", [["init"], ["log"], ["stats"], ["show", "0"], ["append"], ["verify"]])
def test_a_directory_of_something_else_is_no_journal(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    name, *rest = command
    fail(10, name, tmp_path, *rest)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# init, keygen


def test_init_makes_a_journal_once(tmp_path: Path) -> None:
    (made,) = succeed_json("init", tmp_path / "journal", "--name", "log.example")
    assert made["name"] == "log.example"
    assert made["key_id"] is None
    with batpak.Store.open(tmp_path / "journal", read_only=True) as store:
        assert str(store.journal_id) == made["journal_id"]
        assert store.name == "log.example"
    assert "already" in fail(1, "init", tmp_path / "journal")


def test_init_names_the_key(tmp_path: Path, key: Path) -> None:
    (made,) = succeed_json("init", tmp_path / "journal", "--key", key)
    assert made["key_id"] == batpak.SigningKey.load(key).key_id.hex()


@pytest.mark.parametrize("content", [None, "not a key"])
def test_a_key_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    fail(12, "init", tmp_path / "journal", "--key", file)
    assert not (tmp_path / "journal").exists()


def test_keygen_writes_a_private_file_once(tmp_path: Path) -> None:
    file, public = tmp_path / "key.pem", tmp_path / "public.pem"
    (made,) = succeed_json("keygen", file, "--public", public)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert batpak.SigningKey.load(file).key_id.hex() == made["key_id"]
    assert batpak.PublicKey.load(public).to_bytes().hex() == made["public_key"]
    before = file.read_bytes()
    fail(1, "keygen", file)
    assert file.read_bytes() == before
    fail(1, "keygen", tmp_path / "other.pem", "--public", public)
    assert not (tmp_path / "other.pem").exists()


# append


def test_append_prints_a_receipt_per_line(journal: Path) -> None:
    lines = succeed("append", journal, stdin=line_of() + "\n\n" + line_of(payload={"$bytes": "00ff"})).splitlines()
    assert len(lines) == 2
    with batpak.Store.open(journal, read_only=True) as store:
        events = list(store.query())
    assert [event.payload for event in events] == [{"x": 1}, b"\x00\xff"]
    for line, event in zip(lines, events, strict=True):
        assert line.split() == [str(event.sequence), str(event.event_id), event.event_hash.hex()]


def test_append_json_receipts(journal: Path) -> None:
    receipts = succeed_json("append", journal, stdin=f"{line_of()}\n{line_of()}\n")
    assert [receipt["batpak_receipt"] for receipt in receipts] == [1, 1]
    assert receipts[1]["sequence"] == receipts[0]["sequence"] + 1


def test_append_takes_every_member(journal: Path) -> None:
    (cause,) = succeed_json("append", journal, stdin=line_of())
    members = {
        "kind": [15, 2],
        "version": 3,
        "correlation_id": "00000000-0000-0000-0000-000000000001",
        "causation_id": cause["event_id"],
        "metadata": {"trace": "t1"},
        "private_metadata": {"why": {"$bytes": "01"}},
    }
    (receipt,) = succeed_json("append", journal, stdin=line_of(**members))
    (shown,) = succeed_json("show", journal, str(receipt["sequence"]))
    assert shown["kind"] == "0xF002"
    for name in ("version", "correlation_id", "causation_id", "metadata", "private_metadata"):
        assert shown[name] == members[name]


def test_append_options_are_defaults(journal: Path) -> None:
    defaults = ["--entity", "e", "--scope", "s", "--kind", "0xF:7", "--durability", "always"]
    succeed("append", journal, *defaults, stdin='{"payload": 1}\n{"payload": null, "scope": "other", "kind": 61448}')
    first, second = succeed_json("log", journal)
    assert (first["entity"], first["scope"], first["kind"], first["payload"]) == ("e", "s", "0xF007", 1)
    assert first["promise"] == "always"
    assert (second["entity"], second["scope"], second["kind"], second["payload"]) == ("e", "other", "0xF008", None)


def test_append_payload_only(journal: Path) -> None:
    payloads = ['{"entity": "is data here"}', "[1, 2.5]", '"text"', '{"$uuid": "00000000-0000-0000-0000-000000000001"}']
    defaults = ["--entity", "e", "--scope", "s", "--kind", "0xF001", "--payload-only"]
    succeed("append", journal, *defaults, stdin="\n".join(payloads))
    assert [event["payload"] for event in succeed_json("log", journal)] == [json.loads(text) for text in payloads]


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "7",
        '{"payload": NaN}',
        '{"payload": 1, "payload": 2}',
        line_of(metdata={}),
        line_of(entity=None),
        line_of(entity=5),
        line_of(entity="a/b"),
        line_of(scope="\ud800"),
        line_of(kind=None),
        line_of(kind="0x10000"),
        line_of(kind=[15]),
        line_of(kind=[15, 4096]),
        line_of(kind=[13, 1]),
        line_of(kind=True),
        line_of(kind=1),
        line_of(version="1"),
        line_of(version=True),
        line_of(causation_id="nobody"),
        line_of(correlation_id=5),
        line_of(metadata={"a": 1}),
        line_of(metadata=[]),
        line_of(private_metadata=[1]),
        line_of(payload={"$unknown": 1}),
        line_of(payload="\udc80"),
        line_of(payload={"nested": {"$bytes": "xyz"}}),
        '{"entity": "e", "scope": "s", "kind": 61441, "payload": ' + "[" * 1000 + "]" * 1000 + "}",
        '{"entity": "e", "scope": "s", "kind": 61441}',
    ],
)
def test_append_stops_at_a_bad_line(journal: Path, bad: str) -> None:
    done = batpak_command("append", journal, stdin=f"{line_of()}\n{bad}\n{line_of()}\n")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("batpak: line 2: ")
    assert "1 event was appended before it" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert len(succeed_json("log", journal)) == 1


def test_append_refuses_bytes_that_are_not_utf8(journal: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "append", str(journal)], input=b'{"\xff"}\n', capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 2
    assert b"line 1" in done.stderr


def test_append_to_a_signed_journal_needs_its_key(tmp_path: Path, key: Path) -> None:
    directory = tmp_path / "journal"
    succeed("init", directory, "--key", key)
    other = tmp_path / "other.pem"
    succeed("keygen", other)
    fail(12, "append", directory, stdin=line_of())
    fail(12, "append", directory, "--key", other, stdin=line_of())
    fail(12, "append", directory, "--key", tmp_path / "missing.pem", stdin=line_of())
    succeed("append", directory, "--key", key, stdin=line_of())


def test_a_second_writer_is_told_who_writes(journal: Path) -> None:
    with batpak.Store.open(journal):
        fail(11, "append", journal, stdin=line_of())
    succeed("append", journal, stdin=line_of())


# log, show, stats


def test_log_selects(journal: Path) -> None:
    lines = [
        line_of(entity="a", scope="x", kind=[15, 1]),
        line_of(entity="b", scope="x", kind=[15, 2]),
        line_of(entity="a", scope="y", kind=[15, 2]),
    ]
    receipts = succeed_json("append", journal, stdin="\n".join(lines))
    first, second, third = (receipt["sequence"] for receipt in receipts)

    def selected(*options: str) -> list[int]:
        return [event["sequence"] for event in succeed_json("log", journal, *options)]

    assert selected() == [first, second, third]
    assert selected("--entity", "a") == [first, third]
    assert selected("--scope", "x") == [first, second]
    assert selected("--kind", "0xF:2") == [second, third]
    assert selected("--after", str(first)) == [second, third]
    assert selected("--until", str(second)) == [first, second]
    assert selected("--limit", "1") == [first]
    assert selected("--system")[0] == 0
    assert len(succeed("log", journal).splitlines()) == 3


def test_log_line(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    line = succeed("log", journal).removesuffix("\n")
    sequence, time, entity, scope, kind, payload = re.split(r"\s{2,}", line.strip())
    assert (int(sequence), entity, scope, kind) == (receipt["sequence"], "player:alice", "room", "0xF001")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert json.loads(payload) == {"x": 1}


def test_nothing_unsafe_reaches_the_terminal(journal: Path) -> None:
    members = {"payload": {NASTY: [NASTY]}, "metadata": {"m": NASTY}, "private_metadata": {"p": NASTY}}
    (receipt,) = succeed_json("append", journal, stdin=line_of(**members, entity="a\u202eb"))
    for arguments in (["log"], ["log", "--tree"], ["show", str(receipt["sequence"])]):
        name, *rest = arguments
        shown = succeed(name, journal, *rest)
        assert not UNSAFE.search(shown)
        assert "\\u001b" in shown
        assert succeed_json(name, journal, *rest)[0]["payload"] == members["payload"]
    assert not UNSAFE.search(fail(2, "show", journal, NASTY))
    assert not UNSAFE.search(fail(2, NASTY))
    assert not UNSAFE.search(fail(2, "log", journal, "--limit", NASTY))


def test_escape() -> None:
    assert output.escape("a\\b\n\x00é\udc80") == "a\\\\b\\n\\u0000é\\udc80"
    assert json.loads(f'"{output.sanitize(NASTY)}"') == NASTY


def test_a_long_payload_is_summarised(journal: Path) -> None:
    succeed("append", journal, stdin=line_of(payload="x" * 10_000))
    line = succeed("log", journal)
    assert len(line) < 300
    assert line.endswith("…\n")


def test_show(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    by_sequence = succeed("show", journal, str(receipt["sequence"]))
    assert succeed("show", journal, receipt["event_id"]) == by_sequence
    for text in ("player:alice", "room", "0xF001", receipt["event_id"], receipt["event_hash"], '"x": 1'):
        assert text in by_sequence
    (shown,) = succeed_json("show", journal, receipt["event_id"])
    with batpak.Store.open(journal, read_only=True) as store:
        event = store.get(receipt["sequence"])
    assert shown["prev_hash"] == event.prev_hash.hex()
    assert shown["hlc"] == [event.hlc.wall_us, event.hlc.counter]
    assert shown["payload"] == {"x": 1}


def test_show_what_is_not_there(journal: Path) -> None:
    fail(1, "show", journal, "999")
    fail(1, "show", journal, "01890000-0000-7000-8000-000000000000")
    fail(2, "show", journal, "player:alice")


def test_stats(journal: Path) -> None:
    fill(journal, drafts(3))
    (figures,) = succeed_json("stats", journal)
    assert figures["name"] == "batpak.local"
    assert isinstance(figures["events"], int)
    assert figures["journal_id"] in succeed("stats", journal)


def test_reading_needs_no_write_permission_and_writes_nothing(journal: Path) -> None:
    fill(journal, drafts(2))

    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(journal.rglob("*")) if path.is_file()}

    before = contents()
    for arguments in (["log"], ["log", "--tree"], ["show", "0"], ["stats"], ["verify"]):
        name, *rest = arguments
        succeed(name, journal, *rest)
    assert contents() == before


# log --tree


def test_tree_puts_effects_under_their_cause(journal: Path) -> None:
    coordinate, elsewhere = batpak.Coordinate("e", "s"), batpak.Coordinate("f", "s")
    fill(
        journal,
        [
            batpak.Draft(coordinate, "root", kind=KIND),
            batpak.Draft(coordinate, "other root", kind=KIND),
            batpak.Draft(coordinate, "child", kind=KIND, causation_id=0),
            batpak.Draft(elsewhere, "grandchild", kind=KIND, causation_id=2),
            batpak.Draft(coordinate, "last child", kind=KIND, causation_id=0),
        ],
    )
    lines = succeed("log", journal, "--tree").splitlines()
    assert [re.sub(r"^.*?(?=[├└│]|e  s)", "", line).replace('"', "") for line in lines] == [
        "e  s  0xF001  root",
        "├─ 0xF001  child",
        "│  └─ f  s  0xF001  grandchild",
        "└─ 0xF001  last child",
        "e  s  0xF001  other root",
    ]
    assert re.search(r"\+0\.\d{6}s  ├─", lines[1])
    depths = [(event["tree"]["depth"], event["tree"]["parent"]) for event in succeed_json("log", journal, "--tree")]
    root = succeed_json("log", journal)[0]["sequence"]
    assert depths == [(0, None), (1, root), (2, root + 2), (1, root), (0, None)]


def test_tree_says_when_the_cause_is_not_shown(journal: Path) -> None:
    (receipt,) = succeed_json("append", journal, stdin=line_of())
    succeed("append", journal, stdin=line_of(causation_id=receipt["event_id"]))
    line = succeed("log", journal, "--tree", "--after", str(receipt["sequence"]))
    assert f"(caused by {receipt['event_id']}, not shown)" in line


def test_tree_of_a_long_chain_stays_flat(journal: Path) -> None:
    count = 5000
    coordinate = batpak.Coordinate("e", "s")
    fill(journal, [batpak.Draft(coordinate, n, kind=KIND, causation_id=n - 1 if n else None) for n in range(count)])
    lines = succeed("log", journal, "--tree").splitlines()
    assert len(lines) == count
    assert max(map(len, lines)) < 250
    assert f"(depth {count - 1})" in lines[-1]


def test_tree_where_boxes_cannot_be_drawn(journal: Path) -> None:
    fill(journal, [*drafts(1, "é"), batpak.Draft(batpak.Coordinate("e", "s"), "child", kind=KIND, causation_id=0)])
    done = batpak_command("log", journal, "--tree", environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "`- " in done.stdout
    assert "\\xe9" in done.stdout


# verify


def test_verify_a_sound_journal(journal: Path) -> None:
    fill(journal, drafts(3))
    lines = succeed("verify", journal).splitlines()
    for axis in ("content", "order", "completeness"):
        assert any(re.match(rf"{axis} +passed", line) for line in lines)
    assert any("chained" in line for line in lines)
    assert lines[-1].startswith("verdict: nothing failed")
    (verdict,) = succeed_json("verify", journal)
    assert verdict["axes"]["content"] == "passed"
    assert verdict["findings"] == []
    assert verdict["verdict"].startswith("nothing failed")


def test_verify_a_signed_journal(tmp_path: Path, key: Path) -> None:
    directory, public, other = tmp_path / "journal", tmp_path / "public.pem", tmp_path / "other.pem"
    public.write_text(batpak.SigningKey.load(key).public_key.to_pem(), encoding="ascii")
    other.write_text(batpak.SigningKey.generate().public_key.to_pem(), encoding="ascii")
    succeed("init", directory, "--key", key)
    (verdict,) = succeed_json("verify", directory, "--public-key", public)
    assert verdict["axes"]["signatures"] == "passed"
    fail_code = batpak_command("verify", directory, "--public-key", other)
    assert fail_code.returncode == 3
    assert "damaged or tampered" in fail_code.stdout
    fail(12, "verify", directory, "--public-key", tmp_path / "missing.pem")


def test_verify_names_the_damage(journal: Path) -> None:
    fill(journal, drafts(1, "the original words"))
    (segment,) = (journal / "segments").glob("*.log")
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b"original", b"patched!"))
    done = batpak_command("verify", journal)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    finding = next(line for line in done.stdout.splitlines() if line.startswith("finding: "))
    assert segment.name in finding
    assert re.search(r"offset \d+", finding)
    assert done.stdout.splitlines()[-1].startswith("verdict: damaged or tampered with")
    assert not UNSAFE.search(done.stdout)
    (verdict,) = [json.loads(line) for line in batpak_command("verify", journal, "--json").stdout.splitlines()]
    assert verdict["findings"][0]["offset"] is not None
    fail(3, "log", journal)


def test_verify_rebuilds_the_copy_of_event_0(journal: Path) -> None:
    meta = journal / "journal.meta"
    before = meta.read_bytes()
    meta.unlink()
    succeed("verify", journal, "--rebuild-meta")
    assert meta.read_bytes() == before


@pytest.mark.parametrize(
    ("outcome", "signatures", "unverifiable", "expected"),
    [
        ("signed", "passed", 0, 0),
        ("unsigned_accepted", "absent", 0, 0),
        ("invalid", "failed", 0, 3),
        ("unverifiable", "not_checked", 0, 4),
        ("signed", "not_checked", 0, 4),
        ("signed", "passed", 1, 4),
    ],
)
def test_verify_exit_codes(outcome: Outcome, signatures: AxisState, unverifiable: int, expected: int) -> None:
    axes = batpak.Axes(content="passed", order="passed", completeness="passed", anchors="absent", signatures=signatures)
    verification = batpak.Verification(
        outcome=outcome,
        reason_code=None,
        rung=1,
        axes=axes,
        events=1,
        complete_to=1,
        erased=0,
        unverifiable=unverifiable,
        findings=(),
    )
    assert verify.exit_code_of_verdict(verification) == expected


# Pipes and signals


def test_a_reader_that_leaves_ends_the_command_quietly(journal: Path) -> None:
    fill(journal, drafts(3000))
    for options in ([], ["--json"], ["--tree"]):
        with subprocess.Popen(
            [*COMMAND, "log", str(journal), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(TIMEOUT_S) == 0


def test_append_says_how_far_it_came_when_receipts_are_not_read(journal: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "append", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.close()
        assert process.stderr.read() == b"batpak: stdout was closed; 2 events were appended\n"
        assert process.wait(TIMEOUT_S) == 1


def test_stdout_closed_from_the_start(journal: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "log", str(journal)],
        stderr=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_below_stdout_is_reported(journal: Path) -> None:
    fill(journal, drafts(1))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "log", str(journal)], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"batpak: ")


def test_interrupted(journal: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "append", str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line_of().encode() + b"\n")
        process.stdin.flush()
        # The receipt says that the command is waiting for the next line.
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        # Should the signal have come just before the command began to wait, the end of stdin wakes it.
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 130
        assert b"Traceback" not in process.stderr.read()
    assert len(succeed_json("log", journal)) == 1


# Kinds


@pytest.mark.parametrize("text", ["0xF:1", "15:1", "0xF001", "61441", "0xf:0x1"])
def test_kinds_on_the_command_line(text: str) -> None:
    assert parse_kind(text) == KIND
    assert kind_from_json(text) == KIND


@pytest.mark.parametrize("value", [[15, 1], 0xF001, "0xF001"])
def test_kinds_in_json(value: object) -> None:
    assert kind_from_json(value) == KIND


@pytest.mark.parametrize("text", ["", ":", "16:1", "1:4096", "-1", "0x10000", "F001", "1:2:3"])
def test_what_is_no_kind(text: str) -> None:
    with pytest.raises(ValueError, match=r"kind|category|type id"):
        parse_kind(text)
