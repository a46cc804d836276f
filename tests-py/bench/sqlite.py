"""sqlite3's part in the workloads of `driver`: WAL, payloads as JSON, a hash chain, SQL indexes.

Its log is synced at checkpoints only. A get or a page decodes the payload and does not check its hash.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from .driver import Indexed, workloads
from .event import Event
from .placed import PAGE, By, Placed, entity_name, tenant_name

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY, entity TEXT NOT NULL, scope TEXT NOT NULL, kind INTEGER NOT NULL,
    tenant TEXT NOT NULL, payload TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_entity ON events (entity, sequence);
CREATE INDEX IF NOT EXISTS by_kind ON events (kind, sequence);
CREATE INDEX IF NOT EXISTS by_tenant ON events (tenant, sequence);
"""
INSERT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
HEAD: Final = "SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1"
GET: Final = "SELECT entity, scope, kind, tenant, payload FROM events WHERE sequence = ?"
PAGES: Final = {
    by: "SELECT entity, scope, kind, tenant, payload FROM events"  # noqa: S608 - the columns are named below
    f" WHERE {column} = ? AND sequence > ? ORDER BY sequence LIMIT {PAGE}"
    for by, column in ((By.ENTITY, "entity"), (By.KIND, "kind"), (By.METADATA, "tenant"))
}
Line = tuple[int, str, str, int, str, str, bytes]


class Table(Indexed[Placed, int]):
    """An open database, and the head of its chain."""

    def __init__(self, directory: Path) -> None:
        """Open or create it, and read the head, without which nothing can be appended."""
        directory.mkdir(exist_ok=True)
        self._connection = sqlite3.connect(directory / "events.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        head: tuple[int, bytes] | None = self._connection.execute(HEAD).fetchone()
        self._head = bytes(32) if head is None else head[1]

    def prepare(self, events: Sequence[Placed]) -> list[Placed]:
        """Return the events as they are; they are encoded and hashed on the clock."""
        return list(events)

    def _lines(self, items: Sequence[Placed]) -> Iterator[Line]:
        """Chain each event to the one before: a hash over that one's hash and all of its own columns."""
        for sequence, entity, scope, kind, tenant, payload in items:
            text = json.dumps(payload, separators=(",", ":"))
            hashed = sha256(self._head)
            hashed.update(f"{sequence}\n{entity}\n{scope}\n{kind}\n{tenant}\n{text}".encode())
            self._head = hashed.digest()
            yield sequence, entity, scope, kind, tenant, text, self._head

    def append_each(self, items: Sequence[Placed]) -> None:
        """Insert one by one, a transaction each."""
        execute = self._connection.execute
        for line in self._lines(items):
            execute(INSERT, line)

    def append_batch(self, items: Sequence[Placed]) -> None:
        """Insert all in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, self._lines(items))
        self._connection.execute("COMMIT")

    def keys(self, indexes: Sequence[int]) -> list[int]:
        """Return the sequence numbers."""
        return list(indexes)

    def get_each(self, keys: Sequence[int]) -> None:
        """Select one by one."""
        execute, decode = self._connection.execute, json.loads
        for key in keys:
            decode(execute(GET, (key,)).fetchone()[4])

    def page(self, by: By, number: int, after: int | None) -> list[tuple[Any, ...]]:
        """Select a page."""
        name: str | int
        match by:
            case By.ENTITY:
                name = entity_name(number)
            case By.KIND:
                name = number
            case By.METADATA:
                name = tenant_name(number)
        return self._connection.execute(PAGES[by], (name, -1 if after is None else after)).fetchall()

    def payloads(self, page: Sequence[tuple[Any, ...]]) -> list[Event]:
        """Decode them."""
        return [json.loads(line[4]) for line in page]

    def count(self) -> int:
        """Return the number after the last event's."""
        head: tuple[int, bytes] | None = self._connection.execute(HEAD).fetchone()
        return 0 if head is None else head[0] + 1

    def close(self) -> None:
        """Close it, which writes the log into the database."""
        self._connection.close()


WORKLOADS: Final = workloads(Table)
