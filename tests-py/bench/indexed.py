"""batpak's part in the workloads of `driver`: every payload is a dict, every append makes a receipt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import batpak

from .clock import GETS_MAX, WARM_SHARE, Clock, Reading
from .driver import Indexed, workloads
from .event import Event, scramble
from .placed import KINDS, PAGE, By, Placed, entity_name

KINDS_OF_BATPAK: Final = tuple(batpak.Kind(0xF, 1 + number) for number in range(KINDS))


Item = tuple[batpak.Coordinate, Event, batpak.Kind, dict[str, str] | None]


class Journal(Indexed[Item, UUID]):
    """An open journal without declared metadata keys; a sync every 50 ms."""

    def __init__(self, directory: Path) -> None:
        """Open or create it."""
        self._store = self._open(directory)

    def _open(self, directory: Path) -> batpak.Store:
        return batpak.Store.open(directory, durability="interval")

    def _metadata(self, event: Placed) -> dict[str, str] | None:
        """Return the metadata of an event: none, because no key is declared."""
        del event
        return None

    def prepare(self, events: Sequence[Placed]) -> list[Item]:
        """Return a coordinate, a dict, a kind and the metadata of each."""
        return [
            (
                batpak.Coordinate(event.entity, event.scope),
                event.payload,
                KINDS_OF_BATPAK[event.kind],
                self._metadata(event),
            )
            for event in events
        ]

    def append_each(self, items: Sequence[Item]) -> None:
        """Append one by one, a receipt each."""
        append = self._store.append
        for coordinate, payload, kind, metadata in items:
            append(coordinate, payload, kind=kind, metadata=metadata)

    def append_batch(self, items: Sequence[Item]) -> None:
        """Append all as one frame; building the drafts is on the clock."""
        self._store.append_batch(
            [
                batpak.Draft(coordinate, payload, kind=kind, metadata=metadata)
                for coordinate, payload, kind, metadata in items
            ]
        )

    def keys(self, indexes: Sequence[int]) -> list[UUID]:
        """Return ids, found by sequence; the few events of the journal's own shift an index a little."""
        return [self._store.get(index).event_id for index in indexes]

    def get_each(self, keys: Sequence[UUID]) -> None:
        """Read by id."""
        get = self._store.get
        for key in keys:
            _ = get(key).payload

    def page(self, by: By, number: int, after: int | None) -> list[batpak.Event]:
        """Query with a limit."""
        return list(self._query(by, number, after))

    def payloads(self, page: Sequence[batpak.Event]) -> list[Event]:
        """Take every payload."""
        return [event.payload for event in page]

    def _query(self, by: By, number: int, after: int | None) -> batpak.Events:
        match by:
            case By.ENTITY:
                return self._store.query(entity=entity_name(number), after=after, limit=PAGE)
            case By.KIND:
                return self._store.query(kind=KINDS_OF_BATPAK[number], after=after, limit=PAGE)
            case By.METADATA:
                message = "no metadata key is declared"
                raise NotImplementedError(message)

    def count(self) -> int:
        """Return the number of events that are not the journal's own."""
        # Not from `stats`, which also counts the distinct names of everything.
        return len(self._store) - sum(1 for _ in self._store.query(category=0, system=True))

    def close(self) -> None:
        """Close it cleanly."""
        self._store.close()


def _prove(directory: Path, count: int) -> Reading:
    """Prove random events under the whole tree; every proof is made from index files."""
    clock = Clock()
    with batpak.Store.open(directory, create=False) as store:
        size = len(store)
        picks = [scramble(index) % count for index in range(min(count, GETS_MAX))]
        warm = len(picks) // WARM_SHARE
        for sequence in picks[:warm]:
            _ = store.prove(sequence, size)
        with clock:
            for sequence in picks[warm:]:
                _ = store.prove(sequence, size)
    return clock.read(len(picks) - warm)


WORKLOADS: Final = {**workloads(Journal), "prove": _prove}
