"""The words of messages: what the library advises in terms of its arguments, said in terms of the command's options."""

from __future__ import annotations

from typing import Final

# What the core says, and what to say instead. A test looks for advice of the core that is missing here.
_INSTEAD: Final = (
    ("open it for writing with create=True, or run `batpak init`", "make one with `batpak init`"),
    ("pass signing_key= to write to it, or open it with read_only=True", "name its key with --key KEYFILE"),
    ("close it there, or open it with read_only=True", "end it there; commands that only read work meanwhile"),
    ("open with rebuild_meta=True to write it anew", "`batpak verify --rebuild-meta DIR` writes it anew"),
    ("open the store with allow_nonfinite=True to keep them", "--allow-nonfinite lets them in"),
    ("open it once with adopt_key=True", "add --adopt-key to a command that writes to it"),
    ("needs kind=, for instance kind=batpak.Kind(0xF, 1)", "needs a kind"),
)


def in_options(message: str) -> str:
    """``message`` with the command's options where the library names its arguments."""
    for said, instead in _INSTEAD:
        message = message.replace(said, instead)
    return message


def reason_of(error: BaseException) -> str:
    """Why ``error`` was raised, in the command's words."""
    return in_options(str(error)) or type(error).__name__
