"""Evidence bundles with members that are not what they must be: FORMAT.md section 19, step 1."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from corpus import zipping
from corpus.evidence import bad, honest, journal, packed, with_line, with_member
from corpus.notes import as_line
from evidence_bundles import b64, note_id, sealed, verifier_key
from evidence_bundles import bundle as choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus.cases import Case
    from evidence_bundles import Bundle, Journal


def _members() -> dict[str, bytes]:
    return sealed(honest(2, 3).members())


def _manifest(**changes: object) -> bytes:
    return packed(replace(honest(2, 3), manifest=changes))


def _raw_manifest(before: bytes, after: bytes) -> bytes:
    """A bundle with a manifest that is changed below its digests."""
    members = _members()
    text = members["manifest.json"]
    assert before in text, before
    return zipping.pack(zipping.plain({**members, "manifest.json": text.replace(before, after, 1)}))


def _files(change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    members = _members()
    manifest = json.loads(members["manifest.json"])
    change(manifest["files"])
    return zipping.pack(zipping.plain({**members, "manifest.json": json.dumps(manifest).encode()}))


def _manifests() -> list[tuple[str, str, bytes]]:
    members = _members()
    return [
        ("manifest-version", "The version of the manifest is 1.", _manifest(batpak_evidence=2)),
        (
            "manifest-version-true",
            "The version of the manifest is a number, and true is none.",
            _manifest(batpak_evidence=True),
        ),
        ("manifest-version-fraction", "1.0 is a number with a fraction.", _manifest(batpak_evidence=1.0)),
        (
            "manifest-origin",
            "The manifest names another journal than the checkpoint.",
            _manifest(origin="other/00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ),
        ("manifest-size", "The manifest says another size than the checkpoint.", _manifest(size=6)),
        ("manifest-events", "The manifest says one event more than there are.", _manifest(events=3)),
        ("manifest-payloads", "The manifest says that one payload less is there.", _manifest(payloads=1)),
        ("manifest-number-as-text", "The size is a number.", _manifest(size="7")),
        ("manifest-negative", "Numbers are not negative.", _manifest(events=-2)),
        ("manifest-minus-zero", "Numbers have no sign.", _raw_manifest(b'"payloads": 2', b'"payloads": -0')),
        ("manifest-exponent", "Numbers have no exponent.", _raw_manifest(b'"size": 7', b'"size": 7e0')),
        ("manifest-payloads-true", "A number is none if it is true.", _manifest(payloads=True)),
        ("manifest-too-large", "Numbers are at most 2^64 - 1.", _manifest(size=2**64)),
        (
            "manifest-bytes-fraction",
            "The number of a member's bytes has no fraction.",
            _files(lambda files: files["keys"].update(bytes=float(len(members["keys"])))),
        ),
        ("manifest-query-text", "The query is an object.", _manifest(query="all")),
        ("manifest-query-number", "The query is of text.", _manifest(query={"limit": 5})),
        ("manifest-more", "The manifest has a member that section 19 does not list.", _manifest(comment="")),
        ("manifest-less", "The manifest has no query.", _raw_manifest(b'"query"', b'"quarry"')),
        ("manifest-member-twice", "A JSON object names a member once.", _raw_manifest(b'"size"', b'"size": 7, "size"')),
        ("manifest-no-json", "The manifest is JSON.", zipping.pack(zipping.plain({**members, "manifest.json": b"{"}))),
        ("manifest-not-utf8", "The manifest is UTF-8.", _raw_manifest(b"order:1", b"order:\xff")),
        (
            "manifest-list",
            "The manifest is one object.",
            zipping.pack(zipping.plain({**members, "manifest.json": b"[" + members["manifest.json"] + b"]"})),
        ),
        (
            "manifest-digest",
            "The text for people is another than the manifest says.",
            zipping.pack(zipping.plain({**members, "README.txt": b"Evidence?\n"})),
        ),
        (
            "manifest-bytes",
            "A member has one byte less than the manifest says.",
            _files(lambda files: files["keys"].update(bytes=len(members["keys"]) + 1)),
        ),
        (
            "manifest-digest-upper-case",
            "Digests are lower-case.",
            _files(lambda files: files["keys"].update(sha256=str(files["keys"]["sha256"]).upper())),
        ),
        ("manifest-file-missing", "The manifest does not tell of the keys.", _files(lambda files: files.pop("keys"))),
        (
            "manifest-file-more",
            "The manifest tells of a file that is not there.",
            _files(lambda files: files.update({"notes.txt": files["keys"]})),
        ),
        (
            "manifest-file-itself",
            "The manifest tells of every other member, and not of itself.",
            _files(lambda files: files.update({"manifest.json": files["keys"]})),
        ),
    ]


def _of(made: Journal) -> Bundle:
    return choose(made, [2, 3])


def _of_origin(change: Callable[[str], str]) -> Bundle:
    """An honest bundle of a journal whose origin is written in another way, in every place."""
    made = honest(2, 3)
    origin = change(made.journal.origin)
    manifest, key = {"origin": origin}, verifier_key(origin).encode() + b"\n"
    return replace(made, checkpoint=made.journal.checkpoint(origin=origin), keys=key, manifest=manifest)


def no_point(origin: str) -> str:
    """A verifier key that is no point of the curve."""
    public = b"\x02" + bytes(31)
    return f"{origin}+{note_id(origin, public).hex()}+{b64(bytes([1]) + public)}\n"


def _texts() -> list[tuple[str, str, bytes]]:
    def checkpoint(change: Callable[[bytes], bytes]) -> bytes:
        return with_member("checkpoint", change)

    def keys(change: Callable[[bytes], bytes]) -> bytes:
        return with_member("keys", change)

    def lines(change: Callable[[bytes], bytes]) -> bytes:
        return with_member("events.jsonl", change)

    header = honest(2).events[0]["header"]
    earlier = honest(2, earlier=(3,))
    origin = journal().origin
    return [
        (
            "checkpoint-leading-zero",
            "The size of the checkpoint has a leading zero (section 18.1).",
            checkpoint(lambda text: text.replace(b"\n7\n", b"\n07\n")),
        ),
        (
            "checkpoint-no-blank-line",
            "The blank line of the checkpoint is missing (section 18.1).",
            checkpoint(lambda text: text.replace(b"\n\n", b"\n")),
        ),
        ("checkpoint-not-utf8", "The checkpoint is text.", checkpoint(lambda text: text + b"\xff\n")),
        ("checkpoint-open-line", "The last line of the checkpoint does not end.", checkpoint(lambda text: text[:-1])),
        (
            "checkpoint-control-character",
            "The checkpoint has a control character that is not ASCII in a further line (section 18.1).",
            checkpoint(lambda text: text.replace(b"\n\n", "\n\x9b1m\n\n".encode())),
        ),
        (
            "checkpoint-too-many-signatures",
            "The checkpoint has 65 signature lines (section 18.1).",
            checkpoint(lambda text: text + as_line("w", bytes(4), bytes(64)).encode() * 64),
        ),
        (
            "origin-without-name",
            "The origin names a journal of no name (section 18.1).",
            packed(_of(replace(journal(), name=""))),
        ),
        (
            "origin-too-long",
            "The origin names a journal with a name of 256 bytes (section 18.1).",
            packed(_of(replace(journal(), name="n" * 256))),
        ),
        (
            "origin-upper-case",
            "The id in the origin is upper-case (section 18.1).",
            packed(_of_origin(lambda origin: origin[:-36] + origin[-36:].upper())),
        ),
        (
            "origin-without-hyphens",
            "The id in the origin has no hyphens (section 18.1).",
            packed(_of_origin(lambda origin: origin[:-36] + origin[-36:].replace("-", ""))),
        ),
        (
            "origin-without-id",
            "The origin is a name alone, and there is no event that would have to fit (section 18.1).",
            packed(replace(_of_origin(lambda _: "example.com/log"), events=[])),
        ),
        (
            "origin-with-space",
            "The name in the origin has a space (section 18.1).",
            packed(_of(replace(journal(), name="a b"))),
        ),
        (
            "keys-space-before",
            "A space stands before a key.",
            keys(lambda text: b" " + text),
        ),
        ("keys-space-behind", "A space stands behind a key.", keys(lambda text: text[:-1] + b" \n")),
        ("keys-carriage-return", "A line of the keys ends with 0d 0a.", keys(lambda text: text[:-1] + b"\r\n")),
        ("keys-not-utf8", "The keys are text.", keys(lambda text: b"\xff" + text)),
        (
            "keys-no-point",
            "A key is no point of the curve (section 18.1).",
            keys(lambda text: text + no_point(origin).encode()),
        ),
        (
            "readme-not-utf8",
            "The text for people is UTF-8.",
            with_member("README.txt", lambda _: b"Evidence \xff\n"),
        ),
        (
            "checkpoint-nothing",
            "The checkpoint is of no events, and so of none of those in the bundle.",
            checkpoint(lambda text: text.replace(b"\n7\n", b"\n0\n")),
        ),
        ("keys-no-key", "A line of the keys is no verifier key.", keys(lambda text: text + b"key\n")),
        ("keys-blank-line", "A line of the keys is empty.", keys(lambda text: text + b"\n")),
        ("keys-open-line", "The last line of the keys does not end.", keys(lambda text: text[:-1])),
        (
            "keys-of-another-name",
            "A key has another name than the origin.",
            keys(lambda text: text + verifier_key("other").encode() + b"\n"),
        ),
        (
            "keys-wrong-id",
            "The id of a key does not fit.",
            keys(lambda text: text.replace(b"+", b"+0", 1)[:-1] + b"\n"),
        ),
        (
            "keys-other-journal",
            "A key has the name of another journal.",
            keys(lambda _: verifier_key(origin[:-1] + "0").encode() + b"\n"),
        ),
        ("events-no-json", "A line of the events is no JSON.", lines(lambda text: text + b"{\n")),
        ("events-blank-line", "A line of the events is empty.", lines(lambda text: text + b"\n")),
        ("events-open-line", "The last line of the events does not end.", lines(lambda text: text[:-1])),
        (
            "events-not-utf8",
            "A line of the events is not UTF-8.",
            lines(lambda text: text.replace(b'{"', b'{"\xff', 1)),
        ),
        ("events-list", "A line of the events is a list.", lines(lambda text: text + b"[]\n")),
        (
            "events-nested",
            "A line of the events is ten thousand lists inside one another; a reader must not run out of stack.",
            lines(lambda text: text + b"[" * 10_000 + b"\n"),
        ),
        (
            "events-member-twice",
            "A line of the events names a member twice.",
            lines(lambda text: text.replace(b'"sequence"', b'"sequence": 2, "sequence"', 1)),
        ),
        ("event-more", "An event has a member that section 19 does not list.", packed(with_line(0, comment=""))),
        ("event-sequence-text", "A sequence is a number.", packed(with_line(0, sequence="2"))),
        ("event-sequence-true", "A sequence is a number, and true is none.", packed(with_line(0, sequence=True))),
        ("event-sequence-fraction", "2.0 is a number with a fraction.", packed(with_line(0, sequence=2.0))),
        ("event-sequence-negative", "A sequence is not negative.", packed(with_line(0, sequence=-1))),
        (
            "event-sequence-too-large",
            "A sequence is at most 2^64 - 1, and this has 21 digits.",
            packed(with_line(0, sequence=10**20)),
        ),
        ("event-sequence-2-64", "A sequence is at most 2^64 - 1.", packed(with_line(0, sequence=2**64))),
        (
            "event-sequence-minus-zero",
            "A sequence has no sign.",
            lines(lambda text: text.replace(b'"sequence": 2', b'"sequence": -0', 1)),
        ),
        (
            "event-sequence-exponent",
            "A sequence has no exponent.",
            lines(lambda text: text.replace(b'"sequence": 2', b'"sequence": 2e0', 1)),
        ),
        ("event-path-of-65", "A path has at most 64 hashes.", packed(with_line(0, path=[b64(bytes(32))] * 65))),
        (
            "earlier-path-of-65",
            "The proof of an earlier checkpoint has at most 64 hashes.",
            packed(replace(earlier, earlier=[{**earlier.earlier[0], "path": [b64(bytes(32))] * 65}])),
        ),
        (
            "earlier-origin-without-id",
            "The origin of an earlier checkpoint is a name alone (section 18.1).",
            packed(
                replace(
                    earlier,
                    earlier=[{**earlier.earlier[0], "checkpoint": journal().checkpoint(3, origin="log").decode()}],
                )
            ),
        ),
        ("event-header-null", "A header is base64.", packed(with_line(0, header=None))),
        ("event-header-unpadded", "Base64 has padding.", packed(with_line(0, header=b64(b"\0" * 16).rstrip("=")))),
        (
            "event-header-not-canonical",
            "Base64 has one canonical form, and here the last bits are not zero.",
            packed(with_line(0, header="AB==")),
        ),
        (
            "event-header-newline",
            "Base64 has no line ends.",
            packed(with_line(0, header=header[:4] + "\n" + header[4:])),
        ),
        ("event-header-url-alphabet", "The underscore is of another alphabet.", packed(with_line(0, header="____"))),
        (
            "event-half-a-payload",
            "Salt, private metadata and payload are null together.",
            packed(with_line(0, salt=None)),
        ),
        ("event-salt-short", "A salt has 16 bytes.", packed(with_line(0, salt=b64(bytes(15))))),
        ("event-path-text", "A path is a list.", packed(with_line(0, path=b64(bytes(32))))),
        ("event-path-of-31-bytes", "The hashes of a path have 32 bytes.", packed(with_line(0, path=[b64(bytes(31))]))),
        (
            "earlier-no-checkpoint",
            "An earlier checkpoint is none.",
            packed(replace(earlier, earlier=[{"checkpoint": "x", "path": []}])),
        ),
        (
            "earlier-more",
            "A line of the earlier checkpoints has a member that section 19 does not list.",
            packed(replace(earlier, earlier=[{**earlier.earlier[0], "size": 3}])),
        ),
    ]


def cases() -> list[Case]:
    """All cases."""
    return [bad(name, f"{says} Section 19, step 1.", data) for name, says, data in [*_manifests(), *_texts()]]
