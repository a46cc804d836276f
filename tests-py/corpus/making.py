"""Writes all files of the corpus."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from corpus import bundles, cases, headers, journals, notes, proofs, receipts, values

if TYPE_CHECKING:
    from corpus.cases import Case

README: Final = "README.md"
"""The one file that is written by hand."""
RANDOM: Final = "journals"
"""The one kind whose files differ from one making to the next: journals have random ids, salts and nonces."""


def all_cases(room: Path) -> dict[str, list[Case]]:
    """The cases of each kind; journals are made and changed in this directory."""
    return {
        "values": values.cases(),
        "headers": headers.cases(),
        "receipts": receipts.cases(),
        "notes": notes.cases(),
        "keys": notes.keys(),
        "inclusion": proofs.inclusion(),
        "proofs": proofs.texts(),
        "consistency": proofs.consistencies(),
        "bundles": bundles.cases(),
        RANDOM: journals.cases(room),
    }


def make(directory: Path) -> None:
    """Write the corpus into a directory, from which everything but the text for people is removed first."""
    with tempfile.TemporaryDirectory() as room:
        made = all_cases(Path(room))
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != README:
            path.unlink()
    for kind, of_kind in made.items():
        cases.write(directory, kind, of_kind)
