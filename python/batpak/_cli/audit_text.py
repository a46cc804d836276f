"""What the events of a recorded run say in a few words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUN_STARTED: Final = 1
RUN_ENDED: Final = 2
RUN_STARTED_CODE: Final = 0xE001
RUN_ENDED_CODE: Final = 0xE002

# Kinds are not reserved: a payload is described as an audit event only if it has the members of one.
_MEMBERS: Final[Mapping[int, frozenset[str]]] = {
    RUN_STARTED: frozenset({"argv", "program", "pid", "included"}),
    RUN_ENDED: frozenset({"exit_code", "events", "dropped", "forks", "children_followed"}),
    3: frozenset({"path", "fd", "mode", "flags"}),
    4: frozenset({"event", "program", "arguments"}),
    5: frozenset({"event", "address"}),
    6: frozenset({"module", "path"}),
    7: frozenset({"event", "name", "file"}),
    8: frozenset({"event", "path", "target"}),
    9: frozenset({"event", "arguments"}),
}


def _is_audit_event(type_id: int, payload: object) -> bool:
    """Whether the payload of a kind with this type id is that of an audit event."""
    return type_id in _MEMBERS and isinstance(payload, dict) and payload.keys() >= _MEMBERS[type_id]


def is_run_start(payload: object) -> bool:
    """Whether the payload of an event of kind ``RUN_STARTED_CODE`` is that of the start of a recorded run."""
    return _is_audit_event(RUN_STARTED, payload)


def audit_summary(type_id: int, payload: Mapping[str, object]) -> str | None:
    """The event in words, or None if it is not an audit event. Not escaped."""
    if not _is_audit_event(type_id, payload):
        return None
    return _DESCRIBE[type_id](payload)


def _text(value: object) -> str:
    """A name as the operating system gave it; undecodable bytes become lone surrogates, which output escapes."""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    return "?" if value is None else str(value)


def _words(value: object) -> str:
    if not isinstance(value, list):
        return _text(value)
    return " ".join(_quoted(_text(item)) for item in value)


def _quoted(word: str) -> str:
    return repr(word) if not word or any(character.isspace() or character in "'\"" for character in word) else word


def _run_started(payload: Mapping[str, object]) -> str:
    return f"run started: {_words(payload['argv'])} (process {payload['pid']})"


def _run_ended(payload: Mapping[str, object]) -> str:
    code = payload["exit_code"]
    parts = ["exit code unknown" if code is None else f"exit code {code}", f"{payload['events']} events"]
    if payload["dropped"]:
        parts.append(f"{payload['dropped']} NOT RECORDED")
    if payload["forks"] and not payload["children_followed"]:
        parts.append(f"{payload['forks']} forks, children not followed")
    if payload.get("error"):
        parts.append(_text(payload["error"]))
    return "run ended: " + ", ".join(parts)


def _file_opened(payload: Mapping[str, object]) -> str:
    name = f"descriptor {payload['fd']}" if payload["path"] is None else _text(payload["path"])
    how = f"flags {payload['flags']}" if payload["mode"] is None else _text(payload["mode"])
    return f"open {name} ({how})"


def _process_started(payload: Mapping[str, object]) -> str:
    program = payload["program"]
    name = "" if program is None else f" {_quoted(_text(program))}"
    return f"{_text(payload['event'])}{name} {_words(payload['arguments'])}".rstrip()


def _socket_used(payload: Mapping[str, object]) -> str:
    return f"{_text(payload['event'])} {_text(payload['address'])}"


def _module_imported(payload: Mapping[str, object]) -> str:
    path = payload["path"]
    return f"import {_text(payload['module'])}" + ("" if path is None else f" from {_text(path)}")


def _code_executed(payload: Mapping[str, object]) -> str:
    name = payload["name"]
    code = "" if name is None else f" {_text(name)} of"
    return f"{_text(payload['event'])}{code} {_text(payload['file'])}"


def _file_changed(payload: Mapping[str, object]) -> str:
    target = payload["target"]
    arrow = "" if target is None else f" -> {_text(target)}"
    return f"{_text(payload['event'])} {_text(payload['path'])}{arrow}"


def _other(payload: Mapping[str, object]) -> str:
    return f"{_text(payload['event'])} {_words(payload['arguments'])}".rstrip()


_DESCRIBE: Final[Mapping[int, Callable[[Mapping[str, object]], str]]] = {
    RUN_STARTED: _run_started,
    RUN_ENDED: _run_ended,
    3: _file_opened,
    4: _process_started,
    5: _socket_used,
    6: _module_imported,
    7: _code_executed,
    8: _file_changed,
    9: _other,
}
