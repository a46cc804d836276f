"""Inclusion and consistency: FORMAT.md sections 9 and 18.2."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from corpus.cases import accept, reject
from corpus.notes import PUBLIC, as_line
from evidence_bundles import SEED, b64, consistency, note, note_id
from handmade import naive_path, naive_root, sign

if TYPE_CHECKING:
    from corpus.cases import Case

ORIGIN = "test/00010203-0405-0607-0809-0a0b0c0d0e0f"
EMPTY = sha256(b"").digest()


def hashes(size: int) -> list[bytes]:
    """The event hashes of a made-up tree."""
    return [sha256(b"event %d" % number).digest() for number in range(size)]


def _hex(path: list[bytes]) -> list[str]:
    return [each.hex() for each in path]


# -- inclusion ---------------------------------------------------------------------------------------------------------


def inclusion_of(index: int, size: int) -> dict[str, Any]:
    """An honest audit path."""
    leaves = hashes(size)
    return {
        "event_hash": leaves[index].hex(),
        "index": index,
        "size": size,
        "path": _hex(naive_path(index, leaves)),
        "root": naive_root(leaves).hex(),
    }


def _parent(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _tall(index: int, size: int, levels: int) -> dict[str, Any]:
    """A leaf at the very left or the very right of a perfect tree that nobody could hold."""
    leaf, siblings = hashes(1)[0], [sha256(b"sibling %d" % level).digest() for level in range(levels)]
    node = sha256(b"\x00" + leaf).digest()
    for each in siblings:
        node = _parent(node, each) if index == 0 else _parent(each, node)
    return {"event_hash": leaf.hex(), "index": index, "size": size, "path": _hex(siblings), "root": node.hex()}


def _good_inclusion() -> list[tuple[str, str, dict[str, Any]]]:
    last = [
        ("size-1", "The only leaf of a tree is its root, and has an empty path.", inclusion_of(0, 1)),
        ("tall-left", "The first leaf of 2^63, with a path of 63 hashes.", _tall(0, 2**63, 63)),
        ("tall-right", "The last leaf of 2^63, with a path of 63 hashes.", _tall(2**63 - 1, 2**63, 63)),
        (
            "size-of-the-same-shape",
            (
                "A path binds the size only as far as that decides its shape: leaf 2 of 8 has one like leaf 2 of 7. "
                "Which size has this root is for the checkpoint to say."
            ),
            {**inclusion_of(2, 7), "size": 8},
        ),
        ("tallest-left", "The first leaf of 2^64 - 1, with a path of 64 hashes.", _tall(0, 2**64 - 1, 64)),
    ]
    for index, size in (
        (0, 2),
        (1, 2),
        (0, 3),
        (2, 3),
        (3, 4),
        (0, 7),
        (4, 7),
        (6, 7),
        (5, 8),
        (7, 8),
        (7, 9),
        (8, 9),
        (16, 17),
    ):
        last.append((f"{index}-of-{size}", f"Leaf {index} of a tree of {size}.", inclusion_of(index, size)))
    return last


def _bad_inclusion() -> list[tuple[str, str, dict[str, Any]]]:
    of = inclusion_of(2, 7)
    path, other = of["path"], bytes(32).hex()
    single, last = inclusion_of(0, 1), inclusion_of(6, 7)
    inner = naive_root(hashes(2))
    other_leaf = hashes(3)[1].hex()
    return [
        ("swapped", "Two hashes of the path have changed places.", {**of, "path": [path[1], path[0], path[2]]}),
        ("one-too-few", "The last hash of the path is missing.", {**of, "path": path[:-1]}),
        ("one-too-many", "A hash stands behind the path.", {**of, "path": [*path, other]}),
        ("root-as-last-hash", "The path ends with the root itself.", {**of, "path": [*path, of["root"]]}),
        ("empty-path", "The path of a leaf of seven is not empty.", {**of, "path": []}),
        ("single-with-path", "The only leaf has an empty path.", {**single, "path": [other]}),
        ("hash-edited", "A hash of the path is another.", {**of, "path": [other, *path[1:]]}),
        ("leaf-edited", "The leaf is another event.", {**of, "event_hash": other}),
        ("root-edited", "The root is another.", {**of, "root": other}),
        ("other-index", "The path is that of the leaf beside.", {**of, "index": 3}),
        ("other-index-same-sides", "The path is that of another leaf, and of the same length.", {**of, "index": 0}),
        ("index-is-size", "There is no leaf with the number of the size.", {**last, "index": 7}),
        ("index-above-size", "There is no leaf behind the last.", {**of, "index": 2**64 - 1}),
        ("size-zero", "An empty tree has no leaf.", {**single, "size": 0, "root": EMPTY.hex()}),
        (
            "other-size",
            "The tree has seven leaves: with eight, the path of the last leaf is longer.",
            {**last, "size": 8},
        ),
        (
            "other-size-same-length",
            "A tree of eight, whose path for this leaf would be of the same length.",
            {**of, "size": 8, "index": 6},
        ),
        ("size-2-63", "A size of 2^63 needs 63 hashes.", {**of, "size": 2**63}),
        (
            "wrong-side",
            "The tree of a leaf and its sibling, taken the other way round.",
            {
                "event_hash": hashes(2)[0].hex(),
                "index": 1,
                "size": 2,
                "path": [sha256(b"\0" + hashes(2)[1]).hexdigest()],
                "root": inner.hex(),
            },
        ),
        (
            "leaf-not-hashed",
            "The root is made of the event hash as it is, without the byte 00 before it.",
            {"event_hash": hashes(1)[0].hex(), "index": 0, "size": 1, "path": [], "root": hashes(1)[0].hex()},
        ),
        (
            "sibling-as-leaf",
            "The event is the sibling, and the path is the leaf's own.",
            {**inclusion_of(0, 3), "event_hash": other_leaf},
        ),
    ]


def inclusion() -> list[Case]:
    """Audit paths as hashes."""
    return [
        *(
            accept(f"inclusion-{name}", f"{says} Sections 9 and 18.2.", **given)
            for name, says, given in _good_inclusion()
        ),
        *(
            reject(f"inclusion-{name}", f"{says} Sections 9 and 18.2.", "inclusion_mismatch", axis="anchors", **given)
            for name, says, given in _bad_inclusion()
        ),
    ]


# -- proofs as text ----------------------------------------------------------------------------------------------------


def checkpoint(size: int, root: bytes) -> str:
    """A signed checkpoint."""
    return note(f"{ORIGIN}\n{size}\n{b64(root)}\n".encode(), ORIGIN, SEED).decode()


def proof_text(index: int, size: int, *, extra: str = "") -> str:
    """A C2SP tlog-proof."""
    leaves = hashes(size)
    path = "".join(f"{b64(each)}\n" for each in naive_path(index, leaves))
    head = f"c2sp.org/tlog-proof@v1\n{extra}index {index}\n{path}"
    return head + "\n" + checkpoint(size, naive_root(leaves))


def texts() -> list[Case]:
    """Audit paths as text."""
    leaf, good = hashes(7)[2].hex(), proof_text(2, 7)
    given: dict[str, Any] = {"event_hash": leaf, "public_key": PUBLIC.hex()}
    lines = good.split("\n")
    body, _, stated = good.partition("\n\n")
    single: dict[str, Any] = {"event_hash": hashes(1)[0].hex(), "public_key": PUBLIC.hex()}
    unsigned = stated.partition("\n\n")[0] + "\n\n"
    text = stated.partition("\n\n")[0] + "\n"
    bad_line = as_line(ORIGIN, note_id(ORIGIN, PUBLIC), bytes([1]) + sign(SEED, text.encode())[1][1:])
    cases = [
        accept(
            "proof-plain",
            "A proof of three hashes with its checkpoint. Section 18.2.",
            outcome="signed",
            proof=good,
            **given,
        ),
        accept(
            "proof-extra",
            "A line of extra data, which nothing authenticates. Section 18.2.",
            outcome="signed",
            proof=proof_text(2, 7, extra="extra aGVsbG8=\n"),
            extra=b"hello".hex(),
            **given,
        ),
        accept(
            "proof-single",
            "The proof of the only event has no hashes. Section 18.2.",
            outcome="signed",
            proof=proof_text(0, 1),
            **single,
        ),
        accept(
            "proof-unsigned",
            "A proof whose checkpoint is not signed, for whoever was given no key. Section 18.2.",
            outcome="unsigned_accepted",
            proof=body + "\n\n" + unsigned,
            event_hash=leaf,
            public_key=None,
        ),
    ]
    no_proofs = [
        ("empty", "No text.", ""),
        ("checkpoint-alone", "A checkpoint without a proof.", stated),
        ("version", "The first line names version 1.", good.replace("@v1", "@v2")),
        ("no-index", "The line of the index is missing.", good.replace("index 2\n", "")),
        ("index-leading-zero", "Numbers have no leading zeros.", good.replace("index 2", "index 02")),
        ("index-plus", "Numbers have no sign.", good.replace("index 2", "index +2")),
        (
            "index-2-64",
            "An index is at most 2^64 - 1.",
            good.replace("index 2", "index 18446744073709551616"),
        ),
        (
            "index-of-20-digits",
            "An index is at most 2^64 - 1, and this has as many digits.",
            good.replace("index 2", "index 99999999999999999999"),
        ),
        ("index-spaces", "One space stands before the index.", good.replace("index 2", "index  2")),
        ("index-other-digits", "Numbers are ASCII.", good.replace("index 2", "index \u0662")),
        (
            "index-twice",
            "The line of the index is there twice, where a hash should be.",
            good.replace("index 2\n", "index 2\nindex 2\n"),
        ),
        (
            "extra-behind",
            "The extra data stands before the index.",
            good.replace("index 2\n", "index 2\nextra aGVsbG8=\n"),
        ),
        ("extra-not-base64", "Extra data is base64.", proof_text(2, 7, extra="extra hello!\n")),
        (
            "extra-not-canonical",
            "Base64 has one canonical form, and here the last bits are not zero.",
            proof_text(2, 7, extra="extra aGVsbG9=\n"),
        ),
        ("hash-not-base64", "A hash is base64.", good.replace(lines[2], "*" + lines[2][1:])),
        ("hash-without-padding", "Base64 has padding.", good.replace(lines[2], lines[2].rstrip("="))),
        ("hash-of-31-bytes", "A hash has 32 bytes.", good.replace(lines[2], b64(bytes(31)))),
        ("no-blank-line", "No blank line stands before the checkpoint.", body + "\n" + stated),
        ("no-checkpoint", "The checkpoint is missing.", body + "\n\n"),
        ("checkpoint-cut-off", "The checkpoint ends within its signature.", good[:-10]),
        ("carriage-returns", "Lines end with 0a alone.", good.replace("\n", "\r\n")),
    ]
    cases += [
        reject(f"proof-{name}", f"{says} Section 18.2.", "invalid_proof", proof=text, **given)
        for name, says, text in no_proofs
    ]
    wrong: list[tuple[str, str, str, str, str, dict[str, Any]]] = [
        (
            "other-event",
            "The proof is for another event than the one that is at hand.",
            "inclusion_mismatch",
            "anchors",
            good,
            {**given, "event_hash": hashes(7)[3].hex()},
        ),
        (
            "other-index",
            "The index was changed.",
            "inclusion_mismatch",
            "anchors",
            good.replace("index 2", "index 3"),
            given,
        ),
        (
            "index-is-size",
            "There is no event with the number of the size.",
            "inclusion_mismatch",
            "anchors",
            good.replace("index 2", "index 7"),
            given,
        ),
        (
            "swapped",
            "Two hashes have changed places.",
            "inclusion_mismatch",
            "anchors",
            "\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
            given,
        ),
        (
            "one-too-few",
            "The last hash is missing.",
            "inclusion_mismatch",
            "anchors",
            "\n".join([*lines[:4], *lines[5:]]),
            given,
        ),
        (
            "65-hashes",
            "A path of 65 hashes is longer than that of any leaf.",
            "inclusion_mismatch",
            "anchors",
            good.replace(lines[2] + "\n", (lines[2] + "\n") * 63),
            given,
        ),
        (
            "other-checkpoint",
            "The checkpoint is of another size of the same tree.",
            "inclusion_mismatch",
            "anchors",
            body + "\n\n" + checkpoint(6, naive_root(hashes(6))),
            given,
        ),
        (
            "bad-signature",
            "The signature of the checkpoint is not valid.",
            "invalid_signature",
            "signatures",
            body + "\n\n" + text + "\n" + bad_line,
            given,
        ),
        (
            "stripped",
            "The signature of the checkpoint was taken off.",
            "missing_signature",
            "signatures",
            body + "\n\n" + unsigned,
            given,
        ),
    ]
    cases += [
        reject(f"proof-{name}", f"{says} Section 18.2.", code, axis=axis, proof=text, **keys)
        for name, says, code, axis, text, keys in wrong
    ]
    return cases


# -- consistency -------------------------------------------------------------------------------------------------------


def consistency_of(old: int, new: int) -> dict[str, Any]:
    """An honest consistency proof."""
    leaves = hashes(new)
    return {
        "old_size": old,
        "old_root": naive_root(leaves[:old]).hex(),
        "new_size": new,
        "new_root": naive_root(leaves).hex(),
        "path": _hex(consistency(old, leaves)),
    }


def _tall_consistency() -> dict[str, Any]:
    """From 2^62 to 2^63: one hash, of a half that nobody could hold."""
    left, right = sha256(b"left").digest(), sha256(b"right").digest()
    return {
        "old_size": 2**62,
        "old_root": left.hex(),
        "new_size": 2**63,
        "new_root": _parent(left, right).hex(),
        "path": [right.hex()],
    }


def _from_nothing(size: int) -> dict[str, Any]:
    """From the tree of no leaves."""
    new = (naive_root(hashes(size)) if size else EMPTY).hex()
    return {"old_size": 0, "old_root": EMPTY.hex(), "new_size": size, "new_root": new, "path": []}


def _bad_consistency() -> list[tuple[str, str, dict[str, Any]]]:
    of, power, same = consistency_of(6, 11), consistency_of(4, 7), consistency_of(7, 7)
    path, other = of["path"], bytes(32).hex()
    nothing = _from_nothing(7)
    whole = naive_root(hashes(7)).hex()
    return [
        ("swapped", "Two hashes have changed places.", {**of, "path": [path[1], path[0], *path[2:]]}),
        ("one-too-few", "The last hash is missing.", {**of, "path": path[:-1]}),
        ("one-too-many", "A hash stands behind the proof.", {**of, "path": [*path, other]}),
        ("empty-path", "Two sizes that differ need hashes.", {**of, "path": []}),
        ("hash-edited", "A hash is another.", {**of, "path": [*path[:-1], other]}),
        ("old-root-edited", "The older tree is another: history was changed.", {**of, "old_root": other}),
        ("new-root-edited", "The newer root is another.", {**of, "new_root": other}),
        (
            "roots-exchanged",
            "The older root stands in the place of the newer one.",
            {**of, "old_root": of["new_root"], "new_root": of["old_root"]},
        ),
        ("other-old-size", "The proof is from another older size.", {**of, "old_size": 5}),
        ("other-new-size", "A proof to a newer size of 17 has another shape.", {**of, "new_size": 17}),
        (
            "shrunk",
            "The newer tree is smaller: something was cut off.",
            {**of, "old_size": 11, "new_size": 6, "old_root": of["new_root"], "new_root": of["old_root"]},
        ),
        ("same-size-other-root", "Two trees of one size with different roots.", {**same, "new_root": other}),
        ("same-size-with-path", "Equal trees need no hashes.", {**same, "path": [other]}),
        (
            "power-of-two-with-its-root",
            "From a power of two on, the older root itself is not in the proof.",
            {**power, "path": [power["old_root"], *power["path"]]},
        ),
        (
            "first-hash-missing",
            "From any other size on, the first hash is that of a subtree of the older tree.",
            {**of, "path": path[1:]},
        ),
        (
            "rewritten",
            "The newer tree has another first event, and an honest proof for itself.",
            {
                **consistency_of(6, 11),
                "new_root": naive_root([bytes(32), *hashes(11)[1:]]).hex(),
                "path": _hex(consistency(6, [bytes(32), *hashes(11)[1:]])),
            },
        ),
        ("size-2-63", "A proof to a newer size of 2^63 needs many more hashes.", {**power, "new_size": 2**63}),
        ("from-nothing-with-path", "From no events on, the proof is empty.", {**nothing, "path": [other]}),
        ("from-nothing-other-root", "The tree of no leaves has one root.", {**nothing, "old_root": other}),
        (
            "nothing-other-root",
            "The tree of no leaves has one root, also where both sizes are 0.",
            {**nothing, "old_root": other, "new_size": 0, "new_root": other},
        ),
        (
            "nothing-with-path",
            "From no events to none, the proof is empty.",
            {**nothing, "new_size": 0, "new_root": EMPTY.hex(), "path": [other]},
        ),
        (
            "from-nothing-to-another",
            "The size of the older tree is that of the newer one, and its root that of nothing.",
            {**same, "old_root": EMPTY.hex(), "new_root": whole},
        ),
    ]


def consistencies() -> list[Case]:
    """Consistency proofs as hashes."""
    good = [
        (f"{old}-to-{new}", f"A tree of {new} goes on from one of {old}.", consistency_of(old, new))
        for old, new in (
            (1, 2),
            (1, 8),
            (2, 3),
            (3, 4),
            (3, 7),
            (4, 7),
            (4, 8),
            (5, 8),
            (6, 7),
            (7, 8),
            (8, 9),
            (7, 9),
            (6, 11),
            (16, 17),
        )
    ]
    good += [
        (
            "size-of-the-same-shape",
            (
                "A proof binds the sizes only as far as they decide its shape: from 6 to 9 it has one like that from 6 "
                "to 11. Which size has this root is for the checkpoint to say."
            ),
            {**consistency_of(6, 11), "new_size": 9},
        ),
        ("same-size", "Equal trees are proved by nothing.", consistency_of(7, 7)),
        ("same-size-1", "Equal trees of one event are proved by nothing.", consistency_of(1, 1)),
        ("from-nothing", "Every tree goes on from the one of no leaves.", _from_nothing(7)),
        ("nothing", "The tree of no leaves goes on from itself.", _from_nothing(0)),
        ("tall", "From 2^62 to 2^63 events with one hash.", _tall_consistency()),
    ]
    return [
        *(accept(f"consistency-{name}", f"{says} Sections 9 and 18.2.", **given) for name, says, given in good),
        *(
            reject(
                f"consistency-{name}", f"{says} Sections 9 and 18.2.", "consistency_mismatch", axis="anchors", **given
            )
            for name, says, given in _bad_consistency()
        ),
    ]
