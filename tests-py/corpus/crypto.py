"""Signatures that no honest signer makes, with the arithmetic of the plain reader."""

from __future__ import annotations

from hashlib import sha512
from typing import TYPE_CHECKING

from evidence_bundles import SMALL_ORDER, secret_scalar
from plain_reader import ed25519 as ed

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = [bytes.fromhex(line) for line in SMALL_ORDER.split()]
NONCE = 0x1234_5678_9ABC_DEF0_1234_5678
"""Of every dishonest signature: nobody's secret depends on it."""


def challenge(r: bytes, public: bytes, message: bytes) -> int:
    """What RFC 8032 calls k."""
    return int.from_bytes(sha512(r + public + message).digest(), "little") % ed.L


def torsion() -> ed.Point:
    """A point of order 8."""
    point = ed.decompress(SMALL[4])
    assert point is not None
    return point


def respond(r: bytes, public: bytes, scalar: int, message: bytes, nonce: int = NONCE) -> bytes:
    """R and the S that an honest signer would answer with."""
    s = (nonce + challenge(r, public, message) * scalar) % ed.L
    return r + s.to_bytes(32, "little")


def with_large_s(signature: bytes) -> bytes:
    """The same signature with S + L in the place of S."""
    s = int.from_bytes(signature[32:], "little") + ed.L
    return signature[:32] + s.to_bytes(32, "little")


def with_small_r(seed: bytes, public: bytes, message: bytes, small: bytes) -> bytes:
    """R of small order, and an S that fits it if the cofactor is multiplied in."""
    return respond(small, public, secret_scalar(seed), message, nonce=0)


def with_mixed_r(seed: bytes, public: bytes, message: bytes) -> bytes:
    """R with a part of order 8, which only a verification with the cofactor forgives."""
    r = ed.compress(ed.add(ed.multiply_base(NONCE), torsion()))
    return respond(r, public, secret_scalar(seed), message)


def mixed_key(seed: bytes) -> bytes:
    """A public key with a part of order 8."""
    return ed.compress(ed.add(ed.multiply_base(secret_scalar(seed)), torsion()))


def by_mixed_key(seed: bytes, message: bytes, fits: Callable[[int], bool]) -> bytes:
    """A signature by the mixed key of a seed whose challenge is as wanted."""
    public = mixed_key(seed)
    for nonce in range(NONCE, NONCE + 1000):
        r = ed.compress(ed.multiply_base(nonce))
        if fits(challenge(r, public, message)):
            return respond(r, public, secret_scalar(seed), message, nonce)
    raise AssertionError("no nonce fits")


def by_small_key(public: bytes, message: bytes) -> bytes:
    """A signature that a key of small order verifies if nobody asks for its order: R = S * B, and k * A is nothing."""
    for s in range(1, 1000):
        r = ed.compress(ed.multiply_base(s))
        if challenge(r, public, message) % 8 == 0:
            return r + s.to_bytes(32, "little")
    raise AssertionError("no scalar fits")
