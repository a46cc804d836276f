"""The public surface: complete, documented, typed, and without effects at import."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import _errors, schema
from support import child_says, run_child

PACKAGE = Path(batpak.__file__).parent


def public_names(module: types.ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    } - {"annotations"}


def test_all_is_complete() -> None:
    assert set(batpak.__all__) == public_names(batpak)
    # Constants first, as the linter has it.
    assert list(batpak.__all__) == sorted(batpak.__all__, key=lambda name: (not name.isupper(), name))
    for name in batpak.__all__:
        assert getattr(batpak, name) is not None


def test_version() -> None:
    assert batpak.__version__ == metadata.version("batpak")
    assert re.fullmatch(r"\d+\.\d+\.\d+", batpak.__version__)


def test_no_dependency_and_typed() -> None:
    assert metadata.requires("batpak") is None
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_batpak.pyi").is_file()


# -- import -----------------------------------------------------------------------------------------------------------

IMPORT = """
import sys
opened, started = [], []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith((".py", ".pyc", ".so", "__pycache__")):
        opened.append(arguments[0])
    if event in ("subprocess.Popen", "socket.__new__", "os.mkdir", "_thread.start_new_thread", "signal.signal", "os.fork"):
        started.append(event)
import os, threading
before = set(sys.modules)
handlers = [__import__("signal").getsignal(number) for number in (1, 2, 15)]
sys.addaudithook(hook)
import batpak
assert started == [], started
assert [name for name in opened if "batpak" in name] == [], opened
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1 if os.path.isdir("/proc/self/task") else True
assert handlers == [__import__("signal").getsignal(number) for number in (1, 2, 15)]
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new))
"""
UNWANTED = {"asyncio", "pydantic", "numpy", "msgspec", "attrs", "attr", "multiprocessing", "concurrent", "socket", "ssl",
            "subprocess", "argparse", "http", "email", "tempfile", "unittest"}  # fmt: skip


def test_import_has_no_effect() -> None:
    new = set(child_says(IMPORT).split())
    assert "batpak" in new
    assert not new & UNWANTED
    assert {name for name in new if name not in sys.stdlib_module_names} == {"batpak"}


@pytest.mark.parametrize(
    "module",
    [
        "batpak._errors",
        "batpak._schemas.registry",
        "batpak._json",
        "batpak.audit",
        "batpak.schema",
        "batpak.testing",
        "batpak._cli",
        "batpak._fork",
    ],
)
def test_every_module_can_be_the_first(module: str) -> None:
    assert child_says(f"import {module}") == ""


def test_importing_is_not_opening(tmp_path: Path) -> None:
    code = "import os, sys; os.chdir(sys.argv[1]); import batpak, batpak.audit, batpak._cli; print(os.listdir('.'))"
    assert child_says(code, tmp_path) == "[]"


def test_at_fork_handlers_come_with_the_first_store(tmp_path: Path) -> None:
    code = """
import logging, os, random, sys, threading
calls = []
os.register_at_fork = lambda **handlers: calls.append(sorted(handlers))
import batpak
assert calls == []
for number in range(3):
    batpak.Store.open(f"{sys.argv[1]}/{number}").close()
print(calls)
"""
    assert child_says(code, tmp_path) == "[['after_in_child']]"


def test_works_without_docstrings_and_asserts(tmp_path: Path) -> None:
    code = """
import subprocess, sys
program = "import sys, batpak\\nwith batpak.Store.open(sys.argv[1]) as s: print(s.append(batpak.Coordinate('a', 'b'), 1, kind=0xF001).sequence)"
print(subprocess.run([sys.executable, "-OO", "-c", program, sys.argv[1]], check=True, capture_output=True, text=True).stdout)
"""
    done = run_child(code, tmp_path / "journal")
    assert (done.stdout.strip(), done.stderr) == ("1", "")


# -- documentation ----------------------------------------------------------------------------------------------------


def members_of(cls: type) -> dict[str, Any]:
    """What the class has of its own and from bases of the package, which are not public themselves."""
    return {
        name: attribute
        for each in reversed(cls.__mro__)
        if each.__module__.partition(".")[0] == "batpak"
        for name, attribute in vars(each).items()
    }


def documented() -> list[Any]:
    found = []
    for name in batpak.__all__:
        value = getattr(batpak, name)
        found.append(pytest.param(value, id=name))
        if not inspect.isclass(value):
            continue
        for member, attribute in members_of(value).items():
            if (
                member.startswith("_")
                or issubclass(value, batpak.BatpakError)
                or isinstance(attribute, types.MemberDescriptorType)
            ):
                continue
            if isinstance(attribute, staticmethod | classmethod | property) or callable(attribute):
                found.append(pytest.param(attribute, id=f"{name}.{member}"))
    return found


@pytest.mark.parametrize("value", documented())
def test_everything_public_has_a_docstring(value: object) -> None:
    text = inspect.getdoc(value) or ""
    assert len(text) > 5
    assert text.rstrip()[-1] in ".`>])}'" or ">>> " in text


def test_dataclasses_tell_their_attributes() -> None:
    for cls in (
        batpak.Hlc,
        batpak.AppendReceipt,
        batpak.OpenReport,
        batpak.StoreStats,
        batpak.Axes,
        batpak.Finding,
        batpak.Verification,
        schema.FrozenClass,
        schema.FreezeReport,
        schema.SchemaChange,
        schema.SchemaReport,
        schema.SchemaResult,
    ):
        text = cls.__doc__ or ""
        for name in cls.__dataclass_fields__:
            assert name.startswith("_") or f"    {name}: " in text, (cls, name)


# -- exceptions -------------------------------------------------------------------------------------------------------


def exceptions() -> list[type[batpak.BatpakError]]:
    return [
        value for value in vars(_errors).values() if isinstance(value, type) and issubclass(value, batpak.BatpakError)
    ]


def test_every_exception_is_public_and_has_its_own_code() -> None:
    codes = [cls.code for cls in exceptions()]
    assert len(set(codes)) == len(codes)
    for cls in exceptions():
        assert getattr(batpak, cls.__name__) is cls
        assert "code" in vars(cls)
        assert re.fullmatch("[a-z_]+", cls.code)


def test_the_tree_is_the_one_that_the_module_opens_with() -> None:
    text = ast.get_docstring(ast.parse(Path(_errors.__file__).read_text(encoding="utf-8")))
    assert text is not None
    drawn: dict[str, str | None] = {}
    also: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        found = re.match(r"^([ │├└─]*)([A-Z]\w+)(?: \(also (\w+)\))?", line)
        if found is None or found[2] not in vars(_errors):
            continue
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        drawn[found[2]] = above[depth - 1] if depth else None
        if found[3]:
            also[found[2]] = found[3]
    assert drawn == {
        cls.__name__: None if cls is batpak.BatpakError else cls.__bases__[0].__name__ for cls in exceptions()
    }
    assert also == {cls.__name__: cls.__bases__[1].__name__ for cls in exceptions() if len(cls.__bases__) > 1}


@pytest.mark.parametrize("cls", exceptions(), ids=lambda cls: cls.__name__)
def test_exceptions_travel_with_their_attributes(cls: type[batpak.BatpakError]) -> None:
    names = cls._attribute_names()
    values = {name: 5 if name in {"errno", "offset", "sequence"} else f"a {name}" for name in names}
    error = cls("what happened", **values)
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert type(each) is cls
        assert (str(each), each.message, each.code) == ("what happened", "what happened", cls.code)
        assert {name: getattr(each, name) for name in names} == values
    with pytest.raises(TypeError):
        cls("x", no_such_attribute=1)
    bare = cls("x")
    assert all(getattr(bare, name) is None for name in names)
