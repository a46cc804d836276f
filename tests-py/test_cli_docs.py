"""What docs/cli.md shows runs, and it leaves out no command and no option."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batpak._cli import COMMANDS, command_line
from batpak._cli.completion_tree import tree_of
from cli_support import TIMEOUT_S

DOCUMENT = (Path(__file__).parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_the_examples_run_one_after_the_other(tmp_path: Path) -> None:
    assert BASH is not None
    script = f'set -euo pipefail\nbatpak() {{ "$PYTHON" -m batpak "$@"; }}\n{"".join(EXAMPLES)}'
    done = subprocess.run(
        [BASH, "--norc", "--noprofile", "-c", script],
        cwd=tmp_path,
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin", **python_path()},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0


def python_path() -> dict[str, str]:
    """Where the tests found the package, should it not be installed."""
    import batpak

    return {"PYTHONPATH": str(Path(batpak.__file__).parent.parent)}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_section_with_an_example(name: str) -> None:
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert f"batpak {name} " in "".join(re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL))


def test_every_option_is_explained() -> None:
    flags = {option.flags[-1] for each in tree_of(command_line(COMMANDS)[0]).commands for option in each.options}
    missing = {flag for flag in flags if not re.search(rf"(?<![\w-]){flag}(?![\w-])", DOCUMENT)}
    assert missing == set()
