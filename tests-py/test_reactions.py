"""Writing in answer to events, and what an event caused: links, queries, follows and trees."""

from __future__ import annotations

import copy
import pickle
import random
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

import batpak
from batpak import CausationTree, Coordinate, Draft, Store
from support import COORD, KIND, payloads

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Coordinate("order:2", "shop")


@pytest.fixture
def asked(store: Store) -> batpak.AppendReceipt:
    return store.append(COORD, "asked", kind=KIND)


def links(store: Store, receipt: batpak.AppendReceipt) -> tuple[UUID | None, UUID | None]:
    event = store.get(receipt.event_id)
    return event.causation_id, event.correlation_id


# -- reacting_to ------------------------------------------------------------------------------------------------------


def test_whatever_names_the_event(store: Store, asked: batpak.AppendReceipt) -> None:
    event = store.get(asked.sequence)
    for ref in (event, asked, asked.event_id, asked.event_id.bytes, str(asked.event_id), asked.sequence):
        reaction = store.reacting_to(ref)
        assert reaction.event == event
        assert links(store, reaction.append(OTHER, 1, kind=KIND)) == (asked.event_id, asked.event_id)
        assert repr(event) in repr(reaction)


def test_every_way_to_write(store: Store, asked: batpak.AppendReceipt) -> None:
    reaction = store.reacting_to(asked)
    expected = (asked.event_id, asked.event_id)
    assert links(store, reaction.append(OTHER, 1, kind=KIND, key="k", durability="always")) == expected
    batch = reaction.append_batch(
        [(OTHER, 2), Draft(OTHER, 3, version=4, metadata={"a": "b"}), Draft(OTHER, b"4")], kind=KIND
    )
    assert [links(store, receipt) for receipt in batch] == [expected] * 3
    event = store.get(batch[1].sequence)
    assert (event.payload_version, event.metadata) == (4, {"a": "b"})
    with reaction.outbox(durability="manual") as outbox:
        outbox.add(OTHER, 5, kind=KIND)
    last = store.last_receipt()
    assert last is not None
    assert links(store, last) == expected
    assert payloads(store) == ["asked", 1, 2, 3, b"4", 5]


def test_a_correlation_is_passed_on(store: Store) -> None:
    conversation = uuid4()
    first = store.append(COORD, 1, kind=KIND, correlation_id=conversation)
    second = store.reacting_to(first).append(COORD, 2, kind=KIND)
    third = store.reacting_to(second).append(COORD, 3, kind=KIND)
    assert links(store, second) == (first.event_id, conversation)
    assert links(store, third) == (second.event_id, conversation)
    assert [event.payload for event in store.query(correlation=conversation)] == [1, 2, 3]
    # The nil UUID is an id like any other.
    nil = store.append(COORD, 4, kind=KIND, correlation_id=UUID(int=0))
    assert links(store, store.reacting_to(nil).append(COORD, 5, kind=KIND))[1] == UUID(int=0)


def test_links_that_the_caller_gives(store: Store, asked: batpak.AppendReceipt) -> None:
    reaction, mine = store.reacting_to(asked), uuid4()
    assert links(store, reaction.append(OTHER, 1, kind=KIND, causation_id=mine)) == (mine, asked.event_id)
    assert links(store, reaction.append(OTHER, 1, kind=KIND, correlation_id=mine)) == (asked.event_id, mine)
    receipts = reaction.append_batch(
        [(OTHER, 1), Draft(OTHER, 2, causation_id=0), Draft(OTHER, 3, correlation_id=mine)], kind=KIND
    )
    assert links(store, receipts[1]) == (receipts[0].event_id, asked.event_id)
    assert links(store, receipts[2]) == (asked.event_id, mine)
    outbox = reaction.outbox()
    first = outbox.add(OTHER, 4, kind=KIND)
    outbox.add(OTHER, 5, kind=KIND, causation_id=first)
    written = outbox.flush()
    assert written is not None
    assert links(store, written[1]) == (written[0].event_id, asked.event_id)


def test_expectations_and_keys_of_items_are_kept(store: Store, asked: batpak.AppendReceipt) -> None:
    reaction = store.reacting_to(asked)
    items = [
        Draft(OTHER, 1, kind=KIND, expect=batpak.NEW, key="a"),
        Draft(OTHER, 2, kind=KIND, key="b", private_metadata={"p": 1}),
    ]
    first = reaction.append_batch(items)
    assert list(reaction.append_batch(items)) == list(first)
    with pytest.raises(batpak.ExpectationFailed):
        reaction.append_batch([Draft(OTHER, 1, kind=KIND, expect=batpak.NEW)])
    assert store.get(first[1].sequence).private_metadata == {"p": 1}


@pytest.mark.parametrize(
    ("ref", "error"),
    [
        (99, batpak.EventNotFound), (uuid4(), batpak.EventNotFound), (bytes(16), batpak.EventNotFound), (-1, batpak.EventNotFound),
        ("x", batpak.InvalidInput), (b"x", batpak.InvalidInput), (None, batpak.InvalidInput), (True, batpak.InvalidInput), (1.0, batpak.InvalidInput),
    ],
)  # fmt: skip
def test_what_names_no_event(store: Store, ref: Any, error: type[Exception]) -> None:
    for use in (store.reacting_to, store.causation_tree):
        with pytest.raises(error):
            use(ref)


def test_items_that_are_none(store: Store, asked: batpak.AppendReceipt) -> None:
    for items in ([5], [(COORD,)], ["ab"], [(COORD, 1, 2)], [None], 5, None):
        with pytest.raises(TypeError):
            store.reacting_to(asked).append_batch(items, kind=KIND)  # type: ignore[arg-type]
    for options in ({"no_such": 1}, {"durability": 5}, {"gates": 5}, {"metadata": 5}):
        with pytest.raises(TypeError):
            store.reacting_to(asked).append(COORD, 1, kind=KIND, **options)
    assert len(store) == 2


def test_after_close(path: Path) -> None:
    with Store.open(path) as store:
        reaction = store.reacting_to(0)
    for use in (
        lambda: reaction.append(COORD, 1, kind=KIND),
        lambda: reaction.append_batch([(COORD, 1)], kind=KIND),
        reaction.outbox,
        lambda: store.reacting_to(0),
        lambda: store.causation_tree(0),
    ):
        with pytest.raises(batpak.StoreClosed):
            use()


# -- query and follow -------------------------------------------------------------------------------------------------


def test_query_by_cause_is_what_a_scan_finds(path: Path) -> None:
    """In whatever segment cause and effect lie, sealed or not, with index files and without."""
    rng = random.Random(5)
    causes: list[UUID | None] = [None]
    caused: list[UUID | None] = []
    with Store.open(path, segment_bytes=4096) as store:
        for number in range(200):
            cause = rng.choice(causes[-20:])
            causes.append(
                store.append(Coordinate(f"e:{number % 7}", "s"), number, kind=KIND, causation_id=cause).event_id
            )
            caused.append(cause)
        assert store.stats().segments > 3
    for deleted in (False, True):
        if deleted:
            for each in (path / "segments").glob("*.idx"):
                each.unlink()
        with Store.open(path, segment_bytes=4096) as store:
            for cause in causes[1:]:
                expected = [number for number, each in enumerate(caused) if each == cause]
                for given in (cause, cause.bytes if cause else b""):
                    found = store.query(causation=given)
                    assert [event.payload for event in found] == expected
                    assert found.examined == len(expected)
                newest = store.query(causation=cause, reverse=True, limit=1, entity_prefix="e")
                assert [event.payload for event in newest] == expected[-1:]
            assert store.verify().ok


@pytest.mark.parametrize("causation", ["x", 5, b"x", True, str(UUID(int=1)), []])
def test_what_is_no_cause(store: Store, causation: Any) -> None:
    for ask in (store.query, store.follow):
        with pytest.raises((batpak.InvalidInput, TypeError), match="causation"):
            ask(causation=causation)


def test_follow_by_cause(store: Store, asked: batpak.AppendReceipt) -> None:
    reaction = store.reacting_to(asked)
    reaction.append(OTHER, 0, kind=KIND)

    def write() -> None:
        for number in range(1, 4):
            store.append(OTHER, "unrelated", kind=KIND)
            reaction.append(OTHER, number, kind=KIND)

    follow = store.follow(causation=asked.event_id, timeout=30)
    writing = threading.Timer(0.05, write)
    writing.start()
    assert [next(follow).payload for _ in range(4)] == [0, 1, 2, 3]
    writing.join()
    assert [event.payload for event in store.follow(causation=asked.event_id, after=asked.sequence + 1, timeout=0)] == [
        1,
        2,
        3,
    ]


# -- trees ------------------------------------------------------------------------------------------------------------


def shape(tree: CausationTree) -> Any:
    """As nested lists; only for trees that are not deep."""
    return [tree.event.payload, *(shape(child) for child in tree.children)]


def test_a_tree(store: Store) -> None:
    receipts = {}
    for name, cause in {"a": None, "b": "a", "c": "b", "d": "a", "e": "b", "x": None, "f": "c"}.items():
        receipts[name] = (
            store.reacting_to(receipts[cause]).append(COORD, name, kind=KIND)
            if cause
            else store.append(COORD, name, kind=KIND)
        )
    tree = store.causation_tree(receipts["a"].event_id)
    assert shape(tree) == ["a", ["b", ["c", ["f"]], ["e"]], ["d"]]
    assert [event.payload for event in tree.walk()] == ["a", "b", "c", "f", "e", "d"]
    assert (len(tree), tree.complete) == (6, True)
    assert shape(store.causation_tree(receipts["b"].sequence)) == ["b", ["c", ["f"]], ["e"]]
    assert shape(store.causation_tree(receipts["x"].sequence)) == ["x"]


def test_limits(store: Store) -> None:
    root = store.append(COORD, 0, kind=KIND)
    children = store.reacting_to(root).append_batch([(COORD, n) for n in range(1, 5)], kind=KIND)
    store.reacting_to(children[3]).append(COORD, 5, kind=KIND)
    cut = [store.causation_tree(root.sequence, limit=limit) for limit in range(1, 9)]
    assert [len(tree) for tree in cut] == [1, 2, 3, 4, 5, 6, 6, 6]
    assert [tree.complete for tree in cut] == [False] * 5 + [True] * 3
    # Which part was cut, each node tells of itself and what is below.
    assert [child.complete for child in cut[4].children] == [True, True, True, False]
    assert [child.complete for child in cut[3].children] == [True, True, True]
    assert [[event.payload for event in tree.walk()] for tree in cut[:3]] == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("limit", "error"), [(0, batpak.InvalidInput), (-1, batpak.InvalidInput), (2**64, batpak.InvalidInput), (None, TypeError), ("5", TypeError), (True, TypeError), (1.5, TypeError)]
)  # fmt: skip
def test_what_is_no_limit(store: Store, limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="limit"):
        store.causation_tree(0, limit=limit)


def test_causes_that_are_no_tree(store: Store) -> None:
    """Ids of causes are free: events may name a later one, each other, or themselves by chance."""
    root = store.append(COORD, 0, kind=KIND)
    other = store.append(COORD, 1, kind=KIND, causation_id=root.event_id)
    store.append(COORD, 2, kind=KIND, causation_id=other.event_id)
    store.append(COORD, 3, kind=KIND, causation_id=uuid4())
    assert shape(store.causation_tree(root.sequence)) == [0, [1, [2]]]


def test_a_loop_ends(path: Path) -> None:
    """The next id cannot be guessed, so a loop takes a store that says so; a tree is what it is made of."""

    class Looping:
        def __init__(self, store: Store) -> None:
            self.store = store

        def query(self, *, causation: UUID) -> Any:
            yield from self.store.query(causation=causation)
            if causation == last:
                yield self.store.get(first.sequence)
                yield self.store.get(first.sequence + 1)

    from batpak._causation import causation_tree

    with Store.open(path) as store:
        first = store.append(COORD, 0, kind=KIND)
        last = store.reacting_to(first).append(COORD, 1, kind=KIND).event_id
        tree = causation_tree(Looping(store), store.get(first.sequence), 100)  # type: ignore[arg-type]
        assert (shape(tree), tree.complete) == ([0, [1]], True)


def test_a_wide_tree(store: Store) -> None:
    root = store.append(COORD, "root", kind=KIND)
    store.reacting_to(root).append_batch([(COORD, n) for n in range(12_000)], kind=KIND)
    tree = store.causation_tree(root.event_id)
    assert (len(tree.children), len(tree), tree.complete) == (9_999, 10_000, False)
    whole = store.causation_tree(root.event_id, limit=20_000)
    assert [child.event.payload for child in whole.children] == list(range(12_000))
    assert whole.complete


def test_a_deep_tree(store: Store) -> None:
    """Deeper than Python calls functions, whatever is done with it."""
    depth = 5_000
    drafts = [Draft(COORD, n, kind=KIND, causation_id=n - 1 if n else None) for n in range(depth)]
    root = store.append_batch(drafts)[0]
    tree = store.causation_tree(root.event_id)
    assert [event.payload for event in tree.walk()] == list(range(depth))
    assert (len(tree), tree.complete) == (depth, True)
    assert repr(tree) == f"<CausationTree of event 1: {depth} events>"
    again = store.causation_tree(root.event_id)
    assert tree == again
    assert hash(tree) == hash(again)
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert copy.deepcopy(tree) == tree
    cut = store.causation_tree(root.event_id, limit=depth - 1)
    assert (len(cut), cut.complete, cut == tree, repr(cut)) == (
        depth - 1,
        False,
        False,
        f"<CausationTree of event 1: {depth - 1} events, cut>",
    )
    del tree, again, cut


def test_trees_are_values(store: Store) -> None:
    root = store.append(COORD, 0, kind=KIND)
    for number in range(3):
        store.reacting_to(root).append(COORD, number, kind=KIND)
    tree = store.causation_tree(root.sequence)
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree
    assert shape(again) == shape(tree)
    assert tree != tree.children[0]
    assert tree != "tree"
    assert len({tree, again, *tree.children}) == 4
    with pytest.raises(AttributeError):
        tree.complete = False  # type: ignore[misc]


def test_a_tree_in_a_read_only_store(path: Path) -> None:
    with Store.open(path) as store:
        root = store.append(COORD, 0, kind=KIND)
        store.reacting_to(root).append(COORD, 1, kind=KIND)
        with Store.open(path, read_only=True) as reader:
            assert shape(reader.causation_tree(root.event_id)) == [0, [1]]
            with pytest.raises(batpak.StoreReadOnly):
                reader.reacting_to(root).append(COORD, 2, kind=KIND)
