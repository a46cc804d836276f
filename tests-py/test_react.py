"""Reactors: every event is handled, and answered once, whatever fails on the way."""

from __future__ import annotations

import itertools
import logging
import pickle
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import batpak
from batpak import Coordinate, Deny, Event, InvalidInput, PendingReaction, ReactionFailed, ReactReport, Store
from batpak.testing import Fault, Faults, MemoryDisk, open_store
from support import KIND

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = batpak.Kind(0xF, 2)
BILLS = Coordinate("bill:1", "bills")


def fill(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.append(Coordinate(f"order:{number}", "shop"), number, kind=KIND)


def bill(event: Event, reaction: PendingReaction) -> None:
    """Answer with as many events as the number says, less three times as many as fit."""
    for part in range(event.payload % 3):
        reaction.add(BILLS, [event.payload, part], kind=ANSWER)


def answers(store: Store) -> list[Any]:
    return [event.payload for event in store.query(kind=ANSWER)]


def billed(*numbers: int) -> list[Any]:
    return [[number, part] for number in numbers for part in range(number % 3)]


def test_each_event_is_answered(store: Store) -> None:
    fill(store, *range(6))
    report = store.react(bill, "billing", scope="shop")
    assert report == ReactReport("billing", handled=6, written=6, repeated=0, retried=0, skipped=0, position=6)
    assert answers(store) == billed(*range(6))
    assert store.react(bill, "billing", scope="shop").handled == 0
    fill(store, 7)
    assert store.react(bill, "billing", scope="shop").to_dict() == {
        "cursor": "billing", "handled": 1, "written": 1, "repeated": 0, "retried": 0, "skipped": 0, "position": 13,
    }  # fmt: skip
    for answer in store.query(kind=ANSWER):
        (cause,) = (event for event in store.query(kind=KIND) if event.payload == answer.payload[0])
        assert (answer.causation_id, answer.correlation_id) == (cause.event_id, cause.event_id)


def test_an_answer_is_one_frame_with_links(store: Store) -> None:
    fill(store, 5)

    def handler(event: Event, reaction: PendingReaction) -> None:
        assert (len(reaction), reaction.event) == (0, event)
        first = reaction.add(BILLS, 1, kind=ANSWER, metadata={"a": "b"})
        assert reaction.add(BILLS, 2, kind=ANSWER, causation_id=first) == 1
        assert repr(reaction) == "<PendingReaction to event 1 with 2 events waiting>"
        assert answers(store) == []
        with pytest.raises(TypeError):
            pickle.dumps(reaction)

    assert store.react(handler, "c", kind=KIND).written == 2
    first, second = store.query(kind=ANSWER)
    assert (first.causation_id, first.metadata, second.causation_id) == (
        store.get(1).event_id,
        {"a": "b"},
        first.event_id,
    )
    receipt = store.last_receipt()
    assert receipt is not None
    assert receipt._source.parts()["count"] == 2


def test_what_is_delivered_again_is_answered_once(store: Store) -> None:
    fill(store, *range(6))
    store.react(bill, "billing", scope="shop")
    size = len(store)
    store.rewind_cursor("billing", 0)
    report = store.react(bill, "billing", scope="shop")
    assert (report.handled, report.written, report.repeated, len(store)) == (6, 0, 4, size)
    # Its name is what counts, not its file.
    assert store.drop_cursor("billing")
    assert store.react(bill, "billing", scope="shop").repeated == 4
    assert len(store) == size
    # Under another name it is another worker.
    assert store.react(bill, "other", scope="shop").written == 6


@pytest.mark.parametrize("second", [["b"], ["b", "b"], ["a", "a", "a"], ["a"], []])
def test_the_first_answer_stands(store: Store, second: list[str], caplog: pytest.LogCaptureFixture) -> None:
    fill(store, 1, 2)

    def handler(words: list[str]) -> Any:
        def handle(event: Event, reaction: PendingReaction) -> None:
            for word in words if event.payload == 1 else ["same"]:
                reaction.add(BILLS, word, kind=ANSWER)

        return handle

    store.react(handler(["a", "a"]), "c", scope="shop")
    size = len(store)
    store.rewind_cursor("c", 0)
    with caplog.at_level(logging.WARNING, logger="batpak"):
        report = store.react(handler(second), "c", scope="shop")
    assert (report.handled, report.written, report.repeated) == (2, 0, 2 if second else 1)
    assert (len(store), answers(store)) == (size, ["a", "a", "same"])
    told = [record.message for record in caplog.records]
    # An answer that is only shorter is the beginning of the first one.
    assert len(told) == (0 if second in (["a"], []) else 1)
    assert all("'c' answers event 1 otherwise than before; the answer of then, event " in message for message in told)


def test_a_handler_that_fails_is_tried_again(store: Store) -> None:
    fill(store, *range(4))
    attempts: Counter[int] = Counter()

    def handler(event: Event, reaction: PendingReaction) -> None:
        attempts[event.payload] += 1
        bill(event, reaction)
        if attempts[event.payload] <= event.payload:
            raise LookupError("not yet")

    begun = time.monotonic()
    report = store.react(handler, "c", scope="shop", backoff_s=0.01)
    # 1, 1 + 2 and 1 + 2 + 4 hundredths.
    assert time.monotonic() - begun >= 0.11
    assert (report.handled, report.retried, report.written) == (4, 6, 3)
    assert attempts == {0: 1, 1: 2, 2: 3, 3: 4}
    assert answers(store) == billed(*range(4))


def test_a_failure_for_good_stops_before_the_event(store: Store) -> None:
    fill(store, *range(5))

    def handler(event: Event, reaction: PendingReaction) -> None:
        bill(event, reaction)
        if event.payload == 2:
            raise LookupError("never")

    with pytest.raises(ReactionFailed, match="LookupError: never") as caught:
        store.react(handler, "c", scope="shop", retries=2, backoff_s=0, commit_every=100)
    error = caught.value
    assert (error.name, error.sequence, error.event_id, error.attempts) == ("c", 3, store.get(3).event_id, 3)
    assert isinstance(error.__cause__, LookupError)
    assert pickle.loads(pickle.dumps(error)).event_id == error.event_id
    assert store.cursors()[0].sequence == 2
    assert answers(store) == billed(0, 1)
    report = store.react(bill, "c", scope="shop")
    assert (report.handled, report.repeated, answers(store)) == (3, 0, billed(*range(5)))


def test_a_failure_for_good_is_skipped_if_that_is_wanted(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    fill(store, *range(5))

    def handler(event: Event, reaction: PendingReaction) -> None:
        bill(event, reaction)
        if event.payload % 2:
            raise LookupError("odd")

    with caplog.at_level(logging.WARNING, logger="batpak"):
        report = store.react(handler, "c", scope="shop", retries=1, backoff_s=0, on_failure="skip")
    assert (report.handled, report.skipped, report.retried, report.position) == (3, 2, 2, 5)
    assert answers(store) == billed(0, 2, 4)
    assert len(caplog.records) == 2
    assert f"event 2, the last of 2 times; it was skipped ({store.get(2).event_id})" in caplog.records[0].message
    assert caplog.records[0].exc_info is not None


def test_an_answer_that_is_refused_is_a_failure(path: Path) -> None:
    asked: list[int] = []

    def gate(proposal: batpak.Proposal) -> Deny | None:
        asked.append(len(proposal))
        return Deny("no") if len(asked) < 3 else None

    with Store.open(path) as store:
        fill(store, 2)
    with Store.open(path, gates=[gate], record_denials=False) as store:
        report = store.react(bill, "c", scope="shop", backoff_s=0)
        assert (report.retried, report.written, asked) == (2, 2, [2, 2, 2])
        asked.clear()
        with pytest.raises(ReactionFailed) as caught:
            store.react(bill, "d", scope="shop", retries=1, backoff_s=0)
        assert isinstance(caught.value.__cause__, batpak.GateDenied)
        # What was written needs no gate a second time.
        store.rewind_cursor("c", 0)
        asked.clear()
        assert store.react(bill, "c", scope="shop").repeated == 1
        assert asked == []


def test_an_expectation_that_fails(store: Store) -> None:
    fill(store, 1)

    def handler(event: Event, reaction: PendingReaction) -> None:
        reaction.add(BILLS, 1, kind=ANSWER)
        reaction.add(BILLS, 2, kind=ANSWER, expect=7)

    with pytest.raises(ReactionFailed) as caught:
        store.react(handler, "c", scope="shop", retries=0)
    assert isinstance(caught.value.__cause__, batpak.ExpectationFailed)
    assert answers(store) == []


def test_what_is_added_is_checked(store: Store) -> None:
    fill(store, 1)
    kept: list[PendingReaction] = []

    def handler(event: Event, reaction: PendingReaction) -> None:
        kept.append(reaction)
        with pytest.raises(InvalidInput, match="keys of their own"):
            reaction.add(BILLS, 1, kind=ANSWER, key="mine")
        with pytest.raises(batpak.InvalidValue):
            reaction.add(BILLS, (1,), kind=ANSWER)
        with pytest.raises(TypeError):
            reaction.add(BILLS, 1, kind=ANSWER, durability="always")
        assert reaction.add(BILLS, 1, kind=ANSWER, key=None) == 0

    assert store.react(handler, "c", scope="shop", retries=0).written == 1
    with pytest.raises(InvalidInput, match="has returned"):
        kept[0].add(BILLS, 2, kind=ANSWER)


async def coroutine(event: Event, reaction: PendingReaction) -> None:
    reaction.add(BILLS, 1, kind=ANSWER)


def generator(event: Event, reaction: PendingReaction) -> Any:
    yield reaction.add(BILLS, 1, kind=ANSWER)


async def async_generator(event: Event, reaction: PendingReaction) -> Any:
    reaction.add(BILLS, 1, kind=ANSWER)
    yield


@pytest.mark.parametrize("handler", [coroutine, generator, async_generator])
def test_a_handler_that_nobody_would_run_is_refused(store: Store, handler: Any) -> None:
    fill(store, 1)
    with pytest.raises(TypeError, match="plain function"):
        store.react(handler, "c", scope="shop", on_failure="skip")
    assert (answers(store), store.cursors()[0].sequence) == ([], None)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"retries": -1}, InvalidInput), ({"retries": None}, TypeError), ({"retries": 1.5}, TypeError), ({"retries": 2**30}, InvalidInput),
        ({"backoff_s": -1}, InvalidInput), ({"backoff_s": float("nan")}, InvalidInput), ({"backoff_s": "1"}, TypeError), ({"backoff_s": True}, TypeError),
        ({"on_failure": "ignore"}, InvalidInput), ({"on_failure": None}, InvalidInput),
        ({"commit_every": 0}, InvalidInput), ({"commit_every": None}, TypeError), ({"commit_every": "1"}, TypeError),
        ({"timeout": -1}, InvalidInput), ({"timeout": "1"}, TypeError), ({"stop": True}, TypeError), ({"start": "soon"}, InvalidInput),
        ({"scope": ""}, InvalidInput), ({"after": 1}, TypeError), ({"cursor": ""}, InvalidInput), ({"handler": None}, TypeError),
    ],
)  # fmt: skip
def test_bad_arguments_do_nothing(store: Store, options: dict[str, Any], error: type[Exception]) -> None:
    fill(store, 1)
    with pytest.raises(error):
        store.react(**{"handler": bill, "cursor": "c", **options})
    assert store.cursors() == []
    store.cursor("c").close()


@pytest.mark.parametrize(("every", "expected"), [(1, [None, 1, 2, 3, 4]), (2, [None, None, 2, 2, 4]), (10, [None] * 5)])
def test_how_often_it_commits(store: Store, every: int, expected: list[int | None]) -> None:
    fill(store, *range(5))
    seen: list[int | None] = []

    def handler(event: Event, reaction: PendingReaction) -> None:
        seen.append(store.cursors()[0].sequence)

    assert store.react(handler, "c", scope="shop", commit_every=every).position == 5
    assert seen == expected
    assert store.cursors()[0].sequence == 5


def test_it_commits_before_it_pauses(store: Store) -> None:
    fill(store, 0, 1)
    seen: list[int | None] = []

    def handler(event: Event, reaction: PendingReaction) -> None:
        seen.append(store.cursors()[0].sequence)
        if event.payload == 1 and len(seen) == 2:
            raise LookupError("not yet")

    assert store.react(handler, "c", scope="shop", commit_every=100, backoff_s=0).retried == 1
    assert seen == [None, None, 1]


def test_it_commits_before_it_waits(store: Store) -> None:
    fill(store, 1)
    stop = threading.Event()
    report: list[ReactReport] = []
    thread = threading.Thread(
        target=lambda: report.append(
            store.react(bill, "c", scope="shop", commit_every=100, timeout=None, stop=stop)
        )
    )  # fmt: skip
    thread.start()
    while not any(position.sequence == 1 for position in store.cursors()):
        time.sleep(0.005)
    fill(store, 4)
    while len(answers(store)) < 2:
        time.sleep(0.005)
    stop.set()
    thread.join()
    assert (report[0].handled, report[0].position) == (2, 3)


def test_the_handler_may_stop_it(store: Store) -> None:
    fill(store, *range(5))
    stop = threading.Event()

    def handler(event: Event, reaction: PendingReaction) -> None:
        bill(event, reaction)
        if event.payload == 2:
            stop.set()

    assert store.react(handler, "c", scope="shop", stop=stop).position == 3
    # It is set: nothing is handled.
    assert store.react(handler, "c", scope="shop", stop=stop).handled == 0
    assert answers(store) == billed(0, 1, 2)


def test_a_pause_ends_when_it_is_to_stop(store: Store) -> None:
    fill(store, 0, 1)
    stop = threading.Event()

    def handler(event: Event, reaction: PendingReaction) -> None:
        if event.payload == 1:
            threading.Timer(0.02, stop.set).start()
            raise LookupError("not now")

    report = store.react(handler, "c", scope="shop", stop=stop, backoff_s=60)
    assert (report.handled, report.retried, report.position) == (1, 0, 1)


def test_ctrl_c_ends_it_with_what_was_done_committed(store: Store) -> None:
    fill(store, *range(5))

    def handler(event: Event, reaction: PendingReaction) -> None:
        bill(event, reaction)
        if event.payload == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        store.react(handler, "c", scope="shop", commit_every=100)
    assert (store.cursors()[0].sequence, answers(store)) == (2, billed(0, 1))
    assert store.react(bill, "c", scope="shop").handled == 3
    assert answers(store) == billed(*range(5))


def test_what_the_handler_appends_itself_is_not_taken_back(store: Store) -> None:
    fill(store, 1)

    def handler(event: Event, reaction: PendingReaction) -> None:
        store.append(BILLS, "by hand", kind=ANSWER)
        reaction.add(BILLS, "collected", kind=ANSWER)
        raise LookupError("no")

    with pytest.raises(ReactionFailed):
        store.react(handler, "c", scope="shop", retries=1, backoff_s=0)
    assert answers(store) == ["by hand", "by hand"]


def test_the_filters_decide_whether_it_reacts_to_itself(store: Store) -> None:
    fill(store, 3)
    stop = threading.Event()

    def countdown(event: Event, reaction: PendingReaction) -> None:
        if event.payload:
            reaction.add(BILLS, event.payload - 1, kind=ANSWER)

    assert store.react(countdown, "all").handled == 4
    assert store.react(countdown, "some", kind=KIND, stop=stop).handled == 1


def test_a_store_that_the_handler_closes(path: Path) -> None:
    with Store.open(path) as store:
        fill(store, 0, 1)

        def handler(event: Event, reaction: PendingReaction) -> None:
            if event.payload == 1:
                store.close()
                store.sync()

        with pytest.raises(batpak.StoreClosed) as caught:
            store.react(handler, "c", scope="shop", commit_every=100, on_failure="skip")
        assert "not committed" in caught.value.__notes__[0]
    with Store.open(path) as store:
        assert store.react(bill, "c", scope="shop").handled == 2


def test_a_full_disk_is_not_skipped() -> None:
    faults = Faults()
    handled: list[int] = []
    with open_store(faults=faults) as store:
        fill(store, 0, 1)
        store.sync()

        def handler(event: Event, reaction: PendingReaction) -> None:
            handled.append(event.payload)
            reaction.add(BILLS, bytes(100_000 * event.payload), kind=ANSWER)
            if event.payload:
                faults.limit_space(50_000)

        with pytest.raises(batpak.StorageFull):
            store.react(handler, "c", scope="shop", on_failure="skip", retries=5)
        assert handled == [0, 1]
        faults.heal()
        assert store.cursors()[0].sequence == 1
        report = store.react(bill, "c", scope="shop")
        assert (report.handled, report.written, len(answers(store))) == (1, 1, 2)


# -- power cuts and failing storage -------------------------------------------------------------------------------------


def finish(image: MemoryDisk, numbers: range) -> int:
    """Open what is left, let the worker go on to the end; each event that is there is answered once. How many were again."""
    with open_store(image, segment_bytes=4096) as store:
        there = [event.payload for event in store.query(kind=KIND)]
        assert there == list(numbers)[: len(there)]
        report = store.react(bill, "billing", scope="shop")
        assert answers(store) == billed(*there)
        assert store.verify().ok
        return report.repeated


@pytest.mark.parametrize("every", [1, 3])
def test_power_cuts(every: int) -> None:
    """At every sync and rename of a run, with the unsynced lost, kept, or left to chance."""
    disk = MemoryDisk()
    numbers = range(12)
    images: list[MemoryDisk] = []
    with open_store(disk, segment_bytes=4096, durability="manual") as store:
        fill(store, *numbers)

        def handler(event: Event, reaction: PendingReaction) -> None:
            images.extend((disk.copy(), disk.crash(), disk.crash("everything")))
            images.extend(disk.crash("some", seed=seed) for seed in range(4))
            bill(event, reaction)

        # Cut off in the middle of a handler: the answers before are written, and committed or not.
        store.react(handler, "billing", scope="shop", commit_every=every)
    repeated = [finish(image, numbers) for image in images]
    assert (max(repeated) > 0) == (every > 1)


@pytest.mark.parametrize("options", [{}, {"effect": "done"}, {"forever": True}, {"effect": "short", "short_bytes": 30}])
@pytest.mark.parametrize("power_cut", [False, True])
def test_every_call_fails_once_and_each_event_is_answered_once(options: Any, power_cut: bool) -> None:
    numbers = range(7)
    repeated = 0
    for call in itertools.count(1):
        disk, faults = MemoryDisk(), Faults()
        try:
            with open_store(disk, faults=faults, segment_bytes=4096, durability="manual") as store:
                fill(store, *numbers)
                store.sync()
                faults.arm(Fault(call, **options))
                store.react(bill, "billing", scope="shop")
        except (batpak.StorageError, batpak.StorePoisoned):
            assert faults.hits()
        if not faults.hits():
            break
        repeated += finish(disk.crash() if power_cut else disk, numbers)
    assert call > 40
    assert repeated > 0


@pytest.mark.parametrize("answer", [[(BILLS, 1)], (BILLS, 1), False, 0, {"total": 1}, ""])
def test_an_answer_that_is_returned_and_not_added_is_refused(store: Store, answer: Any) -> None:
    fill(store, 1)
    with pytest.raises(TypeError, match=f"returned {type(answer).__name__}, which nobody writes; .*reaction.add"):
        store.react(lambda _event, _reaction: answer, "c", scope="shop", on_failure="skip")
    assert (answers(store), store.cursors()[0].sequence) == ([], None)


def test_a_lambda_may_return_what_add_returns(store: Store) -> None:
    fill(store, 1, 2)
    assert store.react(lambda _event, answer: answer.add(BILLS, 1, kind=ANSWER), "c", scope="shop").written == 2
    with pytest.raises(TypeError, match="returned bool"):
        store.react(lambda _event, answer: bool(answer.add(BILLS, 1, kind=ANSWER)), "d", scope="shop")
    assert answers(store) == [1, 1]
