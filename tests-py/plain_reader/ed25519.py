"""Strict verification of Ed25519 signatures (RFC 8032) in pure Python."""

from functools import lru_cache
from hashlib import sha512

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL: Point = (0, 1, 1, 0)
BASE_BYTES = bytes.fromhex("58" + "66" * 31)


def add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def negate(p: Point) -> Point:
    return -p[0] % P, p[1], p[2], -p[3] % P


def compress(p: Point) -> bytes:
    inverse = pow(p[2], -1, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(encoded: bytes) -> Point | None:
    """The point of a canonical encoding, or None."""
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * SQRT_MINUS_ONE % P
        if v * x * x % P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def is_small_order(p: Point) -> bool:
    for _ in range(3):
        p = add(p, p)
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


@lru_cache(maxsize=64)
def _table(encoded: bytes) -> tuple[tuple[Point, ...], ...] | None:
    """All multiples j * 16**i of a point of large order; kept, because one key signs many frames."""
    point = decompress(encoded)
    if point is None or is_small_order(point):
        return None
    rows = []
    for _ in range(64):
        row = [NEUTRAL]
        for _ in range(15):
            row.append(add(row[-1], point))
        rows.append(tuple(row))
        point = add(row[-1], point)
    return tuple(rows)


def _multiply(table: tuple[tuple[Point, ...], ...], scalar: int) -> Point:
    result = NEUTRAL
    for row in table:
        if digit := scalar & 15:
            result = add(result, row[digit])
        scalar >>= 4
    return result


def multiply_base(scalar: int) -> Point:
    table = _table(BASE_BYTES)
    assert table is not None
    return _multiply(table, scalar % L)


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether S, A and R are canonical, A and R not of small order, and [S]B = R + [k]A without the cofactor."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    r_bytes, s = signature[:32], int.from_bytes(signature[32:], "little")
    table = _table(public_key)
    if s >= L or table is None:
        return False
    k = int.from_bytes(sha512(r_bytes + public_key + message).digest(), "little") % L
    r = add(multiply_base(s), negate(_multiply(table, k)))
    # The computed point is compared as bytes, so that no second encoding of R can pass.
    return compress(r) == r_bytes and not is_small_order(r)
