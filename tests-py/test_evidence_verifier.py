"""The verifier that every evidence bundle carries: honest bundles pass, and whatever was changed is found."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from batpak._evidence import verifier
from evidence_bundles import (
    CHOSEN,
    NOT_CANONICAL,
    OTHER_SEED,
    PASSED,
    SEED,
    Fields,
    Journal,
    b64,
    bundle,
    chain,
    claims,
    codes,
    commitment,
    key_id,
    made,
    make_id,
    note,
    pack,
    public_key,
    public_pem,
    recorded,
    sealed,
    verifier_key,
    with_event,
)
from handmade import naive_path
from plain_reader.merkle import leaf_hash, node_hash

if TYPE_CHECKING:
    pass


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return recorded(tmp_path_factory.mktemp("signed") / "journal", 20)


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return recorded(tmp_path_factory.mktemp("unsigned") / "journal", 6, None)


# -- honest bundles ----------------------------------------------------------------------------------------------------


def test_signed_bundle_of_all_events(signed: Journal) -> None:
    verdict = verifier.verify(bundle(signed, earlier=(1, 2, 3, 8, 13, 16, 20, 21)).pack())
    assert (verdict.outcome, verdict.reason_code, verdict.rung, verdict.axes) == ("signed", None, 2, PASSED)
    assert (verdict.events, verdict.payloads, verdict.checkpoint_size) == (21, 21, 21)
    assert (verdict.key_ids, verdict.key_from_bundle, verdict.findings) == ([key_id(SEED)], True, [])


@pytest.mark.parametrize("earlier", [(), (5,), (4, 4, 19)])
@pytest.mark.parametrize("chosen", [[0], [20], [3, 9, 17], list(range(1, 21))])
def test_signed_bundle_of_some_events(signed: Journal, chosen: list[int], earlier: tuple[int, ...]) -> None:
    verdict = verifier.verify(bundle(signed, chosen, earlier=earlier).pack(), [signed.key()])
    assert (verdict.outcome, verdict.rung, verdict.axes) == ("signed", 2, CHOSEN)
    assert (verdict.events, verdict.key_from_bundle) == (len(chosen), False)


def test_bundle_of_headers_only(signed: Journal) -> None:
    verdict = verifier.verify(bundle(signed, [2, 3], payloads=False).pack())
    assert (verdict.outcome, verdict.rung, verdict.axes) == ("signed", 2, CHOSEN)
    assert (verdict.events, verdict.payloads) == (2, 0)


def test_unsigned_bundle(unsigned: Journal) -> None:
    verdict = verifier.verify(bundle(unsigned, earlier=(2,)).pack())
    assert (verdict.outcome, verdict.reason_code, verdict.rung) == ("unsigned_accepted", None, 1)
    assert verdict.axes == {**PASSED, "signatures": "absent"}
    assert (verdict.key_ids, verdict.key_from_bundle) == ([], False)


def test_bundle_of_no_events(signed: Journal) -> None:
    verdict = verifier.verify(bundle(signed, []).pack())
    absent = {"content": "absent", "order": "absent", "anchors": "absent"}
    assert (verdict.outcome, verdict.rung, verdict.axes) == ("signed", 0, {**CHOSEN, **absent})
    verdict = verifier.verify(bundle(signed, [], earlier=(7,)).pack())
    assert (verdict.outcome, verdict.rung, verdict.axes["anchors"]) == ("signed", 2, "passed")


def test_journal_of_one_event() -> None:
    verdict = verifier.verify(bundle(made(chain(1))).pack())
    assert (verdict.outcome, verdict.rung, verdict.axes) == ("signed", 2, PASSED)


@pytest.mark.parametrize("size", range(1, 18))
def test_every_shape_of_tree(size: int) -> None:
    journal = made(chain(size), seed=None)
    verdict = verifier.verify(bundle(journal, earlier=tuple(range(1, size + 1))).pack())
    assert (verdict.findings, verdict.axes["anchors"], verdict.axes["completeness"]) == ([], "passed", "passed")


def test_headers_with_everything_in_them() -> None:
    first = Fields(
        entity="entité:".encode() + b"x" * 1000,
        kind=0xFFFF,
        encoding=1,
        options=b"".join(b"\x01" + bytes([number] * 16) for number in range(3)),
        metadata=b"\x02\x00\x00\x01a\x01b",
        counter=2**32 - 1,
    )
    second = Fields(sequence=1, wall_us=2**48 * 1000 - 1).after(first)
    assert verifier.verify(bundle(made([first, replace(second, entity=first.entity)])).pack()).axes == PASSED


def test_keys_in_every_form(signed: Journal) -> None:
    data = bundle(signed, [4]).pack()
    for key in (signed.key(), public_key(SEED), *verifier.read_keys(public_pem(SEED))):
        assert verifier.verify(data, [verifier_key(signed.origin, OTHER_SEED), key]).outcome == "signed"


def test_signatures_of_others_are_passed_over(signed: Journal) -> None:
    changed = bundle(signed, [4])
    text = changed.checkpoint.split(b"\n\n")[0] + b"\n"
    changed.checkpoint += note(text, "witness.example/1", OTHER_SEED)[len(text) + 1 :]
    assert verifier.verify(changed.pack()).outcome == "signed"


# -- every code --------------------------------------------------------------------------------------------------------


def test_invalid_signature(signed: Journal) -> None:
    changed = bundle(signed, [4])
    wrong = verifier._note_id(signed.origin, public_key(SEED)) + bytes(64)
    changed.checkpoint = signed.checkpoint().rsplit(b" ", 1)[0] + f" {b64(wrong)}\n".encode()
    verdict = verifier.verify(changed.pack())
    assert (verdict.outcome, verdict.rung, verdict.axes["signatures"]) == ("invalid", 1, "failed")
    assert codes(verdict) == [("signatures", "invalid_signature", None)]
    assert verdict.key_ids == []


def test_every_signature_of_a_key_must_be_valid(signed: Journal) -> None:
    changed = bundle(signed, [4])
    signature = changed.checkpoint.split(b"\n\n")[1]
    wrong = verifier._note_id(signed.origin, public_key(SEED)) + bytes(64)
    changed.checkpoint += f"\u2014 {signed.origin} {b64(wrong)}\n".encode()
    assert verifier.verify(changed.pack()).reason_code == "invalid_signature"
    changed.checkpoint = signed.checkpoint() + signature
    assert verifier.verify(changed.pack()).outcome == "signed"


def test_missing_signature(signed: Journal) -> None:
    changed = bundle(signed, [4], earlier=(3,))
    changed.earlier[0]["checkpoint"] = signed.checkpoint(3, seed=None).decode()
    verdict = verifier.verify(changed.pack())
    assert (verdict.outcome, verdict.rung, verdict.key_ids) == ("invalid", 1, [key_id(SEED)])
    assert codes(verdict) == [("signatures", "missing_signature", None)]
    changed = bundle(signed, [4])
    changed.checkpoint = signed.checkpoint(seed=None)
    assert verifier.verify(changed.pack()).reason_code == "missing_signature"


def test_signed_by_a_key_that_was_not_given(signed: Journal) -> None:
    data = bundle(signed, [4]).pack()
    for given in (verifier_key(signed.origin, OTHER_SEED), verifier_key("other", SEED), public_key(OTHER_SEED)):
        verdict = verifier.verify(data, [given])
        assert (verdict.outcome, verdict.rung, verdict.key_from_bundle) == ("invalid", 1, False)
        assert verdict.axes == {**CHOSEN, "signatures": "failed"}
        assert codes(verdict) == [("signatures", "unknown_signing_key", None)]
    changed = bundle(signed, [4])
    changed.keys = b""
    assert verifier.verify(changed.pack()).outcome == "unverifiable"
    changed.checkpoint = signed.checkpoint(seed=None)
    assert verifier.verify(changed.pack()).outcome == "unsigned_accepted"
    assert verifier.verify(changed.pack(), [signed.key()]).reason_code == "missing_signature"


def test_a_key_with_the_name_of_another(signed: Journal) -> None:
    """The bundle vouches for its own key; a key that was given is the only one that counts."""
    forged = Journal(signed.events, signed.name, signed.journal_id, OTHER_SEED)
    data = bundle(forged, [4]).pack()
    assert verifier.verify(data).outcome == "signed"
    assert verifier.verify(data).key_from_bundle
    assert verifier.verify(data, [signed.key()]).outcome == "invalid"


def test_inclusion_mismatch(signed: Journal) -> None:
    path = [b64(each) for each in naive_path(5, signed.hashes)]
    for wrong in (path, path[:-1], []):
        verdict = verifier.verify(with_event(bundle(signed, [4, 8]), 1, path=wrong).pack())
        assert (verdict.outcome, verdict.rung, verdict.axes["anchors"]) == ("invalid", 1, "failed")
        assert codes(verdict) == [("anchors", "inclusion_mismatch", 8)]
    extra = bundle(signed, [8])
    extra.events[0]["path"].append(b64(bytes(32)))
    assert codes(verifier.verify(extra.pack())) == [("anchors", "inclusion_mismatch", 8)]
    beyond = with_event(bundle(signed, [8]), 0, sequence=21)
    assert ("anchors", "inclusion_mismatch", 21) in codes(verifier.verify(beyond.pack()))


def test_a_proof_fits_one_size_and_one_place_only() -> None:
    """A path that is longer or shorter than the tree is high proves nothing, even if it leads to the root."""
    event, more = b"e" * 32, b"m" * 32
    leaf = leaf_hash(event)
    assert verifier.included(event, 0, [], 1, leaf)
    assert not verifier.included(event, 1, [], 1, leaf)
    assert not verifier.included(event, 0, [more], 1, node_hash(more, leaf))
    assert not verifier.included(event, 0, [], 2, leaf)
    assert not verifier.included(event, 2, [more, more], 2, node_hash(more, node_hash(more, leaf)))
    old, new = leaf, node_hash(leaf, more)
    assert verifier.consistent(1, old, 2, new, [more])
    assert not verifier.consistent(1, old, 2, node_hash(new, more), [more, more])
    assert not verifier.consistent(1, old, 3, new, [more])
    assert not verifier.consistent(2, old, 1, new, [more])
    assert not verifier.consistent(0, old, 2, new, [more])
    assert not verifier.consistent(1, old, 2, old, [])
    assert not verifier.consistent(2, new, 2, new, [more])
    assert not verifier.consistent(3, new, 1, new, [new])
    assert not verifier.consistent(3, new, 4, new, [])
    old, new = node_hash(more, event), node_hash(more, node_hash(event, more))
    assert verifier.consistent(3, old, 4, new, [event, more, more])
    assert not verifier.consistent(3, node_hash(more, old), 4, node_hash(more, new), [event, more, more, more])


def test_consistency_mismatch(signed: Journal) -> None:
    for size in (3, 8, 21):
        for root in (bytes(32), None):
            changed = bundle(signed, [4], earlier=(size,))
            if root is None:
                changed.earlier[0]["path"].append(b64(bytes(32)))
            else:
                changed.earlier[0]["checkpoint"] = signed.checkpoint(size, root=root).decode()
            verdict = verifier.verify(changed.pack())
            assert codes(verdict) == [("anchors", "consistency_mismatch", None)]
            assert (verdict.axes, verdict.rung) == ({**CHOSEN, "anchors": "failed"}, 1)
    changed = bundle(signed, [4], earlier=(8,))
    changed.earlier[0]["path"] = []
    assert verifier.verify(changed.pack()).reason_code == "consistency_mismatch"


def test_checkpoint_mismatch(signed: Journal) -> None:
    longer = signed.checkpoint(20, number=22)
    other = signed.checkpoint(20, origin=Journal([], "other").origin)
    for text in (longer, other):
        changed = bundle(signed, [4], earlier=(20,))
        changed.earlier[0]["checkpoint"] = text.decode()
        assert ("anchors", "checkpoint_mismatch", None) in codes(verifier.verify(changed.pack()))
    assert verifier.verify(bundle(signed, [4], earlier=(9, 5)).pack()).reason_code == "checkpoint_mismatch"


@pytest.mark.parametrize("changes", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_invalid_encoding(changes: dict[str, Any]) -> None:
    journal = made([Fields(**changes), *chain(2)[1:]])
    verdict = verifier.verify(bundle(journal).pack())
    assert codes(verdict)[0] == ("content", "invalid_encoding", 0)
    assert (verdict.outcome, verdict.axes["content"], verdict.axes["order"]) == ("invalid", "failed", "not_checked")


def test_a_header_that_is_cut_off_anywhere() -> None:
    header = chain(2, metadata=b"\x01\x01a\x01b")[1].encode()
    assert verifier.read_header(header).sequence == 1
    for length in range(len(header)):
        with pytest.raises(ValueError, match="."):
            verifier.read_header(header[:length])


def test_sequences_ascend_even_if_the_headers_say_nothing() -> None:
    parts = bundle(made([Fields(version=2)]))
    assert verifier.verify(parts.pack()).axes["order"] == "not_checked"
    parts.events *= 2
    assert codes(verifier.verify(parts.pack()))[-1] == ("order", "order_mismatch", 0)


def test_journal_and_sequence_mismatch() -> None:
    events = chain(2)
    elsewhere = verifier.verify(bundle(made([events[0], replace(events[1], journal_id=bytes(16))])).pack())
    assert codes(elsewhere) == [("content", "journal_mismatch", 1)]
    swapped = verifier.verify(bundle(made([replace(events[0], sequence=1), events[1]])).pack())
    assert ("content", "sequence_mismatch", 0) in codes(swapped)


def test_commitment_mismatch(signed: Journal) -> None:
    for part in ("salt", "payload", "private"):
        wrong = b64(bytes(16))
        verdict = verifier.verify(with_event(bundle(signed, [4, 8]), 0, **{part: wrong}).pack())
        assert codes(verdict) == [("content", "commitment_mismatch", 4)]
        # Signatures and anchors passed: the headers are proved, and the payload is not the one that they name.
        assert (verdict.outcome, verdict.axes) == ("invalid", {**CHOSEN, "content": "failed"})


def test_large_payload() -> None:
    payload = bytes(range(256)) * 1200
    first = Fields(commitment=commitment(bytes(16), b"p" * 300, payload))
    journal = made([first])
    journal.events = [replace(first.record, private=b"p" * 300, payload=payload)]
    assert verifier.verify(bundle(journal).pack()).axes == PASSED
    journal.events = [replace(first.record, private=b"p" * 300, payload=payload[:-1] + b"\x00")]
    assert verifier.verify(bundle(journal).pack()).reason_code == "commitment_mismatch"


def order_of(events: list[Fields], chosen: list[int] | None = None) -> list[tuple[str, str, int | None]]:
    verdict = verifier.verify(bundle(made(events), chosen).pack())
    assert verdict.axes["order"] == ("failed" if verdict.findings else "passed")
    return codes(verdict)


def test_order_mismatch() -> None:
    events = chain(3)
    swapped = bundle(made(events))
    swapped.events = [swapped.events[index] for index in (0, 2, 1)]
    assert ("order", "order_mismatch", 1) in codes(verifier.verify(swapped.pack()))
    twice = bundle(made(events))
    twice.events.append(twice.events[2])
    assert ("order", "order_mismatch", 2) in codes(verifier.verify(twice.pack()))
    found = [("order", "order_mismatch", 2)]
    assert order_of([*events[:2], replace(events[2], counter=1)]) == found
    assert order_of([*events[:2], replace(events[2], event_id=make_id(1_700_000_000_000, 1))]) == found
    assert order_of([*events[:2], replace(events[2], event_id=make_id(1_700_000_000_001, 2))]) == found


def test_chain_mismatch() -> None:
    first, second, third = chain(3)
    found = [("order", "chain_mismatch", 2)]
    assert order_of([first, second, third]) == []
    assert order_of([first, second, replace(third, prev_hash=bytes([1] * 32))]) == found
    assert order_of([first, second, replace(third, prev=b"\x01\x00")]) == found
    assert order_of([first, second, replace(third, prev=b"\x01\x02")]) == found
    assert order_of([first, second, replace(third, clock=1)]) == found
    assert order_of([first, second, replace(third, entity=b"f")]) == found
    assert order_of([first, second, Fields(sequence=2, counter=2)]) == found
    # A gap in what was chosen is no finding, unless the event names one that is there and is not the one before it.
    assert order_of([first, second, third], [0, 2]) == []
    assert (
        order_of([first, second, replace(third, prev=b"\x01\x00", prev_hash=first.record.event_hash)], [0, 2]) == found
    )
    assert (
        order_of([first, second, replace(third, prev=b"\x01\x00", prev_hash=first.record.event_hash)], [1, 2]) == found
    )
    fourth = chain(4)[3]
    assert order_of([first, second, third, fourth], [1, 3]) == []
    for named in (0, 3, 9):
        events = [first, second, third, replace(fourth, prev=b"\x01" + bytes([named]))]
        assert order_of(events, [1, 3]) == [("order", "chain_mismatch", 3)]


def test_findings_are_limited() -> None:
    verdict = verifier.verify(bundle(made([Fields(version=2, counter=number) for number in range(120)])).pack())
    assert (len(verdict.findings), verdict.outcome) == (verifier.MAX_FINDINGS, "invalid")


# -- every change of a byte --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [SEED, None], ids=["signed", "unsigned"])
@pytest.mark.parametrize(
    "name", ["__main__.py", "README.txt", "manifest.json", "checkpoint", "keys", "events.jsonl", "checkpoints.jsonl"]
)
def test_every_changed_byte(seed: bytes | None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Most of a changed bundle is as it was: what was worked out once need not be again.
    for function in ("verify_signature", "derive_key"):
        monkeypatch.setattr(verifier, function, lru_cache(maxsize=None)(getattr(verifier, function)))
    parts = bundle(made(chain(3), seed=seed), [1, 2], earlier=(2,))
    parts.events[0] |= {"salt": None, "private": None, "payload": None}
    honest = sealed(parts.members())
    before, axes = claims(honest), {**CHOSEN, "signatures": "passed" if seed else "absent"}
    assert verifier.verify(pack(honest)).axes == axes
    refused = 0
    for position, flip in product(range(len(honest[name])), (0x01, 0x20, 0x82)):
        content = bytearray(honest[name])
        content[position] ^= flip
        changed = {**honest, name: bytes(content)}
        verdict = verifier.verify(pack(changed if name == "manifest.json" else sealed(changed)))
        if verdict.outcome == "signed" or (seed is None and verdict.outcome == "unsigned_accepted"):
            assert (verdict.axes, claims(changed)) == (axes, before), position
        else:
            assert verdict.findings
            refused += 1
    for_people = name in ("__main__.py", "README.txt")
    assert refused >= (0 if for_people else len(honest[name]) * 3 * 0.9)
