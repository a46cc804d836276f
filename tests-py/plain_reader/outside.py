"""Sections 10, 12 and 18.1: a journal held against what somebody else knows of it, a key or a pin."""

from .checkpoint import Checkpoint, origin_of
from .merkle import Tree
from .model import Journal


def key_problem(journal: Journal, public_key: bytes) -> str | None:
    """Why the journal is not that of a key, or None."""
    if not journal.key_periods:
        return "the journal names no key"
    begins = [begin for begin, key in journal.key_periods if key == public_key]
    if not begins:
        return "the key is none of the journal's"
    if begins[0] > 0 and journal.counting <= begins[0]:
        return "what was there before the key is covered by no checkpoint of it"
    return None


def pin_problem(journal: Journal, pin: Checkpoint) -> str | None:
    """Why the journal is not the one that was seen, or None."""
    name = journal.name or ""
    begins = [(0, journal.journal_id), *journal.lineages]
    places = [place for place, (_, lineage) in enumerate(begins) if origin_of(name, lineage) == pin.origin]
    if not places:
        return "a pin of another journal"
    first = begins[places[0]][0]
    end = begins[places[0] + 1][0] if places[0] + 1 < len(begins) else None
    seen = [event.event_hash for event in journal.events[: pin.size]]
    if end is None or pin.size <= end:
        same = len(seen) == pin.size > first and Tree(seen).root() == pin.root
        return None if same else "another log"
    # Pins of later lineages would say that this one saw the restore or the fork; whoever asks here has none.
    return "more events than the lineage that followed goes on from"
