"""The golden vectors of ``tests-rs/vectors``: today's code and the plain reader read them to exactly what stands there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import batpak
import plain_reader
from batpak import _batpak, _json

VECTORS = Path(__file__).parents[1] / "tests-rs" / "vectors"
VALUES = json.loads((VECTORS / "values.json").read_text())
RECEIPTS = json.loads((VECTORS / "receipts.json").read_text())
EXPECTED = json.loads((VECTORS / "journal-v1" / "expected.json").read_text())
JOURNALS = ("unsigned", "signed")


def hexed(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy, so that no test can change the vectors."""
    path = tmp_path / "journal"
    shutil.copytree(VECTORS / "journal-v1" / request.param, path)
    return path, EXPECTED[request.param]


@pytest.mark.parametrize("vector", VALUES["values"], ids=lambda vector: vector["bytes"][:24])
def test_a_value_is_these_bytes_and_no_others(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    value = _batpak.decode_value(data)
    assert _batpak.encode_value(value, allow_nonfinite=True) == data
    assert json.loads(_json.dumps(value)) == vector["json"]
    assert _json.dumps(_json.loads(json.dumps(vector["json"]))) == _json.dumps(value)
    assert json.loads(plain_reader.to_tagged_json(plain_reader.decode_value(data))) == vector["json"]


@pytest.mark.parametrize("data", VALUES["refused"])
def test_bytes_that_are_no_value_are_refused_by_both(data: str) -> None:
    with pytest.raises(batpak.InvalidEncoding):
        _batpak.decode_value(bytes.fromhex(data))
    with pytest.raises(ValueError):
        plain_reader.decode_value(bytes.fromhex(data))


@pytest.mark.parametrize("name", list(RECEIPTS) if isinstance(RECEIPTS, dict) else range(len(RECEIPTS)))
def test_a_receipt_is_these_bytes_and_this_json(name: Any) -> None:
    vector = RECEIPTS[name]
    receipt = batpak.AppendReceipt.from_bytes(bytes.fromhex(vector["bytes"]))
    assert receipt.to_bytes().hex() == vector["bytes"]
    assert json.loads(receipt.to_json()) == vector["json"]
    assert batpak.AppendReceipt.from_json(json.dumps(vector["json"])) == receipt


def test_the_store_reads_every_field(journal: tuple[Path, dict[str, Any]]) -> None:
    path, expected = journal
    with batpak.Store.open(path, read_only=True, registry=batpak.Registry()) as store:
        events = list(store.query(system=True))
        assert len(events) == len(expected["events"])
        for event, fields in zip(events, expected["events"], strict=True):
            assert event.header.hex() == fields["header"]
            assert event.event_hash.hex() == fields["event_hash"]
            assert event.event_id.hex == fields["event_id"]
            assert event.raw_payload.hex() == fields["payload"]
            assert event.payload_commitment.hex() == fields["payload_commitment"]
            assert event.salt.hex() == fields["salt"]
            assert [event.hlc.wall_us, event.hlc.counter] == fields["hlc"]
            for name in (
                "sequence",
                "clock",
                "entity",
                "scope",
                "metadata",
                "payload_version",
                "prev_sequence",
                "skew_us",
            ):
                assert getattr(event, name) == fields[name], name
            assert event.kind.code == fields["kind"]
            assert event.promise == ("manual", "interval", "always")[fields["promise"]]
            for name in ("causation_id", "correlation_id"):
                found = getattr(event, name)
                assert (None if found is None else found.hex) == fields[name], name
        assert store.verify().ok


def test_the_plain_reader_reads_every_field(journal: tuple[Path, dict[str, Any]]) -> None:
    path, expected = journal
    read = plain_reader.read_journal(path)
    assert read.findings == []
    assert [hexed(event.event_hash) for event in read.events] == [e["event_hash"] for e in expected["events"]]
    assert [event.sequence for event in read.events] == [e["sequence"] for e in expected["events"]]
    assert [event.entity for event in read.events] == [e["entity"] for e in expected["events"]]


def test_the_plain_reader_makes_the_files_that_are_told_of(journal: tuple[Path, dict[str, Any]]) -> None:
    path, expected = journal
    read = plain_reader.read_journal(path)
    assert [(told.index is None, told.run is None) for told in read.told] == [
        (cache["index"] is None, cache["run"] is None) for cache in expected["caches"]
    ]
    for told, cache in zip(read.told, expected["caches"], strict=True):
        if told.index is not None:
            assert {
                "bytes": told.index.file_bytes,
                "count": told.index.count,
                "digest": told.index.digest.hex(),
                "end": told.index.end,
                "first": told.index.first_sequence,
                "keys": told.index.declared_keys,
                "opened": told.index.last_opened,
                "steering": told.index.steering,
            } == cache["index"]
        if told.run is not None:
            assert {
                "bytes": told.run.file_bytes,
                "digest": told.run.digest.hex(),
                "end": told.run.end,
                "first": told.run.first,
            } == cache["run"]
    files = [path / file.file for told in read.told for file in (told.index, told.run) if file is not None]
    assert sorted(files) == sorted([*path.glob("segments/*.idx"), *path.glob("heads/*")])
    for file in files:
        data = file.read_bytes()
        for at in range(0, len(data), 37):
            file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            findings = plain_reader.verify(path)
            assert [(finding.axis, finding.file, finding.offset) for finding in findings] == [
                ("indexes", str(file.relative_to(path)), at)
            ]
        file.unlink()
        assert plain_reader.verify(path) == []
