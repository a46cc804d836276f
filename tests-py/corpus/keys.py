"""Journals whose keys follow one another, or are revoked: FORMAT.md section 10."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus.adding import (
    FOREIGN_SEED,
    KEY_ADDED,
    KEY_REVOKED,
    THIRD_SEED,
    THIRD_SIGNER,
    Adder,
    only_notes,
    sequences_of,
)
from corpus.forged import OTHER_SIGNER, PUBLIC, SIGNER, Room, append, bad, good, open_store
from evidence_bundles import OTHER_SEED, SEED, public_key, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from corpus.cases import Case

OTHER, THIRD, FOREIGN = (public_key(seed) for seed in (OTHER_SEED, THIRD_SEED, FOREIGN_SEED))


def _rotated(room: Room, *seeds: bytes, revoke: bool = False) -> Path:
    """A journal whose owner exchanged its key, for one after the other, and may have revoked the first."""
    path = room.small()
    with open_store(path, SEED) as store:
        for number, seed in enumerate(seeds, 6):
            store.rotate_key(signing_key(seed))
            append(store, number)
        if revoke:
            store.revoke_key(signing_key(SEED).public_key, reason="corpus")
            append(store, 9)
    return path


def _of_keys(room: Room) -> list[Case]:
    once, twice = _rotated(room, OTHER_SEED), _rotated(room, OTHER_SEED, THIRD_SEED)
    covered = _rotated(room, OTHER_SEED, revoke=True)
    late = _rotated(room, OTHER_SEED)
    begun = sequences_of(late, KEY_ADDED)[0]
    only_notes(late, lambda size: size <= begun)
    uncovered = _rotated(room, OTHER_SEED, revoke=True)
    begun, revoked = sequences_of(uncovered, KEY_ADDED)[0], sequences_of(uncovered, KEY_REVOKED)[0]
    only_notes(uncovered, lambda size: not begun < size <= revoked)
    given = "signed", 2
    unknown = "signatures", "unknown_signing_key"
    return [
        good(
            "rotated",
            "The key was exchanged for another, which the first one endorsed; the first is given. Section 10.",
            once,
            *given,
            key=PUBLIC,
        ),
        good(
            "rotated-second-key",
            "The same with the second key: a checkpoint by it covers what the first one signed. Section 10.",
            None,
            *given,
            key=OTHER,
            of="rotated",
        ),
        good("rotated-own-keys", "The same, and no key is given. Section 10.", None, *given, of="rotated"),
        bad(
            "rotated-foreign-key", "The same with a foreign key. Section 10.", None, *unknown, key=FOREIGN, of="rotated"
        ),
        good(
            "rotated-twice",
            "The key was exchanged twice; the first one is given. Section 10.",
            twice,
            *given,
            key=PUBLIC,
        ),
        good(
            "rotated-twice-second-key",
            "The key was exchanged twice; the second one is given. Section 10.",
            None,
            *given,
            key=OTHER,
            of="rotated-twice",
        ),
        good(
            "rotated-twice-third-key",
            "The key was exchanged twice; the third one is given. Section 10.",
            None,
            *given,
            key=THIRD,
            of="rotated-twice",
        ),
        bad(
            "rotated-twice-foreign-key",
            "The key was exchanged twice; a foreign one is given. Section 10.",
            None,
            *unknown,
            key=FOREIGN,
            of="rotated-twice",
        ),
        good(
            "rotated-unstated",
            "The key was exchanged, and the checkpoints by the second one were taken away; the first is given, and "
            "endorses the second. Section 10.",
            late,
            *given,
            key=PUBLIC,
        ),
        bad(
            "rotated-unstated-second-key",
            "The same with the second key: no checkpoint by it covers what was there before it. Section 10.",
            None,
            *unknown,
            key=OTHER,
            of="rotated-unstated",
        ),
        good(
            "revoked",
            "The first key was revoked, after a checkpoint by the second one covered all that it signed. Section 10.",
            covered,
            *given,
            key=OTHER,
        ),
        good(
            "revoked-key-given",
            "The same with the revoked key, which is still one of the journal's. Section 10.",
            None,
            *given,
            key=PUBLIC,
            of="revoked",
        ),
        bad(
            "revoked-unstated",
            "The first key was revoked, and the checkpoints by the second one from before that were taken away. "
            "Section 10.",
            uncovered,
            "signatures",
            "revoked_signing_key",
            key=OTHER,
        ),
    ]


def _by_hand(room: Room, write: Callable[[Adder], object]) -> Path:
    made = Adder(room.small(), SIGNER)
    write(made)
    return made.written()


def _exchanged(made: Adder) -> None:
    made.key(OTHER_SIGNER, made.endorsed(SIGNER, OTHER_SIGNER))
    made.user()


def _again(made: Adder) -> None:
    _exchanged(made)
    made.key(SIGNER, made.endorsed(OTHER_SIGNER, SIGNER))


def _revoked(made: Adder) -> None:
    made.state()
    _exchanged(made)
    made.state()
    made.revocation(PUBLIC)


def _written_on(made: Adder) -> None:
    _revoked(made)
    made.signer = SIGNER
    made.user()


def _revoked_twice(made: Adder) -> None:
    _revoked(made)
    made.revocation(PUBLIC)


def _within_a_frame(made: Adder) -> None:
    """The frame that brings the key is signed by the one before it."""
    _exchanged(made)
    frame = list(made.log.frames())[-2]
    frame.proof = SIGNER.frame_proof(frame.records)


_WRONG: list[tuple[str, str, str, str, Callable[[Adder], object]]] = [
    (
        "key-unendorsed",
        "A key comes without a word of the one in force. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, None),
    ),
    (
        "key-endorsed-by-itself",
        "A key comes with its own word for itself. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(OTHER_SIGNER, OTHER_SIGNER)),
    ),
    (
        "key-endorsed-by-another",
        "A key comes with the word of a key that is not the journal's. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(THIRD_SIGNER, OTHER_SIGNER)),
    ),
    (
        "key-endorsed-for-another-key",
        "A key comes with the word of the key in force for another one. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(SIGNER, THIRD_SIGNER)),
    ),
    (
        "key-endorsed-for-another-journal",
        "A key comes with the word of the key in force for it in another journal. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(SIGNER, OTHER_SIGNER, bytes(16))),
    ),
    (
        "key-endorsement-short",
        "An endorsement has 63 bytes. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(SIGNER, OTHER_SIGNER)[:63]),
    ),
    (
        "key-again",
        "The first key comes once more behind the second. Section 10.",
        "signatures",
        "invalid_key_event",
        _again,
    ),
    (
        "key-in-force-again",
        "The key in force comes once more, endorsed by itself. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(SIGNER, made.endorsed(SIGNER, SIGNER)),
    ),
    (
        "key-id-of-another",
        "A key comes with another key's id. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.key(OTHER_SIGNER, made.endorsed(SIGNER, OTHER_SIGNER), key_id=bytes(32)),
    ),
    (
        "key-frame-by-the-old-one",
        "The frame that brings a key is signed by the one before. Section 10.",
        "signatures",
        "unknown_signing_key",
        _within_a_frame,
    ),
    (
        "revoked-in-force",
        "The key in force is revoked, before another one came. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.revocation(PUBLIC),
    ),
    (
        "revoked-foreign",
        "A key is revoked that never was the journal's. Section 10.",
        "signatures",
        "invalid_key_event",
        lambda made: made.revocation(FOREIGN),
    ),
    ("revoked-twice", "A key is revoked twice. Section 10.", "signatures", "invalid_key_event", _revoked_twice),
    (
        "revoked-writes-on",
        "A frame behind the revocation is signed by the revoked key, and not by the one in force. Section 10.",
        "signatures",
        "unknown_signing_key",
        _written_on,
    ),
]


def _cut_back(made: Adder) -> None:
    """What was stated and revoked is gone, and the old key goes on."""
    made.user()
    made.state()


def _adopted_unstated(room: Room) -> Path:
    made = Adder(room.small(None), SIGNER)
    made.key(SIGNER, None)
    made.user()
    return made.written()


def cases(room: Room) -> list[Case]:
    """All cases."""
    by_hand = _by_hand(room, _exchanged)
    revoked = Adder(room.small(), SIGNER)
    _revoked(revoked)
    return [
        *_of_keys(room),
        good(
            "rotated-by-hand",
            "A key with the valid endorsement of the one in force, and no checkpoint by it. Section 10.",
            by_hand,
            "signed",
            2,
            key=PUBLIC,
        ),
        good(
            "revoked-by-hand",
            "A key that was exchanged, covered and revoked. Section 10.",
            revoked.written(),
            "signed",
            2,
            key=OTHER,
        ),
        *(bad(name, says, _by_hand(room, write), axis, code) for name, says, axis, code, write in _WRONG),
        good(
            "revoked-cut-back",
            "Whoever has a revoked key cut the journal back to when it was in force and wrote on: with that key alone "
            "nobody can tell. Section 18.1.",
            _by_hand(room, _cut_back),
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "revoked-cut-back-second-key",
            "The same with the key that came after it, of which the journal knows nothing. Section 10.",
            None,
            "signatures",
            "unknown_signing_key",
            key=OTHER,
            of="revoked-cut-back",
        ),
        good(
            "adopted-unstated",
            "A journal without a key was given one, and no checkpoint covers what was before it. Section 10.",
            _adopted_unstated(room),
            "unsigned_accepted",
            1,
        ),
        bad(
            "adopted-unstated-with-key",
            "The same with the key: nothing vouches for what was there before it. Section 10.",
            None,
            "signatures",
            "unknown_signing_key",
            key=PUBLIC,
            of="adopted-unstated",
        ),
    ]
