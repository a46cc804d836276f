"""What the bundles of the corpus are made of: a journal of two entities with payloads, and bundles as files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from corpus import zipping
from corpus.cases import Case, accept, reject
from evidence_bundles import SEED, Bundle, Fields, Journal, Record, commitment, public_key, sealed
from evidence_bundles import bundle as choose
from handmade import map_value, text_value

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLIC = public_key(SEED)
SIZE = 7


def events(count: int = SIZE) -> list[tuple[Fields, Record]]:
    """Honest events of two entities in turn, each with salt, private metadata and payload of its own."""
    made: list[tuple[Fields, Record]] = []
    latest: dict[bytes, Fields] = {}
    for sequence in range(count):
        entity = (b"order:1", b"order:2")[sequence % 2]
        salt, private = bytes([sequence] * 16), map_value({"who": text_value("someone")}) if sequence % 3 else b""
        payload = map_value({"number": b"\x03" + bytes([2 * sequence])})
        fields = Fields(
            entity=entity,
            scope=b"shop",
            encoding=1,
            sequence=sequence,
            counter=sequence,
            commitment=commitment(salt, private, payload),
        )
        if entity in latest:
            fields = fields.after(latest[entity])
        latest[entity] = fields
        made.append((fields, Record(fields.encode(), salt, private, payload)))
    return made


def journal(**options: Any) -> Journal:
    """The honest journal."""
    return Journal([record for _, record in events()], **options)


def changed(at: int, /, *, relink: bool = True, **fields: Any) -> Journal:
    """A journal whose key signs a header that breaks a rule; unless told otherwise, what follows names its new hash."""
    made = events()
    before, record = made[at]
    after = replace(before, **fields)
    made[at] = (after, replace(record, header=after.encode()))
    for later in range(at + 1, len(made)):
        its, kept = made[later]
        named = [each for each, old in enumerate(made[:later]) if old[0].entity == its.entity]
        if relink and named:
            its = replace(its, prev_hash=made[named[-1]][1].event_hash)
            made[later] = (its, replace(kept, header=its.encode()))
    return Journal([each for _, each in made])


def packed(bundle: Bundle) -> bytes:
    """The ZIP file of a bundle."""
    return zipping.pack(zipping.plain(sealed(bundle.members())))


def honest(*chosen: int, **options: Any) -> Bundle:
    """An honest bundle of the signed journal."""
    return choose(journal(), list(chosen) or None, **options)


def good(name: str, says: str, data: bytes, outcome: str, rung: int, public: bytes | None = None) -> Case:
    """A bundle that must be accepted."""
    return accept(
        f"bundle-{name}",
        says,
        outcome=outcome,
        rung=rung,
        bundle=f"bundles/{name}.zip",
        public_key=None if public is None else public.hex(),
        files={f"bundles/{name}.zip": data},
    )


def bad(
    name: str, says: str, data: bytes, code: str = "invalid_proof", axis: str | None = None, public: bytes = PUBLIC
) -> Case:
    """A bundle that must be refused; without an axis, as such."""
    return reject(
        f"bundle-{name}",
        says,
        code,
        axis=axis,
        bundle=f"bundles/{name}.zip",
        public_key=public.hex(),
        files={f"bundles/{name}.zip": data},
    )


def with_member(name: str, change: Callable[[bytes], bytes], bundle: Bundle | None = None) -> bytes:
    """A bundle in which one member is another, and the manifest knows."""
    members = (bundle or honest(2, 3)).members()
    after = change(members[name])
    assert after != members[name], name
    return zipping.pack(zipping.plain(sealed({**members, name: after})))


def with_line(index: int, *chosen: int, **members: Any) -> Bundle:
    """A bundle in which a line of the events is another."""
    made = honest(*(chosen or (2, 3)))
    made.events[index] |= members
    return made
