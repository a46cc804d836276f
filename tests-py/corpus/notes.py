"""Checkpoints as signed notes, and verifier keys: FORMAT.md section 18.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus import crypto
from corpus.cases import accept, reject
from evidence_bundles import OTHER_SEED, SEED, b64, chain, made, note_id, public_key, verifier_key
from handmade import naive_root, sign

if TYPE_CHECKING:
    from corpus.cases import Case

PUBLIC, OTHER = public_key(SEED), public_key(OTHER_SEED)
JOURNAL = made(chain(5))
ORIGIN = JOURNAL.origin
ROOT = b64(naive_root(JOURNAL.hashes))
TEXT = f"{ORIGIN}\n5\n{ROOT}\n"
DASH = "\u2014"


def line(text: str, *, name: str = ORIGIN, seed: bytes = SEED) -> str:
    """The signature line of a key over a text."""
    public, signature = sign(seed, text.encode())
    return as_line(name, note_id(name, public), signature)


def as_line(name: str, key_id: bytes, signature: bytes) -> str:
    """A signature line."""
    return f"{DASH} {name} {b64(key_id + signature)}\n"


def signed(text: str, *more: str) -> str:
    """A note that the journal's key signed, with more lines behind."""
    return text + "\n" + line(text) + "".join(more)


def stated(size: str = "5", *, origin: str = ORIGIN, root: str = ROOT) -> str:
    """The three lines."""
    return f"{origin}\n{size}\n{root}\n"


def _good() -> list[tuple[str, str, str, str, bytes | None]]:
    own, witness = line(TEXT), as_line("witness.example/w1", b"\x01\x02\x03\x04", bytes(72))
    long = f"{'n' * 255}/{ORIGIN[-36:]}"
    accented = f"b\u00fccher/{ORIGIN[-36:]}"
    return [
        ("signed", "Three lines, a blank one, and the line of the journal's key.", "signed", TEXT + "\n" + own, PUBLIC),
        (
            "unsigned",
            "A journal without a key has checkpoints without signature lines, which end with the blank line.",
            "unsigned_accepted",
            TEXT + "\n",
            None,
        ),
        (
            "unknown-line-behind",
            "The line of a key that nobody gave stands behind the journal's: it is passed over.",
            "signed",
            TEXT + "\n" + own + witness,
            PUBLIC,
        ),
        (
            "unknown-line-before",
            "The line of a key that nobody gave stands before the journal's: it is passed over.",
            "signed",
            TEXT + "\n" + witness + own,
            PUBLIC,
        ),
        (
            "own-name-short",
            "A line of the journal's name is by an unknown key, whose signature may have any length.",
            "signed",
            TEXT + "\n" + own + as_line(ORIGIN, b"\1\2\3\4", b"\0"),
            PUBLIC,
        ),
        ("64-lines", "A note may have 64 signature lines.", "signed", TEXT + "\n" + own + witness * 63, PUBLIC),
        (
            "extension",
            "Further lines behind the root are signed with the rest, and passed over.",
            "signed",
            signed(TEXT + "more of it\nand more\n"),
            PUBLIC,
        ),
        (
            "unknown-line-short",
            "The signature of an unknown key may have any length from one byte on.",
            "signed",
            TEXT + "\n" + own + as_line("w", b"\1\2\3\4", b"\0"),
            PUBLIC,
        ),
        (
            "other-key-of-the-name",
            "A second line of the journal's name is by a key with another id, which was not given.",
            "signed",
            TEXT + "\n" + own + line(TEXT, seed=OTHER_SEED),
            PUBLIC,
        ),
        (
            "same-line-twice",
            "The journal's line is there twice, and valid both times.",
            "signed",
            TEXT + "\n" + own + own,
            PUBLIC,
        ),
        (
            "size-one",
            "A checkpoint over the first event alone.",
            "signed",
            signed(stated("1", root=b64(naive_root(JOURNAL.hashes[:1])))),
            PUBLIC,
        ),
        ("size-largest", "Sizes go to 2^64 - 1.", "signed", signed(stated("18446744073709551615")), PUBLIC),
        (
            "long-name",
            "A journal's name may have 255 bytes.",
            "signed",
            (text := stated(origin=long)) + "\n" + line(text, name=long),
            PUBLIC,
        ),
        (
            "name-not-ascii",
            "A journal's name is UTF-8 and need not be ASCII.",
            "signed",
            (text := stated(origin=accented)) + "\n" + line(text, name=accented),
            PUBLIC,
        ),
        (
            "name-with-slash",
            "The id is what stands behind the last slash: a name may hold one.",
            "signed",
            (text := stated(origin=f"a/b/{ORIGIN[-36:]}")) + "\n" + line(text, name=f"a/b/{ORIGIN[-36:]}"),
            PUBLIC,
        ),
    ]


def _no_notes() -> list[tuple[str, str, str]]:
    own, good, witness = line(TEXT), signed(TEXT), as_line("w", bytes(4), bytes(64))
    encoded = b64(note_id(ORIGIN, PUBLIC) + sign(SEED, TEXT.encode())[1])
    first = good.index(encoded)
    return [
        ("empty", "No text, and so no checkpoint.", ""),
        ("no-blank-line", "No blank line divides the text from the signatures.", TEXT + own),
        ("three-lines-only", "The blank line is missing, and there is no signature.", TEXT),
        ("last-line-open", "The last line does not end with a newline.", good[:-1]),
        ("bytes-behind", "Text that is no signature line stands behind the signatures.", good + "x"),
        ("line-behind", "A line behind the blank one is no signature line.", good + "x\n"),
        ("newline-behind", "A blank line stands behind the signatures.", good + "\n"),
        ("no-origin", "The first line is empty.", signed(stated(origin=""))),
        ("two-lines", "The line of the root is missing.", signed(f"{ORIGIN}\n5\n")),
        ("size-leading-zero", "Numbers have no leading zeros.", signed(stated("05"))),
        ("size-plus", "Numbers have no sign.", signed(stated("+5"))),
        ("size-minus", "Sizes are not negative.", signed(stated("-5"))),
        ("size-hexadecimal", "Numbers are decimal.", signed(stated("0x5"))),
        ("size-space", "A space stands behind the size.", signed(stated("5 "))),
        (
            "size-empty",
            "The line of the size is empty, and so divides text and signatures where it should not.",
            signed(stated("")),
        ),
        ("size-other-digits", "Numbers are ASCII, and this is an Arabic five.", signed(stated("\u0665"))),
        ("root-without-padding", "Base64 has padding.", signed(stated(root=ROOT.rstrip("=")))),
        ("root-padded-twice", "Base64 has no more padding than needed.", signed(stated(root=ROOT + "="))),
        (
            "root-other-last-bits",
            "The bits behind the last byte are not zero: base64 has one canonical form.",
            signed(stated(root=ROOT[:-2] + _next(ROOT[-2]) + "=")),
        ),
        (
            "root-url-alphabet",
            "Base64 is that of RFC 4648 section 4, which has no underscore.",
            signed(stated(root="_" + ROOT[1:])),
        ),
        ("root-of-31-bytes", "A root has 32 bytes.", signed(stated(root=b64(bytes(31))))),
        ("root-of-33-bytes", "A root has 32 bytes, and this one more.", signed(stated(root=b64(bytes(33))))),
        ("root-in-hex", "A root is base64, and not hexadecimal.", signed(stated(root="00" * 32))),
        ("root-space", "A space stands before the root.", signed(stated(root=" " + ROOT))),
        ("carriage-returns", "Lines end with 0a alone.", good.replace("\n", "\r\n")),
        ("65-lines", "A note has at most 64 signature lines.", signed(TEXT, witness * 64)),
        (
            "too-long",
            "A note has at most 65,536 bytes.",
            signed(TEXT + "x" * 65_536 + "\n"),
        ),
        ("size-2-64", "Sizes are at most 2^64 - 1.", signed(stated("18446744073709551616"))),
        ("extension-empty", "A further line is not empty.", signed(TEXT + "\nmore\n")),
        (
            "late-control",
            "U+009B is a control character, with which terminals are told what to do.",
            signed(TEXT + "\x9b1m\n"),
        ),
        ("next-line", "U+0085 is a control character, also in a name.", signed(stated(origin=f"a\x85/{ORIGIN[-36:]}"))),
        (
            "line-name-with-space",
            "The name of a key has no white space, also none outside ASCII: here U+00A0.",
            signed(TEXT, as_line("wit\xa0ness", bytes(4), bytes(64))),
        ),
        (
            "line-name-with-control",
            "The name of a key has no control character.",
            signed(TEXT, as_line("wit\x9bness", bytes(4), bytes(64))),
        ),
        ("tab", "A note has no control character but the newline.", signed(stated(origin=f"a\tb/{ORIGIN[-36:]}"))),
        ("nul", "A note has no control character but the newline, and here it ends with U+0000.", good + "\0"),
        ("hyphen", "A signature line begins with an em dash, and not with a hyphen.", good.replace(DASH, "-")),
        ("no-space-behind-the-dash", "A space stands behind the dash.", good.replace(f"{DASH} ", DASH)),
        ("line-without-name", "A signature line has the name of a key.", TEXT + f"\n{DASH} {encoded}\n"),
        ("line-empty-name", "The name of a key is not empty.", TEXT + f"\n{DASH}  {encoded}\n"),
        ("line-plus-in-name", "The name of a key has no plus.", signed(TEXT, as_line("wit+ness", bytes(4), bytes(64)))),
        ("line-without-signature", "A signature line has base64 behind the name.", signed(TEXT, f"{DASH} witness \n")),
        (
            "line-key-id-only",
            "A signature line has bytes behind the key id.",
            signed(TEXT, f"{DASH} witness {b64(bytes(4))}\n"),
        ),
        ("line-not-base64", "A signature is base64.", good[:first] + "*" + good[first + 1 :]),
        (
            "line-without-padding",
            "The base64 of a signature has padding.",
            signed(TEXT, as_line("witness", bytes(4), bytes(64)).replace("=\n", "\n")),
        ),
    ]


def _next(character: str) -> str:
    """The base64 digit behind this one, which differs in its last bit alone."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return digits[digits.index(character) + 1]


def _not_signed() -> list[tuple[str, str, str, str]]:
    own_id, signature = note_id(ORIGIN, PUBLIC), sign(SEED, TEXT.encode())[1]
    message = TEXT.encode()
    bad = bytes([signature[0] ^ 1]) + signature[1:]
    without_end = sign(SEED, TEXT[:-1].encode())[1]

    def with_signature(made: bytes) -> str:
        return TEXT + "\n" + as_line(ORIGIN, own_id, made)

    return [
        (
            "unsigned-with-key",
            "There is no signature line, and whoever verifies was given the journal's key.",
            "missing_signature",
            TEXT + "\n",
        ),
        (
            "by-another-key",
            "The only line is by another key of the journal's name.",
            "unknown_signing_key",
            TEXT + "\n" + line(TEXT, seed=OTHER_SEED),
        ),
        ("bit-flipped", "A bit of the signature is flipped.", "invalid_signature", with_signature(bad)),
        (
            "two-lines-one-bad",
            "The journal's key has two lines, and one of them is not valid: that spoils the note.",
            "invalid_signature",
            signed(TEXT, as_line(ORIGIN, own_id, bad)),
        ),
        (
            "two-lines-first-bad",
            "The journal's key has two lines, the first of which is not valid: that spoils the note.",
            "invalid_signature",
            TEXT + "\n" + as_line(ORIGIN, own_id, bad) + line(TEXT),
        ),
        (
            "id-of-another-key",
            "The line has the id of the journal's key and the signature of another one.",
            "invalid_signature",
            with_signature(sign(OTHER_SEED, message)[1]),
        ),
        (
            "size-edited",
            "The size was changed below the signature.",
            "invalid_signature",
            stated("4") + "\n" + line(TEXT),
        ),
        (
            "root-edited",
            "The root was changed below the signature.",
            "invalid_signature",
            stated(root=b64(bytes(32))) + "\n" + line(TEXT),
        ),
        (
            "without-last-newline",
            "The signature covers the text without its last newline.",
            "invalid_signature",
            with_signature(without_end),
        ),
        (
            "s-not-canonical",
            "S + L in the place of S.",
            "invalid_signature",
            with_signature(crypto.with_large_s(signature)),
        ),
        (
            "r-small-order",
            "R is the neutral element.",
            "invalid_signature",
            with_signature(crypto.with_small_r(SEED, PUBLIC, message, crypto.SMALL[0])),
        ),
        (
            "r-mixed-order",
            "The equation holds only where the cofactor is multiplied in.",
            "invalid_signature",
            with_signature(crypto.with_mixed_r(SEED, PUBLIC, message)),
        ),
    ]


def cases() -> list[Case]:
    """All checkpoints."""
    made = [
        accept(
            f"note-{name}",
            f"{says} Section 18.1.",
            outcome=outcome,
            note=note,
            public_key=None if public is None else public.hex(),
        )
        for name, says, outcome, note, public in _good()
    ]
    made += [
        reject(f"note-{name}", f"{_told(says)}", "invalid_proof", note=note, public_key=PUBLIC.hex())
        for name, says, note in _no_notes()
    ]
    made += [
        reject(
            f"note-{name}", f"{says} Sections 10 and 18.1.", code, axis="signatures", note=note, public_key=PUBLIC.hex()
        )
        for name, says, code, note in _not_signed()
    ]
    return made


def _told(says: str) -> str:
    return f"{says} Section 18.1."


def keys() -> list[Case]:
    """Verifier keys."""
    name, key_id, encoded = ORIGIN, note_id(ORIGIN, PUBLIC).hex(), b64(b"\x01" + PUBLIC)
    small = crypto.SMALL[4]
    good = [
        (
            "plain",
            "Name, id in eight hexadecimal digits, and base64 of 01 and the key.",
            verifier_key(ORIGIN),
            ORIGIN,
            PUBLIC,
        ),
        (
            "plus-in-base64",
            "Only the first two pluses divide: the base64 holds others.",
            _with_plus()[0],
            ORIGIN,
            _with_plus()[1],
        ),
    ]
    bad = [
        ("empty", "No text, and so no key.", ""),
        ("no-name", "The name is empty.", f"+{note_id('', PUBLIC).hex()}+{encoded}"),
        ("no-id", "The id is empty.", f"{name}++{encoded}"),
        ("no-key", "The key is missing.", f"{name}+{key_id}"),
        ("empty-key", "The key is empty.", f"{name}+{key_id}+"),
        (
            "id-of-another-name",
            "The id is that of the same key under another name.",
            verifier_key("other").replace("other", name, 1),
        ),
        ("id-bit", "A digit of the id is another.", f"{name}+{int(key_id, 16) ^ 1:08x}+{encoded}"),
        ("id-upper-case", "C2SP writes the id in lower case.", f"{name}+{key_id.upper()}+{encoded}"),
        ("id-too-long", "The id is of four bytes.", f"{name}+{key_id}00+{encoded}"),
        ("algorithm", "The first byte names Ed25519, which is 01.", f"{name}+{key_id}+{b64(bytes([2]) + PUBLIC)}"),
        ("key-of-31-bytes", "A key has 32 bytes.", f"{name}+{key_id}+{b64(bytes([1]) + PUBLIC[:31])}"),
        (
            "key-of-33-bytes",
            "A key has 32 bytes, and this one more.",
            f"{name}+{key_id}+{b64(bytes([1]) + PUBLIC + bytes(1))}",
        ),
        ("base64-space", "Base64 has no space.", f"{name}+{key_id}+{encoded[:8]} {encoded[8:]}"),
        (
            "base64-url-alphabet",
            "The underscore is of another alphabet.",
            f"{name}+{key_id}+{encoded[:8]}_{encoded[9:]}",
        ),
        ("base64-padding", "33 bytes need no padding.", f"{name}+{key_id}+{encoded}="),
        ("name-with-space", "A name has no white space.", verifier_key(f"a b/{ORIGIN[-36:]}")),
        (
            "name-with-wide-space",
            "A name has no white space, also none outside ASCII.",
            verifier_key(f"a\u3000b/{ORIGIN[-36:]}"),
        ),
        (
            "name-with-control",
            "A name has no control character, also none outside ASCII.",
            verifier_key(f"a\x9bb/{ORIGIN[-36:]}"),
        ),
        (
            "small-order",
            "The key is a point of small order (section 10).",
            "+".join((name, note_id(name, small).hex(), b64(b"\x01" + small))),
        ),
        (
            "no-point",
            "The key is no point of the curve (section 10).",
            "+".join((name, note_id(name, b"\x02" + bytes(31)).hex(), b64(b"\x01\x02" + bytes(31)))),
        ),
    ]
    made = [
        accept(f"key-{name}", f"{says} Section 18.1.", verifier_key=text, key_name=key_name, public_key=public.hex())
        for name, says, text, key_name, public in good
    ]
    made += [
        reject(f"key-{name}", f"{says} Section 18.1.", "invalid_key", verifier_key=text) for name, says, text in bad
    ]
    return made


def _with_plus() -> tuple[str, bytes]:
    """The first seed whose verifier key has a plus in its base64."""
    for number in range(100):
        seed = bytes([number]) * 32
        public = public_key(seed)
        if "+" in b64(b"\x01" + public):
            return verifier_key(ORIGIN, seed), public
    raise AssertionError("no seed fits")
