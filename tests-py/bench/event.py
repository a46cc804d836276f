"""The one workload every store here is given: the event of an agent's tool call.

About 200 bytes of JSON, 159 bytes of MessagePack; 1,000 entities in 10 scopes. The Rust peer makes the same events.
"""

from typing import Final

ENTITIES: Final = 1_000
SCOPES: Final = 10
TOOLS: Final = (
    "search_docs",
    "read_file",
    "run_tests",
    "write_file",
    "list_issues",
    "fetch_page",
    "plan_step",
    "ask_user",
)
MASK: Final = 2**64 - 1

Event = dict[str, str | int | float | bool]


def scramble(index: int) -> int:
    """Spread an index over 64 bits (the splitmix64 finaliser), so that no store profits from repeated content."""
    mixed = (index + 1) * 0x9E3779B97F4A7C15 & MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return mixed ^ mixed >> 31


def event(index: int) -> Event:
    """Return event number `index` (from 0) of the workload."""
    noise = scramble(index)
    return {
        "run": f"run-{index % ENTITIES:04d}",
        "tool": TOOLS[noise % len(TOOLS)],
        "step": index,
        "ok": noise % 16 != 0,
        "ms": (noise >> 8 & 0xFFFF) / 64,
        "tokens_in": noise >> 24 & 0x1FFF,
        "tokens_out": noise >> 40 & 0x3FF,
        "model": "small-2",
        "digest": f"{noise:016x}",
        "note": f"attempt {noise % 3} of 3, queued behind {noise >> 50 & 0xFF}",
    }


def events(count: int, start: int = 0) -> list[Event]:
    """Return `count` events from number `start` on, made before any clock starts."""
    return [event(index) for index in range(start, start + count)]


def coordinate_names() -> list[tuple[str, str]]:
    """Return the entity and scope names; event `index` belongs to name `index % ENTITIES`."""
    return [(f"agent:{number:04d}", f"team:{number % SCOPES}") for number in range(ENTITIES)]
