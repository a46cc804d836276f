"""Snapshots of projections: what is kept beside the log, and why a kept one is not used.

A snapshot is a cache: it may be deleted at any time, and one that does not fit in every respect is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batpak import _batpak
from batpak._errors import EventNotFound, InvalidEncoding, JournalDamaged, StorageError
from batpak._folding import look
from batpak._frontier import Mark
from batpak._projections.classes import digest_of
from batpak._receipt import Hlc

if TYPE_CHECKING:
    from batpak._proving.proving import Proving

ROOM: Final = "projections"
FORMAT: Final = 2

CLASSES_CHANGED: Final = "an event class or upcaster changed"
"""Why what was made with other ones is not used."""

# Every field of the kept map, and its exact type.
FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "format": (int,),
    "projection": (str,),
    "version": (int,),
    "code": (bytes,),
    "classes": (bytes,),
    "filters": (dict,),
    "sequence": (int,),
    "event_hash": (bytes,),
    "wall_us": (int,),
    "counter": (int,),
    "events": (int,),
    "state": (bytes,),
    "state_hash": (bytes,),
}


class Unusable(Exception):
    """A kept snapshot is not used; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a snapshot must have been made by to be used.

    ``classes`` is the digest of the event classes and upcasters that gave the payloads, ``digest`` that of the filters.
    """

    name: str
    version: int
    code: bytes
    classes: bytes
    filters: dict[str, Any]
    digest: str

    @property
    def run_digest(self) -> bytes:
        """32 bytes for everything that makes the state out of what is stored."""
        return digest_of(self.code, self.classes)

    @property
    def kept_as(self) -> str:
        """The name of the file in its room."""
        return f"{self.name}@{self.digest}" if self.digest else self.name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state, as canonical bytes, and the last event of the journal that it is the state after."""

    watermark: Mark
    events: int
    state: bytes


def save(store: Proving, identity: Identity, snapshot: Snapshot) -> None:
    """Keep a snapshot; whatever it tells of is synced first.

    Raises:
        StoreReadOnly, StorePoisoned, StorageError, LimitExceeded: it cannot be kept.
    """
    store._core.sync()
    watermark = snapshot.watermark
    content = {
        "format": FORMAT,
        "projection": identity.name,
        "version": identity.version,
        "code": identity.code,
        "classes": identity.classes,
        "filters": identity.filters,
        "sequence": watermark.sequence,
        "event_hash": store.get(watermark.sequence).event_hash,
        "wall_us": watermark.hlc.wall_us,
        "counter": watermark.hlc.counter,
        "events": snapshot.events,
        "state": snapshot.state,
        "state_hash": _batpak.report_hash(snapshot.state),
    }
    _batpak.keep(store._core, ROOM, identity.kept_as, _batpak.encode_value(content, allow_nonfinite=True))


def load(store: Proving, identity: Identity) -> Snapshot:
    """The kept snapshot.

    Raises:
        Unusable: there is none, or it is not of this projection and this history.
        StoreClosed, ForkedStore: this store cannot be used.
    """
    content = _checked(_content(store, identity))
    if content["projection"] != identity.name:
        raise Unusable("another projection")
    if content["filters"] != identity.filters:
        raise Unusable("other filters")
    if content["version"] != identity.version:
        raise Unusable(f"version changed from {content['version']} to {identity.version}")
    if content["code"] != identity.code:
        raise Unusable("code changed")
    if content["classes"] != identity.classes:
        raise Unusable(CLASSES_CHANGED)
    if _batpak.report_hash(content["state"]) != content["state_hash"]:
        raise Unusable("damaged: the state does not have its hash")
    watermark = Mark(content["sequence"], Hlc(content["wall_us"], content["counter"]))
    # A snapshot may be younger than what a reader saw last.
    look(store)
    try:
        event = store.get(watermark.sequence)
    except EventNotFound:
        raise Unusable(f"another history: there is no event {watermark.sequence}") from None
    if event.event_hash != content["event_hash"] or event.hlc != watermark.hlc:
        raise Unusable(f"another history: event {watermark.sequence} is another one")
    return Snapshot(watermark, content["events"], content["state"])


def _content(store: Proving, identity: Identity) -> object:
    try:
        data = _batpak.kept(store._core, ROOM, identity.kept_as)
        if data is None:
            raise Unusable("none was kept")
        return _batpak.decode_value(data)
    except JournalDamaged as error:
        problem = error.message.partition(";")[0]
        raise Unusable(
            f"another history: {problem}" if "another journal" in problem else f"damaged: {problem}"
        ) from None
    except StorageError as error:
        raise Unusable(f"unreadable: {error.message}") from None
    except InvalidEncoding as error:
        raise Unusable(f"damaged: {error.message}") from None


def _checked(content: object) -> dict[str, Any]:
    """The map that is meant; every field is there and of its type, and there is no other."""
    if type(content) is not dict or "format" not in content:
        raise Unusable("damaged: it is not a snapshot")
    if content["format"] != FORMAT:
        raise Unusable("another version of batpak wrote it")
    if content.keys() != FIELDS.keys():
        raise Unusable("damaged: a field is missing or unknown")
    for name, types in FIELDS.items():
        if type(content[name]) not in types:
            raise Unusable(f"damaged: {name} is of another type")
        if types == (int,) and not 0 <= content[name] < 2**64:
            raise Unusable(f"damaged: {name} is out of range")
    return content


def forget(store: Proving, identity: Identity) -> bool:
    """Remove the kept snapshot; whether there was one."""
    return _batpak.forget(store._core, ROOM, identity.kept_as)
