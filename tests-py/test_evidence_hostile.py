"""The verifier that every evidence bundle carries: hostile bundles, the program, and known answers of its primitives."""

from __future__ import annotations

import ast
import io
import json
import os
import struct
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from hashlib import sha512
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak._evidence import verifier
from evidence_bundles import (
    BLAKE3_CONTEXT,
    BLAKE3_VECTORS,
    CHOSEN,
    NOTHING,
    OTHER_SEED,
    RFC_8032,
    SEED,
    SMALL_ORDER,
    VERIFIER,
    Journal,
    b64,
    bundle,
    chain,
    codes,
    key_id,
    made,
    pack,
    public_key,
    public_pem,
    recorded,
    sealed,
    secret_scalar,
    verifier_key,
    with_event,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return recorded(tmp_path_factory.mktemp("signed") / "journal", 20)


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return recorded(tmp_path_factory.mktemp("unsigned") / "journal", 6, None)


# -- hostile bundles ---------------------------------------------------------------------------------------------------

MANIFEST = [
    {"batpak_evidence": 2},
    {"batpak_evidence": True},
    {"batpak_evidence": 1.0},
    {"origin": "other/00010203-0405-0607-0809-0a0b0c0d0e0f"},
    {"origin": None},
    {"size": 4},
    {"size": -3},
    {"size": "3"},
    {"size": 10**25},
    {"events": 2},
    {"payloads": 1},
    {"query": "all"},
    {"query": {"limit": 5}},
    {"more": 1},
]
CHECKPOINT: list[Callable[[bytes], bytes]] = [
    lambda text: text[:-1],
    lambda text: text + b"\n",
    lambda text: text + b"\xff\n",
    lambda text: text.replace(b"\n\n", b"\n\nextension\n\n"),
    lambda text: text.replace(b"\n\n", "\n\x85\n\n".encode()),
    lambda text: text.replace(b"\n", b"\r\n"),
    lambda text: text.replace(b"\n\n", b"\n"),
    lambda text: text.replace(b"\n3\n", b"\n03\n"),
    lambda text: text.replace(b"\n3\n", b"\n3 \n"),
    lambda text: text.replace(b"/0001", b"/A001"),
    lambda text: text.replace(b"test/", b"a+b/"),
    lambda text: text.replace(b"test/", b"a b/"),
    lambda text: text.replace(b"test/", b"/"),
    lambda text: text.replace(b"test/", b"a" * 256 + b"/"),
    lambda text: text.replace(b"=\n\n", b"\n\n"),
    lambda text: text.replace("\u2014 ".encode(), b"- "),
    lambda text: text + text.split(b"\n\n")[1] * 100,
    lambda text: b"\n" * 100_000,
    lambda text: text + "\u2014 witness AAAAAA==\n".encode(),
    lambda text: text + "\u2014 wit+ness AAAAAAA=\n".encode(),
    lambda text: text + f"\u2014 {text.split(b'/')[0].decode()} \n".encode(),
    lambda text: b"\n".join([*text.split(b"\n")[:2], b64(bytes(31)).encode(), *text.split(b"\n")[3:]]),
    lambda text: text.replace(b"\n3\n", b"\n18446744073709551616\n"),
]
KEYS = [b"x\n", b"\n", b"a+00000000+AQ==\n", verifier_key("other").encode() + b"\n"]
EVENT = [
    {"sequence": "1"},
    {"sequence": True},
    {"sequence": None},
    {"sequence": 1e3},
    {"sequence": float("nan")},
    {"sequence": -1},
    {"sequence": 10**30},
    {"header": None},
    {"header": "AA"},
    {"header": "AB=="},
    {"header": "A A="},
    {"header": "\ud800"},
    {"header": ["AA=="]},
    {"salt": None},
    {"salt": "AA=="},
    {"payload": 1},
    {"path": None},
    {"path": "AA=="},
    {"path": ["AA=="]},
    {"path": [[]]},
    {"path": [b64(bytes(32))] * 65},
    {"more": 1},
]
LINES = [
    b"\n",
    b"[]\n",
    b"{}\n",
    b"{",
    b"\xff\n",
    b"[" * 100_000 + b"\n",
    b'{"a":' * 100_000 + b"\n",
    b"1" * 10_000 + b"\n",
]


def hostile() -> Iterator[bytes]:
    def changed(name: str, content: bytes) -> bytes:
        return pack(sealed({**members, name: content}))

    honest = bundle(made(chain(3)), earlier=(2,))
    members = honest.members()
    for members_of_manifest in MANIFEST:
        yield replace(honest, manifest=members_of_manifest).pack()
    yield pack({**sealed(members), "manifest.json": b" " * 9})
    yield pack({**sealed(members), "README.txt": b"evidence.\n"})
    yield pack({**sealed(members), "README.txt": b"more\n"})
    yield changed("README.txt", b"\xff")
    manifest = sealed(members)["manifest.json"]
    yield pack({**sealed(members), "manifest.json": manifest.replace(b'"bytes": 10,', b'"bytes": 11,')})
    yield pack({**sealed(members), "manifest.json": manifest.replace(b'"bytes": 10,', b'"bytes": 10.0,')})
    yield pack({**sealed(members), "manifest.json": manifest.replace(b'"size"', b'"size": 3, "size"')})
    for change in CHECKPOINT:
        assert change(members["checkpoint"]) != members["checkpoint"]
        yield changed("checkpoint", change(members["checkpoint"]))
    yield replace(honest, checkpoint=honest.checkpoint.replace(b"\n3\n", b"\n0\n")).pack()
    for text in KEYS:
        yield changed("keys", text)
    for event in EVENT:
        yield with_event(bundle(made(chain(3))), 0, **event).pack()
    for line in LINES:
        for name in ("events.jsonl", "checkpoints.jsonl"):
            yield changed(name, members[name] + line)
    for earlier in ({"checkpoint": 1}, {"checkpoint": "x"}, {"checkpoint": "\ud800"}, {"path": {}}, {"more": 1}):
        yield changed("checkpoints.jsonl", json.dumps({"checkpoint": "x", "path": [], **earlier}).encode() + b"\n")


def test_what_is_no_bundle(tmp_path: Path) -> None:
    for data in hostile():
        assert outcome_of_core(tmp_path / "bundle.zip", data) == "invalid"
        verdict = verifier.verify(data, [public_key(SEED)])
        assert codes(verdict) == [("bundle", "bundle_damaged", None)]
        assert (verdict.outcome, verdict.reason_code, verdict.rung) == ("invalid", "bundle_damaged", 0)
        assert (verdict.axes, verdict.events, verdict.checkpoint_size, verdict.key_ids) == (NOTHING, 0, None, [])


@pytest.mark.parametrize("seed", [SEED, None], ids=["signed", "unsigned"])
def test_what_is_no_checkpoint(seed: bytes | None) -> None:
    text = made(chain(3), seed=seed).checkpoint()
    assert verifier.read_checkpoint(text).size == 3
    assert verifier.read_checkpoint(text + "\u2014 witness AAAAAAA=\n".encode()).size == 3
    own = f"\u2014 {text.decode().split(chr(10))[0]} {b64(bytes(67))}\n"
    assert verifier.read_checkpoint(text + own.encode()).size == 3
    assert verifier.read_checkpoint(text.replace(b"\n\n", b"\nmore\nand more\n\n")).size == 3
    for change in CHECKPOINT:
        if change(text) != text and not (seed is None and change(text) == text * 2):
            with pytest.raises(ValueError, match="."):
                verifier.read_checkpoint(change(text))


def test_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = bundle(made(chain(2))).pack()
    for limit, message in (("MAX_BUNDLE", "1 GiB"), ("MAX_MANIFEST", "64 MiB")):
        with monkeypatch.context() as patch:
            patch.setattr(verifier, limit, 100)
            assert message in verifier.verify(data).findings[0].message
    (tmp_path / "bundle.zip").write_bytes(data)
    monkeypatch.setattr(verifier, "MAX_BUNDLE", len(data) - 1)
    assert verifier.main([str(tmp_path / "bundle.zip")]) == 2


def zipped(**options: Any) -> bytes:
    """An honest bundle in a container that is not as section 19 wants it."""
    file = io.BytesIO()
    members = bundle(made(chain(2))).members()
    names = [name for name in [*members, *options.get("more", [])] if name != options.get("without")]
    members = sealed({name: members.get(name, b"") for name in names})
    with zipfile.ZipFile(file, "w", options.get("method", 0)) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.comment = options.get("comment", b"")
        for name in names:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.extra = options.get("method", 0), options.get("extra", b"")
            info.comment = options.get("remark", b"")
            archive.writestr(info, members[name])
    return file.getvalue()


def headers_changed(offset: int, value: int) -> bytes:
    """An honest bundle with a changed byte in the local header of its last member and in the directory's entry for it."""
    data = bytearray(zipped())
    data[data.rindex(b"PK\x03\x04") + offset] ^= value
    data[data.rindex(b"PK\x01\x02") + offset + 2] ^= value
    return bytes(data)


def test_containers_that_are_refused(tmp_path: Path) -> None:
    honest = zipped()
    assert verifier.verify(honest).outcome == "signed"
    directory = honest.index(b"PK\x01\x02")
    end = honest[-22:]
    length = struct.unpack("<I", end[12:16])[0]
    gap = struct.pack("<I", directory + 1)
    for data in (
        *(honest[:size] for size in range(0, len(honest), 5)),
        b"#!/usr/bin/env python3\n" + honest,
        honest + b"\x00",
        honest[:directory] + b"x" + honest[directory:],
        honest[:directory] + b"x" + honest[directory:-22] + end[:16] + gap + end[20:],
        honest + honest,
        *(honest[: -22 - cut] + end[:12] + struct.pack("<I", length - cut) + end[16:] for cut in (10, 53, 63)),
        *(headers_changed(offset, 1 << bit) for offset in (6, 8, 14, 18, 22, 26, 28) for bit in range(8)),
        zipped(method=zipfile.ZIP_DEFLATED),
        zipped(comment=b"c"),
        zipped(remark=b"r"),
        zipped(extra=b"\x01\x00\x00\x00"),
        zipped(without="keys"),
        zipped(without="keys", more=["README.txt"]),
        zipped(more=["extra.txt"]),
        zipped(more=["keys"]),
        zipped(without="keys", more=["KEYS"]),
        zipped(without="keys", more=["\u043aeys"]),
    ):
        assert codes(verifier.verify(data)) == [("bundle", "bundle_damaged", None)]
        assert outcome_of_core(tmp_path / "bundle.zip", data) == "invalid"


def outcome_of_core(path: Path, data: bytes) -> str:
    """What the reader in front of the core says, which knows no error but one of a bundle that is none."""
    path.write_bytes(data)
    try:
        return batpak.verify_evidence(path).outcome
    except batpak.InvalidProof:
        return "invalid"


def test_every_changed_byte_of_the_container(tmp_path: Path) -> None:
    honest = zipped()
    accepted = 0
    for position in range(len(honest)):
        changed = bytearray(honest)
        changed[position] ^= 1 << position % 8
        verdict = verifier.verify(bytes(changed))
        assert outcome_of_core(tmp_path / "bundle.zip", bytes(changed)) == verdict.outcome, position
        accepted += verdict.outcome == "signed"
        assert verdict.outcome in ("signed", "invalid")
    # Who packed it and when, what it needs and what the files' modes were, mean nothing: six bytes of each member's
    # own header, and fourteen of its entry in the directory.
    assert accepted == (6 + 14) * len(verifier.MEMBERS)


# -- the program -------------------------------------------------------------------------------------------------------


def run(*arguments: object, closed: bool = False) -> tuple[int, str, str]:
    command = [sys.executable, "-I", "-W", "error", *map(str, arguments)]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, stdout=write if closed else subprocess.PIPE, stderr=subprocess.PIPE, timeout=50, check=False
    )
    os.close(write)
    return done.returncode, (done.stdout or b"").decode("ascii"), done.stderr.decode("ascii")


def test_the_bundle_runs_itself(signed: Journal, tmp_path: Path) -> None:
    file, pem, keys = tmp_path / "bundle.zip", tmp_path / "key.pem", tmp_path / "keys"
    honest = replace(bundle(signed, [4, 5]), program=VERIFIER.read_bytes())
    file.write_bytes(honest.pack())
    pem.write_text(public_pem(SEED))
    keys.write_text(f"{verifier_key('other', OTHER_SEED)}\n\n{signed.key()}\n")
    status, text, errors = run(file)
    assert (status, errors, text.split("\n")[0].split(":")[0]) == (0, "", "signed")
    for part in (
        "completeness  not checked",
        "rung: 2 (signed checkpoint)",
        "events: 2, 2 with",
        "size 21",
        key_id(SEED),
    ):
        assert part in text
    assert "compare its id with the one that you were given by other means" in text
    assert "findings" not in text
    for key in (signed.key(), pem, keys):
        status, text, errors = run(file, "--key", key)
        assert (status, errors, "came with" in text, text[:7]) == (0, "", False, "signed:")
    status, text, _ = run(file, "--key", verifier_key(signed.origin, OTHER_SEED))
    assert (status, text.split(":")[0]) == (3, "invalid")
    file.write_bytes(with_event(honest, 1, payload="AAAA").pack())
    status, text, _ = run(file)
    assert (status, text.split(":")[0], "findings:\n  content, event 5: " in text) == (3, "invalid", True)
    assert run(file, closed=True)[0] == 2


def test_the_program_as_a_file(unsigned: Journal, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    file.write_bytes(bundle(unsigned).pack())
    status, text, errors = run(VERIFIER, file, "--json")
    assert (status, errors, json.loads(text)) == (0, "", verifier.verify(file.read_bytes()).to_dict())
    assert run(VERIFIER)[0] == 2


def test_json_of_a_verdict(signed: Journal) -> None:
    verdict = verifier.verify(with_event(bundle(signed, [4]), 0, payload="").pack(), [signed.key()])
    assert verdict.to_dict() == {
        "outcome": "invalid",
        "reason_code": "commitment_mismatch",
        "rung": 0,
        "axes": {**CHOSEN, "content": "failed"},
        "events": 1,
        "payloads": 1,
        "checkpoint_size": 21,
        "key_ids": [key_id(SEED)],
        "key_from_bundle": False,
        "findings": [
            {
                "axis": "content",
                "code": "commitment_mismatch",
                "message": "the payload is not the one that the header names",
                "sequence": 4,
            }
        ],
    }


def test_command_lines_that_cannot_be_used(signed: Journal, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, empty, small = tmp_path / "bundle.zip", tmp_path / "empty", tmp_path / "small"
    file.write_bytes(bundle(signed, [4]).pack())
    empty.write_bytes(b"\n")
    small.write_text(f"{signed.origin}\x1b+\n")
    weak = f"-----BEGIN PUBLIC KEY-----\n{b64(bytes.fromhex('302a300506032b6570032100') + bytes(32))}\n-----END PUBLIC KEY-----"
    (tmp_path / "weak").write_text(weak)
    (tmp_path / "rsa").write_text(public_pem(SEED).replace("MCow", "MCox"))
    wrong = signed.key().replace("+", "+0", 1)[:-1]
    for key in (
        empty,
        small,
        tmp_path / "weak",
        tmp_path / "rsa",
        tmp_path / "none",
        tmp_path,
        wrong,
        "x+00000000+AQ==",
    ):
        assert verifier.main([str(file), "--key", str(key)]) == 2
    assert verifier.main([str(tmp_path / "none\x1b[31m")]) == 2
    out, errors = capfd.readouterr()
    assert (out, errors.count("error: "), "\x1b" in errors) == ("", 9, False)
    for arguments in ([], [str(file), "--keys", "x"], [str(file), str(file)]):
        with pytest.raises(SystemExit) as stop:
            verifier.main(arguments)
        assert stop.value.code == 2


def test_control_characters_are_not_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bundle.zip"
    hostile_name = made(chain(2), name="\u202eevil\u2066")
    other = bundle(hostile_name, earlier=(1,))
    other.earlier[0]["checkpoint"] = Journal(hostile_name.events, "\u202dx").checkpoint(1).decode()
    for data, escaped in (
        (zipped(without="keys", more=["\x1b]0;x\x07\x7f"]), "\\x1b]0;x\\x07\\x7f"),
        (other.pack(), "\\u202dx/"),
        (replace(other, earlier=[]).pack(), "\\u202eevil\\u2066/"),
    ):
        file.write_bytes(data)
        for arguments in ([], ["--json"]):
            verifier.main([str(file), *arguments])
            out, errors = capfd.readouterr()
            assert all(" " <= character <= "~" or character == "\n" for character in out + errors)
            assert escaped in out.replace("\\\\", "\\") or (arguments and not json.loads(out)["findings"])


def test_it_stands_alone() -> None:
    """It is read by Python 3.9, and imports nothing but the standard library."""
    tree = ast.parse(VERIFIER.read_text(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


# -- known answers -----------------------------------------------------------------------------------------------------


def test_blake3_on_the_official_vectors() -> None:
    for line in BLAKE3_VECTORS.split("\n")[1:-1]:
        length, plain, derived = line.split()
        data = (bytes(range(251)) * (int(length) // 251 + 1))[: int(length)]
        assert verifier.blake3(data).hex() == plain
        assert verifier.derive_key(BLAKE3_CONTEXT, data).hex() == derived


def test_ed25519_on_the_vectors_of_rfc_8032() -> None:
    for line in RFC_8032.split("\n")[1:-1]:
        key, message, signature = (bytes.fromhex(part.strip("-")) for part in line.split())
        assert verifier.verify_signature(key, signature, message)
        assert not verifier.verify_signature(key, signature, message + b"!")
        for position in range(64):
            changed = bytearray(signature)
            changed[position] ^= 1 << position % 8
            assert not verifier.verify_signature(key, bytes(changed), message)
        s = int.from_bytes(signature[32:], "little") + verifier._ORDER
        assert not verifier.verify_signature(key, signature[:32] + s.to_bytes(32, "little"), message)
        assert not verifier.verify_signature(key, signature + b"\x00", message)


def test_ed25519_is_strict() -> None:
    honest, scalar = public_key(SEED), secret_scalar(SEED)
    for line in SMALL_ORDER.split():
        point = bytes.fromhex(line)
        for message in (b"%d" % number for number in range(16)):
            # As A: S = 0 and a neutral R fit some messages. As R under an honest key: S = k * a.
            assert not verifier.verify_signature(point, b"\x01" + bytes(63), message)
            k = int.from_bytes(sha512(point + honest + message).digest(), "little")
            assert not verifier.verify_signature(
                honest, point + (k * scalar % verifier._ORDER).to_bytes(32, "little"), message
            )
    for y in range(19):
        assert verifier._to_point((y + verifier._P).to_bytes(32, "little")) is None
    assert verifier._to_point(b"\x01" + bytes(30) + b"\x80") is None
    assert verifier._to_point(b"\x02" + bytes(31)) is None
