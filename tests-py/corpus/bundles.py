"""Evidence bundles that are accepted, and who signed them: FORMAT.md section 19, step 2."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from corpus import containers, contents, crypto, statements, succession, zipping
from corpus.evidence import PUBLIC, SIZE, bad, good, honest, journal, packed, with_member
from corpus.notes import as_line
from evidence_bundles import OTHER_SEED, SEED, Journal, note, note_id, public_key, sealed, verifier_key
from evidence_bundles import bundle as choose
from handmade import sign
from plain_reader.merkle import EMPTY_ROOT

if TYPE_CHECKING:
    from corpus.cases import Case

OTHER = public_key(OTHER_SEED)
WITNESS = as_line("witness.example/w1", b"\x01\x02\x03\x04", bytes(72)).encode()
JOURNAL = journal()
ORIGIN = JOURNAL.origin
KEY_LINE = JOURNAL.key().encode() + b"\n"
OTHER_LINE = verifier_key(ORIGIN, OTHER_SEED).encode() + b"\n"


def _extended(size: int) -> bytes:
    """A checkpoint with further lines behind the root."""
    text = JOURNAL.checkpoint(size).partition(b"\n\n")[0] + b"\nmore of it\nand more\n"
    return note(text, ORIGIN, SEED)


def _of_nothing(root: bytes = EMPTY_ROOT) -> dict[str, object]:
    """A line with an earlier checkpoint of no events."""
    return {"checkpoint": JOURNAL.checkpoint(number=0, root=root).decode(), "path": []}


def _accepted() -> list[Case]:
    mixed = honest(2, 3, 5)
    mixed.events[1] |= {"salt": None, "private": None, "payload": None}
    old = honest(2, earlier=(3, 5, 5))
    old.earlier[0]["checkpoint"] = JOURNAL.checkpoint(3, seed=OTHER_SEED).decode()
    extended_earlier = honest(2, earlier=(3,))
    extended_earlier.earlier[0]["checkpoint"] = _extended(3).decode()
    reordered = dict(reversed(sealed(honest(2).members()).items()))
    taken_over = replace(honest(2), checkpoint=JOURNAL.checkpoint(seed=OTHER_SEED), keys=OTHER_LINE)
    unsigned = journal(seed=None)
    return [
        good(
            "signed-all",
            "Every event, with payloads, under a signed checkpoint, and the key given. Section 19.",
            packed(honest()),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "signed-own-key",
            "The same without a key from elsewhere: the key that came with the bundle counts. Section 19, step 2.",
            packed(honest()),
            "signed",
            2,
        ),
        good(
            "signed-chosen",
            "Three of seven events; one entity has a gap between its clocks, which a choice may have. Section 19, "
            "step 5.",
            packed(honest(0, 4, 5)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "headers-only",
            "Headers without payloads: salt, private and payload are null. Section 19.",
            packed(honest(2, 3, payloads=False)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "some-payloads", "One of three events has only its header. Section 19.", packed(mixed), "signed", 2, PUBLIC
        ),
        good(
            "earlier",
            "Two earlier checkpoints of different sizes, and consistency proofs from both. Section 19, step 3.",
            packed(honest(2, earlier=(3, 6))),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "earlier-same-size",
            "An earlier checkpoint of the size of the checkpoint, proved by nothing. Section 19, step 3.",
            packed(honest(2, earlier=(SIZE,))),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "earlier-only",
            "Earlier checkpoints and no event: content and order are absent. Section 19, step 4.",
            packed(replace(honest(2, earlier=(3,)), events=[])),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "unsigned",
            "A journal without a key: no signature line, no keys; accepted as unsigned by whoever expects no key. "
            "Section 19, step 2.",
            packed(choose(unsigned, [2, 3])),
            "unsigned_accepted",
            1,
        ),
        good(
            "unverifiable",
            "The checkpoint is signed, and neither the bundle nor whoever verifies has a key: signatures are not "
            "checked. Section 19, step 2.",
            packed(replace(honest(2), keys=b"")),
            "unverifiable",
            1,
        ),
        good(
            "two-keys",
            "The keys of the bundle are two, and an earlier checkpoint is signed by the older one. Section 19, step 2.",
            packed(replace(old, keys=OTHER_LINE + KEY_LINE)),
            "signed",
            2,
        ),
        good(
            "witness",
            "The line of a key that nobody gave stands beside the journal's, and is passed over. Section 18.1.",
            packed(replace(honest(2), checkpoint=honest(2).checkpoint + WITNESS)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "members-in-another-order",
            "The order of the members in the ZIP file means nothing. Section 19.",
            zipping.pack(zipping.plain(reordered)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "versions-and-times",
            "The version that a member needs, its time and its attributes mean nothing, and may be any. Section 19.",
            zipping.pack(containers.odd_entries()),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "checkpoint-extension",
            "Further lines of the checkpoint are signed with the rest, and passed over. Section 18.1.",
            packed(replace(honest(2), checkpoint=_extended(SIZE))),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "earlier-extension",
            "An earlier checkpoint has a further line. Section 18.1.",
            packed(extended_earlier),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "name-not-ascii",
            "A journal's name, and so the origin and the name of its key, need not be ASCII. Section 18.1.",
            packed(choose(replace(JOURNAL, name="b\u00fccher"), [2, 3])),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "name-longest",
            "The origin may name a journal with a name of 255 bytes. Section 18.1.",
            packed(choose(replace(JOURNAL, name="n" * 255), [2, 3])),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "unknown-key-short",
            "A line of the journal's name is by an unknown key, and has a signature of one byte: passed over. "
            "Section 18.1.",
            packed(replace(honest(2), checkpoint=honest(2).checkpoint + as_line(ORIGIN, bytes(4), b"x").encode())),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "64-signatures",
            "A checkpoint may have 64 signature lines. Section 18.1.",
            packed(replace(honest(2), checkpoint=honest(2).checkpoint + WITNESS * 63)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "earlier-of-nothing",
            "An earlier checkpoint of no events, from which every tree goes on without a proof. Section 18.2.",
            packed(replace(honest(2), earlier=[_of_nothing()])),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "other-program",
            "The program of the bundle is no evidence, and may be any. Section 19.",
            packed(replace(honest(2), program=b"")),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "readme",
            "The text for people is UTF-8, and otherwise of any content. Section 19.",
            with_member("README.txt", lambda _: "Beweise: \u2713\n".encode(), honest(2)),
            "signed",
            2,
            PUBLIC,
        ),
        good(
            "foreign-key-taken",
            "Somebody signed the journal's checkpoint with a key of their own and put that into the bundle: without "
            "the journal's key from elsewhere this cannot be noticed. Section 19, step 2.",
            packed(taken_over),
            "signed",
            2,
        ),
        good(
            "resigned-history",
            "The key's owner signs another history: a bundle alone cannot tell, only a checkpoint that others hold. "
            "Section 18.1.",
            packed(choose(Journal(JOURNAL.events[:2]), [0, 1])),
            "signed",
            2,
            PUBLIC,
        ),
    ]


def _signatures() -> list[Case]:
    made, axis = honest(2), "signatures"
    text, _, line = made.checkpoint.partition(b"\n\n")
    text += b"\n"
    mine, signature = note_id(ORIGIN, PUBLIC), sign(SEED, text)[1]

    def by(signature: bytes) -> bytes:
        return packed(replace(made, checkpoint=text + b"\n" + as_line(ORIGIN, mine, signature).encode()))

    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    earlier = honest(2, earlier=(3,))

    def earlier_by(checkpoint: bytes) -> bytes:
        earlier.earlier[0]["checkpoint"] = checkpoint.decode()
        return packed(earlier)

    other = replace(made, checkpoint=JOURNAL.checkpoint(seed=OTHER_SEED), keys=OTHER_LINE)
    return [
        bad(
            "foreign-key",
            "The checkpoint is signed by a key that came with the bundle, and not by the one that was given. "
            "Section 19, step 2.",
            packed(other),
            "unknown_signing_key",
            axis,
        ),
        bad(
            "key-of-another-journal",
            "An honest bundle, checked with another key. Section 19, step 2.",
            packed(made),
            "unknown_signing_key",
            axis,
            OTHER,
        ),
        bad(
            "stripped",
            "The signature was taken off the checkpoint, and a key is given. Section 19, step 2.",
            packed(replace(made, checkpoint=text + b"\n")),
            "missing_signature",
            axis,
        ),
        bad(
            "stripped-witness-only",
            "Only a line of another name is left on the checkpoint. Section 19, step 2.",
            packed(replace(made, checkpoint=text + b"\n" + WITNESS)),
            "missing_signature",
            axis,
        ),
        bad(
            "downgraded",
            "The bundle is of a journal without a key, and a key is given. Section 19, step 2.",
            packed(choose(journal(seed=None), [2])),
            "missing_signature",
            axis,
        ),
        bad("signature-bit", "A bit of the signature is flipped. Section 10.", by(flipped), "invalid_signature", axis),
        bad(
            "signature-large-s",
            "S + L in the place of S. Section 10.",
            by(crypto.with_large_s(signature)),
            "invalid_signature",
            axis,
        ),
        bad(
            "signature-mixed-r",
            "The equation holds only where the cofactor is multiplied in. Section 10.",
            by(crypto.with_mixed_r(SEED, PUBLIC, text)),
            "invalid_signature",
            axis,
        ),
        bad(
            "second-line-bad",
            "The journal's key has two lines on the checkpoint, one of which is not valid. Section 18.1.",
            packed(replace(made, checkpoint=made.checkpoint + as_line(ORIGIN, mine, flipped).encode())),
            "invalid_signature",
            axis,
        ),
        bad(
            "own-line-short",
            "The line of the journal's key has a signature of 63 bytes. Section 18.1.",
            by(signature[:63]),
            "invalid_signature",
            axis,
        ),
        bad(
            "earlier-of-nothing-other-root",
            "An earlier checkpoint of no events has another root than the tree of no leaves. Section 18.2.",
            packed(replace(made, earlier=[_of_nothing(bytes(32))])),
            "consistency_mismatch",
            "anchors",
        ),
        bad(
            "earlier-unsigned",
            "An earlier checkpoint has no signature. Section 19, step 2.",
            earlier_by(JOURNAL.checkpoint(3, seed=None)),
            "missing_signature",
            axis,
        ),
        bad(
            "earlier-by-another-key",
            "An earlier checkpoint is signed by another key. Section 19, step 2.",
            earlier_by(JOURNAL.checkpoint(3, seed=OTHER_SEED)),
            "unknown_signing_key",
            axis,
        ),
        bad(
            "earlier-bad-signature",
            "An earlier checkpoint has the signature of the checkpoint. Section 19, step 2.",
            earlier_by(JOURNAL.checkpoint(3, seed=None) + line),
            "invalid_signature",
            axis,
        ),
    ]


def cases() -> list[Case]:
    """All cases."""
    return [
        *_accepted(),
        *_signatures(),
        *statements.cases(),
        *containers.cases(),
        *contents.cases(),
        *succession.cases(),
    ]
