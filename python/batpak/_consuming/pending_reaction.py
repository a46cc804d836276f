"""What a handler answers to an event: collected while it works, written when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak import _batpak
from batpak._errors import InvalidInput
from batpak._reaction import Reaction

if TYPE_CHECKING:
    from batpak._batpak import Coordinate, Event, Receipts
    from batpak._writing import Writing


class PendingReaction:
    """Collects the events that a handler answers with; made by ``Store.react``. One thread at a time may use it.

    They are written as one frame when the handler has returned, and not at all if it raised. Each has the event as its
    cause, as with ``Store.reacting_to``, and a key that follows from the name of the cursor, the event and its own
    number here: an event that is delivered again is not answered a second time.

    Attributes:
        event: what is being handled.
    """

    __slots__ = ("_cursor", "_outbox", "_over", "event")

    def __init__(self, store: Writing, event: Event, cursor: str) -> None:
        """Not for users: call ``Store.react``."""
        self.event = event
        self._cursor = cursor
        self._over = False
        reaction = Reaction(store, event)
        self._outbox = store._outbox(lambda options: {**reaction._linked(options), "key": self._key()})

    def add(self, coordinate: Coordinate, payload: object, **options: Any) -> int:
        """Collect an event; it is encoded now.

        Args:
            coordinate: where it belongs.
            payload: as for ``Store.append``.
            options: ``kind``, ``version``, ``correlation_id``, ``causation_id`` (also the number of an earlier event of
                this reaction), ``metadata``, ``private_metadata`` and ``expect``, as for ``Draft``.

        Returns:
            The number of the event in this reaction, from 0.

        Raises:
            InvalidInput: a ``key`` is given, or the handler has returned.
            What ``Store.append`` raises for its arguments; the reaction is as it was before.
        """
        if self._over:
            raise InvalidInput("the handler of this reaction has returned; events are added before that")
        if options.get("key") is not None:
            raise InvalidInput("a reaction's events have keys of their own; leave key out, or append to the store")
        return self._outbox.add(coordinate, payload, **options)

    def __len__(self) -> int:
        """How many events were collected."""
        return len(self._outbox)

    def _end(self) -> None:
        """Take no more."""
        self._over = True

    def _write(self) -> Receipts | None:
        return self._outbox.flush()

    def _key(self) -> bytes:
        """The key of the next event: the same whenever, and by whatever run of the program, the event is handled."""
        event = self.event
        parts = ["batpak reaction", self._cursor, event.journal_id, event.event_id, len(self._outbox)]
        return _batpak.encode_value(parts, allow_nonfinite=False)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a PendingReaction is not pickled or copied: what waits in it is to be written once")

    def __repr__(self) -> str:
        return f"<PendingReaction to event {self.event.sequence} with {len(self)} events waiting>"
