"""Section 12: the payloads of system events."""

import re

from .codec import Value

CREATED, OPENED, KEY_ADDED, KEY_REVOKED, RECOVERED, LINEAGE = 0x0001, 0x0002, 0x0003, 0x0004, 0x0006, 0x0007

MEMBERS: dict[int, dict[str, tuple[type, ...]]] = {
    CREATED: {
        "algorithms": (dict,),
        "format_version": (int,),
        "journal_id": (bytes,),
        "key_policy": (str,),
        "name": (str,),
        "public_key": (bytes, type(None)),
    },
    OPENED: {"incarnation": (int,), "software": (str,)},
    KEY_ADDED: {"endorsement": (bytes, type(None)), "key_id": (bytes,), "public_key": (bytes,)},
    KEY_REVOKED: {"key_id": (bytes,), "reason": (str,)},
    LINEAGE: {
        "abandoned_root": (bytes, type(None)),
        "abandoned_size": (int, type(None)),
        "actor": (str,),
        "cause": (str,),
        "journal_id": (bytes,),
        "kept_root": (bytes,),
        "kept_size": (int,),
        "parent_id": (bytes,),
        "reason": (str,),
    },
    RECOVERED: {
        "bytes": (int,),
        "digest": (bytes,),
        "file": (str,),
        "first_cut_sequence": (int,),
        "offset": (int,),
        "segment_first_sequence": (int,),
    },
}


LENGTHS = {"journal_id": 16, "parent_id": 16, "public_key": 32, "key_id": 32, "kept_root": 32, "abandoned_root": 32}


def is_name(name: Value) -> bool:
    """Whether a journal may have this name, which is that of its keys in notes, too."""
    usable = isinstance(name, str) and re.fullmatch(r"[^\s+\x00-\x1f\x7f-\x9f]+", name) is not None
    return usable and len(str(name).encode()) <= 255


def payload_problem(kind: int, value: Value) -> str | None:
    """Why the payload is not that of a system event of this kind, or None."""
    if not isinstance(value, dict):
        return "the payload is not a map"
    for key, types in MEMBERS[kind].items():
        if key not in value or type(value[key]) not in types:
            return f"member {key} is missing or of another type"
        if isinstance(data := value[key], bytes) and len(data) != LENGTHS.get(key, len(data)):
            return f"member {key} has not the length of one"
        if isinstance(data, int) and data < 0:
            return f"member {key} is negative"
    if kind == CREATED:
        algorithms = {"content": "blake3", "tree": "rfc6962-sha256", "signature": "ed25519"}
        if value["algorithms"] != algorithms or value["format_version"] != 1:
            return "algorithms or format_version are not those of version 1"
        if value["key_policy"] not in ("unsigned", "signed"):
            return "key_policy is unknown"
        if (value["key_policy"] == "signed") != (value["public_key"] is not None):
            return "key_policy and public_key contradict each other"
        if not is_name(value["name"]):
            return "name is none"
    if kind == LINEAGE:
        if value["cause"] not in ("restore", "fork"):
            return "cause is unknown"
        if (value["abandoned_root"] is None) != (value["abandoned_size"] is None):
            return "only one of abandoned_root and abandoned_size is null"
    return None
