"""Evidence bundles under random changes: the reader in front of the core and the verifier in the bundle say the same.

`just fuzz` runs it for as long as it is told to.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Final

import batpak
from batpak._evidence import verifier
from evidence_bundles import bundle, chain, made, pack, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROUNDS: Final = 400
EDGES: Final = (0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
TELLING: Final = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\n", b"\0", b'"', b",", b"=", b"\xff", b"9" * 21)


def seconds() -> float | None:
    text = os.environ.get("BATPAK_FUZZ_S")
    return None if text is None else float(text)


def rounds() -> Iterator[int]:
    limit, number = seconds(), 0
    end = time.monotonic() + (limit or 0)
    while (number < ROUNDS) if limit is None else (time.monotonic() < end):
        yield number
        number += 1


def changed(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """Return the bytes with a few changes: bits, numbers, cuts, insertions, parts of themselves and of others."""
    result = bytearray(data)

    def bit(at: int) -> None:
        if at < len(result):
            result[at] ^= 1 << chance.randrange(8)

    def number(at: int) -> None:
        width = chance.choice((2, 4))
        if at + width <= len(result):
            result[at : at + width] = (chance.choice(EDGES) & (1 << 8 * width) - 1).to_bytes(width, "little")

    def cut(at: int) -> None:
        del result[at : at + chance.randrange(1, 40)]

    def end(at: int) -> None:
        del result[at:]

    def insert(at: int) -> None:
        result[at:at] = chance.choice(TELLING)

    def repeat(at: int) -> None:
        result[at:at] = result[at : at + chance.randrange(1, 300)]

    def splice(at: int) -> None:
        start = chance.randrange(len(other))
        result[at:at] = other[start : start + chance.randrange(1, 120)]

    changes: tuple[Callable[[int], None], ...] = (bit, bit, number, number, cut, end, insert, repeat, splice)
    for _ in range(chance.randrange(1, 4)):
        chance.choice(changes)(chance.randrange(len(result) + 1))
    return bytes(result)


def test_the_two_readers_of_bundles_agree_whatever_is_changed(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ.get("BATPAK_FUZZ_SEED", "1")))
    file = tmp_path / "bundle.zip"
    honest = [bundle(made(chain(3))).members(), bundle(made(chain(2), seed=None), [1]).members()]
    outcomes: dict[str, int] = {}
    for _ in rounds():
        members, other = chance.sample(honest, 2)
        if chance.random() < 0.5:
            data = changed(chance, pack(members), pack(other))
        else:
            # What a forger does, who mends what the manifest says of the member.
            name = chance.choice([name for name in members if name != "__main__.py"])
            forged = {**members, name: changed(chance, members[name] or b"\n", other["manifest.json"])}
            data = pack(forged if name == "manifest.json" else sealed(forged))
        file.write_bytes(data)
        try:
            ours = batpak.verify_evidence(file).outcome
        except batpak.InvalidProof:
            ours = "invalid"
        theirs = verifier.verify(data).outcome
        outcomes[ours] = outcomes.get(ours, 0) + 1
        if ours != theirs:
            kept = file.rename(file.with_name("disagreed.zip"))
            message = f"the core says {ours}, the bundle's own verifier {theirs}: {kept}"
            raise AssertionError(message)
    assert outcomes.get("invalid", 0) > sum(outcomes.values()) // 2, outcomes
