"""What an evidence bundle is made of (FORMAT.md section 19)."""

from __future__ import annotations

from typing import Final

VERIFIER: Final = "__main__.py"
README: Final = "README.txt"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
KEYS: Final = "keys"
EVENTS: Final = "events.jsonl"
CHECKPOINTS: Final = "checkpoints.jsonl"

MEMBERS: Final = (VERIFIER, README, MANIFEST, CHECKPOINT, KEYS, EVENTS, CHECKPOINTS)
VERSION: Final = 1
BUNDLE_BYTES_MAX: Final = 1024 * 1024 * 1024
MANIFEST_BYTES_MAX: Final = 64 * 1024 * 1024
