"""``batpak report``: what was found in a journal, in a form that two auditors can compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import output
from .exit_codes import FAILED, OK, TAMPERED, USAGE, CommandError
from .export import refuse_inside, written_to
from .opening import add_directory, add_json, open_reading
from .selecting import add_filters, add_range, filters, in_range
from .show import parse_ref

if TYPE_CHECKING:
    import argparse

    import batpak

_REPORTS: Final = ("chain", "read", "resources")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Report on a journal: the chain of an event's entity back to its first event (chain DIR REF), every event that "
        "fits (read DIR), or what the journal consists of (resources DIR). The same history gives the same body hash. "
        "Exit status: 0 no findings, 3 findings."
    )
    parser.add_argument("report", metavar="REPORT", choices=_REPORTS, help="chain, read or resources")
    add_directory(parser)
    parser.add_argument("ref", metavar="REF", nargs="?", help="chain: the event's sequence or id")
    add_filters(parser)
    add_range(parser)
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write the report itself, lossless, into this file; it is replaced"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the report, print and write it."""
    selected = _selected(arguments)
    ref = None if arguments.ref is None else parse_ref(arguments.ref)
    if arguments.out is not None:
        refuse_inside(arguments.out, arguments.directory)
    with open_reading(arguments.directory, durable=arguments.durable) as store:
        report: batpak.EvidenceReport
        if ref is not None:
            report = store.report_chain_walk(ref, arguments.limit)
        elif arguments.report == "read":
            report = store.report_read_walk(**selected)
        else:
            report = store.report_resources()
    if arguments.out is not None:
        _write(arguments.out, report)
    if arguments.json:
        output.write_json(report.to_dict())
    else:
        _print(report)
    return OK if report.ok else TAMPERED


def _selected(arguments: argparse.Namespace) -> dict[str, Any]:
    """The conditions of a read walk; the other reports take none.

    Raises:
        CommandError: with exit code 2, what was given does not go with the report.
    """
    selected = {**filters(arguments), **in_range(arguments)}
    if arguments.reverse:
        raise CommandError("--reverse: a report is in commit order", USAGE)
    if (arguments.report == "chain") != (arguments.ref is not None):
        need = "needs" if arguments.report == "chain" else "takes no"
        raise CommandError(f"report {arguments.report} {need} REF, the sequence or id of an event", USAGE)
    taken = {"chain": {"limit"}, "read": set(selected), "resources": set[str]()}[arguments.report]
    for name in selected:
        if name not in taken:
            raise CommandError(f"--{name.replace('_', '-')}: report {arguments.report} does not choose events", USAGE)
    return selected


def _write(file: Path, report: batpak.EvidenceReport) -> None:
    try:
        with written_to(file) as write:
            write(output.json_text(json.loads(report.to_json())))
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error}", FAILED) from error


def _print(report: batpak.EvidenceReport) -> None:
    members = report.to_dict()
    frontier = members["frontier"]
    rows: dict[str, object] = {
        "report": members["kind"],
        "journal": members["journal_id"],
        "speaks of": f"{frontier['size']} events, the last with hash {frontier['event_hash']}",
        **{f"input {name}": value for name, value in members["inputs"].items()},
        **members["counts"],
        **members["facts"],
        "body hash": members["body_hash"],
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        shown = value if isinstance(value, str) else output.json_text(value)
        output.write(f"{name:<{width}}  {output.escape(shown)}")
    for finding in report.findings:
        place = "" if finding.sequence is None else f" (sequence {finding.sequence})"
        output.write(f"finding: {output.escape(f'{finding.axis}: {finding.code}: {finding.message}{place}')}")
    findings = f"{len(report.findings)} finding{'' if len(report.findings) == 1 else 's'}"
    output.write(f"verdict: {'nothing that was looked at is wrong' if report.ok else findings}")
