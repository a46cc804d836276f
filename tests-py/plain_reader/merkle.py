"""Section 9: the RFC 6962 tree over event hashes, its peaks and audit paths."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(event_hash: bytes) -> bytes:
    return sha256(b"\x00" + event_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree that keeps only its peaks."""

    def __init__(self, event_hashes: Iterable[bytes] = ()) -> None:
        self.size = 0
        self.peaks: list[bytes] = []
        for event_hash in event_hashes:
            self.append(event_hash)

    def append(self, event_hash: bytes) -> None:
        node = leaf_hash(event_hash)
        # Each trailing one digit of the old size is a perfect subtree that the new leaf completes.
        digits = self.size
        while digits & 1:
            node = node_hash(self.peaks.pop(), node)
            digits >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        return root_of_peaks(self.peaks)


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_of_path(index: int, size: int, event_hash: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to (RFC 9162 section 2.1.3.2), or None if its length does not fit."""
    if not 0 <= index < size:
        return None
    node, last = leaf_hash(event_hash), size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node = node_hash(sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None
