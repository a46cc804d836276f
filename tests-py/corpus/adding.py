"""Frames behind the end of a journal, of whoever has the keys: what key events and lineages are forged of."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from batpak import _batpak
from batpak._drill.codec import Reader, Record, Signer, Tree, note
from batpak._drill.forging import Frame, note_entry, note_of, read_entries, write_entries, write_log
from corpus.forged import NAME, log_of
from evidence_bundles import Fields, signing_key
from plain_reader.checkpoint import origin_of
from plain_reader.codec import encode_varint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batpak._drill.forging import Log

THIRD_SEED: Final = bytes(range(64, 96))
FOREIGN_SEED: Final = bytes(range(96, 128))
THIRD_SIGNER: Final = Signer(signing_key(THIRD_SEED))
CREATED, KEY_ADDED, KEY_REVOKED, LINEAGE, USER = 1, 3, 4, 7, 0xF001


def _front(log: Log, entity: bytes, kind: int, journal_id: bytes, metadata: dict[str, str]) -> bytes:
    """A header up to and including the promise."""
    encoded = encode_varint(len(metadata))
    for text in (each for pair in sorted(metadata.items()) for each in pair):
        encoded += encode_varint(len(text.encode())) + text.encode()
    scope = b"shop" if kind == USER else b"batpak"
    fields = Fields(journal_id=journal_id, entity=entity, scope=scope, kind=kind, encoding=1, metadata=encoded)
    header = Reader(fields.encode())
    header.take(17)
    header.bytes()
    header.bytes()
    header.varint()
    header.take(1 + 1 + 3 + len(encoded) + 1 + 32 + 1)
    return header.data[: header.position]


@dataclass
class Adder:
    """Writes behind the end of a journal, one frame each, and checkpoints. Nothing is checked.

    Attributes:
        path: a copy of the journal.
        signer: who signs what comes next; None leaves it unsigned.
        journal_id: what the headers of what comes next carry.
        notes: checkpoints to be stated at the end.
    """

    path: Path
    signer: Signer | None
    log: Log = field(init=False)
    journal_id: bytes = field(init=False)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = log_of(self.path)
        self.journal_id = self.log.journal_id

    @property
    def size(self) -> int:
        """How many events there are by now."""
        return len(self.log.records())

    @property
    def root(self) -> bytes:
        """The root over them."""
        return Tree().extend(record.event_hash for record in self.log.records()).root

    def frame(self, *events: tuple[int, bytes, object, dict[str, str]]) -> None:
        """Write a frame of events, each with kind, entity, payload and metadata."""
        empty = Record(b"", b"", 0, 0, bytes(16), 0, 0, 0, 0, None, bytes(32), bytes(16), b"", b"")
        records = []
        for kind, entity, says, metadata in events:
            parts: dict[str, Any] = {**vars(empty), "entity": entity, "kind": kind}
            parts["front"] = _front(self.log, entity, kind, self.journal_id, metadata)
            payload = _batpak.encode_value(says, allow_nonfinite=False)
            records.append(Record(**parts).with_payload(payload, commit=True))
        added = Frame(records, self.size, b"")
        self.log.segments[-1].frames.append(added)
        self.log.relink()
        if self.signer is not None:
            added.proof = self.signer.frame_proof(added.records)

    def user(self, *, entity: bytes = b"order:0") -> None:
        """Write an event of a user."""
        self.frame((USER, entity, {"added": True}, {}))

    def key(self, new: Signer, endorsement: bytes | None, **changes: object) -> None:
        """Write a key_added, signed by the new key."""
        self.signer = new
        says = {"endorsement": endorsement, "key_id": sha256(new.public).digest(), "public_key": new.public, **changes}
        self.frame((KEY_ADDED, b"batpak:keys", says, {}))

    def endorsed(self, old: Signer, new: Signer, journal_id: bytes | None = None) -> bytes:
        """What the key before says for a new one."""
        return old.sign(b"\0batpak key v1" + (journal_id or self.journal_id) + new.public)

    def revocation(self, revoked: bytes) -> None:
        """Write a key_revoked."""
        says = {"key_id": sha256(revoked).digest(), "reason": "corpus"}
        self.frame((KEY_REVOKED, b"batpak:keys", says, {}))

    def lineage(
        self, new_id: bytes, *, metadata: dict[str, str] | None = None, also: bool = False, **changes: object
    ) -> None:
        """Write a lineage event; ``also`` puts an event of a user into the same frame."""
        parent, self.journal_id = self.journal_id, new_id
        says = {
            "abandoned_root": None,
            "abandoned_size": None,
            "actor": "corpus",
            "cause": "restore",
            "journal_id": new_id,
            "kept_root": self.root,
            "kept_size": self.size,
            "parent_id": parent,
            "reason": "corpus",
            **changes,
        }
        told = {"parent_id": parent.hex()} if metadata is None else metadata
        more: list[tuple[int, bytes, object, dict[str, str]]] = [(USER, b"order:0", {"also": True}, {})] if also else []
        self.frame((LINEAGE, b"batpak", says, told), *more)

    def state(self, signer: Signer | None = None) -> str:
        """Make a checkpoint of what is there by now, by the key in force or another one."""
        origin = origin_of(NAME, self.journal_id)
        self.notes.append(note(origin, self.size, self.root, signer or self.signer))
        return self.notes[-1]

    def written(self) -> Path:
        """Put it in the place of the journal."""
        write_log(self.path, self.log)
        write_entries(self.path, self.log.journal_id, [*read_entries(self.path), *map(note_entry, self.notes)])
        return self.path


def only_notes(path: Path, wanted: Callable[[int], bool]) -> Path:
    """Take the checkpoints away whose size is not wanted."""
    kept = []
    for body in read_entries(path):
        stated = note_of(body)
        if stated is None or wanted(stated.size):
            kept.append(body)
    write_entries(path, log_of(path).journal_id, kept)
    return path


def sequences_of(path: Path, kind: int) -> list[int]:
    """The sequences of the events of a kind."""
    return [record.sequence for record in log_of(path).records() if record.kind == kind]
