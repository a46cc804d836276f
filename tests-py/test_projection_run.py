"""Projection runs as evidence: what they state, who signed it, and what a replay says of it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

import batpak
from batpak import (
    Attestation,
    EvidenceReport,
    InvalidInput,
    InvalidReport,
    ProjectionRun,
    SigningKey,
    Store,
    _batpak,
    verify_run,
)
from projections_support import Accounts, Total, add
from support import decode, encode


class Total2(Total):
    name = "total"
    version = 2


class Other(Total):
    name = "total"

    def added(self, state: int, event: batpak.Event) -> int:
        return state + 1 + int(event.payload) - 1


class Lying(Total):
    name = "total"

    def added(self, state: int, event: batpak.Event) -> int:
        return state + 1


def changed(attestation: Attestation, part: str | None = None, **fields: Any) -> Attestation:
    """The attestation of a report in which these members, or those of a part, are others, as a forger would write it."""
    members = decode(attestation.body)
    if part is None:
        members |= fields
    else:
        members[part] = {**members[part], **fields}
    body = encode(members)
    return dataclasses.replace(attestation, body=body, body_hash=_batpak.report_hash(body))


def test_a_report_states_what_was_folded(store: Store) -> None:
    add(store, 1, 2)
    view = store.materialise(Total, entity="order:1")
    report = view.run_report()
    assert (report.journal_id, report.inputs["projection"], report.inputs["version"]) == (store.journal_id, "total", 1)
    frontier = report.frontier
    assert (report.filters, frontier.sequence, frontier.size, report.events) == ({"entity": "order:1"}, 2, 3, 2)
    assert (report.root, report.state_hash) == (store.root(3), view.read().state_hash)
    assert report.body_hash == _batpak.report_hash(report.body)
    assert store.stats().durable_events >= frontier.size
    assert store.materialise(Total, entity="order:1").run_report() == report
    assert decode(report.body)["kind"] == "projection_run"
    add(store, 3)
    assert view.run_report().body != report.body
    assert "state_hash" in report._repr_html_()


def test_the_report_of_an_attestation_is_a_projection_run(store: Store) -> None:
    add(store, 1, 2)
    view = store.materialise(Total, entity="order:1")
    attestation = view.attest()
    for each in (
        attestation,
        Attestation.from_bytes(attestation.to_bytes()),
        Attestation.from_json(attestation.to_json()),
    ):
        report = each.report
        assert isinstance(report, ProjectionRun)
        assert report == view.run_report()
        assert (report.events, report.root, report.filters) == (2, store.root(3), {"entity": "order:1"})
        assert report.state_hash == view.read().state_hash
    assert type(store.attest(store.report_read_walk()).report) is EvidenceReport
    # What says that it is one and lacks something is none, here and wherever it is made.
    odd = changed(attestation, "counts", more=1)
    with pytest.raises(InvalidReport, match="not a projection run"):
        _ = odd.report
    assert odd.verify().reason_code == "content_hash_mismatch"
    with pytest.raises(InvalidReport, match="not a projection run"):
        ProjectionRun.from_bytes(odd.body)


def test_signed_and_verified(signed: Store, key: SigningKey) -> None:
    add(signed, 1, 2)
    view = signed.materialise(Total)
    attestation = view.attest()
    assert attestation.key_id == key.key_id
    assert attestation.body_hash == view.run_report().body_hash
    add(signed, 3)
    for public_key in (None, key.public_key):
        found = verify_run(signed, attestation, Total, public_key=public_key)
        assert found.ok
        assert found.signature == "valid"
        assert found.code_agrees
        # The state up to the frontier, and not what came later.
        assert found.state == 3
        assert found.to_dict()["state"] == 3
        assert "<td style='text-align:left'>3</td>" in found._repr_html_()
    assert (
        verify_run(signed, attestation, Total, public_key=SigningKey.generate().public_key).signature == "unknown_key"
    )
    assert verify_run(signed, dataclasses.replace(attestation, key_id=bytes(32)), Total).signature == "unknown_key"
    for signature in (bytes(64), b"", bytes(65)):
        broken = verify_run(signed, dataclasses.replace(attestation, signature=signature), Total)
        assert (broken.signature, broken.ok, broken.state_agrees) == ("invalid", False, True)
    stripped = verify_run(signed, dataclasses.replace(attestation, signature=None, key_id=None), Total)
    assert (stripped.signature, stripped.ok) == ("missing", False)


def test_a_revoked_key_says_nothing(path: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key) as store:
        add(store, 1)
        attestation = store.materialise(Total).attest()
        store.rotate_key(SigningKey.generate())
        assert verify_run(store, attestation, Total).ok
        store.revoke_key(key.public_key, reason="lost")
        assert verify_run(store, attestation, Total).signature == "revoked_key"
        assert verify_run(store, attestation, Total, public_key=key.public_key).ok


def test_without_a_key(store: Store) -> None:
    attestation = store.materialise(Total).attest()
    assert (attestation.key_id, attestation.signature) == (None, None)
    found = verify_run(store, attestation, Total())
    assert (found.ok, found.signature) == (True, "unsigned")
    assert verify_run(store, attestation, Total, public_key=SigningKey.generate().public_key).signature == "missing"


def test_what_does_not_agree(store: Store) -> None:
    add(store, 1, 2)
    attestation = store.materialise(Total).attest()
    cases: list[tuple[Attestation, Any, str]] = [
        (attestation, Lying, "state_agrees"),
        (attestation, Total2, "projection_agrees"),
        (attestation, Accounts, "projection_agrees"),
        (changed(attestation, "counts", events=3), Total, "events_agree"),
        (changed(attestation, "facts", state_hash=bytes(32)), Total, "state_agrees"),
        (changed(attestation, "facts", root=bytes(32)), Total, "root_agrees"),
        (changed(attestation, "frontier", sequence=99, size=100), Total, "root_agrees"),
        (changed(attestation, "inputs", filters={"entity": "x"}), Total, "events_agree"),
        (
            dataclasses.replace(attestation, journal_id=store.get(0).event_id),
            Total,
            "journal_agrees",
        ),
    ]
    for given, projection, field in cases:
        found = verify_run(store, given, projection)
        assert not found.ok
        assert getattr(found, field) is False
        if field == "root_agrees":
            assert (found.state_agrees, found.events_agree, found.state) == (None, None, None)
        else:
            assert found.state is not None
    # Other code that makes the same state is told, but that is no disagreement.
    found = verify_run(store, attestation, Other)
    assert (found.ok, found.code_agrees) == (True, False)


def test_what_nobody_signed_is_still_compared(store: Store) -> None:
    add(store, 1, 2)
    attestation = store.materialise(Total).attest()
    assert verify_run(store, attestation, Total).ok
    other_event = changed(attestation, "frontier", event_hash=b"x" * 32)
    found = verify_run(store, other_event, Total)
    assert (found.ok, found.root_agrees) == (False, False)
    other_hash = dataclasses.replace(attestation, body_hash=b"x" * 32)
    found = verify_run(store, other_hash, Total)
    assert (found.ok, found.signature) == (False, "invalid")


def test_another_journal_and_a_copy(path: Path, tmp_path: Path, key: SigningKey) -> None:
    with Store.open(path, signing_key=key) as store:
        add(store, 1, 2)
        attestation = store.materialise(Total).attest()
    shutil.copytree(path, tmp_path / "copy")
    with Store.open(tmp_path / "copy", read_only=True) as copy:
        assert verify_run(copy, attestation, Total, public_key=key.public_key).ok
    with Store.open(tmp_path / "other") as other:
        add(other, 1, 2)
        found = verify_run(other, attestation, Total, public_key=key.public_key)
        assert (found.journal_agrees, found.root_agrees, found.signature) == (False, False, "valid")


def test_bodies_that_are_none(store: Store) -> None:
    attestation = store.materialise(Total).attest()
    body = decode(attestation.body)
    wrong: list[bytes] = [
        b"",
        b"\xff",
        encode([]),
        encode({}),
        encode({**body, "kind": "chain_walk"}),
        encode({**body, "batpak_report": 2}),
    ]
    wrong += [encode({name: value for name, value in body.items() if name != each}) for each in body]
    wrong += [encode({**body, each: None}) for each in body]
    for part in ("frontier", "inputs", "counts", "facts"):
        members = body[part]
        parts = [{name: value for name, value in members.items() if name != each} for each in members]
        parts += [{**members, each: []} for each in members] + [{**members, "more": 1}]
        wrong += [encode({**body, part: each}) for each in parts]
    wrong += [
        encode({**body, "frontier": {**body["frontier"], "size": body["frontier"]["size"] + 1}}),
        encode({**body, "frontier": {"size": 0, "sequence": None, "event_hash": None}}),
        encode({**body, "more": 1}),
    ]
    for filters in ({"limit": 1}, {"entity": 5}, {"kind": -1}):
        wrong.append(encode({**body, "inputs": {**body["inputs"], "filters": filters}}))
    for each in wrong:
        with pytest.raises(InvalidInput):
            verify_run(store, dataclasses.replace(attestation, body=each), Total)
    for arguments in ((store, body, Total), (store, attestation, 5)):
        with pytest.raises(TypeError):
            verify_run(*arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"store must be a batpak\.Store, opened on the journal or on a copy, not str"):
        verify_run("copy", attestation, Total)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        verify_run(store, attestation, Total, public_key=b"key")  # type: ignore[arg-type]


def test_a_reader_reports_what_is_synced(path: Path) -> None:
    with Store.open(path, durability="manual") as store:
        add(store, 1)
        with Store.open(path, read_only=True) as reader:
            view = reader.materialise(Total)
            with pytest.raises(InvalidInput, match="known to be synced") as caught:
                view.run_report()
            assert "size" not in str(caught.value)
            store.sync()
            reader.refresh()
            assert view.run_report() == store.materialise(Total).run_report()
