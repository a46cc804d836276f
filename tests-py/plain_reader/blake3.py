"""BLAKE3 (plain and derive-key mode, 32 bytes out) in pure Python.

A row of four 32-bit state words is kept in one integer with a 64-bit slot for each word, because one operation on such
an integer then does the work of four on single words.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from struct import Struct

CHUNK_BYTES = 1024
BLOCK_BYTES = 64

CHUNK_START = 1 << 0
CHUNK_END = 1 << 1
PARENT = 1 << 2
ROOT = 1 << 3
DERIVE_KEY_CONTEXT = 1 << 5
DERIVE_KEY_MATERIAL = 1 << 6

Rows = tuple[int, int]  # a chaining value: words 0..3 and words 4..7

_SIXTEEN_WORDS = Struct("<16I")
_SIXTEEN_SLOTS = Struct("<16Q")
_FOUR_WORDS = Struct("<4I")
_FOUR_SLOTS = Struct("<4Q")

_WORDS = 0x00000000FFFFFFFF_00000000FFFFFFFF_00000000FFFFFFFF_00000000FFFFFFFF
_SLOT = (1 << 64) - 1
_TWO_SLOTS = (1 << 128) - 1
_THREE_SLOTS = (1 << 192) - 1


def _row(a: int, b: int, c: int, d: int) -> int:
    return a | b << 64 | c << 128 | d << 192


def _key_bytes(rows: Rows) -> bytes:
    return b"".join(_FOUR_WORDS.pack(*_FOUR_SLOTS.unpack(row.to_bytes(32, "little"))) for row in rows)


_IV = (
    _row(0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A),
    _row(0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
)


def _schedules() -> list[Callable[[Sequence[int]], tuple[int, ...]]]:
    """For each round the order of the message words: x and y of the columns, then x and y of the diagonals."""
    permutation = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
    order = tuple(range(16))
    schedules: list[Callable[[Sequence[int]], tuple[int, ...]]] = []
    for _ in range(7):
        schedules.append(itemgetter(*order[0:8:2], *order[1:8:2], *order[8:16:2], *order[9:16:2]))
        order = tuple(order[index] for index in permutation)
    return schedules


_SCHEDULES = _schedules()


def _mix(a: int, b: int, c: int, d: int, x: int, y: int) -> tuple[int, int, int, int]:
    """The function G on four columns at once."""
    a = a + b + x & _WORDS
    d ^= a
    d = (d >> 16 | d << 16) & _WORDS
    c = c + d & _WORDS
    b ^= c
    b = (b >> 12 | b << 20) & _WORDS
    a = a + b + y & _WORDS
    d ^= a
    d = (d >> 8 | d << 24) & _WORDS
    c = c + d & _WORDS
    b ^= c
    b = (b >> 7 | b << 25) & _WORDS
    return a, b, c, d


def _compress(value: Rows, block: bytes, counter: int, flags: int) -> Rows:
    words = _SIXTEEN_WORDS.unpack(block.ljust(BLOCK_BYTES, b"\0"))
    a, b = value
    c = _IV[0]
    d = _row(counter & 0xFFFFFFFF, counter >> 32, len(block), flags)
    for schedule in _SCHEDULES:
        message = _SIXTEEN_SLOTS.pack(*schedule(words))
        x0 = int.from_bytes(message[0:32], "little")
        y0 = int.from_bytes(message[32:64], "little")
        x1 = int.from_bytes(message[64:96], "little")
        y1 = int.from_bytes(message[96:128], "little")
        a, b, c, d = _mix(a, b, c, d, x0, y0)
        # The diagonals become columns when row b turns by one word, row c by two and row d by three.
        b = b >> 64 | (b & _SLOT) << 192
        c = c >> 128 | (c & _TWO_SLOTS) << 128
        d = d >> 192 | (d & _THREE_SLOTS) << 64
        a, b, c, d = _mix(a, b, c, d, x1, y1)
        b = b >> 192 | (b & _THREE_SLOTS) << 64
        c = c >> 128 | (c & _TWO_SLOTS) << 128
        d = d >> 64 | (d & _SLOT) << 192
    return a ^ c, b ^ d


def _chunk(key: Rows, data: bytes, index: int, flags: int, root: int) -> Rows:
    value = key
    last = max(len(data) - 1, 0) // BLOCK_BYTES * BLOCK_BYTES
    for start in range(0, last + 1, BLOCK_BYTES):
        block_flags = flags
        if start == 0:
            block_flags |= CHUNK_START
        if start == last:
            block_flags |= CHUNK_END | root
        value = _compress(value, data[start : start + BLOCK_BYTES], index, block_flags)
    return value


def _subtree(key: Rows, data: bytes, index: int, flags: int, root: int) -> Rows:
    """The chaining value of the subtree whose first chunk has this index; `root` is the flag ROOT or nothing."""
    if len(data) <= CHUNK_BYTES:
        return _chunk(key, data, index, flags, root)
    # The left side takes the largest power of two of chunks that still leaves something to the right side.
    left_chunks = 1 << ((len(data) - 1) // CHUNK_BYTES).bit_length() - 1
    split = left_chunks * CHUNK_BYTES
    left = _subtree(key, data[:split], index, flags, 0)
    right = _subtree(key, data[split:], index + left_chunks, flags, 0)
    return _compress(key, _key_bytes(left) + _key_bytes(right), 0, flags | PARENT | root)


@cache
def _context_key(context: str) -> Rows:
    return _subtree(_IV, context.encode(), 0, DERIVE_KEY_CONTEXT, ROOT)


def blake3(data: bytes) -> bytes:
    """BLAKE3 in its plain mode."""
    return _key_bytes(_subtree(_IV, data, 0, 0, ROOT))


def derive_key(context: str, data: bytes) -> bytes:
    """`BLAKE3(context; data)` of section 1."""
    return _key_bytes(_subtree(_context_key(context), data, 0, DERIVE_KEY_MATERIAL, ROOT))
