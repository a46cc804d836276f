"""What a gate is shown: the events that would be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from batpak import _batpak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from batpak._batpak import Coordinate, CoreProposal, Draft, Kind
    from batpak._expect import Expect


class Proposed:
    """One event that is proposed: what a gate looks at. Its payload is what will be stored, decoded anew."""

    __slots__ = ("_draft", "_position", "_proposal", "_restore")

    def __init__(
        self, proposal: CoreProposal, position: int, draft: Draft, restore: Callable[[int, int, object], object]
    ) -> None:
        """Not for users: a gate is given these."""
        self._proposal = proposal
        self._position = position
        self._draft = draft
        self._restore = restore

    @property
    def coordinate(self) -> Coordinate:
        """Where it would belong."""
        return self._draft.coordinate

    @property
    def kind(self) -> Kind:
        """What it would be."""
        code, _ = self._proposal.kind(self._position)
        return _batpak.Kind(code >> 12, code & 0xFFF)

    @property
    def payload_version(self) -> int:
        """Schema version of the payload."""
        _, version = self._proposal.kind(self._position)
        return version

    @property
    def value(self) -> Any:
        """The payload as a plain value, or bytes."""
        return self._proposal.value(self._position)

    @property
    def payload(self) -> Any:
        """The payload: an instance of the registered class, a plain value, or bytes."""
        code, version = self._proposal.kind(self._position)
        value = self.value
        return value if version == 0 or isinstance(value, bytes) else self._restore(code, version, value)

    @property
    def metadata(self) -> dict[str, str]:
        """The permanent metadata; a copy."""
        return dict(self._draft.metadata or {})

    @property
    def correlation_id(self) -> UUID | bytes | None:
        """As it was given."""
        return self._draft.correlation_id

    @property
    def causation_id(self) -> UUID | bytes | int | None:
        """As it was given; an int names an earlier event of the proposal."""
        return self._draft.causation_id

    @property
    def expect(self) -> Expect | int:
        """What must be so of the entity."""
        return self._draft.expect

    def __repr__(self) -> str:
        return f"<Proposed {self.coordinate!r} {self.kind!r}>"


class Proposal(Sequence[Proposed]):
    """The events that would be written as one frame, in order: what a gate is called with. It cannot change them."""

    __slots__ = ("_events",)

    def __init__(self, events: Iterable[Proposed]) -> None:
        """Not for users: a gate is given one."""
        self._events = tuple(events)

    @overload
    def __getitem__(self, index: int) -> Proposed: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Proposed]: ...
    def __getitem__(self, index: int | slice) -> Proposed | Sequence[Proposed]:
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return f"<Proposal of {len(self)} events>"
