"""What a case is, and how the files of the corpus are written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One thing that must be accepted, or must be refused.

    Attributes:
        name: unique in the whole corpus.
        description: what was done, and why the verdict must be this, with the section of FORMAT.md.
        verdict: "accept" or "reject".
        code: of the error, or of the finding, that the project's verifiers give; None if accepted.
        axis: of the finding; None if it is no finding.
        outcome: what the verdict is called, if something was verified; None otherwise.
        given: the members of the JSON object that are the input.
        files: the binary files of the input, by their path in the corpus.
    """

    name: str
    description: str
    verdict: str
    code: str | None = None
    axis: str | None = None
    outcome: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The case as the corpus has it."""
        said: dict[str, Any] = {"name": self.name, "description": self.description, "verdict": self.verdict}
        if self.verdict == "reject":
            said["code"] = self.code
        if self.axis is not None:
            said["axis"] = self.axis
        if self.outcome is not None:
            said["outcome"] = self.outcome
        return {**said, **self.given}


def accept(
    name: str, description: str, *, outcome: str | None = None, files: dict[str, bytes] | None = None, **given: Any
) -> Case:
    """A case that must be accepted."""
    return Case(name, description, "accept", outcome=outcome, given=given, files=files or {})


def reject(
    name: str,
    description: str,
    code: str,
    *,
    axis: str | None = None,
    files: dict[str, bytes] | None = None,
    **given: Any,
) -> Case:
    """A case that must be refused. With an axis, the input is read and a verdict says what is wrong with it."""
    outcome = None if axis is None else "invalid"
    return Case(name, description, "reject", code, axis, outcome, given, files or {})


def write(directory: Path, kind: str, cases: list[Case]) -> None:
    """Write the JSON file of a kind, and the files that its cases name."""
    document = {"batpak_corpus": 1, "kind": kind, "cases": [case.to_json() for case in cases]}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (directory / f"{kind}.json").write_text(f"{text}\n", encoding="utf-8")
    for case in cases:
        for name, content in case.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
