"""Everything that a command prints: data on stdout, diagnostics on stderr, nothing that could steer a terminal.

Text from a journal may hold whatever its writer liked. Control characters (C0, DEL, C1), the characters that reorder
or break lines, and lone surrogates are therefore written as escapes, always; and no colour is ever used.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from typing import TextIO

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reorder the text around them
    "\u2028\u2029"  # break lines where a line-based reader does not expect it
    "\ufeff\ufff9-\ufffb"  # invisible
    "\U000e0000-\U000e007f"  # tags: invisible too
    "\ud800-\udfff]"
)
_LAST_OF_PLANE_0 = 0xFFFF
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if code > _LAST_OF_PLANE_0:
        # As in JSON, so that escaped JSON text stays JSON.
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return _SHORT.get(character) or f"\\u{code:04x}"


def escape(text: str) -> str:
    r"""``text`` on one line and harmless: unsafe characters as ``\n``, ``\u001b`` and so on, a backslash doubled."""
    return _UNSAFE.sub(_escaped, text.replace("\\", "\\\\"))


def sanitize(text: str) -> str:
    """``text`` made harmless like ``escape``, but with backslashes as they are: for text that has escapes already."""
    return _UNSAFE.sub(_escaped, text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """``value`` as JSON in ASCII, so that every other character is an escape that any JSON reader undoes."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent, separators=separators)
    return text.replace("\x7f", "\\u007f")


def plain(value: object) -> object:
    """A report (dataclass, tuple, UUID, bytes, path, time) as what JSON can hold: byte strings in hex."""
    plained = value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plained = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    elif isinstance(value, dict):
        plained = {str(key): plain(item) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        plained = [plain(item) for item in value]
    elif isinstance(value, bytes):
        plained = value.hex()
    elif isinstance(value, datetime):
        plained = value.isoformat()
    elif isinstance(value, (UUID, PurePath)):
        plained = str(value)
    return plained


def prepare() -> None:
    """Make stdout take any character, whatever its encoding: what it cannot show becomes an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def can_draw() -> bool:
    """Whether stdout can show box-drawing characters."""
    try:
        "├└│─".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is there, open, and a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def write(line: str) -> None:
    """One line of data to stdout. The caller has escaped what needs it."""
    # With stdout closed from the start there is nobody to tell.
    if sys.stdout is not None:
        sys.stdout.write(line + "\n")


def write_json(value: object) -> None:
    """One JSON value on one line of stdout."""
    write(json_text(value))


def flush() -> None:
    """Hand everything written to stdout to the operating system.

    Raises:
        OSError: it was refused, for instance with ``BrokenPipeError`` because the reader is gone.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def abandon_stdout() -> None:
    """Forget what stdout still buffers, so that the interpreter's own last flush cannot fail again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def diagnose(message: str) -> None:
    """One line to stderr: ``batpak: message``, escaped."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"batpak: {sanitize(message)}\n")
            sys.stderr.flush()
