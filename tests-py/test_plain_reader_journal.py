"""The plain reader on a journal that is written here byte by byte, as FORMAT.md says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from handmade import JOURNAL_ID, KEY_ID, PUBLIC_KEY, Writer, axes, lengthed, make_journal, naive_path, sign
from plain_reader import (
    DecodeError,
    decode_receipt,
    decode_receipt_json,
    read_journal,
    recovery,
    verify,
    verify_receipt,
)
from plain_reader.codec import encode_varint
from plain_reader.receipt import receipt_members
from plain_reader.record import decode_header, event_hash_of


def test_recovery_table() -> None:
    assert [recovery(rest, 4, 5) for rest in ("end", "zeros", "other")] == ["missing", "missing", "damage"]
    for s in (5, 6):
        assert [recovery(rest, s, 5) for rest in ("end", "zeros", "other")] == ["clean", "spare", "tail"]


@pytest.mark.parametrize("signed", [False, True])
def test_a_whole_journal(tmp_path: Path, signed: bool) -> None:
    writer = make_journal(tmp_path / "j", signed)
    journal = read_journal(writer.path)
    assert journal.findings == []
    assert (journal.name, journal.journal_id, journal.synced) == ("test", JOURNAL_ID, 12)
    assert [event.sequence for event in journal.events] == list(range(12))
    assert [(event.entity, event.value) for event in journal.events[4:7]] == [(f"player:{name}", -1) for name in "abc"]
    assert journal.events[11].value == "last"
    assert journal.events[11].private == {"secret": True}
    assert journal.events[11].causation_id == b"\x09" * 16
    assert [head.size for head in journal.heads] == [10]
    assert journal.frontier is not None
    assert journal.notes == []
    assert journal.keys == ({KEY_ID: PUBLIC_KEY} if signed else {})


def test_what_a_killed_writer_leaves(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j", signed=True)
    whole = writer.segment
    writer.frame([("player:c", 0x1001, b"\x02")], 12)  # a last byte that zeros cannot complete
    for length in range(len(whole) + 1, len(writer.segment), 5):
        for spare in (b"", bytes(100)):
            writer.segment_path.write_bytes(writer.segment[:length] + spare)
            journal = read_journal(writer.path)
            assert journal.findings == []
            assert journal.tail_bytes == length - len(whole) + len(spare)
            assert len(journal.events) == 12
    writer.segment_path.write_bytes(whole + bytes(5000))
    journal = read_journal(writer.path)
    assert (journal.findings, journal.tail_bytes, journal.spare_bytes) == ([], 0, 5000)
    writer.segment_path.write_bytes(writer.segment)
    assert len(read_journal(writer.path).events) == 13
    checkpoints = writer.path / "checkpoints"
    checkpoints.write_bytes(checkpoints.read_bytes() + b"\x70\x00\x00\x00torn")
    assert verify(writer.path) == []
    assert any("torn" in note for note in read_journal(writer.path).notes)


def test_every_changed_byte_of_the_log_is_found(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j", signed=True)
    for segment in sorted((writer.path / "segments").iterdir()):
        data = segment.read_bytes()
        for position in range(0, len(data), 23):
            segment.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
            assert "content" in axes(writer.path), (segment.name, position)
        segment.write_bytes(data)
    for name in ("journal.meta", "checkpoints"):
        data = (writer.path / name).read_bytes()
        for position in range(0, len(data), 3):
            (writer.path / name).write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            assert axes(writer.path), (name, position)
        (writer.path / name).write_bytes(data)
    assert verify(writer.path) == []


def test_bytes_cut_off(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    first, second = sorted((writer.path / "segments").iterdir())
    data = second.read_bytes()
    for length in [*range(70), *range(70, len(data), 53)]:
        second.write_bytes(data[:length])
        assert "completeness" in axes(writer.path), length
    second.unlink()
    assert axes(writer.path) == {"completeness"}
    second.write_bytes(data)
    first.unlink()
    assert "completeness" in axes(writer.path)


def test_later_events_are_read_past_damage(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    first = min((writer.path / "segments").iterdir())
    journal = read_journal(writer.path)
    at = journal.events[4].frame_offset
    data = bytearray(first.read_bytes())
    data[at + 30] ^= 1
    first.write_bytes(data)
    damaged = read_journal(writer.path)
    assert [event.sequence for event in damaged.events] == [0, 1, 2, 3, 7, 8, 9, 10, 11]
    assert {finding.axis for finding in damaged.findings} == {"content", "completeness"}
    assert any(finding.offset == at and finding.axis == "content" for finding in damaged.findings)


def test_frames_rewritten_with_right_crcs(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "signed", signed=True)
    writer.signed = False
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"signatures"}

    writer = Writer(tmp_path / "gap")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.sequence += 1
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"order"}

    writer = Writer(tmp_path / "chain")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.chains["player:a"] = (1, 1, b"\x01" * 32)
    writer.frame([("player:a", 0x1001, b"\x00")])
    assert axes(writer.path) == {"order"}

    writer = Writer(tmp_path / "value")
    writer.frame([("player:a", 0x1001, b"\x00\x00")])
    assert axes(writer.path) == {"content"}

    writer = Writer(tmp_path / "head")
    writer.frame([("player:a", 0x1001, b"\x00")])
    writer.tree.append(bytes(32))
    writer.head(2)
    assert axes(writer.path) == {"completeness"}


def test_names_and_small_files(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    (writer.path / "segments" / f"{12:020}.log.tmp").write_bytes(b"half")
    assert verify(writer.path) == []
    (writer.path / "segments" / "other").write_bytes(b"")
    assert axes(writer.path) == {"content"}
    (writer.path / "segments" / "other").unlink()
    (writer.path / "frontier").unlink()
    assert verify(writer.path) == []
    (writer.path / "checkpoints").unlink()
    assert axes(writer.path) == {"completeness"}
    (tmp_path / "empty").mkdir()
    assert axes(tmp_path / "empty") == {"completeness"}
    with pytest.raises(NotADirectoryError):
        verify(tmp_path / "nothing")


def test_an_unfinished_creation_misses_nothing(tmp_path: Path) -> None:
    path = Writer(tmp_path / "j").path
    for name in ("checkpoints", "frontier", "journal.meta"):
        assert verify(path) == []
        (path / name).rename(path / f"{name}.tmp")
        assert bool(verify(path)) == (name == "checkpoints")
        if name == "checkpoints":
            (path / f"{name}.tmp").rename(path / name)
    (path / "checkpoints").unlink()
    assert verify(path) == []
    (path / "frontier.tmp").rename(path / "frontier")
    assert axes(path) == {"completeness", "content"}


def test_receipts(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j", signed=True)
    writer.frame([(f"player:{name}", 0x1001, b"\x00") for name in "abcde"])
    hashes = [event_hash_of(header) for header in writer.headers[1:]]
    for index, header in enumerate(writer.headers[1:]):
        path = naive_path(index, hashes)
        start = b"\x01" + lengthed(header) + b"\x01\x05" + encode_varint(len(path)) + b"".join(path)
        receipt = decode_receipt(start + b"\x01" + KEY_ID + writer.signature)
        assert receipt.header == decode_header(header)
        assert verify_receipt(receipt, PUBLIC_KEY) is None
        assert verify_receipt(receipt, None) is not None
        assert verify_receipt(receipt, sign(b"\x08" * 32, b"")[0]) is not None
        text = json.dumps(receipt_members(receipt))
        assert decode_receipt_json(text) == receipt
        with pytest.raises(DecodeError):
            decode_receipt_json(text.replace('"clock": 0', '"clock": 1'))
        with pytest.raises(DecodeError):
            decode_receipt(start + b"\x01" + KEY_ID + writer.signature + b"\x00")
        unsigned = decode_receipt(start + b"\x00")
        assert verify_receipt(unsigned, None) is None
        assert verify_receipt(unsigned, PUBLIC_KEY) == "the signature is missing"
        for change in ({"first_sequence": 0}, {"count": 4}, {"path": path[1:]}):
            assert verify_receipt(replace(receipt, **change), PUBLIC_KEY) is not None


def test_command_line(tmp_path: Path) -> None:
    writer = make_journal(tmp_path / "j")
    command = [sys.executable, "-m", "plain_reader", str(writer.path)]
    here = Path(__file__).parent
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["sequence"] for event in events] == list(range(12))
    assert events[11]["value"] == "last"
    writer.segment_path.unlink()
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert json.loads(result.stdout.splitlines()[-1])["type"] == "finding"
