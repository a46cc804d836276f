"""Section 12: the payloads of system events."""

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


def payload_problem(kind: int, value: Value) -> str | None:
    """Why the payload is not that of a system event of this kind, or None."""
    if not isinstance(value, dict):
        return "the payload is not a map"
    for key, types in MEMBERS[kind].items():
        if key not in value or type(value[key]) not in types:
            return f"member {key} is missing or of another type"
    if kind == CREATED:
        algorithms = {"content": "blake3", "tree": "rfc6962-sha256", "signature": "ed25519"}
        if value["algorithms"] != algorithms or value["format_version"] != 1:
            return "algorithms or format_version are not those of version 1"
        if value["key_policy"] not in ("unsigned", "signed"):
            return "key_policy is unknown"
    if kind == LINEAGE:
        if value["cause"] not in ("restore", "fork"):
            return "cause is unknown"
        if (value["abandoned_root"] is None) != (value["abandoned_size"] is None):
            return "only one of abandoned_root and abandoned_size is null"
    return None
