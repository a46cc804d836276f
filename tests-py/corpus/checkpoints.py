"""Journals with other checkpoints than their own: FORMAT.md section 18.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batpak._drill.codec import note
from batpak._drill.forging import note_entry, note_of, read_entries, write_entries
from corpus.forged import OTHER_SIGNER, PUBLIC, SIGNER, Room, bad, checkpoints_of, good, log_of, make_small
from corpus.notes import as_line
from evidence_bundles import SEED, b64, note_id

if TYPE_CHECKING:
    from pathlib import Path

    from corpus.cases import Case


def _with_last_note(path: Path, text: str, *, keep: bool) -> Path:
    """Have another checkpoint be the last one, behind or in the place of the last."""
    entries = read_entries(path)
    last = max(place for place, body in enumerate(entries) if note_of(body) is not None)
    if not keep:
        del entries[last]
    write_entries(path, log_of(path).journal_id, [*entries, note_entry(text)])
    return path


def _stale(path: Path) -> Path:
    """Take away every checkpoint but the first."""
    entries = read_entries(path)
    first = next(place for place, body in enumerate(entries) if note_of(body) is not None)
    kept = [body for place, body in enumerate(entries) if place <= first or note_of(body) is None]
    write_entries(path, log_of(path).journal_id, kept)
    return path


def _extended(text: str, origin: str, line: str) -> str:
    """A checkpoint with a further line."""
    said = f"{text[:-1]}{line}\n"
    return said + "\n" + SIGNER.note_line(origin, said)


def cases(room: Room) -> list[Case]:
    """All cases."""
    base = room.base(make_small, SEED)
    first, last = checkpoints_of(base)[0], checkpoints_of(base)[-1]
    root = last.split("\n")[2]
    other = room.place()
    make_small(other, SEED)
    by_other = OTHER_SIGNER.note_line(log_of(base).origin, last.partition("\n\n")[0] + "\n")
    text, origin = last.partition("\n\n")[0] + "\n\n", log_of(base).origin
    stale = "The last checkpoints were taken away: nothing of the log is lost, and less of it is stated. Section 18.1."
    return [
        good("stale-checkpoint", stale, _stale(room.small()), "signed", 2, key=PUBLIC),
        bad(
            "stale-checkpoint-behind",
            "An earlier checkpoint stands once more behind the last: sizes never descend. Section 18.1.",
            _with_last_note(room.small(), first, keep=True),
            "anchors",
            "checkpoint_mismatch",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-edited",
            "The last checkpoint states another root, under the old signature. Section 18.1.",
            _with_last_note(room.small(), last.replace(root, b64(bytes(32))), keep=False),
            "anchors",
            "checkpoint_mismatch",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-unsigned",
            "The signature was taken off the last checkpoint. Section 18.1.",
            _with_last_note(room.small(), text, keep=False),
            "signatures",
            "missing_signature",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-by-another-key",
            "The last checkpoint is signed by another key. Section 18.1.",
            _with_last_note(room.small(), text + by_other, keep=False),
            "signatures",
            "missing_signature",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-bad-signature",
            "The last checkpoint has the signature of the first. Section 18.1.",
            _with_last_note(room.small(), text + first.partition("\n\n")[2], keep=False),
            "signatures",
            "invalid_signature",
            key=PUBLIC,
        ),
        good(
            "checkpoint-witnessed",
            "The line of a key that nobody gave stands behind the journal's on the last checkpoint. Section 18.1.",
            _with_last_note(room.small(), last + as_line("witness.example/w1", b"\1\2\3\4", bytes(72)), keep=False),
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "checkpoint-second-line-bad",
            "The journal's key has two lines on the last checkpoint, one of which is not valid. Section 18.1.",
            _with_last_note(room.small(), last + as_line(origin, note_id(origin, PUBLIC), bytes(64)), keep=False),
            "signatures",
            "invalid_signature",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-larger-than-the-log",
            "The last checkpoint, signed by the key, is of more events than there are. Section 18.1.",
            _with_last_note(room.small(), note(origin, 9, bytes(32), SIGNER), keep=False),
            "completeness",
            "missing_events",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-control-character",
            "The last checkpoint has a control character in a further line, and is signed. Section 18.1.",
            _with_last_note(room.small(), _extended(text, origin, "\x9b1m"), keep=False),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        good(
            "checkpoint-extension",
            "The last checkpoint has a further line, and is signed with it. Section 18.1.",
            _with_last_note(room.small(), _extended(text, origin, "more"), keep=False),
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "checkpoint-no-note",
            "The text of the last checkpoint is no signed note. Section 18.1.",
            _with_last_note(room.small(), "abc", keep=True),
            "anchors",
            "journal_damaged",
            key=PUBLIC,
        ),
        bad(
            "checkpoint-of-another-journal",
            "The checkpoint of another journal of the same key stands in the place of the last. Section 18.1.",
            _with_last_note(room.small(), checkpoints_of(other)[-1], keep=False),
            "anchors",
            "checkpoint_mismatch",
            key=PUBLIC,
        ),
    ]
