"""batpak's part in the workloads of `driver`, with the metadata key `tenant` in every event, declared to be indexed."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import batpak

from .driver import workloads
from .indexed import Journal
from .placed import PAGE, By, Placed, tenant_name

KEY: Final = "tenant"


class DeclaredJournal(Journal):
    """An open journal whose metadata key `tenant` is declared."""

    def _open(self, directory: Path) -> batpak.Store:
        open_store = cast("Callable[..., batpak.Store]", batpak.Store.open)
        return open_store(directory, durability="interval", index_metadata=[KEY])

    def _metadata(self, event: Placed) -> dict[str, str] | None:
        return {KEY: event.tenant}

    def _query(self, by: By, number: int, after: int | None) -> batpak.Events:
        if by is not By.METADATA:
            return super()._query(by, number, after)
        query = cast("Callable[..., batpak.Events]", self._store.query)
        return query(metadata={KEY: tenant_name(number)}, after=after, limit=PAGE)


WORKLOADS: Final = workloads(DeclaredJournal)
