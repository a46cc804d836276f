"""Evidence bundles that are whole and state what is not so: FORMAT.md section 19, steps 3 to 5."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from corpus.evidence import SIZE, bad, changed, events, honest, journal, packed, with_line
from evidence_bundles import Journal, b64, make_id
from evidence_bundles import bundle as choose
from handmade import naive_path

if TYPE_CHECKING:
    from corpus.cases import Case

JOURNAL = journal()


def _anchors() -> list[Case]:
    hashes, axis = JOURNAL.hashes, "anchors"
    path = honest(2).events[0]["path"]
    mine = honest(2, 3).events
    older = honest(2, earlier=(3, 5))
    fork = Journal([*changed(1, scope=b"shop-x").events])
    forked = honest(2, earlier=(3,))
    forked.earlier[0]["checkpoint"] = fork.checkpoint(3).decode()
    foreign = honest(2, earlier=(3,))
    foreign.earlier[0]["checkpoint"] = replace(JOURNAL, journal_id=bytes(16)).checkpoint(3).decode()
    larger = honest(2)
    small = replace(larger, checkpoint=JOURNAL.checkpoint(5), events=choose(Journal(JOURNAL.events[:5]), [2]).events)
    small.earlier = [{"checkpoint": JOURNAL.checkpoint(6).decode(), "path": []}]
    swapped = honest(2, earlier=(3,))
    swapped.earlier[0]["path"] = list(reversed(swapped.earlier[0]["path"]))
    short = honest(2, earlier=(3,))
    short.earlier[0]["path"] = short.earlier[0]["path"][:-1]
    other_root = replace(honest(2), checkpoint=JOURNAL.checkpoint(root=bytes(32)))
    third = [b64(each) for each in naive_path(3, hashes)]
    edited = b64(JOURNAL.events[2].header.replace(b"order:1", b"order:3"))
    step = "Section 19, step 3."
    return [
        bad(
            "event-exchanged",
            f"The line of event 2 has the header, the payload and the path of event 3. {step}",
            packed(with_line(0, 2, **{**mine[1], "sequence": 2})),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "header-exchanged",
            f"The line of event 2 has the header and the payload of event 3, and its own path. {step}",
            packed(with_line(0, 2, **{**mine[1], "sequence": 2, "path": path})),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "header-edited",
            f"The header names another entity, and path and commitment are as they were. {step}",
            packed(with_line(0, 2, header=edited)),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "path-of-another-event",
            f"The path is that of the event beside. {step}",
            packed(with_line(0, 2, path=third)),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "path-swapped",
            f"Two hashes of the path have changed places. {step}",
            packed(with_line(0, 2, path=[path[1], path[0], path[2]])),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "path-short",
            f"The path has one hash less. {step}",
            packed(with_line(0, 2, path=path[:-1])),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "path-long",
            f"The path has one hash more. {step}",
            packed(with_line(0, 2, path=[*path, b64(bytes(32))])),
            "inclusion_mismatch",
            axis,
        ),
        bad("path-empty", f"The path is empty. {step}", packed(with_line(0, 2, path=[])), "inclusion_mismatch", axis),
        bad(
            "sequence-edited",
            f"The line says another sequence than header and path. {step}",
            packed(with_line(0, 2, sequence=4)),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "sequence-behind-the-tree",
            f"The line says a sequence that the checkpoint does not cover. {step}",
            packed(with_line(0, 2, sequence=SIZE)),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "other-root",
            f"The checkpoint, signed by the journal's key, states another root. {step}",
            packed(other_root),
            "inclusion_mismatch",
            axis,
        ),
        bad(
            "earlier-swapped",
            f"Two hashes of a consistency proof have changed places. {step}",
            packed(swapped),
            "consistency_mismatch",
            axis,
        ),
        bad(
            "earlier-short",
            f"The last hash of a consistency proof is missing. {step}",
            packed(short),
            "consistency_mismatch",
            axis,
        ),
        bad(
            "earlier-of-a-fork",
            f"An earlier checkpoint, signed by the journal's key, is of another history. {step}",
            packed(forked),
            "consistency_mismatch",
            axis,
        ),
        bad(
            "earlier-of-another-journal",
            f"An earlier checkpoint has another origin. {step}",
            packed(foreign),
            "checkpoint_mismatch",
            axis,
        ),
        bad(
            "earlier-larger",
            f"An earlier checkpoint is larger than the checkpoint: an old state was put back. {step}",
            packed(small),
            "checkpoint_mismatch",
            axis,
        ),
        bad(
            "earlier-descending",
            f"The sizes of earlier checkpoints descend. {step}",
            packed(replace(older, earlier=older.earlier[::-1])),
            "checkpoint_mismatch",
            axis,
        ),
    ]


def _content_and_order() -> list[Case]:
    original = honest(2, 3).events
    wall = events()[2][0].wall_us
    content, order = "content", "order"
    step4, step5 = "Section 19, step 4.", "Section 19, step 5."
    twice, back = honest(2, 3), honest(2, 3)
    twice.events.insert(1, dict(twice.events[0]))
    back.events.reverse()

    def signed(made: Journal, *chosen: int) -> bytes:
        return packed(choose(made, list(chosen)))

    return [
        bad(
            "payload-exchanged",
            f"Event 2 has the payload of event 3. {step4}",
            packed(with_line(0, 2, payload=original[1]["payload"])),
            "commitment_mismatch",
            content,
        ),
        bad(
            "payload-empty",
            f"Event 2 has an empty payload. {step4}",
            packed(with_line(0, 2, payload="")),
            "commitment_mismatch",
            content,
        ),
        bad(
            "salt-edited",
            f"The salt is another. {step4}",
            packed(with_line(0, 2, salt=b64(bytes(16)))),
            "commitment_mismatch",
            content,
        ),
        bad(
            "private-taken-out",
            f"The private metadata was taken out. {step4}",
            packed(with_line(0, 2, private="")),
            "commitment_mismatch",
            content,
        ),
        bad(
            "private-into-payload",
            f"A byte moved from the private metadata to the payload: the commitment covers the length. {step4}",
            packed(with_line(0, 2, **_moved())),
            "commitment_mismatch",
            content,
        ),
        bad(
            "foreign-event",
            f"The journal's key signs for a tree with an event of another journal. {step4}",
            signed(changed(2, journal_id=bytes(16)), 2),
            "journal_mismatch",
            content,
        ),
        bad(
            "other-sequence-in-header",
            f"The journal's key signs for a tree in which leaf 2 says that it is event 3. {step4}",
            signed(changed(2, sequence=3), 2),
            "sequence_mismatch",
            content,
        ),
        bad(
            "header-not-canonical",
            f"The journal's key signs for a header with a byte too many. {step4}",
            signed(changed(2, rest=b"\0"), 2),
            "invalid_encoding",
            content,
        ),
        bad(
            "header-sealed",
            f"The journal's key signs for a header that is sealed, which this version does not read. {step4}",
            signed(changed(2, sealing=1), 2),
            "invalid_encoding",
            content,
        ),
        bad("event-twice", f"The line of an event is there twice. {step5}", packed(twice), "order_mismatch", order),
        bad("events-descending", f"The sequences descend. {step5}", packed(back), "order_mismatch", order),
        bad(
            "id-descends",
            f"The id of event 3 is below that of event 2, of the same millisecond. {step5}",
            signed(changed(3, event_id=make_id(wall // 1000, 0)), 2, 3),
            "order_mismatch",
            order,
        ),
        bad(
            "clock-stands-still",
            f"Events 2 and 3 have the same clock. {step5}",
            signed(changed(3, counter=2), 2, 3),
            "order_mismatch",
            order,
        ),
        bad(
            "id-of-another-time",
            f"The id names the millisecond behind that of the clock. {step5}",
            signed(changed(2, event_id=make_id(wall // 1000 + 1, 2)), 2),
            "order_mismatch",
            order,
        ),
        bad(
            "chain-hash",
            f"Event 4 names event 2, and another hash. {step5}",
            signed(changed(4, prev_hash=bytes([1] * 32)), 2, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "chain-sequence",
            f"Event 4 has the hash of event 2 and names event 1. {step5}",
            signed(changed(4, prev=b"\x01\x01"), 2, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "chain-clock-again",
            f"Events 2 and 4 of one entity have the same clock. {step5}",
            signed(changed(4, clock=1), 2, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "chain-edited-below",
            f"Event 2 was edited and its tree signed anew, and event 4 still names the hash of before. {step5}",
            signed(changed(2, relink=False, scope=b"shop-x"), 2, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "chain-of-another-entity",
            f"Event 4 names event 3, which is of another entity, as the one before it. {step5}",
            signed(changed(4, prev=b"\x01\x03", prev_hash=JOURNAL.events[3].event_hash), 2, 3, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "chain-of-another-entity-alone",
            f"Event 4 names event 3, which is of another entity, and event 2 is not there. {step5}",
            signed(changed(4, prev=b"\x01\x03", prev_hash=JOURNAL.events[3].event_hash), 3, 4),
            "chain_mismatch",
            order,
        ),
        bad(
            "header-previous-hash-zero",
            f"Event 4 names event 2, which is not there, and a hash of zero. {step4}",
            signed(changed(4, prev_hash=bytes(32)), 3, 4),
            "invalid_encoding",
            content,
        ),
        bad(
            "header-no-previous",
            f"Event 4 names no event before it, and its clock is not 0. {step4}",
            signed(changed(4, prev=b"\0"), 4),
            "invalid_encoding",
            content,
        ),
        bad(
            "header-previous-at-clock-0",
            f"Event 4 names the event before it, and its clock is 0. {step4}",
            signed(changed(4, clock=0), 4),
            "invalid_encoding",
            content,
        ),
        bad(
            "chain-begins-anew",
            f"Event 4 says that it is the first of its entity. {step5}",
            signed(changed(4, clock=0, prev=b"\0", prev_hash=bytes(32)), 2, 4),
            "chain_mismatch",
            order,
        ),
    ]


def _moved() -> dict[str, str]:
    record = JOURNAL.events[2]
    return {"private": b64(record.private[:-1]), "payload": b64(record.private[-1:] + record.payload)}


def cases() -> list[Case]:
    """All cases."""
    return [*_anchors(), *_content_and_order()]
