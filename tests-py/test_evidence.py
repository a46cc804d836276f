"""Evidence bundles: written by a store, verified by the core and by the one file that they carry, which must agree."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Kind, SigningKey, Store
from batpak._evidence import members, verifier

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = Kind(0xF, 1)
SEED = "11" * 32


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / "evidence.zip"


def fill(store: Store, count: int) -> None:
    for n in range(count):
        private = {"who": "alice"} if n % 3 == 0 else None
        store.append(Coordinate(f"e:{n % 4}", "s"), {"n": n}, kind=KIND, private_metadata=private)


def judged(bundle: Path, *keys: batpak.PublicKey) -> dict[str, Any]:
    """What the verifier in the bundle says, run as its receiver would run it."""
    arguments = [f"--key={base64_key(bundle, each)}" for each in keys]
    done = subprocess.run(
        [sys.executable, "-I", str(bundle), "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"invalid": 3, "unverifiable": 4}.get(verdict["outcome"], 0)
    return verdict


def base64_key(bundle: Path, key: batpak.PublicKey) -> str:
    """A key as verifiers of notes are given it."""
    origin = zipfile.ZipFile(bundle).read("checkpoint").decode().split("\n")[0]
    encoded = b"\x01" + key.to_bytes()
    key_id = sha256(origin.encode() + b"\n" + encoded).hexdigest()[:8]
    return f"{origin}+{key_id}+{base64.b64encode(encoded).decode()}"


def agreed(bundle: Path, *keys: batpak.PublicKey) -> batpak.Verification:
    """The verdict of the core, once the verifier in the bundle said the same."""
    verdict = batpak.verify_evidence(bundle, public_key=keys[0] if keys else None)
    theirs = judged(bundle, *keys)
    axes = {name: getattr(verdict.axes, name) for name in theirs["axes"]}
    assert theirs["axes"] == axes
    told = ("outcome", "reason_code", "rung", "events")
    assert {name: theirs[name] for name in told} == {name: getattr(verdict, name) for name in told}
    assert {(each["axis"], each["code"], each["sequence"]) for each in theirs["findings"]} == {
        (each.axis, each.code, each.sequence) for each in verdict.findings
    }
    return verdict


def test_everything_of_a_signed_journal(path: Path, bundle: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key) as store:
        fill(store, 9)
        store.checkpoint()
        fill(store, 9)
        assert store.export_evidence(bundle, system=True) == len(store) == 19
    for keys in ([], [key.public_key]):
        verdict = agreed(bundle, *keys)
        assert (verdict.outcome, verdict.rung, verdict.complete_to) == ("signed", 2, 19)
        assert verdict.axes.completeness == "passed"
    with zipfile.ZipFile(bundle) as opened:
        assert opened.namelist() == list(dict.fromkeys(opened.namelist()))
        assert "19 events, with their payloads" in opened.read(members.README).decode()
        assert len(opened.read(members.CHECKPOINTS).splitlines()) == 1
    other = agreed(bundle, SigningKey.generate().public_key)
    assert (other.outcome, other.reason_code, other.rung) == ("invalid", "unknown_signing_key", 1)


@pytest.mark.parametrize(
    ("filters", "count"),
    [({"entity": "e:1"}, 5), ({"after": 3, "until": 8}, 5), ({"entity": "nobody"}, 0), ({"limit": 1}, 1)],
)
@pytest.mark.parametrize("payloads", [True, False])
def test_a_choice(path: Path, bundle: Path, key: SigningKey, filters: Any, count: int, payloads: bool) -> None:
    with Store.open(path, signing_key=key) as store:
        fill(store, 18)
        assert store.export_evidence(bundle, payloads=payloads, **filters) == count
    verdict = agreed(bundle, key.public_key)
    assert (verdict.ok, verdict.events, verdict.axes.completeness) == (True, count, "not_checked")
    assert (b"alice" in bundle.read_bytes()) is False
    with zipfile.ZipFile(bundle) as opened:
        lines = [json.loads(line) for line in opened.read(members.EVENTS).splitlines()]
    assert all((line["payload"] is not None) is payloads for line in lines)


def test_a_reader_and_a_journal_without_a_key(path: Path, bundle: Path) -> None:
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        fill(store, 5)
        with pytest.raises(batpak.InvalidInput):
            reader.export_evidence(bundle)
        checkpoint = store.checkpoint()
        fill(store, 5)
        reader.refresh()
        assert reader.export_evidence(bundle) == checkpoint.size - 1
        assert store.export_evidence(bundle, checkpoint=checkpoint, until=3) == 3
        with pytest.raises(batpak.InvalidInput), Store.open(path.parent / "other") as other:
            other.export_evidence(bundle, checkpoint=checkpoint)
    verdict = agreed(bundle)
    assert (verdict.outcome, verdict.rung, verdict.axes.signatures) == ("unsigned_accepted", 1, "absent")
    assert agreed(bundle, SigningKey.generate().public_key).reason_code == "missing_signature"


def test_a_journal_whose_name_is_not_ascii(path: Path, bundle: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key, name="b\u00fccher") as store:
        fill(store, 3)
        store.export_evidence(bundle)
    for public in (None, key.public_key):
        assert batpak.verify_evidence(bundle, public_key=public).outcome == "signed"
    assert verifier.verify(bundle.read_bytes()).outcome == "signed"


def test_until_is_a_sequence(path: Path, bundle: Path) -> None:
    with Store.open(path) as store:
        checkpoint = store.checkpoint()
        with pytest.raises(
            TypeError, match="until must be an int, not Checkpoint; a checkpoint is given as checkpoint="
        ):
            store.export_evidence(bundle, until=checkpoint)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="until must be an int, not str"):
            store.export_evidence(bundle, until="3")  # type: ignore[arg-type]
        with pytest.raises(batpak.InvalidInput, match="until is -1"):
            store.export_evidence(bundle, until=-1)
        assert not bundle.exists()


def test_a_bundle_is_whole_or_not_there(path: Path, bundle: Path) -> None:
    bundle.write_text("before")
    with Store.open(path) as store:
        fill(store, 3)
        with pytest.raises(batpak.InvalidInput):
            store.export_evidence(bundle, entity="")
        with pytest.raises(FileNotFoundError):
            store.export_evidence(bundle.parent / "nowhere" / "evidence.zip")
    assert bundle.read_text() == "before"
    assert sorted(each.name for each in bundle.parent.iterdir()) == ["evidence.zip", "journal"]


# -- what others make of a bundle ------------------------------------------------------------------------------------


def rewritten(bundle: Path, change: Callable[[dict[str, bytes]], None], *, repaired: bool = True) -> None:
    """The bundle with its members changed, and, as whoever cheats would do, with a manifest that says so."""
    with zipfile.ZipFile(bundle) as opened:
        infos = opened.infolist()
        found = {info.filename: opened.read(info) for info in infos}
    change(found)
    if repaired:
        manifest = json.loads(found[members.MANIFEST])
        lines = found[members.EVENTS].splitlines()
        manifest["events"] = len(lines)
        manifest["payloads"] = sum(1 for line in lines if json.loads(line)["payload"] is not None)
        for name in manifest["files"]:
            manifest["files"][name] = {"bytes": len(found[name]), "sha256": sha256(found[name]).hexdigest()}
        found[members.MANIFEST] = json.dumps(manifest).encode()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as opened:
        for info in infos:
            opened.writestr(info, found[info.filename])
    bundle.write_bytes(memory.getvalue())


def in_line(number: int, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def changed(found: dict[str, bytes]) -> None:
        lines = found[members.EVENTS].splitlines()
        value = json.loads(lines[number])
        change(value)
        lines[number] = json.dumps(value).encode()
        found[members.EVENTS] = b"".join(line + b"\n" for line in lines)

    return changed


def flip(text: str, at: int) -> str:
    data = bytearray(base64.b64decode(text))
    data[at % len(data)] ^= 1
    return base64.b64encode(data).decode()


def lines_of(change: Callable[[list[bytes]], None]) -> Callable[[dict[str, bytes]], None]:
    def changed(found: dict[str, bytes]) -> None:
        lines = found[members.EVENTS].splitlines(keepends=True)
        change(lines)
        found[members.EVENTS] = b"".join(lines)

    return changed


def other_root(found: dict[str, bytes]) -> None:
    lines = found[members.CHECKPOINT].decode().split("\n")
    lines[2] = flip(lines[2], 0)
    found[members.CHECKPOINT] = "\n".join(lines).encode()


def spoilt_signature(found: dict[str, bytes]) -> None:
    text, space, signature = found[members.CHECKPOINT].decode().rpartition(" ")
    found[members.CHECKPOINT] = f"{text}{space}{flip(signature.strip(), 40)}\n".encode()


def stripped(found: dict[str, bytes]) -> None:
    found[members.CHECKPOINT] = found[members.CHECKPOINT].partition(b"\n\n")[0] + b"\n\n"


def earlier(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def changed(found: dict[str, bytes]) -> None:
        value = json.loads(found[members.CHECKPOINTS])
        change(value)
        found[members.CHECKPOINTS] = json.dumps(value).encode() + b"\n"

    return changed


FORGERIES = {
    "payload": (in_line(4, lambda v: v.update(payload=flip(v["payload"], -1))), "commitment_mismatch"),
    "salt": (in_line(4, lambda v: v.update(salt=flip(v["salt"], 3))), "commitment_mismatch"),
    "private": (in_line(3, lambda v: v.update(private=v["payload"])), "commitment_mismatch"),
    "header": (in_line(4, lambda v: v.update(header=flip(v["header"], -40))), "inclusion_mismatch"),
    "path": (in_line(4, lambda v: v.update(path=[flip(v["path"][0], 0), *v["path"][1:]])), "inclusion_mismatch"),
    "shorter path": (in_line(4, lambda v: v.update(path=v["path"][:-1])), "inclusion_mismatch"),
    "sequence": (in_line(4, lambda v: v.update(sequence=v["sequence"] + 1)), "inclusion_mismatch"),
    "two swapped": (lines_of(lambda lines: lines.insert(2, lines.pop(5))), "order_mismatch"),
    "one doubled": (lines_of(lambda lines: lines.insert(2, lines[2])), "order_mismatch"),
    "root": (other_root, "invalid_signature"),
    "signature": (spoilt_signature, "invalid_signature"),
    "no signature": (stripped, "missing_signature"),
    "consistency": (earlier(lambda v: v.update(path=v["path"][1:])), "consistency_mismatch"),
    "earlier origin": (earlier(lambda v: v.update(checkpoint="x" + v["checkpoint"])), "checkpoint_mismatch"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_bundle_is_found_by_both_verifiers(path: Path, bundle: Path, key: SigningKey, what: str) -> None:
    with Store.open(path, signing_key=key) as store:
        fill(store, 6)
        store.checkpoint()
        fill(store, 6)
        store.export_evidence(bundle)
    change, code = FORGERIES[what]
    rewritten(bundle, change)
    verdict = agreed(bundle, key.public_key)
    assert verdict.outcome == "invalid"
    assert code in [finding.code for finding in verdict.findings]


def test_one_left_out_is_a_choice_and_shows_in_the_completeness(path: Path, bundle: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key) as store:
        fill(store, 6)
        store.export_evidence(bundle, system=True)
    rewritten(bundle, lines_of(lambda lines: lines.pop(3)))
    verdict = agreed(bundle, key.public_key)
    assert (verdict.ok, verdict.axes.completeness, verdict.complete_to) == (True, "not_checked", None)


DAMAGE: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a changed event without a changed manifest": in_line(0, lambda v: v.update(sequence=3)),
    "a changed readme": lambda found: found.update({members.README: b"trust me"}),
    "a manifest that is no JSON": lambda found: found.update({members.MANIFEST: b"{"}),
    "a manifest with a member more": lambda found: found.update(
        {members.MANIFEST: found[members.MANIFEST].replace(b'"size"', b'"other": 1, "size"')}
    ),
    "a manifest with a member twice": lambda found: found.update(
        {members.MANIFEST: found[members.MANIFEST].replace(b'"size"', b'"size": 1, "size"')}
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_not_as_its_manifest_says_is_refused_by_both(path: Path, bundle: Path, what: str) -> None:
    with Store.open(path) as store:
        fill(store, 3)
        store.export_evidence(bundle)
    rewritten(bundle, DAMAGE[what], repaired=False)
    with pytest.raises(batpak.InvalidProof):
        batpak.verify_evidence(bundle)
    assert judged(bundle)["reason_code"] == "bundle_damaged"


def test_what_is_no_bundle_is_refused_by_both(tmp_path: Path) -> None:
    for number, content in enumerate([b"", b"PK", b"x" * 1000, b"PK\x05\x06" + bytes(18)]):
        file = tmp_path / str(number)
        file.write_bytes(content)
        with pytest.raises(batpak.InvalidProof):
            batpak.verify_evidence(file)
        assert verifier.verify(content).to_dict()["reason_code"] == "bundle_damaged"
    with pytest.raises(FileNotFoundError):
        batpak.verify_evidence(tmp_path / "nowhere")
