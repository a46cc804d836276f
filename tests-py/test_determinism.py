"""Whether replays agree: what ``check_determinism`` finds, what it leaves alone, and digests of code."""

from __future__ import annotations

import importlib
import itertools
import logging
import random
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import batpak
from batpak import Event, InvalidInput, Projection, Registry, Store, check_determinism
from batpak._projections.code import code_digest
from batpak.testing import open_store
from projections_support import Accounts, Names, Total, add
from support import child_says

if TYPE_CHECKING:
    from pathlib import Path

IDS = itertools.count()


def codes(report: batpak.DeterminismReport) -> list[str]:
    return [finding.code for finding in report.findings]


def made(handler: Any, initial: Any = 0, **members: Any) -> Any:
    return type(
        "Made",
        (Projection,),
        {"name": "made", "initial": lambda self: initial, "take": batpak.on(0xF001)(handler), **members},
    )


def test_a_sound_projection(store: Store) -> None:
    add(store, 1, 2, 3)
    report = check_determinism(store, Total, every=1)
    assert report.ok
    assert (report.findings, report.child_checked, report.child_skipped) == ((), True, None)
    assert (report.projection, report.version, report.events, report.sampled, report.sequence) == ("total", 1, 3, 3, 3)
    assert report.state_hash == store.materialise(Total).read().state_hash
    assert store.materialise(Total).check(every=1) == report
    view = store.materialise(Accounts("me"), entity="order:1", since=store.get(1).timestamp)
    assert view.check().child_checked
    assert view.check().ok
    assert "findings" in report._repr_html_()
    assert check_determinism(store, Total, until=1).events == 1


def test_the_order_of_sets_shows_in_another_process(store: Store) -> None:
    add(store, *range(20))
    report = check_determinism(store, Names)
    assert report.child_checked
    assert not report.ok
    assert codes(report) == ["child_differs"]


def test_a_reader_can_check_too(path: Path) -> None:
    with Store.open(path) as store:
        add(store, 1, 2)
        with Store.open(path, read_only=True) as reader:
            report = check_determinism(reader, Total)
            assert report.ok
            assert report.child_checked


def test_state_that_is_changed_in_place(store: Store) -> None:
    def take(self: Any, state: list[int], event: Event) -> list[int]:
        state.append(event.payload)
        return state

    add(store, 1, 2, 3)
    report = check_determinism(store, made(take, initial=[]), every=2)
    assert not report.ok
    # The initial list is the same one each time, and each replay begins with a copy of it.
    assert codes(report) == ["state_mutated"]
    assert report.findings[0].message.startswith("Made.take changed the state that it was given at event ")


def test_replays_that_differ(store: Store) -> None:
    add(store, 1)
    report = check_determinism(store, made(lambda self, state, event: next(IDS)))
    assert codes(report) == ["replays_differ"]
    assert not report.ok


def test_what_a_snapshot_does_not_keep(store: Store) -> None:
    def take(self: Any, state: dict[str, int], event: Event) -> dict[str, int]:
        first = next(iter(state), "")
        return {f"{'zyx'[event.payload]}": 1, **state, "first " + first: 1}

    add(store, 0, 1, 2)
    report = check_determinism(store, made(take, initial={}), every=1)
    assert codes(report) == ["restored_differs"]


def test_names_that_are_another_each_time(store: Store) -> None:
    def imports(self: Any, state: Any, event: Event) -> Any:
        import secrets

        return secrets.token_hex if state else state

    cases: list[tuple[Any, list[str]]] = [
        (lambda self, state, event: time.time() * 0, ["time"]),
        (lambda self, state, event: state or uuid.uuid4, ["uuid.uuid4"]),
        (lambda self, state, event: state or uuid4, ["uuid.uuid4"]),
        (lambda self, state, event: [random.random() for _ in range(1)], ["random"]),
        (lambda self, state, event: datetime.now(UTC), ["datetime.now"]),
        (imports, ["secrets"]),
        (lambda self, state, event: event.timestamp, []),
        (lambda self, state, event: uuid.UUID(int=5), []),
        (lambda self, state, event: datetime(2026, 1, event.clock + 1, tzinfo=UTC), []),
        (lambda self, state, event: state.now.time.random if False else state, []),
    ]
    for handler, expected in cases:
        report = check_determinism(store, made(handler))
        assert report.ok
        assert codes(report) == ["unsteady_name"] * len(expected)
        for finding, name in zip(report.findings, expected, strict=True):
            assert f"Made.take uses {name}," in finding.message


def test_why_no_other_process_replays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Local(Total):
        name = "local"

    def skipped(store: Store, projection: Any = Total) -> str:
        report = check_determinism(store, projection)
        assert not report.child_checked
        assert report.ok
        return report.child_skipped or ""

    with Store.open(path) as store:
        assert "in a function" in skipped(store, Local)
        locked = Accounts()
        locked._lock = (each for each in ())  # type: ignore[attr-defined]
        assert "handed to another process" in skipped(store, locked)
        monkeypatch.setattr(Total, "__module__", "__main__")
        assert "main program" in skipped(store)
        monkeypatch.undo()
        monkeypatch.setattr("sys.path", [each for each in __import__("sys").path if "tests-py" not in each])
        assert "cannot import the projection: ModuleNotFoundError" in skipped(store)
        monkeypatch.undo()
        monkeypatch.setattr("sys.executable", "")
        assert "interpreter" in skipped(store)
        monkeypatch.undo()
        monkeypatch.chdir(path.parent)
    with Store.open("journal") as store:
        assert check_determinism(store, Total).child_checked
        monkeypatch.chdir(path)
        assert "not in a directory" in skipped(store)
    with Store.open(path, registry=Registry()) as store:
        assert "registry" in skipped(store)
    with open_store() as store:
        assert "not in a directory" in skipped(store)


def test_wrong_arguments(store: Store) -> None:
    for every, error in ((0, InvalidInput), (-1, InvalidInput), (None, TypeError), ("1", TypeError)):
        with pytest.raises(error):
            check_determinism(store, Total, every=every)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        check_determinism("journal", Total)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        check_determinism(store, lambda state, event: state)  # type: ignore[arg-type]


# -- code -------------------------------------------------------------------------------------------------------------

DEFINITION = """
import batpak
class Counted(batpak.Projection[int]):
    name = "counted"
    RATE = 3
    SETS = ({"x": {"one", "two", "three"}}, [(1.5, None)])
    def initial(self):
        return 0
    @batpak.on(0xF001)
    def added(self, state, event):
        names = [name for name in ("a", "b") if name in {"a", "b", "c", "d"}]
        return state + self.scaled(len(names), by=2)
    def scaled(self, number, *, by=1):
        try:
            return number * by * self.RATE
        except TypeError:
            return 0
"""


def digest(source: str) -> bytes:
    names: dict[str, Any] = {}
    exec(compile(source, f"<{len(source)}>", "exec", dont_inherit=True), names)
    return code_digest(names["Counted"]())


def test_a_digest_is_of_what_the_code_does() -> None:
    assert digest(DEFINITION) == digest("\n\n\n# Further down, in another file.\n" + DEFINITION)
    assert digest(DEFINITION) == digest(
        DEFINITION.replace("        return state", "\n        # Why.\n\n        return state")
    )
    changes = [("RATE = 3", "RATE = 4"), ('"three"', '"four"'), ("1.5", "2.5"), ("by=2", "by=3"), ("by=1", "by=5"), ('"d"}', '"e"}'), ("number * by", "number + by"),
               ("TypeError", "ValueError"), ("0xF001", "0xF002"), ("len(names)", "sum(names)"), ("return 0\n    @", "return 1\n    @")]  # fmt: skip
    digests = {digest(DEFINITION.replace(old, new)) for old, new in changes}
    assert len(digests | {digest(DEFINITION)}) == len(changes) + 1


def test_a_digest_is_the_same_in_every_process() -> None:
    program = "import sys; exec(sys.argv[1]); from batpak._projections.code import code_digest; print(code_digest(Counted()).hex())"
    assert {child_says(program, DEFINITION) for _ in range(3)} == {digest(DEFINITION).hex()}


def test_a_digest_is_of_what_the_instance_was_given() -> None:
    assert code_digest(Accounts("a")) == code_digest(Accounts("a")) != code_digest(Accounts("b"))

    @dataclass(slots=True)
    class Slotted(Projection[int]):
        name = "slotted"
        rate: int

        def initial(self) -> int:
            return self.rate

        @batpak.on(0xF001)
        def take(self, state: int, event: Event) -> int:
            return state

    assert code_digest(Slotted(1)) == code_digest(Slotted(1)) != code_digest(Slotted(2))
    logged, refused = Accounts(), Accounts()
    logged._log = logging.getLogger("x")  # type: ignore[attr-defined]
    assert code_digest(logged) == code_digest(Accounts())
    refused.log = logging.getLogger("x")  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="underscore"):
        code_digest(refused)


MODULE = """
import os
import batpak
print("imported")

class Elsewhere(batpak.Projection[int]):
    name = "elsewhere"

    def initial(self):
        return 0

    @batpak.on(0xF001)
    def added(self, state, event):
        if os.environ.get("PYTHONHASHSEED") == "1":
            raise ValueError("elsewhere")
        return state + 1
"""


def test_a_projection_that_fails_elsewhere(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_module_of_theirs.py").write_text(MODULE)
    projection = importlib.import_module("a_module_of_theirs").Elsewhere
    try:
        report = check_determinism(store, projection)
        assert (report.ok, report.child_checked) == (True, True)
        add(store, 1)
        report = check_determinism(store, projection)
        assert not report.ok
        assert codes(report) == ["child_failed", "unsteady_name"]
        assert report.findings[0].message == "in another process it raised ValueError: elsewhere"
        assert "os.environ" in report.findings[1].message
    finally:
        del sys.modules["a_module_of_theirs"]
