"""What an event caused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batpak._batpak import Event
    from batpak._reading import Reading

    _Node = tuple[Event, int, bool]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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

    # Trees may be deeper than Python calls functions: none of these calls itself.

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CausationTree):
            return NotImplemented
        return self._flat() == other._flat()

    def __hash__(self) -> int:
        return hash((self.event, len(self.children), self.complete))

    def __repr__(self) -> str:
        return f"<CausationTree of event {self.event.sequence}: {len(self)} events{'' if self.complete else ', cut'}>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (_unflattened, (self._flat(),))

    def _flat(self) -> list[_Node]:
        """Every event with the number of its children and whether they are all, as ``walk`` gives them."""
        nodes: list[_Node] = []
        pending: list[CausationTree] = [self]
        while pending:
            tree = pending.pop()
            nodes.append((tree.event, len(tree.children), tree.complete))
            pending.extend(reversed(tree.children))
        return nodes


def _unflattened(nodes: list[_Node]) -> CausationTree:
    """The tree of which ``_flat`` made these."""
    built: list[CausationTree] = []
    for event, count, complete in reversed(nodes):
        children = tuple(built.pop() for _ in range(count))
        built.append(CausationTree(event, children, complete))
    return built.pop()


def causation_tree(store: Reading, root: Event, limit: int) -> CausationTree:
    """The tree below an event, of at most ``limit`` events, found breadth first."""
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
