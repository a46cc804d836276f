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


def _told(told: plain_reader.Told) -> dict[str, Any]:
    file = {"bytes": told.file_bytes, "digest": told.digest.hex(), "end": told.end}
    if isinstance(told, plain_reader.ToldRun):
        return {"run": {"first": told.first, **file}}
    index = {
        "count": told.count,
        "first": told.first_sequence,
        "keys": told.declared_keys,
        "opened": told.last_opened,
        "steering": told.steering,
    }
    return {"index": {**index, **file}}


def test_the_plain_reader_makes_the_files_that_are_told_of(journal: tuple[Path, dict[str, Any]]) -> None:
    path, expected = journal
    read = plain_reader.read_journal(path)
    assert [_told(told) for told in read.told] == expected["caches"]
    files = [path / told.file for told in read.told]
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
