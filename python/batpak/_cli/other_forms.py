"""Files that batpak writes and that are neither a journal nor an evidence bundle: told by their first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .exit_codes import USAGE, CommandError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES: Final = 40
"""Whatever a form is called by lies within so many bytes."""

_FORMS: Final = (
    (
        b"batpak_attestation",
        "an attestation; batpak.Attestation.from_json or from_bytes reads it, and verify() checks it",
    ),
    (b"batpak_report", "an evidence report; batpak.EvidenceReport.from_json or from_bytes reads it"),
    (b"batpak_receipt", "a receipt; batpak.AppendReceipt.from_json reads it, and batpak.verify_receipt checks it"),
    (b"batpak_event", "an export of events; `batpak import` reads it"),
)


def refuse_another_form(path: Path) -> None:
    """Say what a file is that was taken for an evidence bundle, if it is something else that batpak writes.

    Raises:
        CommandError: with exit code 2.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK"):
        return
    for name, form in _FORMS:
        if name in head:
            raise CommandError(f"{path}: verify checks journals and evidence bundles, and this is {form}", USAGE)
