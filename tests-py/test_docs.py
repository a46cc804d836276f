"""What the documents show runs: the Python blocks of the README and of ``docs/``, and the examples of the public modules."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import batpak
from support import run_child

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

BLOCKS = [
    pytest.param(block, id=f"{document.relative_to(ROOT)}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(PYTHON_BLOCK.findall(document.read_text(encoding="utf-8")), 1)
]
MODULES = sorted(
    {"batpak", *(each.name for each in pkgutil.walk_packages(batpak.__path__, "batpak."))} - {"batpak.__main__"}
)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_run_by_themselves(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a program of its own, started in an empty directory."""
    monkeypatch.chdir(tmp_path)
    done = run_child(block)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    # The public names are there without an import, as they are for a reader of the documentation.
    names = {each: getattr(batpak, each) for each in batpak.__all__} | {"batpak": batpak} | vars(module)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in finder.find(module, name, module=False if name == "batpak._batpak" else None, globs=names):
        report: list[str] = []
        runner.run(test, out=report.append, clear_globs=False)
        assert report == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Coordinate", "Kind", "Draft", "Store", "SigningKey", "Registry"])
def test_the_classes_that_one_begins_with_have_an_example(name: str) -> None:
    cls = getattr(batpak, name)
    documented = [cls, *(getattr(cls, each) for each in dir(cls) if not each.startswith("_"))]
    assert any(">>> " in (each.__doc__ or "") for each in documented)


def test_the_example_of_the_readme_runs_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the guide's first one goes on in the same directory."""
    monkeypatch.chdir(tmp_path)
    [readme] = PYTHON_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    guide = PYTHON_BLOCK.findall((ROOT / "docs" / "guide.md").read_text(encoding="utf-8"))[0]
    for block in (readme, readme, guide):
        done = run_child(block)
        assert (done.returncode, done.stderr) == (0, "")
