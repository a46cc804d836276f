"""
The compiled half of batpak; its public classes are exported by the package.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Final, Literal, TypeVar, final, overload
from uuid import UUID

from batpak._expect import Expect
from batpak._receipt import AppendReceipt, Hlc
from batpak._verification import Verification

__all__ = ["Ancestors", "AuditHook", "Coordinate", "CoreProposal", "CoreStore", "Draft", "Event", "Events", "Evidence", "ExternalSigner", "Faults", "Kind", "ManualClock", "MemoryDisk", "Place", "PublicKey", "ReceiptIterator", "ReceiptSource", "Receipts", "SigningKey", "aggregate", "decode_value", "depart", "encode_value", "event_from_record", "fold", "forget", "inclusion_root", "keep", "kept", "names_kept", "note_verifier_key", "parse_checkpoint", "parse_note_verifier_key", "proposal_commitment", "receipt_from_bytes", "report_hash", "sign_report", "start_audit", "verify_checkpoint", "verify_consistency", "verify_directory", "verify_inclusion", "verify_receipt", "verify_report"]

_State = TypeVar("_State")

@final
class Ancestors:
    """
    An event, then the event that it chains to, and so on to the first of its entity. One thread at a time may iterate.
    """
    def __iter__(self, /) -> Ancestors: ...
    def __next__(self, /) -> Event: ...

@final
class AuditHook:
    """
    A running recording. Any thread may call it; Python does.
    """
    def __call__(self, /, event: str, arguments: tuple[object, ...]) -> None:
        """
        Python calls this with each event. It returns None, whatever happens.
        """
    @property
    def dropped(self, /) -> int:
        """
        How many could not be written.
        """
    @property
    def forks(self, /) -> int:
        """
        How often the process forked.
        """
    @property
    def last_error(self, /) -> str | None:
        """
        Why the first of the dropped events could not be written, or None.
        """
    @property
    def recorded(self, /) -> int:
        """
        How many events were written.
        """
    def stop(self, /) -> None:
        """
        Ends the recording; Python keeps calling the hook, and it does nothing.
        """

@final
class Coordinate:
    """
    Names where an event belongs: an entity within a scope.

    Both are 1 to 1024 bytes of UTF-8 in normal form C, without control characters, `/`, `|`, `=` and `..`; `:` separates levels. Entities
    `batpak` and `batpak:...` are the journal's own. Immutable, hashable, comparable, picklable; any thread may use it.

    Raises InvalidCoordinate when a name breaks a rule.

    >>> Coordinate("player:alice", "room:dungeon").entity
    'player:alice'
    """
    __match_args__: Final[tuple[str, str]]
    def __eq__(self, value: object, /) -> bool: ...
    def __ge__(self, value: object, /) -> bool: ...
    def __gt__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: object, /) -> bool: ...
    def __lt__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, entity: str, scope: str) -> Coordinate: ...
    def __reduce__(self, /) -> tuple[object, ...]: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    @property
    def entity(self, /) -> str:
        """
        Whose event it is.
        """
    @staticmethod
    def escape(text: str) -> str:
        """
        Percent-encodes whatever a coordinate may not hold, and `%` and `:`; `unescape` gives the text back.

        >>> Coordinate.escape("a/b")
        'a%2Fb'
        """
    @property
    def scope(self, /) -> str:
        """
        Where it happened.
        """
    @staticmethod
    def unescape(escaped: str) -> str:
        """
        The text that `escape` was given. Raises InvalidInput when it cannot have been.
        """

@final
class CoreProposal:
    """
    Events that will be one frame. What is in it is encoded: changing the objects that it was made from changes nothing.
    """
    def __len__(self, /) -> int: ...
    def kind(self, /, position: int) -> tuple[int, int]:
        """
        Kind and version of the event at `position`.
        """
    def value(self, /, position: int) -> Any:
        """
        The payload of the event at `position` as it will be stored: a plain value, made anew each time, or bytes.
        """

@final
class CoreStore:
    """
    An open journal.
    """
    def after_fork_in_child(self, /) -> None:
        """
        For the at-fork handler: marks the child's copy of this handle dead.
        """
    def append(self, /, coordinate: Coordinate, payload: object, kind: Kind | int | None, version: int | None, correlation_id: UUID | bytes | None, causation_id: UUID | bytes | None, metadata: dict[str, str] | None, private_metadata: dict[str, object] | None, durability: str | None, expect: Expect | int, key: str | bytes | None) -> AppendReceipt:
        """
        Writes one event.
        """
    def append_batch(self, /, items: Iterable[tuple[Coordinate, object] | Draft], kind: Kind | int | None, durability: str | None) -> Receipts:
        """
        Writes many events as one frame.
        """
    def bypass(self, /, proposal: CoreProposal, approver: str, reason: str, gates: list[str]) -> None:
        """
        Has a proposal say that it is written past these gates.
        """
    def checkpoint(self, /) -> str:
        """
        The text of a checkpoint over everything written before.
        """
    def checkpoints(self, /) -> list[str]:
        """
        The texts of the checkpoints that the journal keeps, oldest first.
        """
    def close(self, /) -> None:
        """
        Closes the store.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether `close` was called.
        """
    def commit(self, /, proposal: CoreProposal) -> Receipts:
        """
        Writes a proposal as one frame.
        """
    def deny(self, /, proposal: CoreProposal, verdicts: list[dict[str, object]]) -> tuple[AppendReceipt, bytes]:
        """
        Writes that gates refused a proposal; returns the receipt and the opening of its commitment.
        """
    def events(self, /) -> int:
        """
        Number of events, the journal's own included.
        """
    @property
    def forked(self, /) -> bool:
        """
        Whether this is a forked child's copy.
        """
    def get(self, /, reference: UUID | bytes | str | int) -> Event:
        """
        One event.
        """
    @property
    def journal_id(self, /) -> UUID:
        """
        The journal's id.
        """
    def signing_keys(self, /) -> list[tuple[PublicKey, int, int | None]]:
        """
        Every key of the journal, in the order in which they came: key, sequence of its event, and of the event that revoked it.
        """
    def known(self, /, proposal: CoreProposal) -> Receipts | None:
        """
        The receipts of what a proposal would write a second time, or None.
        """
    def lineages(self, /) -> list[tuple[tuple[UUID, UUID], int, bytes, bool, tuple[int, bytes] | None, str, str]]:
        """
        Every lineage of the journal but the first: its id, the one before it, sequence of its event, root, whether it is a fork, what was
        given up, actor and reason.
        """
    def last_receipt(self, /) -> AppendReceipt | None:
        """
        The receipt of this thread's last append, if it went to this store.
        """
    def marks(self, /) -> list[tuple[int, Hlc] | None]:
        """
        The last event of each mark, or None: accepted, written, durable, visible, each (sequence, hlc).
        """
    @property
    def name(self, /) -> str:
        """
        The journal's name.
        """
    @staticmethod
    def open(path: str | PathLike[str] | Place, *, create: bool, read_only: bool, signing_key: SigningKey | ExternalSigner | None, durability: str, interval_ms: int, segment_bytes: int, name: str, resolve: Callable[[object, object, int | None], tuple[object, int, int]], restore: Callable[[int, int, object], object], allow_nonfinite: bool, rebuild_meta: bool, index_metadata: list[str] | None, durable_only: bool, idempotency_window: int, pins: str | PathLike[str] | None, checkpoint_events: int | None, checkpoint_interval_ms: int | None, adopt_key: bool) -> CoreStore:
        """
        Opens a journal; see `batpak.Store.open`.
        """
    def open_report(self, /) -> dict[str, Any]:
        """
        How the open went, as a dict.
        """
    def propose(self, /, durability: str | None) -> CoreProposal:
        """
        Nothing yet, to be filled by `push`.
        """
    def push(self, /, proposal: CoreProposal, item: tuple[Coordinate, object] | Draft, kind: Kind | int | None) -> None:
        """
        Encodes one item, a Draft or a pair of coordinate and payload, and adds it to a proposal.
        """
    def prove(self, /, reference: UUID | bytes | str | int, size: int | None) -> tuple[bytes, int, int, list[bytes]]:
        """
        Proves that an event is among the first events: its hash, its sequence, the size, the path.
        """
    def prove_consistency(self, /, old: int, new: int | None) -> tuple[int, bytes, int, bytes, list[bytes]]:
        """
        Proves that the tree of one size goes on from another: the old size and root, the new ones, the path.
        """
    def public_key(self, /) -> PublicKey | None:
        """
        The key that signs now, or None.
        """
    def query(self, /, *, entity: str | None, entity_prefix: str | None, scope: str | None, kind: Kind | int | None, category: int | None, correlation: UUID | bytes | None, causation: UUID | bytes | None, metadata: list[tuple[str, str]] | None, after: int | None, until: int | None, since_us: int | None, before_us: int | None, reverse: bool, limit: int | None, system: bool) -> Events:
        """
        Events in commit order.
        """
    def refresh(self, /) -> int:
        """
        Has a read-only store see what was written since; returns how many events are visible.
        """
    def revoke_key(self, /, key_id: bytes, reason: str) -> AppendReceipt:
        """
        Revokes a key that is not in force any more; returns the receipt of the event that says so.
        """
    def rewinds(self, /, known: int) -> tuple[int, int | None]:
        """
        How often a read-only store was rewound, and how many of the events seen before still stand since the first `known` times.
        """
    @property
    def read_only(self, /) -> bool:
        """
        Whether it was opened for looking only.
        """
    def root(self, /, size: int | None) -> bytes:
        """
        The root over the first events.
        """
    def rotate_key(self, /, next: SigningKey | ExternalSigner) -> AppendReceipt:
        """
        Has another key sign from now on; returns the receipt of the event that says so.
        """
    def stats(self, /) -> dict[str, Any]:
        """
        Figures about the store, as a dict.
        """
    def sync(self, /) -> int:
        """
        Makes every event durable; returns how many there are.
        """
    def tile(self, /, level: int, number: int, size: int) -> bytes:
        """
        The hashes of a tile of the tree over the first events, which must be synced.
        """
    def tile_entries(self, /, number: int, size: int) -> bytes:
        """
        The entries of a tile of leaves, as C2SP tlog-tiles has them.
        """
    def verify(self, /) -> Verification:
        """
        Checks the whole journal.
        """
    def verify_receipt(self, /, source: ReceiptSource, public_key: PublicKey | None) -> Verification:
        """
        Checks a receipt against the journal.
        """
    def wait_for(self, /, mark: str, events: int, timeout: float | None) -> bool:
        """
        Waits until so many events have reached a mark; False after `timeout` seconds.
        """
    def walk_ancestors(self, /, reference: UUID | bytes | str | int, limit: int | None) -> Ancestors:
        """
        An event and its ancestors.
        """

@final
class Draft:
    """
    One event of a batch: a payload and where it belongs.

    `coordinate`: a Coordinate. `payload`: an instance of a registered class, a plain value, or bytes. `kind`: a Kind or its number, for payloads
    that are not of a registered class. `version`: schema version 0 to 65535 of such a payload. `correlation_id`: UUID or 16 bytes.
    `causation_id`: UUID or 16 bytes, or an int: the index of an earlier item of the same batch. `metadata`: dict of str to str, at most
    4 KiB, permanent: pseudonymous ids only. `private_metadata`: dict of plain values, at most 64 KiB, erasable. `expect`: ANY, NEW or the clock
    of the entity's last event. `key`: idempotency key, str or bytes of 1 to 1024 bytes.

    Immutable; nothing is checked before it is appended.

    >>> Draft(Coordinate("order:1", "shop"), {"x": 1}, kind=Kind(0xF, 1)).payload
    {'x': 1}
    """
    __match_args__: Final[tuple[str, str]]
    def __new__(cls, /, coordinate: Coordinate, payload: object, *, kind: Kind | int | None = None, version: int | None = None, correlation_id: UUID | bytes | None = None, causation_id: UUID | bytes | int | None = None, metadata: dict[str, str] | None = None, private_metadata: dict[str, object] | None = None, expect: Expect | int | None = None, key: str | bytes | None = None) -> Draft: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    @property
    def causation_id(self, /) -> UUID | bytes | int | None: ...
    @property
    def coordinate(self, /) -> Coordinate: ...
    @property
    def correlation_id(self, /) -> UUID | bytes | None: ...
    @property
    def expect(self, /) -> Expect | int: ...
    @property
    def key(self, /) -> str | bytes | None: ...
    @property
    def kind(self, /) -> Kind | int | None: ...
    @property
    def metadata(self, /) -> dict[str, str] | None: ...
    @property
    def payload(self, /) -> Any: ...
    @property
    def private_metadata(self, /) -> dict[str, object] | None: ...
    @property
    def version(self, /) -> int | None: ...

@final
class Event:
    """
    A stored event. Immutable, hashable, comparable by its hash; any thread may use it.

    The payload is decoded at the first look: to the registered class of its kind and version, to a plain value if none is registered, to
    bytes if it was stored raw.
    """
    __match_args__: Final[tuple[str, str, str]]
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __reduce__(self, /) -> tuple[object, ...]: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str:
        """
        A table for notebooks.
        """
    @property
    def causation_id(self, /) -> UUID | None:
        """
        Id of the event that caused this one, or None.
        """
    @property
    def clock(self, /) -> int:
        """
        Position in the entity's chain, from 0.
        """
    @property
    def coordinate(self, /) -> Coordinate:
        """
        Entity and scope. Raises InvalidCoordinate for the journal's own events, which have none that users may write to.
        """
    @property
    def correlation_id(self, /) -> UUID | None:
        """
        Free id that groups events, or None.
        """
    @property
    def encoding(self, /) -> Literal["raw", "value"]:
        """
        "raw" or "value".
        """
    @property
    def entity(self, /) -> str:
        """
        Whose event it is.
        """
    @property
    def event_hash(self, /) -> bytes:
        """
        BLAKE3 over the header.
        """
    @property
    def event_id(self, /) -> UUID:
        """
        UUIDv7, ascending with the sequence.
        """
    @property
    def header(self, /) -> bytes:
        """
        The header's bytes (FORMAT.md section 3).
        """
    @property
    def hlc(self, /) -> Hlc:
        """
        The hybrid logical clock.
        """
    @property
    def is_system(self, /) -> bool:
        """
        Whether it is one of the journal's own events.
        """
    @property
    def journal_id(self, /) -> UUID:
        """
        The journal that the event was written in.
        """
    @property
    def kind(self, /) -> Kind:
        """
        What it is.
        """
    @property
    def metadata(self, /) -> dict[str, str]:
        """
        Permanent metadata, a new dict in key order.
        """
    @property
    def payload(self, /) -> Any:
        """
        The payload: an instance of the registered class, a plain value, or bytes. Raises PayloadMismatch or NewerVersion when the registered
        class cannot take it; `value` and `raw_payload` still can be read then.
        """
    @property
    def payload_commitment(self, /) -> bytes:
        """
        What the header says of the payload: BLAKE3 over salt, private metadata and payload.
        """
    @property
    def payload_version(self, /) -> int:
        """
        Schema version of the payload; 0 for untyped ones.
        """
    @property
    def prev_hash(self, /) -> bytes:
        """
        Hash of the entity's previous event; 32 zero bytes for the first.
        """
    @property
    def prev_sequence(self, /) -> int | None:
        """
        Sequence of the entity's previous event, or None.
        """
    @property
    def private_metadata(self, /) -> dict[str, Any]:
        """
        Erasable metadata, a new dict in key order.
        """
    @property
    def promise(self, /) -> Literal["always", "interval", "manual"]:
        """
        "always", "interval" or "manual": what durability was promised when it was written.
        """
    @property
    def raw_payload(self, /) -> bytes:
        """
        The payload's bytes as stored.
        """
    @property
    def raw_private_metadata(self, /) -> bytes:
        """
        The private metadata's bytes as stored; empty if there is none.
        """
    @property
    def salt(self, /) -> bytes:
        """
        The 16 bytes that hide the payload behind its commitment.
        """
    @property
    def scope(self, /) -> str:
        """
        Where it happened.
        """
    @property
    def sequence(self, /) -> int:
        """
        Position in the journal, from 0.
        """
    @property
    def skew_us(self, /) -> int:
        """
        Raw wall clock minus the HLC's wall part, in microseconds.
        """
    @property
    def timestamp(self, /) -> datetime:
        """
        The HLC's wall part as an aware datetime in UTC.
        """
    @property
    def value(self, /) -> Any:
        """
        The payload as a plain value (or bytes), whatever is registered.
        """

@final
class Events:
    """
    Events in commit order, read a page at a time. One thread at a time may iterate.
    """
    def __iter__(self, /) -> Events: ...
    def __next__(self, /) -> Event: ...
    @property
    def examined(self, /) -> int:
        """
        How many events were looked at so far to find those that matched.
        """

@final
class Evidence:
    """
    Chosen events with what proves them; `batpak/_evidence/reading.py` reads them from a bundle.
    """
    def __new__(cls, /, checkpoint: str, keys: Sequence[tuple[str, PublicKey]], items: Sequence[tuple[int, bytes, tuple[bytes, bytes, bytes] | None, Sequence[bytes]]], earlier: Sequence[tuple[str, Sequence[bytes]]]) -> Evidence: ...
    def verify(self, /, public_key: PublicKey | None) -> Verification:
        """
        The verdict; see `batpak.verify_evidence`.
        """

@final
class ExternalSigner:
    """
    A key that signs elsewhere, behind a Python callable.
    """
    def __new__(cls, /, public_key: PublicKey, sign: Callable[[bytes], bytes]) -> ExternalSigner:
        """
        Of a public key and a callable that signs bytes with its secret half.
        """
    def __repr__(self, /) -> str: ...

@final
class Faults:
    """
    A script of faults; see `batpak.testing.Faults`.
    """
    def __new__(cls, /) -> Faults: ...
    def arm(self, /, *, call: int, operation: str | None, file: str, error: str, effect: str, short_bytes: int, forever: bool) -> None:
        """
        Adds a fault that counts from now. Raises InvalidInput for an argument that is none.
        """
    def calls(self, /) -> list[tuple[int, Literal["create", "create directory", "list", "lock", "map", "open", "read", "remove", "rename", "sync", "truncate", "write"], str, int, bool]]:
        """
        Every call that was made: number, operation, file, bytes, whether it failed.
        """
    def count(self, /) -> int:
        """
        How many calls were made.
        """
    def heal(self, /) -> None:
        """
        Ends all faults.
        """
    def limit_space(self, /, bytes: int) -> None:
        """
        Room for this many more bytes.
        """

@final
class Kind:
    """
    What an event is: a category (0 to 15) and a type id (0 to 4095).

    Users write categories 0x1 to 0xF but 0xD, less the kinds that the network protocol and the runtime assign (see FORMAT.md).
    Immutable, hashable, comparable, picklable; any thread may use it. Raises InvalidKind when a part is out of range.

    >>> Kind(0xF, 1).code
    61441
    """
    __match_args__: Final[tuple[str, str]]
    def __eq__(self, value: object, /) -> bool: ...
    def __ge__(self, value: object, /) -> bool: ...
    def __gt__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: object, /) -> bool: ...
    def __lt__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, category: int, type_id: int) -> Kind: ...
    def __reduce__(self, /) -> tuple[object, ...]: ...
    def __repr__(self, /) -> str: ...
    def __str__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    @property
    def category(self, /) -> int:
        """
        0 to 15.
        """
    @property
    def code(self, /) -> int:
        """
        category << 12 + type id.
        """
    @staticmethod
    def from_code(code: int) -> Kind:
        """
        The kind of a number, category << 12 + type id. Raises InvalidKind outside 0 to 65535.
        """
    @property
    def type_id(self, /) -> int:
        """
        0 to 4095.
        """

@final
class ManualClock:
    """
    Stands still until it is moved; see `batpak.testing.ManualClock`. Times are microseconds since 1970.
    """
    def __new__(cls, now_us: int, /) -> ManualClock: ...
    def advance(self, /, by_us: int) -> int:
        """
        Moves, forwards or backwards, and returns what it shows then. Raises InvalidInput, and does not move, if that is outside the years 1970 to 9999.
        """
    def now_us(self, /) -> int:
        """
        What it shows.
        """
    def set(self, /, now_us: int) -> None:
        """
        Shows this from now on. Raises InvalidInput outside the years 1970 to 9999.
        """

@final
class MemoryDisk:
    """
    A directory in memory; see `batpak.testing.MemoryDisk`.
    """
    def __new__(cls, files: dict[str, bytes], /) -> MemoryDisk: ...
    def copy(self, /) -> MemoryDisk:
        """
        What a new process finds after this one was killed now.
        """
    def crash_by_chance(self, /, seed: int) -> MemoryDisk:
        """
        What a power cut leaves when chance decides.
        """
    def crash_keeping(self, /) -> MemoryDisk:
        """
        What a power cut leaves that loses nothing.
        """
    def crash_losing(self, /) -> MemoryDisk:
        """
        What a power cut leaves that loses everything unsynced.
        """
    def files(self, /) -> dict[str, bytes]:
        """
        Every file's bytes by name, in the order of names.
        """
    def sizes(self, /) -> dict[str, int]:
        """
        Every file's length by name, in the order of names.
        """
    def unsynced(self, /) -> int:
        """
        How many changes a power cut could lose now.
        """

@final
class Place:
    """
    Where a journal is, and the clock that stamps it: what stands for a path in `batpak.testing`.
    """
    def __fspath__(self, /) -> str: ...
    @staticmethod
    def directory(shown: str | PathLike[str], path: str | PathLike[str], clock: ManualClock | None, faults: Faults | None) -> Place:
        """
        A directory of the disk; `shown` is what `Store.path` says.
        """
    @staticmethod
    def memory(disk: MemoryDisk, clock: ManualClock | None, faults: Faults | None) -> Place:
        """
        A directory in memory.
        """

@final
class PublicKey:
    """
    An Ed25519 key that verifies (RFC 8032). Immutable, hashable, comparable, picklable.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __reduce__(self, /) -> tuple[object, ...]: ...
    def __repr__(self, /) -> str: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> PublicKey:
        """
        From 32 bytes. Raises InvalidKey unless they are a usable point.
        """
    @staticmethod
    def from_pem(pem: str) -> PublicKey:
        """
        Reads SPKI PEM text. Raises InvalidKey when it is anything else.
        """
    @property
    def key_id(self, /) -> bytes:
        """
        SHA-256 of the 32 bytes.
        """
    def to_bytes(self, /) -> bytes:
        """
        The 32 bytes of RFC 8032.
        """
    def to_pem(self, /) -> str:
        """
        SPKI PEM text.
        """

@final
class ReceiptIterator:
    """
    Goes through the receipts of a batch.
    """
    def __iter__(self, /) -> ReceiptIterator: ...
    def __next__(self, /) -> AppendReceipt: ...

@final
class ReceiptSource:
    """
    The part of a receipt that its dataclass does not show: header, frame and path.
    """
    def parts(self, /) -> dict[str, Any]:
        """
        The members that the JSON form has beside the dataclass's fields.
        """
    def to_bytes(self, /) -> bytes:
        """
        Portable bytes (FORMAT.md section 11).
        """

@final
class Receipts:
    """
    The receipts of a batch, made when they are looked at: a sequence of AppendReceipt, in the order of the batch.

    Immutable; any thread may use it. It keeps headers and hashes in memory, not payloads.
    """
    @overload
    def __getitem__(self, index: int, /) -> AppendReceipt: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[AppendReceipt]: ...
    def __iter__(self, /) -> ReceiptIterator: ...
    def __len__(self, /) -> int: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...

@final
class SigningKey:
    """
    An Ed25519 key that signs (RFC 8032). It is never printed, pickled or compared; dropping it wipes it from memory.
    """
    def __repr__(self, /) -> str: ...
    @staticmethod
    def from_note(text: str) -> SigningKey:
        """
        Reads a note signer key. Raises InvalidKey when it is anything else.
        """
    @staticmethod
    def from_pem(pem: str) -> SigningKey:
        """
        Reads PKCS#8 PEM text. Raises InvalidKey when it is anything else.
        """
    @staticmethod
    def generate() -> SigningKey:
        """
        A new random key.
        """
    @property
    def key_id(self, /) -> bytes:
        """
        SHA-256 of the public key: 32 bytes.
        """
    @property
    def public_key(self, /) -> PublicKey:
        """
        The half that verifies.
        """
    def sign(self, /, data: bytes) -> bytes:
        """
        The signature over these bytes: 64 bytes.
        """
    def to_note(self, /, name: str) -> str:
        """
        The note signer key of this name: the secret itself.
        """
    def to_pem(self, /) -> str:
        """
        PKCS#8 PEM text: the secret itself.
        """

def aggregate(events: Events, measure: str, field: Sequence[str] | None, by: Sequence[tuple[str, Sequence[str]]], every_us: int | None, threads: int | None, lifted: Mapping[int, int]) -> list[tuple[tuple[Any, ...], Any]]:
    """
    Answers a question about all events that are left: a list of what each group has in common (terms, then the beginning of its span of time in
    microseconds) with the answer, in the order of the groups' first events. `first` and `last` are sequences. Nothing of this needs the interpreter.
    """

def decode_value(data: bytes) -> Any:
    """
    The plain value that canonical bytes are. Raises InvalidEncoding for any other bytes.
    """

def depart(path: str | PathLike[str] | Place, *, source: str | PathLike[str] | Place | None, signing_key: SigningKey | ExternalSigner | None, pins: str | PathLike[str] | None, actor: str, reason: str, abandoned: tuple[int, bytes] | None) -> AppendReceipt:
    """
    Begins another lineage in the journal at a place, as an accepted restore or, in a copy of the journal at `source`, as a fork; returns the
    receipt of the event that says so.
    """

def encode_value(value: object, *, allow_nonfinite: bool) -> bytes:
    """
    Canonical bytes of a plain value.
    """

def event_from_record(record: bytes) -> Event:
    """
    The event in a record's bytes, as pickling needs it; payloads go through the process-wide registry.
    """

def fold(events: Events, step: Callable[[_State, Event], _State], state: _State) -> _State:
    """
    `state = step(state, event)` for each event that is left; returns the last state. What `step` raises gets a note that names the event. A state that
    did not begin with None must not become None: that is a forgotten return.
    """

def forget(store: CoreStore, room: str, name: str) -> bool:
    """
    Removes what is kept under a name; False if there is nothing.
    """

def keep(store: CoreStore, room: str, name: str, content: bytes) -> None:
    """
    Puts bytes in the place of what was kept under a name; durable when it returns.
    """

def kept(store: CoreStore, room: str, name: str) -> bytes | None:
    """
    What is kept under a name. Raises JournalDamaged if the file is not what was written.
    """

def names_kept(store: CoreStore, room: str) -> list[str]:
    """
    The names under which something is kept, ascending.
    """

def proposal_commitment(opening: bytes) -> bytes:
    """
    What a denial keeps of a proposal with this opening.
    """

def receipt_from_bytes(data: bytes) -> AppendReceipt:
    """
    The receipt in portable bytes. Raises InvalidReceipt when they are anything else.
    """

def report_hash(body: bytes) -> bytes:
    """
    The hash of a report's body: BLAKE3 in derive-key mode, 32 bytes.
    """

def sign_report(store: CoreStore, body: bytes) -> tuple[bytes, bytes] | None:
    """
    Key id and signature of the journal's key over a report about it; None for a journal without a key.
    """

def start_audit(store: CoreStore, run_id: bytes, includes: Sequence[str]) -> AuditHook:
    """
    Starts recording for the run whose first event is `run_id`; every recorded event names it as its cause. `includes` are globs (`*` and `?`) of
    further audit events. Adds an audit hook to the interpreter, which cannot be removed, only stopped.
    """

def inclusion_root(event_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """
    The root that an inclusion proof leads to, or None.
    """

def note_verifier_key(name: str, public_key: PublicKey) -> str:
    """
    A public key as verifiers of notes are given it.
    """

def parse_checkpoint(text: str) -> tuple[str, int, bytes, list[tuple[str, bytes, bytes]]]:
    """
    Origin, size, root and signature lines of a checkpoint. Raises InvalidProof when it is none.
    """

def parse_note_verifier_key(text: str) -> tuple[str, PublicKey]:
    """
    Name and key of a verifier key. Raises InvalidKey when it is none.
    """

def verify_checkpoint(checkpoint: str, public_key: PublicKey | None) -> Verification:
    """
    Checks a checkpoint; see `batpak.Checkpoint.verify`.
    """

def verify_consistency(parts: tuple[int, bytes, int, bytes, Sequence[bytes]], old: str, new: str, public_key: PublicKey | None) -> Verification:
    """
    Checks a consistency proof; see `batpak.ConsistencyProof.verify`.
    """

def verify_inclusion(parts: tuple[bytes, int, int, Sequence[bytes]], checkpoint: str, public_key: PublicKey | None, event: Event | None) -> Verification:
    """
    Checks an inclusion proof; see `batpak.InclusionProof.verify`.
    """

def verify_directory(path: str | PathLike[str] | Place, public_key: PublicKey | None, pins: str | PathLike[str] | None) -> Verification:
    """
    Checks the journal in a directory without opening it; see `batpak.verify`.
    """

def verify_receipt(source: ReceiptSource, public_key: PublicKey | None, event: Event | None) -> Verification:
    """
    Checks a receipt without a store; see `batpak.verify_receipt`.
    """

def verify_report(public_key: PublicKey, journal_id: bytes, body: bytes, signature: bytes) -> bool:
    """
    Whether this is the key's signature over a report about the journal with this id.
    """
