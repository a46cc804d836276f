"""Journals that go on as another lineage, truly or not: FORMAT.md section 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

import batpak
from batpak._drill.codec import Tree
from corpus.adding import Adder
from corpus.forged import OTHER_SIGNER, PUBLIC, SIGNER, Room, append, bad, checkpoints_of, good, open_store, reopened
from evidence_bundles import SEED, signing_key
from plain_reader.receipt import signed_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from corpus.cases import Case

NEW = bytes(range(16, 32))
NEWER = bytes(range(32, 48))
WHY = {"reason": "corpus", "actor": "corpus"}


def _of_owners(room: Room) -> list[Case]:
    """What the owner did."""
    key = signing_key(SEED)
    lost, restored, forked = room.small(), room.small(), room.place()
    kept = checkpoints_of(restored)[-1]
    given_up = checkpoints_of(reopened(lost, 6))[-1]
    more = checkpoints_of(reopened(lost, 7))[-1]
    batpak.accept_restore(restored, signing_key=key, abandoned=batpak.Checkpoint(given_up), **WHY)
    with open_store(restored, SEED) as store:
        append(store, 8)
    source = room.small()
    batpak.fork(source, forked, signing_key=key, **WHY)
    with open_store(forked, SEED) as store:
        append(store, 9)
    unsigned = room.small(None)
    batpak.accept_restore(unsigned, **WHY)
    given, pinned = ("signed", 2), ("signed", 3)
    return [
        good(
            "restored",
            "An old copy was put in the place of the journal, and its owner said so: another lineage begins. "
            "Section 12.",
            restored,
            *given,
            key=PUBLIC,
        ),
        good(
            "restored-pinned-kept",
            "The same with a pin of what was kept. Section 12.",
            None,
            "signed",
            3,
            key=PUBLIC,
            pin=kept,
            of="restored",
        ),
        bad(
            "restored-pinned-given-up",
            "The same with a pin of what was given up, as the lineage event says: but the pins have not seen that "
            "event. Section 12.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=given_up,
            of="restored",
        ),
        good(
            "restored-pinned-since",
            "The same with a pin of the new lineage. Section 12.",
            None,
            *pinned,
            key=PUBLIC,
            pin=checkpoints_of(restored)[-1],
            of="restored",
        ),
        bad(
            "restored-pinned-more",
            "The same with a pin that saw more than was given up. Section 12.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=more,
            of="restored",
        ),
        good(
            "restored-unsigned",
            "A restore of a journal without a key. Section 12.",
            unsigned,
            "unsigned_accepted",
            1,
        ),
        good(
            "forked",
            "A copy of the journal goes on by itself. Section 12.",
            forked,
            *given,
            key=PUBLIC,
        ),
        good(
            "forked-pinned-since",
            "The fork with a pin of its own. Section 12.",
            None,
            *pinned,
            key=PUBLIC,
            pin=checkpoints_of(forked)[-1],
            of="forked",
        ),
        bad(
            "forked-pinned-source",
            "The fork with a pin of the journal that it is a copy of, which has gone on: by that it could be an old "
            "copy. Section 12.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=more,
            of="forked",
        ),
    ]


def _by_hand(room: Room, write: Callable[[Adder], object], seed: bytes | None = SEED) -> Path:
    made = Adder(room.small(seed), None if seed is None else SIGNER)
    write(made)
    return made.written()


def _honest(made: Adder) -> None:
    made.lineage(NEW)
    made.user()
    made.state()


def _twice(made: Adder) -> None:
    _honest(made)
    made.lineage(NEWER)
    made.user()


def _back(made: Adder) -> None:
    first = made.journal_id
    _honest(made)
    made.lineage(first)


def _old_id_behind(made: Adder) -> None:
    first = made.journal_id
    made.lineage(NEW)
    made.journal_id = first
    made.user()


def _spliced(made: Adder) -> None:
    made.journal_id = NEW
    made.user()


def _old_signature(made: Adder) -> None:
    """The frame behind the lineage event is signed for the lineage before."""
    first = made.journal_id
    made.lineage(NEW)
    made.user()
    frame = list(made.log.frames())[-1]
    root = Tree().extend(record.event_hash for record in frame.records).root
    frame.proof = SIGNER.key_id + SIGNER.sign(signed_message(first, frame.records[0].sequence, 1, root))


def _old_origin(made: Adder) -> None:
    """A checkpoint behind the lineage event has the origin of before."""
    first = made.journal_id
    made.lineage(NEW)
    made.user()
    made.journal_id = first
    made.state()


def _key_for_the_old_one(made: Adder) -> None:
    """A key is endorsed for the lineage that ended."""
    first = made.journal_id
    made.lineage(NEW)
    made.key(OTHER_SIGNER, made.endorsed(SIGNER, OTHER_SIGNER, first))


_WRONG: list[tuple[str, str, str, str, Callable[[Adder], object]]] = [
    (
        "lineage-kept-root",
        "A lineage event has another root than that of the events before it. Section 12.",
        "order",
        "lineage_mismatch",
        lambda made: made.lineage(NEW, kept_root=bytes(32)),
    ),
    (
        "lineage-kept-size",
        "A lineage event keeps one event less than there are. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, kept_size=made.size - 1),
    ),
    (
        "lineage-parent-in-payload",
        "The payload of a lineage event names another parent. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, parent_id=bytes(16)),
    ),
    (
        "lineage-parent-in-metadata",
        "The metadata of a lineage event names another parent than its payload. Section 12.",
        "order",
        "lineage_mismatch",
        lambda made: made.lineage(NEW, metadata={"parent_id": bytes(16).hex()}),
    ),
    (
        "lineage-parent-missing-in-metadata",
        "The metadata of a lineage event names no parent. Section 12.",
        "order",
        "lineage_mismatch",
        lambda made: made.lineage(NEW, metadata={}),
    ),
    (
        "lineage-other-id-in-payload",
        "The payload of a lineage event names another new id than its header. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, journal_id=NEWER),
    ),
    (
        "lineage-cause",
        "A lineage event has a cause that there is not. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, cause="whim"),
    ),
    (
        "lineage-half-abandoned",
        "A lineage event tells the size of what was given up, and not its root. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, abandoned_size=9),
    ),
    (
        "lineage-negative",
        "A lineage event says that less than no events were given up. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, abandoned_size=-1, abandoned_root=bytes(32)),
    ),
    (
        "lineage-short-root",
        "A lineage event has a root of 31 bytes. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(NEW, kept_root=bytes(31)),
    ),
    ("lineage-id-again", "A lineage has the id of an earlier one. Section 12.", "content", "invalid_encoding", _back),
    (
        "lineage-id-of-its-parent",
        "A lineage has the id of the one that it ends. Section 12.",
        "content",
        "invalid_encoding",
        lambda made: made.lineage(made.journal_id),
    ),
    (
        "lineage-not-alone",
        "A lineage event is not alone in its frame. Section 12.",
        "order",
        "lineage_mismatch",
        lambda made: made.lineage(NEW, also=True),
    ),
    (
        "lineage-old-id-behind",
        "Behind a lineage event, an event goes on under the id of before. Section 12.",
        "order",
        "order_mismatch",
        _old_id_behind,
    ),
    (
        "lineage-unsaid",
        "An event carries another journal's id, is signed for it by the key, and no lineage event is there. Section 12.",
        "order",
        "order_mismatch",
        _spliced,
    ),
    (
        "lineage-old-signature",
        "The frame behind a lineage event is signed for the lineage before. Section 12.",
        "signatures",
        "invalid_signature",
        _old_signature,
    ),
    (
        "lineage-old-origin",
        "A checkpoint of the new lineage has the origin of the one before. Section 12.",
        "anchors",
        "checkpoint_mismatch",
        _old_origin,
    ),
    (
        "lineage-old-endorsement",
        "Behind a lineage event a key comes that was endorsed for the lineage before. Sections 10 and 12.",
        "signatures",
        "invalid_key_event",
        _key_for_the_old_one,
    ),
]


def cases(room: Room) -> list[Case]:
    """All cases."""
    unsigned = _by_hand(room, _honest, None)
    pin = checkpoints_of(room.small(None))[-1]
    return [
        *_of_owners(room),
        good(
            "lineage-by-hand",
            "A lineage event that says truly what it goes on from, an event behind it, and a checkpoint. Section 12.",
            _by_hand(room, _honest),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "lineage-twice",
            "A lineage that goes on from another one. Section 12.",
            _by_hand(room, _twice),
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "lineage-unsigned",
            "In a journal without a key anybody can begin a lineage. Section 12.",
            unsigned,
            "unsigned_accepted",
            1,
        ),
        good(
            "lineage-unsigned-pinned",
            "The same with the pin of what was there before: the lineage keeps it. Section 12.",
            None,
            "unsigned_accepted",
            3,
            pin=pin,
            of="lineage-unsigned",
        ),
        *(bad(name, says, _by_hand(room, write), axis, code) for name, says, axis, code, write in _WRONG),
        bad(
            "lineage-foreign",
            "Somebody without the key begins a lineage, and signs it with another one. Sections 10 and 12.",
            _foreign(room),
            "signatures",
            "unknown_signing_key",
        ),
    ]


def _foreign(room: Room) -> Path:
    made = Adder(room.small(), OTHER_SIGNER)
    made.lineage(NEW)
    made.user()
    return made.written()
