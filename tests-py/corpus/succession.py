"""Evidence bundles of journals that went on as another lineage, or exchanged their key: FORMAT.md sections 10, 12 and 19."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from corpus.evidence import PUBLIC, bad, good, packed
from evidence_bundles import OTHER_SEED, SEED, Bundle, Fields, Journal, Record, commitment, lengthed, public_key
from evidence_bundles import bundle as choose
from handmade import map_value, text_value

if TYPE_CHECKING:
    from corpus.cases import Case

OLD, NEW, NEWER = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
OTHER = public_key(OTHER_SEED)


def _record(fields: Fields, payload: bytes = b"\x00") -> tuple[Fields, Record]:
    made = replace(fields, encoding=1, commitment=commitment(bytes(16), b"", payload))
    return made, Record(made.encode(), payload=payload)


def _lineage_payload(parent: bytes, new: bytes) -> bytes:
    return map_value(
        {
            "abandoned_root": b"\x00",
            "abandoned_size": b"\x00",
            "actor": text_value("corpus"),
            "cause": text_value("restore"),
            "journal_id": b"\x07" + lengthed(new),
            "kept_root": b"\x07" + lengthed(bytes(32)),
            "kept_size": b"\x03\x06",
            "parent_id": b"\x07" + lengthed(parent),
            "reason": text_value("corpus"),
        }
    )


def _journal(
    ids: tuple[bytes, ...] = (OLD, OLD, OLD, NEW, NEW, NEW), *, parents: dict[int, bytes] | None = None
) -> Journal:
    """Events of one entity under these journal ids, with lineage events at these places that name these parents."""
    parents = {3: OLD} if parents is None else parents
    made: list[Record] = []
    latest: dict[bytes, Fields] = {}
    for sequence, journal_id in enumerate(ids):
        fields = Fields(journal_id=journal_id, entity=b"order:1", scope=b"shop", sequence=sequence, counter=sequence)
        payload = b"\x00"
        if sequence in parents:
            metadata = b"\x01" + lengthed(b"parent_id") + lengthed(parents[sequence].hex().encode())
            fields = replace(fields, entity=b"batpak", scope=b"batpak", kind=7, metadata=metadata)
            payload = _lineage_payload(parents[sequence], journal_id)
        if fields.entity in latest:
            fields = fields.after(latest[fields.entity])
        fields, record = _record(fields, payload)
        latest[fields.entity] = fields
        made.append(record)
    return Journal(made, journal_id=ids[-1])


def _rotated() -> Journal:
    """A journal whose last three events came after its second key."""
    made: list[Record] = []
    last = Fields()
    for sequence in range(6):
        fields = Fields(entity=b"order:1", scope=b"shop", sequence=sequence, counter=sequence)
        if sequence == 3:
            key = replace(fields, entity=b"batpak:keys", scope=b"batpak", kind=3)
            endorsement = map_value(
                {"endorsement": b"\x00", "key_id": b"\x00", "public_key": b"\x07" + lengthed(OTHER)}
            )
            made.append(_record(key, endorsement)[1])
            continue
        last, record = _record(fields.after(last) if sequence else fields)
        made.append(record)
    return Journal(made, seed=OTHER_SEED)


def cases() -> list[Case]:
    """All cases."""
    once, step, content = _journal(), "Section 19, step 4.", "content"
    twice = _journal((OLD, OLD, NEW, NEW, NEWER, NEWER), parents={2: OLD, 4: NEW})
    wrong_parent = _journal(parents={3: NEWER})
    unsaid = _journal(parents={})
    old_behind = _journal((OLD, OLD, OLD, NEW, OLD, NEW))
    rotated = _rotated()
    earlier: Bundle = choose(once, [3, 5], earlier=(5,))

    def signed(name: str, says: str, bundle: Bundle, public: bytes = PUBLIC) -> Case:
        return good(name, says, packed(bundle), "signed", 2, public)

    return [
        signed("lineage", f"Every event of a journal that went on as another lineage. {step}", choose(once)),
        signed(
            "lineage-chosen", f"Events before and behind the lineage event, and it. {step}", choose(once, [1, 3, 5])
        ),
        signed(
            "lineage-behind",
            f"Only events behind the lineage event, which may be left out. {step}",
            choose(once, [4, 5]),
        ),
        signed("lineage-earlier", f"An earlier checkpoint of the new lineage. {step}", earlier),
        signed("lineage-twice", f"Events of three lineages that go on from one another. {step}", choose(twice)),
        signed(
            "lineage-twice-chosen",
            f"Events of three lineages, without those between the two lineage events. {step}",
            choose(twice, [0, 2, 4, 5]),
        ),
        bad(
            "lineage-left-out",
            f"The lineage event was left out, and an event before it is there. {step}",
            packed(choose(once, [1, 5])),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-first-left-out",
            f"The first of two lineage events was left out, and an event before it is there. {step}",
            packed(choose(twice, [0, 4, 5])),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-other-parent",
            f"The lineage event names another parent than the id of the events before it. {step}",
            packed(choose(wrong_parent)),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-unsaid",
            f"Events change to another journal id, and no lineage event says so. {step}",
            packed(choose(unsaid)),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-old-id-behind",
            f"Behind the lineage event, an event has the id of before. {step}",
            packed(choose(old_behind)),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-old-origin",
            f"The checkpoint has the origin of the lineage that ended. {step}",
            packed(choose(replace(once, journal_id=OLD))),
            "journal_mismatch",
            content,
        ),
        bad(
            "lineage-earlier-of-the-old-one",
            "An earlier checkpoint is of the lineage that ended, and so has another origin. Section 19, step 3.",
            packed(replace(earlier, earlier=choose(replace(once, journal_id=OLD), [3], earlier=(3,)).earlier)),
            "checkpoint_mismatch",
            "anchors",
        ),
        signed(
            "rotated",
            "The key was exchanged; the checkpoint is by the second key, which is given. Section 19, step 2.",
            choose(rotated),
            OTHER,
        ),
        bad(
            "rotated-first-key",
            "The key was exchanged; the checkpoint is by the second key, and the first is given. Section 19, step 2.",
            packed(choose(rotated)),
            "unknown_signing_key",
            "signatures",
        ),
        bad(
            "rotated-earlier-by-the-first",
            "An earlier checkpoint is by the first key, and those are left out. Section 19.",
            packed(_with_first_key(rotated)),
            "unknown_signing_key",
            "signatures",
            OTHER,
        ),
    ]


def _with_first_key(rotated: Journal) -> Bundle:
    made = choose(rotated, [1, 4], earlier=(3,))
    made.earlier[0]["checkpoint"] = rotated.checkpoint(3, seed=SEED).decode()
    return made
