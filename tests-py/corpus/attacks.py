"""Attacks on a journal by whoever makes fit what they can: FORMAT.md sections 3, 4, 10 and 18.1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batpak import _batpak
from batpak._drill.on_the_log import rekey
from corpus.forged import (
    OTHER_SIGNER,
    PUBLIC,
    SIGNER,
    Room,
    bad,
    checkpoints_of,
    forged,
    good,
    make_small,
    reopened,
)
from evidence_bundles import SEED

if TYPE_CHECKING:
    from batpak._drill.codec import Record
    from batpak._drill.forging import Log
    from corpus.cases import Case

_EDITED = _batpak.encode_value({"edited": True}, allow_nonfinite=False)


def _target(log: Log) -> Record:
    """An event of a user with another one of its entity behind it."""
    return next(record for record in log.records() if record.is_users)


def _edit(log: Log) -> None:
    target = _target(log)
    log.edit(target.sequence, target.with_payload(_EDITED, commit=True))
    log.relink()


def _drop(log: Log) -> None:
    target = _target(log)
    log.change(lambda record: [] if record.sequence == target.sequence else [record])
    log.relink()


def _reorder(log: Log) -> None:
    users = [record for record in log.records() if record.is_users]
    one, two = users[-2:]
    places = {one.sequence: two, two.sequence: one}
    log.change(lambda record: [places.get(record.sequence, record)])
    log.relink()


def _duplicate(log: Log) -> None:
    target = _target(log)
    log.change(lambda record: [record, record] if record.sequence == target.sequence else [record])
    log.relink()


def _cut(log: Log) -> None:
    log.cut(list(log.frames())[-1].records[0].sequence)


def _downgrade(log: Log) -> None:
    rekey(log, None)
    log.strip()


def _exchange_key(log: Log) -> None:
    rekey(log, OTHER_SIGNER.public)
    log.sign(OTHER_SIGNER)


def _splice(log: Log) -> None:
    """Give the last event another journal's id."""
    last = log.records()[-1]
    log.edit(last.sequence, replace(last, front=last.front[:1] + bytes(16) + last.front[17:]))


def _forge_behind(log: Log) -> None:
    """Write an event behind the end, with the right key's id and another key's signature."""
    model = list(log.frames())[-1]
    added = model.copy()
    added.records = [model.records[-1].with_payload(_EDITED, commit=True)]
    log.segments[-1].frames.append(added)
    log.relink()
    proof = OTHER_SIGNER.frame_proof(added.records)
    added.proof = model.proof[:32] + proof[32:]


def _fitted(room: Room) -> list[Case]:
    """Everything was made to fit: only a key, a pin or what others hold tells."""
    cases: list[Case] = []
    fork, rollback = ("anchors", "fork_detected"), ("completeness", "rollback_detected")
    told = {"edited": fork, "dropped": rollback, "reordered": fork, "duplicated": fork}
    rewritten = {
        "edited": ("A payload was changed, and every hash after it was made to fit", _edit),
        "dropped": ("An event was taken out, and the rest numbered and linked anew", _drop),
        "reordered": ("Two events have changed places, and the rest was linked anew", _reorder),
        "duplicated": ("An event was written a second time, and the rest numbered and linked anew", _duplicate),
    }
    for name, (says, change) in rewritten.items():
        base = room.small(None)
        pin = checkpoints_of(room.base(make_small, None))[-1]
        path = forged(base, change, notes=True)
        cases += [
            good(
                f"{name}-unsigned",
                f"{says}: in an unsigned journal nothing in the directory tells. Section 18.1.",
                path,
                "unsigned_accepted",
                1,
            ),
            bad(
                f"{name}-unsigned-pinned",
                f"{says}; the pin of before is given. Section 18.1.",
                None,
                *told[name],
                pin=pin,
                of=f"{name}-unsigned",
            ),
            bad(
                f"{name}-signed",
                f"{says}; the signatures are those of before. Section 10.",
                forged(room.small(), change),
                "signatures",
                "invalid_signature",
            ),
        ]
    pin = checkpoints_of(room.base(make_small, SEED))[-1]
    owner = forged(room.small(), _edit, signer=SIGNER, notes=True)
    cut = forged(room.small(), _cut)
    downgraded = forged(room.small(), _downgrade, notes=True)
    exchanged = forged(room.small(), _exchange_key, signer=OTHER_SIGNER, notes=True)
    forked_copy = reopened(room.small(), 60)
    went_on = reopened(room.small(), 6)
    other_history = checkpoints_of(went_on)[-1]
    later = checkpoints_of(reopened(went_on, 7))[-1]
    earlier_pin = checkpoints_of(room.base(make_small, SEED))[0]
    return [
        *cases,
        good(
            "rewritten-by-owner",
            "The key's owner changed an event and signed everything again: with the key alone nobody can tell. "
            "Section 18.1.",
            owner,
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "rewritten-by-owner-pinned",
            "The journal that its owner rewrote, with the pin of before. Section 18.1.",
            None,
            "anchors",
            "fork_detected",
            key=PUBLIC,
            pin=pin,
            of="rewritten-by-owner",
        ),
        good(
            "cut-and-fitted",
            "The last event was cut off, and heads, checkpoints and frontier with it: an older state, which has all "
            "its signatures. Section 18.1.",
            cut,
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "cut-and-fitted-pinned",
            "The same with the pin of before, which tells of more events. Section 18.1.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=pin,
            of="cut-and-fitted",
        ),
        good(
            "cut-and-fitted-pinned-earlier",
            "The same with a pin of before the cut events: the log goes on from it. Section 18.1.",
            None,
            "signed",
            3,
            key=PUBLIC,
            pin=earlier_pin,
            of="cut-and-fitted",
        ),
        good(
            "fork",
            "An old copy on which was written since: a journal like any other. Section 18.1.",
            forked_copy,
            "signed",
            2,
            key=PUBLIC,
        ),
        bad(
            "fork-pinned",
            "The same with a pin of the other history, which has as many events. Section 18.1.",
            None,
            "anchors",
            "fork_detected",
            key=PUBLIC,
            pin=other_history,
            of="fork",
        ),
        bad(
            "fork-pinned-longer",
            "The same with a later pin of the other history. Section 18.1.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=later,
            of="fork",
        ),
        bad(
            "old-copy-pinned",
            "An old copy was put back, and a pin tells of what came later. Section 18.1.",
            None,
            "completeness",
            "rollback_detected",
            key=PUBLIC,
            pin=later,
            of="small",
        ),
        good(
            "downgraded",
            "The journal says that it has no key, and every signature is off: by itself it is an unsigned journal. "
            "Section 10.",
            downgraded,
            "unsigned_accepted",
            1,
        ),
        bad(
            "downgraded-with-key",
            "The same with the key from elsewhere, by which every frame must be signed. Section 10.",
            None,
            "signatures",
            "signature_missing",
            key=PUBLIC,
            of="downgraded",
        ),
        bad(
            "downgraded-pinned",
            "The journal that lost its key, with the pin of before. Section 18.1.",
            None,
            "anchors",
            "fork_detected",
            pin=pin,
            of="downgraded",
        ),
        good(
            "exchanged-key",
            "The journal names another key, which signed everything: by itself it is a signed journal. Section 10.",
            exchanged,
            "signed",
            2,
        ),
        bad(
            "exchanged-key-with-key",
            "The same with the key from elsewhere. Section 10.",
            None,
            "signatures",
            "unknown_signing_key",
            key=PUBLIC,
            of="exchanged-key",
        ),
        bad(
            "exchanged-key-pinned",
            "The journal with the exchanged key, with the pin of before. Section 18.1.",
            None,
            "anchors",
            "fork_detected",
            pin=pin,
            of="exchanged-key",
        ),
    ]


def _without_relinking(log: Log) -> None:
    target = _target(log)
    log.edit(target.sequence, target.with_payload(_EDITED, commit=True))


def _uncommitted(log: Log) -> None:
    target = _target(log)
    log.edit(target.sequence, target.with_payload(_EDITED, commit=False))


def _retimed(log: Log) -> None:
    target = _target(log)
    log.edit(target.sequence, replace(target, skew=target.skew + 2))


def _noticed(room: Room) -> list[Case]:
    """What the journal by itself tells."""
    return [
        bad(
            "payload-edited",
            "A payload was changed and every checksum made to fit, but not the header's commitment. Section 4.",
            forged(room.small(None), _uncommitted, notes=True),
            "content",
            "content_hash_mismatch",
        ),
        bad(
            "payload-and-commitment-edited",
            "A payload and its commitment were changed, and not the next event of the entity, which names the hash "
            "of before. Section 3.",
            forged(room.small(None), _without_relinking, notes=True),
            "order",
            "order_mismatch",
        ),
        bad(
            "header-edited",
            "An event's time was changed, and not the next event of the entity. Section 3.",
            forged(room.small(None), _retimed, notes=True),
            "order",
            "order_mismatch",
        ),
        bad(
            "spliced",
            "The last event has another journal's id. Section 3.",
            forged(room.small(None), _splice, notes=True),
            "order",
            "order_mismatch",
        ),
        bad(
            "stripped",
            "The signatures were taken off every frame and checkpoint. Section 10.",
            forged(room.small(), lambda log: log.strip(), notes=True),
            "signatures",
            "signature_missing",
        ),
        bad(
            "foreign-signatures",
            "What follows an edit is signed by another key. Section 10.",
            forged(room.small(), _edit, signer=OTHER_SIGNER, notes=True),
            "signatures",
            "unknown_signing_key",
        ),
        bad(
            "forged-behind",
            "An event behind the last one has the key's id and a signature by another key. Section 10.",
            forged(room.small(), _forge_behind),
            "signatures",
            "invalid_signature",
        ),
        bad(
            "other-key-given",
            "An honest journal, checked with another key. Section 10.",
            None,
            "signatures",
            "unknown_signing_key",
            key=OTHER_SIGNER.public,
            of="small",
        ),
        bad(
            "key-for-unsigned",
            "An honest journal without a key, for which a key is given. Section 10.",
            None,
            "signatures",
            "signature_missing",
            key=PUBLIC,
            of="small-unsigned",
        ),
    ]


def cases(room: Room) -> list[Case]:
    """All cases."""
    return [*_fitted(room), *_noticed(room)]
