"""What an event caused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batpak._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak._batpak import Event
    from batpak._reading import Reading


@dataclass(frozen=True, slots=True)
class CausationTree:
    """An event, and what it caused.

    Attributes:
        event: the event.
        children: what it caused, in commit order.
        complete: whether these are all; False where the limit cut the tree.
    """

    event: Event
    children: tuple[CausationTree, ...] = ()
    complete: bool = True

    def walk(self) -> Iterator[Event]:
        """The event, then each child with all below it, in commit order of the children."""
        pending: list[CausationTree] = [self]
        while pending:
            tree = pending.pop()
            yield tree.event
            pending.extend(reversed(tree.children))

    def __len__(self) -> int:
        """Number of events."""
        return sum(1 for _ in self.walk())


def causation_tree(store: Reading, root: Event, limit: int) -> CausationTree:
    """The tree below an event, of at most ``limit`` events, found breadth first."""
    if limit < 1:
        raise InvalidInput(f"limit is {limit}; a tree has at least 1 event")
    # By sequence of the parent. Ids of causes are free: an event that is met again is not followed.
    events = {root.sequence: root}
    children: dict[int, list[int]] = {}
    cut: set[int] = set()
    order = [root.sequence]
    for sequence in order:
        found = children.setdefault(sequence, [])
        for event in store.query(causation=events[sequence].event_id):
            if event.sequence in events:
                continue
            if len(events) >= limit:
                cut.add(sequence)
                break
            events[event.sequence] = event
            found.append(event.sequence)
            order.append(event.sequence)
    built: dict[int, CausationTree] = {}
    # What is deeper comes later in the order.
    for sequence in reversed(order):
        below = tuple(built[child] for child in children[sequence])
        complete = sequence not in cut and all(tree.complete for tree in below)
        built[sequence] = CausationTree(events[sequence], below, complete)
    return built[root.sequence]
