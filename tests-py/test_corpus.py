"""The corpus of ``tests-rs/vectors/corpus``: every verifier accepts what it must, and refuses the rest."""

from __future__ import annotations

import base64
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
import plain_reader
from batpak import _batpak, _json
from batpak._evidence import verifier
from corpus.making import RANDOM, README, make
from plain_reader import checkpoint as plain_notes
from plain_reader import ed25519
from plain_reader.merkle import root_of_path
from plain_reader.receipt import signed_message
from plain_reader.record import decode_header
from support import contents, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parents[1] / "tests-rs" / "vectors" / "corpus"
KINDS = ("values", "headers", "receipts", "notes", "keys", "inclusion", "proofs", "consistency", "bundles", "journals")
Said = tuple[str, str | None, str | None]
"""A verdict, the axis of the first finding that it should have, and its code or that of the error."""


def load(directory: Path, kind: str) -> list[dict[str, Any]]:
    document = json.loads((directory / f"{kind}.json").read_text(encoding="utf-8"))
    assert (document["batpak_corpus"], document["kind"], set(document)) == (1, kind, {"batpak_corpus", "kind", "cases"})
    cases: list[dict[str, Any]] = document["cases"]
    return cases


CASES = {kind: load(CORPUS, kind) for kind in KINDS}
ALL = [case for kind in KINDS for case in CASES[kind]]


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[kind], ids=lambda case: case["name"])


def wanted(case: dict[str, Any]) -> Said:
    return (case["verdict"], case.get("axis"), case.get("code"))


def said_by_core(case: dict[str, Any], ask: Callable[[], batpak.Verification | None]) -> Said:
    """What the compiled verifier says: an error's code, or that of the finding that the case tells of."""
    try:
        verdict = ask()
    except batpak.BatpakError as error:
        return ("reject", None, error.code)
    if verdict is None:
        return ("accept", None, None)
    if verdict.ok:
        assert (verdict.outcome, verdict.findings) == (case["outcome"], ())
        assert verdict.rung == case.get("rung", verdict.rung)
        return ("accept", None, None)
    assert verdict.outcome == case["outcome"] == "invalid"
    found = [(finding.axis, finding.code) for finding in verdict.findings]
    assert (case["axis"], case["code"]) in found
    assert getattr(verdict.axes, case["axis"]) == "failed"
    return ("reject", case["axis"], case["code"])


def said(ask: Callable[[], bool]) -> str:
    """What a verifier says that tells yes and no, and raises ``ValueError`` at what it cannot read."""
    try:
        return "accept" if ask() else "reject"
    except ValueError:
        return "reject"


def hexed(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def core_key(text: str | None) -> batpak.PublicKey | None:
    return None if text is None else batpak.PublicKey.from_bytes(bytes.fromhex(text))


# -- the corpus as such ------------------------------------------------------------------------------------------------


def test_names_and_descriptions() -> None:
    for member in ("name", "description"):
        told = [case[member] for case in ALL]
        assert all(text == text.strip() != "" for text in told)
        assert len(set(told)) == len(told)
    assert all("Section" in case["description"] for case in ALL)
    for case in ALL:
        assert ("code" in case) == (case["verdict"] == "reject") != (case["verdict"] == "accept")
        assert "axis" not in case or (case["verdict"], case["outcome"]) == ("reject", "invalid")


def test_both_verdicts_are_there_for_each_kind() -> None:
    for kind in KINDS:
        verdicts = [case["verdict"] for case in CASES[kind]]
        assert min(verdicts.count("accept"), verdicts.count("reject")) >= 2, kind


def files_told_of(directory: Path) -> tuple[set[str], set[str]]:
    """The files and the directories of files that the cases name."""
    bundles = {case["bundle"] for case in load(directory, "bundles")}
    return bundles, {case["journal"] for case in load(directory, "journals")}


def test_every_file_is_named_by_a_case() -> None:
    bundles, journals = files_told_of(CORPUS)
    there = set(contents(CORPUS))
    of_journals = {name for name in there if name.startswith("journals/")}
    assert {"/".join(name.split("/")[:2]) for name in of_journals} == journals
    assert there - of_journals == bundles | {f"{kind}.json" for kind in KINDS} | {README}
    assert not any(name.endswith("/LOCK") for name in there)


def test_it_is_small() -> None:
    assert sum(map(len, contents(CORPUS).values())) < 2_500_000


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus made once more."""
    directory = tmp_path_factory.mktemp("corpus") / "anew"
    make(directory)
    return directory


def test_it_is_what_its_generator_makes(anew: Path) -> None:
    made, there = contents(anew), contents(CORPUS)
    fixed = {name for name in there if not name.startswith(RANDOM) and name != README}
    assert {name for name in made if not name.startswith(RANDOM)} == fixed
    assert all(made[name] == there[name] for name in fixed)
    assert files_told_of(anew) == files_told_of(CORPUS)

    def without_pins(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**case, "pin": case["pin"] is not None} for case in cases]

    assert without_pins(load(anew, RANDOM)) == without_pins(CASES[RANDOM])


# -- bytes -------------------------------------------------------------------------------------------------------------


@each("values")
def test_a_value(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])

    def core() -> None:
        assert encode(decode(data), allow_nonfinite=True) == data

    def plain() -> bool:
        plain_reader.decode_value(data)
        return True

    assert said_by_core(case, core) == wanted(case)
    assert said(plain) == case["verdict"]
    if "json" in case:
        stated = json.dumps(case["json"])
        assert _json.dumps(decode(data)) == _json.dumps(_json.loads(stated))
        assert json.dumps(json.loads(plain_reader.to_tagged_json(plain_reader.decode_value(data)))) == stated


@each("headers")
def test_a_header(case: dict[str, Any]) -> None:
    data, sequence = bytes.fromhex(case["bytes"]), case["sequence"]
    # An unsigned receipt of a frame of one is the header, its length and its place.
    around = b"\x01" + number(len(data)) + data + number(sequence) + b"\x01\x00\x00"

    def core() -> None:
        receipt = batpak.AppendReceipt.from_bytes(around)
        assert (receipt.sequence, receipt.to_bytes()) == (sequence, around)

    assert said_by_core(case, core) == wanted(case)
    assert said(lambda: verifier.read_header(data).sequence == sequence) == case["verdict"]
    assert said(lambda: decode_header(data).sequence == sequence) == case["verdict"]


def number(value: int) -> bytes:
    """A varint."""
    encoded: bytes = verifier._varint(value)
    return encoded


@each("receipts")
def test_a_receipt(case: dict[str, Any]) -> None:
    public = hexed(case["public_key"])

    def core() -> batpak.Verification:
        key = core_key(case["public_key"])
        if "json" in case:
            receipt = batpak.AppendReceipt.from_json(case["json"])
        else:
            receipt = batpak.AppendReceipt.from_bytes(bytes.fromhex(case["bytes"]))
        return batpak.verify_receipt(receipt, public_key=key)

    def plain() -> plain_reader.Receipt:
        if "json" in case:
            return plain_reader.decode_receipt_json(case["json"])
        return plain_reader.decode_receipt(bytes.fromhex(case["bytes"]))

    def third() -> bool:
        """The Ed25519 of the verifier of bundles, on what the plain reader read."""
        receipt = plain()
        root = root_of_path(
            receipt.header.sequence - receipt.first_sequence, receipt.count, receipt.event_hash, receipt.path
        )
        if root is None or not 1 <= receipt.count <= 65_536 or (public is None) != (receipt.signature is None):
            return False
        if public is None or receipt.signature is None:
            return True
        message = signed_message(receipt.header.journal_id, receipt.first_sequence, receipt.count, root)
        by_key = receipt.key_id == sha256(public).digest()
        return by_key and verifier.verify_signature(public, receipt.signature, message)

    assert said_by_core(case, core) == wanted(case)
    assert said(lambda: plain_reader.verify_receipt(plain(), public) is None) == case["verdict"]
    assert said(third) == case["verdict"]


# -- text --------------------------------------------------------------------------------------------------------------


def note_of_bundle(text: str, public: bytes | None) -> Said:
    """What the verifier of bundles says of a checkpoint."""
    try:
        checkpoint = verifier.read_checkpoint(text.encode())
    except ValueError:
        return ("reject", None, "invalid_proof")
    checks = verifier._Checks()
    checks.signature(checkpoint, [] if public is None else [verifier._key(public)])
    for finding in checks.findings:
        return ("reject", finding.axis, finding.code)
    return ("accept", None, None)


def plain_note(text: str, public: bytes | None) -> bool:
    """What the plain reader says of a checkpoint."""
    return plain_notes.signature_problem(plain_notes.parse(text, 0), public) is None


@each("notes")
def test_a_note(case: dict[str, Any]) -> None:
    text, public = case["note"], hexed(case["public_key"])
    key = core_key(case["public_key"])
    assert said_by_core(case, lambda: batpak.Checkpoint(text).verify(public_key=key)) == wanted(case)
    assert note_of_bundle(text, public) == wanted(case)
    assert said(lambda: plain_note(text, public)) == case["verdict"]


@each("keys")
def test_a_verifier_key(case: dict[str, Any]) -> None:
    text = case["verifier_key"]
    told = (case.get("key_name"), hexed(case.get("public_key")))

    def core() -> None:
        name, key = _batpak.parse_note_verifier_key(text)
        assert (name, key.to_bytes()) == told
        assert _batpak.note_verifier_key(name, key) == text

    def point() -> bool:
        """The same key for the plain reader, which reads no verifier keys, but knows which points are none."""
        public = verifier.read_key(text).public
        point = ed25519.decompress(public)
        return point is not None and not ed25519.is_small_order(point)

    assert said_by_core(case, core) == wanted(case)
    assert said(lambda: tuple(verifier._key(text)) == told) == case["verdict"]
    assert said(point) == case["verdict"]


def unsigned_note(size: int, root: bytes) -> str:
    return f"test/{'0' * 8}-0000-0000-0000-{'0' * 12}\n{size}\n{base64.b64encode(root).decode()}\n\n"


def hashes(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(each) for each in case["path"]]


@each("inclusion")
def test_an_inclusion_proof(case: dict[str, Any]) -> None:
    event_hash, root = bytes.fromhex(case["event_hash"]), bytes.fromhex(case["root"])
    index, size, path = case["index"], case["size"], hashes(case)
    proof = batpak.InclusionProof(event_hash, index, size, tuple(path))
    verdict = proof.verify(unsigned_note(size, root))
    assert (proof.root == root) == verdict.ok == (case["verdict"] == "accept")
    assert [(finding.axis, finding.code) for finding in verdict.findings] == ([] if verdict.ok else [wanted(case)[1:]])
    assert said(lambda: verifier.included(event_hash, index, path, size, root)) == case["verdict"]
    assert said(lambda: root_of_path(index, size, event_hash, path) == root) == case["verdict"]


@each("proofs")
def test_a_proof_as_text(case: dict[str, Any]) -> None:
    text, event_hash, public = case["proof"], bytes.fromhex(case["event_hash"]), hexed(case["public_key"])

    def core() -> batpak.Verification:
        proof, checkpoint, extra = batpak.InclusionProof.from_text(text, event_hash)
        if case["verdict"] == "accept":
            assert extra == hexed(case.get("extra"))
            assert proof.to_text(checkpoint, extra=extra) == text
        return proof.verify(checkpoint, public_key=core_key(case["public_key"]))

    def plain() -> bool:
        """No independent verifier reads this text: it is cut up here, and its parts are judged by theirs."""
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        if first != "c2sp.org/tlog-proof@v1" or not blank or not lines:
            return False
        if lines[0].startswith("extra "):
            verifier._base64(lines.pop(0)[6:])
        word, _, index = lines[0].partition(" ")
        checkpoint, path = verifier.read_checkpoint(note.encode()), [verifier._base64(line) for line in lines[1:]]
        if word != "index" or any(len(each) != 32 for each in path):
            return False
        at, size, root = verifier._number(index), checkpoint.size, checkpoint.root
        both = {
            verifier.included(event_hash, at, path, size, root),
            root_of_path(at, size, event_hash, path) == root,
        }
        assert len(both) == 1
        return both == {True} and plain_note(note, public) and note_of_bundle(note, public)[0] == "accept"

    assert said_by_core(case, core) == wanted(case)
    assert said(plain) == case["verdict"]


@each("consistency")
def test_a_consistency_proof(case: dict[str, Any]) -> None:
    old, new = (case["old_size"], bytes.fromhex(case["old_root"])), (case["new_size"], bytes.fromhex(case["new_root"]))
    path = hashes(case)
    verdict = batpak.ConsistencyProof(*old, *new, tuple(path)).verify(unsigned_note(*old), unsigned_note(*new))
    assert verdict.ok == (case["verdict"] == "accept")
    assert [(finding.axis, finding.code) for finding in verdict.findings] == ([] if verdict.ok else [wanted(case)[1:]])
    assert said(lambda: verifier.consistent(*old, *new, path)) == case["verdict"]


# -- bundles and journals ----------------------------------------------------------------------------------------------


@each("bundles")
def test_a_bundle(case: dict[str, Any]) -> None:
    path, public = CORPUS / case["bundle"], hexed(case["public_key"])
    key = core_key(case["public_key"])
    assert said_by_core(case, lambda: batpak.verify_evidence(path, public_key=key)) == wanted(case)
    verdict = verifier.verify(path.read_bytes(), [] if public is None else [public])
    found = [(finding.axis, finding.code) for finding in verdict.findings]
    if case["verdict"] == "accept":
        # That a signature could not be checked is a finding here, and no failure.
        unknown = [("signatures", "unknown_signing_key")] if case["outcome"] == "unverifiable" else []
        assert (verdict.outcome, verdict.rung, found) == (case["outcome"], case["rung"], unknown)
    else:
        assert verdict.outcome == "invalid"
        # A bundle that cannot be read has one finding, and nothing of it is judged.
        assert (case["axis"], case["code"]) in found if "axis" in case else found == [("bundle", "bundle_damaged")]


def plain_journal(path: Path, public: bytes | None, pin: str | None) -> bool:
    """What the plain reader says of a journal, held against a key and a pin."""
    journal = plain_reader.read_journal(path)
    if public is not None and plain_reader.key_problem(journal, public) is not None:
        return False
    if pin is not None and plain_reader.pin_problem(journal, plain_notes.parse(pin, 0)) is not None:
        return False
    return not journal.findings


@pytest.mark.parametrize("made", ["committed", "anew"])
@each("journals")
def test_a_journal(case: dict[str, Any], made: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    directory = CORPUS
    if made == "anew":
        directory = request.getfixturevalue("anew")
        case = next(each for each in load(directory, "journals") if each["name"] == case["name"])
    path, pins = tmp_path / "journal", None
    shutil.copytree(directory / case["journal"], path)
    if case["pin"] is not None:
        pins = tmp_path / "pins"
        pins.mkdir()
        journal_id = batpak.Checkpoint(case["pin"]).journal_id
        assert journal_id is not None
        (pins / f"{journal_id.hex}.checkpoint").write_text(case["pin"], encoding="utf-8")
    before = contents(path)
    key = core_key(case["public_key"])
    assert said_by_core(case, lambda: batpak.verify(path, public_key=key, pins=pins)) == wanted(case)
    assert said(lambda: plain_journal(path, hexed(case["public_key"]), case["pin"])) == case["verdict"]
    assert contents(path) == before
