"""``batpak verify``: what can be proved about a journal, axis by axis."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import batpak
from batpak._verification import RUNGS

from . import output
from .advice import in_options
from .exit_codes import OK, TAMPERED, UNCHECKED, USAGE, CommandError
from .opening import (
    add_json,
    add_key,
    add_quiet,
    load_key,
    load_public_key,
    require_directory,
)
from .other_forms import refuse_another_form
from .progress import Progress

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Check every byte of a journal, or an evidence bundle. Exit status: 0 nothing failed, 3 damaged or tampered "
        "with, 4 something that is present could not be checked."
    )
    parser.add_argument("directory", metavar="DIR|FILE", type=Path, help="the journal's directory, or a bundle")
    parser.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        help="the signer's public key (PEM), known from elsewhere: otherwise the key that the journal names counts",
    )
    parser.add_argument(
        "--pins", metavar="DIR", type=Path, help="the directory outside the journal's that remembers its checkpoints"
    )
    parser.add_argument(
        "--rebuild-meta", action="store_true", help="first write journal.meta, a copy, again from the log"
    )
    add_key(parser, purpose="with --rebuild-meta: the key of a signed journal")
    add_json(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check and print the verdict."""
    require_directory(arguments.directory)
    public_key = load_public_key(arguments.public_key)
    if arguments.directory.is_file():
        if arguments.rebuild_meta or arguments.pins is not None:
            raise CommandError("--rebuild-meta and --pins are for journals, not for an evidence bundle", USAGE)
        try:
            verification = batpak.verify_evidence(arguments.directory, public_key=public_key)
        except batpak.InvalidProof as error:
            refuse_another_form(arguments.directory)
            raise CommandError(f"{arguments.directory}: {error}", TAMPERED) from error
        # What was left out of a choice cannot be told, and is no fault of it.
        wanted = dataclasses.replace(verification.axes, completeness="absent")
        return _told(verification, exit_code_of_verdict(dataclasses.replace(verification, axes=wanted)), arguments)
    if arguments.rebuild_meta:
        key = load_key(arguments.key)
        batpak.Store.open(arguments.directory, create=False, signing_key=key, rebuild_meta=True).close()
    with Progress("verify", f"checking {_log_size(arguments.directory)}", quiet=arguments.quiet):
        verification = _in_options(batpak.verify(arguments.directory, public_key=public_key, pins=arguments.pins))
    return _told(verification, exit_code_of_verdict(verification), arguments)


def _told(verification: batpak.Verification, exit_code: int, arguments: argparse.Namespace) -> int:
    sentence = _sentence(verification, exit_code)
    if arguments.json:
        output.write_json(output.plain({**verification.to_dict(), "verdict": sentence}))
    else:
        _print(verification)
        output.write(f"verdict: {sentence}")
    return exit_code


def exit_code_of_verdict(verification: batpak.Verification) -> int:
    """The exit status: a failure outweighs what could not be checked."""
    axes = dataclasses.astuple(verification.axes)
    if not verification.ok or verification.outcome == "invalid" or "failed" in axes:
        return TAMPERED
    if "not_checked" in axes or verification.outcome == "unverifiable" or verification.unverifiable:
        return UNCHECKED
    return OK


def _in_options(verification: batpak.Verification) -> batpak.Verification:
    """The verdict with advice in the command's words."""
    findings = (dataclasses.replace(finding, message=in_options(finding.message)) for finding in verification.findings)
    return dataclasses.replace(verification, findings=tuple(findings))


def _log_size(directory: Path) -> str:
    """How much there is to check: all that is known before it is checked."""
    total = 0
    # What cannot be read is not for this to say.
    with suppress(OSError):
        total = sum(segment.stat().st_size for segment in (directory / "segments").glob("*.log"))
    return f"{total / 1_000_000:,.1f} MB of log"


def _print(verification: batpak.Verification) -> None:
    output.write(f"{'events':<12}  {verification.events}")
    for axis in dataclasses.fields(verification.axes):
        state = getattr(verification.axes, axis.name).replace("_", " ")
        if axis.name == "completeness" and verification.complete_to is not None:
            state += f" (up to {verification.complete_to} events)"
        if axis.name == "anchors" and verification.checkpoint_size is not None:
            state += f" (signed checkpoint over {verification.checkpoint_size} events)"
        output.write(f"{axis.name:<12}  {state}")
    output.write(f"{'rung':<12}  {verification.rung} of {len(RUNGS) - 1}: {RUNGS[verification.rung]}")
    if verification.erased:
        output.write(f"{'erased':<12}  {verification.erased}")
    if verification.unverifiable:
        output.write(f"{'unverifiable':<12}  {verification.unverifiable}")
    for finding in verification.findings:
        output.write(f"finding: {_finding_text(finding)}")


def _finding_text(finding: batpak.Finding) -> str:
    text = f"{finding.axis}: {finding.code}: {finding.message}"
    place = []
    if finding.file is not None:
        place.append(f"file {finding.file}")
    if finding.offset is not None:
        place.append(f"offset {finding.offset}")
    if finding.sequence is not None:
        place.append(f"sequence {finding.sequence}")
    return output.escape(f"{text} ({', '.join(place)})" if place else text)


def _sentence(verification: batpak.Verification, exit_code: int) -> str:
    reason = "" if verification.reason_code is None else f" ({verification.reason_code})"
    outcome = verification.outcome.replace("_", " ") + reason
    rung = f"rung {verification.rung}, {RUNGS[verification.rung]}"
    if exit_code == TAMPERED:
        count = len(verification.findings)
        return f"damaged or tampered with: {outcome}, {count} finding{'' if count == 1 else 's'}"
    if exit_code == UNCHECKED:
        axes = [axis.name for axis in dataclasses.fields(verification.axes) if _unchecked(verification, axis.name)]
        return f"nothing failed, but not everything was checked: {outcome}, {', '.join(axes) or 'events'}; {rung}"
    return f"nothing failed: {outcome}, {verification.events} events; {rung}"


def _unchecked(verification: batpak.Verification, axis: str) -> bool:
    return bool(getattr(verification.axes, axis) == "not_checked")
