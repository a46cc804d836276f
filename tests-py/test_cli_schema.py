"""``batpak schema``: the module of a user, imported from the current directory; what can be read, and what is safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import batpak
from cli_support import COMMAND, NASTY, TIMEOUT_S, UNSAFE

MODULE = """
import batpak
from dataclasses import dataclass
print("this must not be in the output")

OWN = batpak.Registry()

@batpak.event(category=0xF, type_id=1, version=1)
@dataclass
class Paid:
    cents: int

@OWN.event(category=0xF, type_id=9)
@dataclass
class Positive:
    number: int

    def __post_init__(self):
        if self.number < 10:
            raise ValueError("too small")

class Holder:
    registry = OWN
    samples = {Positive: [Positive(10), Positive(20)]}
"""


class Workplace:
    """A directory with a module, and the command run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(MODULE)

    def write(self, text: str) -> None:
        (self.path / "shop.py").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND[0], *flags, *COMMAND[1:], "schema", *arguments],
            cwd=self.path,
            # A changed module of the same second must not be read from a stale cache.
            env={
                **os.environ,
                "PYTHONPATH": str(Path(batpak.__file__).parent.parent),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONIOENCODING": "utf-8",
            },
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )

    def succeed(self, *arguments: str) -> list[str]:
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "this must not be in the output\n")
        return done.stdout.splitlines()

    def fail(self, exit_code: int, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == exit_code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_freeze_and_check(shop: Workplace) -> None:
    assert shop.succeed("freeze", "shop", "--dir", "frozen") == ["0xF001.v1.json  Paid  frozen, 1 sample"]
    assert shop.succeed("freeze", "shop", "--dir", "frozen") == ["0xF001.v1.json  Paid  as it was, 1 sample"]
    assert shop.succeed("check", "shop", "--dir", "frozen") == ["0xF001.v1.json  Paid  1 sample read, nothing changed"]
    assert os.listdir(shop.path / "frozen") == ["0xF001.v1.json"]


def test_json(shop: Workplace) -> None:
    [line] = shop.succeed("freeze", "shop", "--dir", "frozen", "--json")
    assert json.loads(line) == {
        "type_name": "Paid",
        "kind_code": 0xF001,
        "version": 1,
        "file": "0xF001.v1.json",
        "written": True,
        "samples": 1,
        "refused": 0,
    }
    shop.write(MODULE.replace("cents: int", "cents: str\n    note: str = ''"))
    done = shop.run("check", "shop", "--dir", "frozen", "--json")
    assert done.returncode == 1
    result, summary = map(json.loads, done.stdout.splitlines())
    assert summary == {"ok": False, "not_frozen": []}
    assert [(each["where"], each["what"], each["safe"]) for each in result["changes"]] == [
        ("Paid.cents", "type_changed", False),
        ("Paid.note", "field_added", True),
    ]
    assert result["failures"] == ["sample 1: payload.cents: expected str, found int"]
    assert result["ok"] is False


def test_what_changed_is_said_in_words(shop: Workplace) -> None:
    shop.succeed("freeze", "shop", "--dir", "frozen")
    shop.write(MODULE.replace("cents: int", "cents: int | None\n    note: str = ''"))
    assert shop.succeed("check", "shop", "--dir", "frozen") == [
        "0xF001.v1.json  Paid  1 sample read, with safe changes",
        "    safe    Paid.cents may be None too",
        "    safe    Paid.note was added, with a default",
    ]
    shop.write(MODULE.replace("cents: int", "euros: int"))
    done = shop.run("check", "shop", "--dir", "frozen")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "0xF001.v1.json  Paid  cannot be read"
    assert "    UNSAFE  Paid.cents is gone, or is called euros now" in done.stdout
    assert "    FAILED  sample 1: payload.euros: missing" in done.stdout
    assert "raise version=" in shop.fail(1, "freeze", "shop", "--dir", "frozen")


def test_a_new_version_with_an_upcaster(shop: Workplace) -> None:
    shop.succeed("freeze", "shop", "--dir", "frozen")
    second = MODULE.replace("type_id=1, version=1", "type_id=1, version=2").replace("cents: int", "euros: int")
    shop.write(second)
    done = shop.run("check", "shop", "--dir", "frozen")
    assert done.returncode == 1
    assert "FAILED  nothing lifts version 1 to 2" in done.stdout
    upcaster = """
@batpak.upcast(Paid, from_version=1)
def in_euros(plain):
    return {"euros": plain["cents"] // 100}
"""
    shop.write(second + upcaster)
    assert shop.succeed("check", "shop", "--dir", "frozen") == [
        "0xF001.v1.json  Paid  1 sample read, lifted to version 2",
        "not frozen yet: Paid version 2",
    ]
    shop.succeed("freeze", "shop", "--dir", "frozen")
    assert len(shop.succeed("check", "shop", "--dir", "frozen")) == 2
    shop.write(second.replace("version=2", "version=3") + upcaster)
    assert "nothing lifts version 2 of Paid" in shop.fail(1, "check", "shop", "--dir", "frozen")


def test_a_registry_and_samples_of_the_module(shop: Workplace) -> None:
    assert "accepts no sample" in shop.fail(2, "freeze", "shop:OWN", "--dir", "frozen")
    assert shop.succeed("freeze", "shop:Holder.registry", "--dir", "frozen", "--samples", "Holder.samples") == [
        "0xF009.v1.json  Positive  frozen, 2 samples; 1 made from the annotations were refused"
    ]
    assert shop.succeed("check", "shop:OWN", "--dir", "frozen") == [
        "0xF009.v1.json  Positive  2 samples read, nothing changed"
    ]


@pytest.mark.parametrize(
    ("exit_code", "arguments", "message"),
    [
        (2, ("check", "nowhere", "--dir", "frozen"), "cannot import nowhere"),
        (2, ("check", "shop.nowhere", "--dir", "frozen"), "cannot import shop.nowhere"),
        (2, ("check", "", "--dir", "frozen"), "names no module"),
        (2, ("check", ".shop", "--dir", "frozen"), "names no module"),
        (2, ("check", "shop:NONE", "--dir", "frozen"), "shop has no NONE"),
        (2, ("check", "shop:Paid", "--dir", "frozen"), "is no batpak.Registry"),
        (2, ("check", "json", "--dir", "frozen"), "no class is registered"),
        (2, ("check", "shop", "--dir", "frozen"), "freeze them first"),
        (2, ("check", "shop", "--dir", "frozen", "--samples", "x"), "--samples is for freeze"),
        (2, ("freeze", "shop", "--dir", "frozen", "--samples", "x"), "shop has no x"),
        (2, ("freeze", "shop", "--dir", "frozen", "--samples", "Paid"), "a dict from class"),
        (2, ("freeze", "shop"), "--dir"),
        (2, ("thaw", "shop", "--dir", "frozen"), "invalid choice"),
        (2, ("freeze", "shop", "--dir", "shop.py"), "name the directory"),
        (2, ("check", "shop", "--dir", "shop.py"), "name the directory"),
    ],
)
def test_what_cannot_be_done(shop: Workplace, exit_code: int, arguments: tuple[str, ...], message: str) -> None:
    assert message in shop.fail(exit_code, *arguments)


@pytest.mark.parametrize(
    "line", ["raise ValueError('own')", "import sys; sys.exit('own')", "import own_missing", "own("]
)
def test_a_module_that_fails(shop: Workplace, line: str) -> None:
    shop.write(line)
    message = shop.fail(1, "freeze", "shop", "--dir", "frozen")
    assert message.startswith("batpak: cannot import shop: ")
    assert "own" in message or "SyntaxError" in message
    assert not (shop.path / "frozen").exists()


def test_a_damaged_file(shop: Workplace) -> None:
    shop.succeed("freeze", "shop", "--dir", "frozen")
    (shop.path / "frozen" / "0xF001.v1.json").write_text("{}")
    assert "restore it from version control" in shop.fail(2, "check", "shop", "--dir", "frozen")


def test_the_current_directory_is_imported_from_as_python_does(shop: Workplace) -> None:
    assert shop.run("freeze", "shop", "--dir", "frozen", flags=("-P",)).returncode == 2
    script = shop.path / "elsewhere" / "batpak-script.py"
    script.parent.mkdir()
    script.write_text("import sys; from batpak._cli import main; sys.exit(main())")
    done = subprocess.run(
        [sys.executable, script, "schema", "freeze", "shop", "--dir", "frozen"],
        cwd=shop.path,
        env={**os.environ, "PYTHONPATH": str(Path(batpak.__file__).parent.parent)},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0xF001.v1.json  Paid  frozen, 1 sample\n")


def test_names_are_harmless(shop: Workplace) -> None:
    shop.write(f"""
import batpak, typing
batpak.event(category=0xF, type_id=1)(typing.TypedDict("T", {{{NASTY!r}: int}}))
""")
    first = shop.run("freeze", "shop", "--dir", "frozen")
    assert (first.returncode, first.stderr) == (0, "")
    assert (shop.path / "frozen" / "0xF001.v1.json").read_bytes().isascii()
    shop.write("""
import batpak, typing
batpak.event(category=0xF, type_id=1)(typing.TypedDict("T", {"x": int}))
""")
    done = shop.run("check", "shop", "--dir", "frozen")
    assert done.returncode == 1
    assert UNSAFE.search(done.stdout.replace("\n", "")) is None


def test_strict_finds_what_was_not_frozen(shop: Workplace) -> None:
    shop.succeed("freeze", "shop", "--dir", "frozen")
    shop.succeed("check", "shop", "--dir", "frozen", "--strict")
    shop.write(
        MODULE.replace(
            "\nclass Holder",
            "\n@batpak.event(category=0xF, type_id=2)\n@dataclass\nclass Late:\n    x: int\n\nclass Holder",
        )
    )
    assert shop.succeed("check", "shop", "--dir", "frozen")[-1] == "not frozen yet: Late version 1"
    done = shop.run("check", "shop", "--dir", "frozen", "--strict")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "not frozen yet: Late version 1")
    done = shop.run("check", "shop", "--dir", "frozen", "--strict", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1]) == {"ok": True, "not_frozen": ["Late version 1"]}
    assert "--strict is for check" in shop.fail(2, "freeze", "shop", "--dir", "frozen", "--strict")
