"""Sections 5, 6, 10 and 12 over a whole log: every frame, every event and every signature, in order."""

from dataclasses import dataclass
from hashlib import sha256

from . import ed25519
from .codec import DecodeError, Value, decode_value
from .frame import Frame
from .merkle import Tree
from .model import Axis, Event, Journal, Segment
from .receipt import signed_message
from .record import VALUE, Record, decode_header, event_hash_of
from .system import CREATED, KEY_ADDED, KEY_REVOKED, LINEAGE, MEMBERS, payload_problem

NO_HASH = bytes(32)


@dataclass(frozen=True)
class Link:
    """Where the chain of an entity stands."""

    clock: int
    prev_sequence: int | None
    prev_hash: bytes


class LogChecker:
    """Reads the events of the segments it is given, in order, into the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.report = journal.report
        self.expected = 0  # the sequence that the next event must have
        self.tree = Tree()
        self.tree_states: dict[int, tuple[list[bytes], bytes, tuple[int, int]]] = {}
        self.complete = True  # no event has been lost to damage so far
        self.last_event: Event | None = None
        self.last_hash = NO_HASH
        self.chains: dict[str, Link] = {}
        self.known_sequences: set[int] = set()
        self.public_key: bytes | None = None
        self.keys: list[tuple[int, bytes]] = []  # public keys with the sequence of the event that names each
        self.lineages: list[tuple[int, bytes]] = []  # each with the sequence of the event that begins it
        self.revoked: dict[bytes, int] = {}  # by key id, the sequence of the event that revoked it

    def check_segment(self, segment: Segment, last: bool) -> None:
        if segment.header is not None and segment.header.journal_id != self.journal.journal_id:
            self.report("order", segment.file, 12, segment.first_sequence, "journal_id is another journal's")
        if segment.first_sequence != self.expected:
            axis: Axis = "completeness" if segment.first_sequence > self.expected else "order"
            message = f"the segment begins at {segment.first_sequence}, and {self.expected} comes next"
            self.report(axis, segment.file, 44, self.expected, message)
            self.complete = False
            self.expected = segment.first_sequence
        for start, end, reason in segment.scan.damage:
            self.report("content", segment.file, start, None, f"bytes {start}..{end} are no valid frame: {reason}")
        if segment.scan.rest == "zeros" and not last:
            self.report("content", segment.file, segment.scan.end, None, "zero bytes at the end of a sealed segment")
        for frame in segment.scan.frames:
            self.check_frame(segment, frame)
            if self.complete:
                state = (list(self.tree.peaks), self.last_hash, (segment.first_sequence, frame.end))
                self.tree_states[self.tree.size] = state
        if segment.scan.rest == "other":
            self.complete = self.complete and not segment.scan.damage

    def check_frame(self, segment: Segment, frame: Frame) -> None:
        if frame.after_damage:
            self.complete = False
        try:
            key_id, signature, records = frame.split()
        except DecodeError as error:
            self.report("content", segment.file, frame.offset, self.expected, f"frame body: {error}")
            self.complete = False
            self.expected += frame.count
            return
        hashes = []
        first_sequence = None
        for index, record in enumerate(records):
            event_hash = event_hash_of(record.header)
            hashes.append(event_hash)
            event = self.read_event(segment, frame, record, event_hash)
            if event is None:
                self.complete = False  # whether the hash belongs at this place of the tree is not known
                self.expected += 1
                continue
            if index == 0:
                first_sequence = event.sequence
                if frame.after_damage:
                    self.expected = event.sequence  # the damage is reported, and the gap follows from it
            self.check_order(event)
            self.check_system_event(event)
            self.journal.events.append(event)
            self.last_event = event
            self.last_hash = event_hash
            if self.complete:
                self.tree.append(event_hash)
        if first_sequence is None:
            first_sequence = self.expected - len(records)
        if frame.synced_through > first_sequence:
            message = "synced_through is more than the frame's first sequence"
            self.report("content", segment.file, frame.offset, first_sequence, message)
        if len(records) > 1 and any(begin >= first_sequence for begin, _ in self.lineages):
            message = "a lineage event is not alone in its frame"
            self.report("order", segment.file, frame.offset, first_sequence, message)
        self.check_signature(segment, frame, first_sequence, hashes, key_id, signature)

    def read_event(self, segment: Segment, frame: Frame, record: Record, event_hash: bytes) -> Event | None:
        offset = frame.end - len(frame.body) + record.position

        def report(message: str) -> None:
            self.report("content", segment.file, offset, self.expected, message)

        try:
            header = decode_header(record.header)
        except DecodeError as error:
            report(f"header: {error}")
            return None
        if record.commitment() != header.payload_commitment:
            report("payload_commitment does not fit salt, private metadata and payload")
        private: Value = {}
        value: Value = record.payload
        try:
            if record.private:
                private = decode_value(record.private)
        except DecodeError as error:
            report(f"private metadata: {error}")
        if not isinstance(private, dict):
            report("private metadata is not a map")
            private = {}
        try:
            if header.encoding == VALUE:
                value = decode_value(record.payload)
        except DecodeError as error:
            report(f"payload: {error}")
        return Event(
            **vars(header),
            event_hash=event_hash,
            salt=record.salt,
            private=private,
            payload=record.payload,
            value=value,
            file=segment.file,
            offset=offset,
            length=record.length,
            frame_offset=frame.offset,
        )

    def check_order(self, event: Event) -> None:
        def report(message: str) -> None:
            self.report("order", event.file, event.offset, event.sequence, message)

        if event.sequence != self.expected:
            report(f"sequence {self.expected} comes next")
            self.complete = False
        self.expected = event.sequence + 1
        if event.kind == LINEAGE:
            problem = self.lineage_problem(event)
            if problem is not None:
                report(problem)
            self.lineages.append((event.sequence, event.journal_id))
        elif event.journal_id != self.lineage:
            report("journal_id is another journal's")
        last = self.last_event
        if last is not None and event.event_id.bytes <= last.event_id.bytes:
            report("event_id does not ascend")
        if last is not None and (event.hlc_wall_us, event.hlc_counter) <= (last.hlc_wall_us, last.hlc_counter):
            report("the HLC does not ascend")
        if int.from_bytes(event.event_id.bytes[:6], "big") != event.hlc_wall_us // 1000:
            report("the milliseconds of event_id are not the HLC's")
        link = Link(event.clock, event.prev_sequence, event.prev_hash)
        # A link into events that were lost cannot be judged, and their loss is reported already.
        lost = not self.complete and event.prev_sequence is not None and event.prev_sequence not in self.known_sequences
        if link != self.chains.get(event.entity, Link(0, None, NO_HASH)) and not lost:
            report("clock, prev_sequence or prev_hash does not name the previous event of the entity")
        self.chains[event.entity] = Link(event.clock + 1, event.sequence, event.event_hash)
        self.known_sequences.add(event.sequence)
        if (event.kind == CREATED) != (event.sequence == 0):
            report("created is not, or not only, at sequence 0")

    @property
    def lineage(self) -> bytes | None:
        """Section 12: what the next event carries as its journal_id."""
        return self.lineages[-1][1] if self.lineages else self.journal.journal_id

    def lineage_at(self, sequence: int) -> bytes | None:
        """What an event carries as its journal_id."""
        begun = [lineage for begin, lineage in self.lineages if begin <= sequence]
        return begun[-1] if begun else self.journal.journal_id

    def lineage_problem(self, event: Event) -> str | None:
        """Section 12: why an event does not begin another lineage, or None."""
        said = event.value
        if not isinstance(said, dict) or payload_problem(LINEAGE, said) is not None:
            return None  # reported as a system event
        parent = said["parent_id"]
        if said["journal_id"] != event.journal_id or parent != self.lineage:
            return "the lineage does not go on from the one before it"
        if event.journal_id in (self.journal.journal_id, *(lineage for _, lineage in self.lineages)):
            return "a lineage comes a second time"
        if not isinstance(parent, bytes) or event.metadata.get("parent_id") != parent.hex():
            return "metadata and payload name different parents"
        if said["kept_size"] != event.sequence or (self.complete and said["kept_root"] != self.tree.root()):
            return "the lineage goes on from another history than the one before it"
        return None

    def check_system_event(self, event: Event) -> None:
        if event.kind not in MEMBERS:
            return
        problem = payload_problem(event.kind, event.value)
        if problem is not None:
            self.report("content", event.file, event.offset, event.sequence, f"system event: {problem}")
            return
        assert isinstance(event.value, dict)
        if event.kind == CREATED:
            name = event.value["name"]
            assert isinstance(name, str)
            self.journal.name = name if self.journal.name is None else self.journal.name
            if event.value["journal_id"] != event.journal_id:
                message = "journal_id in the payload is not the header's"
                self.report("order", event.file, event.offset, event.sequence, message)
        if event.kind in (CREATED, KEY_ADDED):
            public_key = event.value["public_key"]
            if isinstance(public_key, bytes):
                problem = self.key_problem(event, public_key)
                if problem is None:
                    self.public_key = public_key
                    self.keys.append((event.sequence, public_key))
                    self.journal.keys[sha256(public_key).digest()] = public_key
                else:
                    self.report("signatures", event.file, event.offset, event.sequence, problem)
        if event.kind == KEY_REVOKED:
            key_id = event.value["key_id"]
            assert isinstance(key_id, bytes)
            in_force = self.public_key is not None and sha256(self.public_key).digest() == key_id
            if key_id not in self.journal.keys or key_id in self.revoked or in_force:
                message = "a key is revoked that is none, is in force, or is revoked already"
                self.report("signatures", event.file, event.offset, event.sequence, message)
            else:
                self.revoked[key_id] = event.sequence

    def key_problem(self, event: Event, public_key: bytes) -> str | None:
        """Section 10: why a key cannot come into force here, or None."""
        assert isinstance(event.value, dict)
        key_id = sha256(public_key).digest()
        if event.kind == KEY_ADDED and event.value["key_id"] != key_id:
            return "key_id is not the SHA-256 of public_key"
        if key_id in self.journal.keys:
            return "a key comes a second time"
        if self.public_key is None:
            return None
        endorsement = event.value["endorsement"]
        message = b"\0batpak key v1" + event.journal_id + public_key
        if not isinstance(endorsement, bytes) or not ed25519.verify(self.public_key, endorsement, message):
            return "the key before it does not endorse it"
        return None

    def check_signature(
        self,
        segment: Segment,
        frame: Frame,
        first_sequence: int,
        hashes: list[bytes],
        key_id: bytes | None,
        signature: bytes | None,
    ) -> None:
        problem = None
        if self.public_key is None:
            if signature is not None:
                problem = "signed, and no event up to here names a key"
        elif signature is None or key_id is None:
            problem = "signature_missing"
        elif key_id != sha256(self.public_key).digest():
            problem = "signed by another key than the one last named"
        else:
            journal_id = self.lineage
            message = signed_message(journal_id, first_sequence, len(hashes), Tree(hashes).root())
            if not ed25519.verify(self.public_key, signature, message):
                problem = "the signature is not valid"
        if problem is not None:
            self.report("signatures", segment.file, frame.offset, first_sequence, problem)
