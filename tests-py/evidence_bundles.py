"""Makes evidence bundles (FORMAT.md section 19) of real journals and of made-up events, honest and otherwise."""

from __future__ import annotations

import base64
import io
import json
import uuid
import zipfile
from dataclasses import dataclass, field, replace
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import batpak
from batpak import _batpak
from batpak._evidence import verifier
from handmade import naive_path, naive_root, sign
from plain_reader.blake3 import derive_key
from plain_reader.codec import encode_varint
from support import KIND

PASSED = {"content": "passed", "order": "passed", "completeness": "passed", "anchors": "passed", "signatures": "passed"}
CHOSEN = {**PASSED, "completeness": "not_checked"}
NOTHING = dict.fromkeys(PASSED, "not_checked")

SEED = bytes(range(32))
OTHER_SEED = bytes(range(32, 64))
VERIFIER = Path(_batpak.__file__).parent / "_evidence" / "verifier.py"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def lengthed(data: bytes) -> bytes:
    return encode_varint(len(data)) + data


def signing_key(seed: bytes) -> batpak.SigningKey:
    """The key of a seed: RFC 8410, section 7."""
    der = bytes.fromhex("302e020100300506032b657004220420") + seed
    return batpak.SigningKey.from_pem(f"-----BEGIN PRIVATE KEY-----\n{b64(der)}\n-----END PRIVATE KEY-----\n")


def public_key(seed: bytes) -> bytes:
    return sign(seed, b"")[0]


def secret_scalar(seed: bytes) -> int:
    return int.from_bytes(sha512(seed).digest()[:32], "little") & (1 << 254) - 8 | 1 << 254


def public_pem(seed: bytes) -> str:
    return signing_key(seed).public_key.to_pem()


def key_id(seed: bytes) -> str:
    return sha256(public_key(seed)).hexdigest()


def note_id(origin: str, public: bytes) -> bytes:
    return sha256(origin.encode() + b"\n\x01" + public).digest()[:4]


def verifier_key(origin: str, seed: bytes = SEED) -> str:
    public = public_key(seed)
    return "+".join((origin, note_id(origin, public).hex(), b64(b"\x01" + public)))


# -- events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    header: bytes
    salt: bytes = bytes(16)
    private: bytes = b""
    payload: bytes = b""

    @property
    def event_hash(self) -> bytes:
        return derive_key("batpak 1 event", self.header)


def commitment(salt: bytes, private: bytes, payload: bytes) -> bytes:
    return derive_key("batpak 1 payload", salt + lengthed(private) + payload)


@dataclass(frozen=True)
class Fields:
    """A header, field by field (section 3); ``encode`` checks nothing."""

    version: int = 1
    journal_id: bytes = bytes(range(16))
    entity: bytes = b"e"
    scope: bytes = b"s"
    kind: int = 0xF001
    encoding: int = 0
    options: bytes = bytes(3)
    metadata: bytes = b"\x00"
    sealing: int = 0
    commitment: bytes = commitment(bytes(16), b"", b"")
    promise: int = 2
    sequence: int = 0
    event_id: bytes | None = None
    clock: int = 0
    wall_us: int = 1_700_000_000_000_000
    counter: int = 0
    prev: bytes = b"\x00"
    prev_hash: bytes = bytes(32)
    rest: bytes = b""

    def encode(self) -> bytes:
        event_id = self.event_id or make_id(self.wall_us // 1000, self.sequence)
        return b"".join(
            (
                bytes([self.version]),
                self.journal_id,
                lengthed(self.entity),
                lengthed(self.scope),
                encode_varint(self.kind),
                encode_varint(0),
                bytes([self.encoding]),
                self.options,
                self.metadata,
                bytes([self.sealing]),
                self.commitment,
                bytes([self.promise]),
                encode_varint(self.sequence),
                event_id,
                encode_varint(self.clock),
                encode_varint(self.wall_us),
                encode_varint(self.counter),
                encode_varint(0),
                self.prev,
                self.prev_hash,
                self.rest,
            )
        )

    @property
    def record(self) -> Record:
        return Record(self.encode())

    def after(self, previous: Fields) -> Fields:
        """This one as the next event of the entity of ``previous``."""
        prev = b"\x01" + encode_varint(previous.sequence)
        return replace(self, clock=previous.clock + 1, prev=prev, prev_hash=previous.record.event_hash)


def make_id(milliseconds: int, low: int) -> bytes:
    """A UUID of version 7."""
    return milliseconds.to_bytes(6, "big") + b"\x70\x00" + (2 << 62 | low).to_bytes(8, "big")


def chain(count: int, **changes: Any) -> list[Fields]:
    """The honest events of one entity, from sequence 0 on."""
    events = [Fields(**changes)]
    for sequence in range(1, count):
        events.append(Fields(sequence=sequence, counter=sequence, **changes).after(events[-1]))
    return events


# What no header may be; each of these breaks one rule of section 3.
NOT_CANONICAL = {
    "version": {"version": 2},
    "empty entity": {"entity": b""},
    "long entity": {"entity": b"e" * 1025},
    "not UTF-8": {"scope": b"\xff"},
    "control": {"scope": b"a\x1b"},
    "late control": {"scope": "\x85".encode()},
    "slash": {"entity": b"a/b"},
    "dots": {"entity": b"a..b"},
    "kind": {"kind": 0x10000},
    "encoding": {"encoding": 2},
    "option": {"options": b"\x02\x00\x00"},
    "metadata order": {"metadata": b"\x02\x01b\x00\x01a\x00"},
    "metadata twice": {"metadata": b"\x02\x01a\x00\x01a\x00"},
    "metadata length": {"metadata": b"\x01" + encode_varint(4095) + bytes(4095) + b"\x00"},
    "overlong number": {"metadata": b"\x80\x00"},
    "endless number": {"metadata": b"\x80" * 11},
    "too large a number": {"metadata": b"\xff" * 9 + b"\x02"},
    "sealing": {"sealing": 1},
    "promise": {"promise": 3},
    "version of the id": {"event_id": bytes(8) + b"\x80" + bytes(7)},
    "variant of the id": {"event_id": bytes(6) + b"\x70" + bytes(9)},
    "wall": {"wall_us": 2**48 * 1000, "event_id": make_id(0, 0)},
    "counter": {"counter": 2**32},
    "left over": {"rest": b"\x00"},
    "cut off": {"prev_hash": bytes(31)},
}


# -- journals ----------------------------------------------------------------------------------------------------------


@dataclass
class Journal:
    """Events from sequence 0 on, and who signs for them."""

    events: list[Record]
    name: str = "test"
    journal_id: bytes = bytes(range(16))
    seed: bytes | None = SEED

    @property
    def origin(self) -> str:
        return f"{self.name}/{uuid.UUID(bytes=self.journal_id)}"

    @property
    def hashes(self) -> list[bytes]:
        return [event.event_hash for event in self.events]

    def key(self) -> str:
        assert self.seed is not None
        return verifier_key(self.origin, self.seed)

    def checkpoint(self, size: int | None = None, **changes: Any) -> bytes:
        """A checkpoint; ``origin``, ``number``, ``root`` and ``seed`` put something else in it."""
        size = len(self.events) if size is None else size
        root = changes.get("root", naive_root(self.hashes[:size]))
        origin = changes.get("origin", self.origin)
        text = f"{origin}\n{changes.get('number', size)}\n{b64(root)}\n".encode()
        return note(text, origin, changes.get("seed", self.seed))


def note(text: bytes, name: str, seed: bytes | None) -> bytes:
    if seed is None:
        return text + b"\n"
    public, signature = sign(seed, text)
    return text + f"\n\u2014 {name} {b64(note_id(name, public) + signature)}\n".encode()


def made(events: list[Fields], **options: Any) -> Journal:
    return Journal([event.record for event in events], **options)


def recorded(path: Path, count: int, seed: bytes | None = SEED) -> Journal:
    """A journal that the software wrote, read through its public interface."""
    key = None if seed is None else signing_key(seed)
    with batpak.Store.open(path, signing_key=key, name="orders") as store:
        for number in range(count):
            coordinate = batpak.Coordinate(f"order:{number % 3}", "shop")
            private = {"who": "someone"} if number % 2 else None
            metadata = {"a": "1", "b": "\u00e9"} if number % 5 == 0 else None
            store.append(coordinate, {"number": number}, kind=KIND, metadata=metadata, private_metadata=private)
        events = []
        for event in store.query(system=True):
            private_bytes = b""
            if event.private_metadata:
                private_bytes = _batpak.encode_value(event.private_metadata, allow_nonfinite=False)
            events.append(Record(event.header, event.salt, private_bytes, event.raw_payload))
        return Journal(events, "orders", store.journal_id.bytes, seed)


def consistency(old: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(hashes):
        return [] if whole else [naive_root(hashes)]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if old <= split:
        return [*consistency(old, hashes[:split], whole), naive_root(hashes[split:])]
    return [*consistency(old - split, hashes[split:], False), naive_root(hashes[:split])]


# -- bundles -----------------------------------------------------------------------------------------------------------


@dataclass
class Bundle:
    """The parts of a bundle, each of which a test may change before it is packed."""

    journal: Journal
    checkpoint: bytes
    keys: bytes
    events: list[dict[str, Any]]
    earlier: list[dict[str, Any]] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    program: bytes = b"# a verifier\n"

    def members(self) -> dict[str, bytes]:
        size = int(self.checkpoint.split(b"\n")[1])
        manifest = {
            "batpak_evidence": 1,
            "origin": self.journal.origin,
            "size": size,
            "events": len(self.events),
            "payloads": sum(event["salt"] is not None for event in self.events),
            "query": {"entity": "order:1"},
        }
        return {
            "__main__.py": self.program,
            "README.txt": b"Evidence.\n",
            "manifest.json": json.dumps({**manifest, **self.manifest}).encode(),
            "checkpoint": self.checkpoint,
            "keys": self.keys,
            "events.jsonl": lines(self.events),
            "checkpoints.jsonl": lines(self.earlier),
        }

    def pack(self) -> bytes:
        return pack(sealed(self.members()))


def lines(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


def sealed(members: dict[str, bytes]) -> dict[str, bytes]:
    """With the digests of the manifest put right."""
    manifest = json.loads(members["manifest.json"])
    manifest["files"] = {
        name: {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        for name, content in members.items()
        if name != "manifest.json"
    }
    return {**members, "manifest.json": json.dumps(manifest).encode()}


def pack(members: dict[str, bytes]) -> bytes:
    """The ZIP file of these members, by Python's own writer."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def bundle(
    journal: Journal, chosen: list[int] | None = None, *, payloads: bool = True, earlier: tuple[int, ...] = ()
) -> Bundle:
    """An honest bundle of the chosen events, or of all."""
    hashes = journal.hashes
    chosen = list(range(len(hashes))) if chosen is None else chosen
    events = []
    for sequence in chosen:
        record = journal.events[sequence]
        opening = [b64(part) for part in (record.salt, record.private, record.payload)] if payloads else [None] * 3
        line = {"sequence": sequence, "header": b64(record.header)}
        line |= dict(zip(("salt", "private", "payload"), opening, strict=True))
        events.append({**line, "path": [b64(each) for each in naive_path(sequence, hashes)]})
    older = [
        {"checkpoint": journal.checkpoint(size).decode(), "path": [b64(each) for each in consistency(size, hashes)]}
        for size in earlier
    ]
    keys = b"" if journal.seed is None else journal.key().encode() + b"\n"
    return Bundle(journal, journal.checkpoint(), keys, events, older)


def claims(members: dict[str, bytes]) -> object:
    """What a bundle claims. Who made it, how it was chosen and what is there for people proves nothing."""
    manifest = json.loads(members["manifest.json"])
    return (
        {name: manifest[name] for name in ("batpak_evidence", "origin", "size", "events", "payloads")},
        members["checkpoint"],
        members["keys"],
        [json.loads(line) for line in members["events.jsonl"].splitlines()],
        [json.loads(line) for line in members["checkpoints.jsonl"].splitlines()],
    )


def with_event(changed: Bundle, index: int, **members: object) -> Bundle:
    changed.events[index] |= members
    return changed


def codes(verdict: verifier.Verdict) -> list[tuple[str, str, int | None]]:
    return [(finding.axis, finding.code, finding.sequence) for finding in verdict.findings]


# -- known answers -----------------------------------------------------------------------------------------------------

# Of the official test vectors of BLAKE3 (github.com/BLAKE3-team/BLAKE3, test_vectors/test_vectors.json): length of the
# input, whose byte n is n % 251, and the first 32 bytes in plain mode and in derive-key mode.
BLAKE3_CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context"
BLAKE3_VECTORS = """
0 af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d
1 2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213 b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c
1023 10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11 74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5
1024 42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7 7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706
1025 d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444 effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb
2049 5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030 2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273
5121 628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff b07f01e518e702f7ccb44a267e9e112d403a7b3f4883a47ffbed4b48339b3c34
8193 bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b af1e0346e389b17c23200270a64aa4e1ead98c61695d917de7d5b00491c9b0f1
31744 62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47 39772aef80e0ebe60596361e45b061e8f417429d529171b6764468c22928e28e
102400 bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085 4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6
"""

# RFC 8032, section 7.1: public key, message, signature.
RFC_8032 = """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a - e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c 72 92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025 af82 6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
"""

# The eight points of small order.
SMALL_ORDER = """
0100000000000000000000000000000000000000000000000000000000000000
ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
0000000000000000000000000000000000000000000000000000000000000000
0000000000000000000000000000000000000000000000000000000000000080
26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85
c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa
"""
