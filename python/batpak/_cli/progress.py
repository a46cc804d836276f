"""One line on a terminal that says how far a long command is. Anywhere else there is none.

A thread draws it, so that it lives while the command waits for one long call. It appears only after a while, is drawn
again only when it changed, each time in one write, and is wiped away at the end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from . import output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from batpak import Event

DELAY_S: Final = 0.5
"""Commands that take less show nothing."""

INTERVAL_S: Final = 0.2
_COLUMNS_DEFAULT: Final = 80


class Progress:
    """What a command is doing, how much of it is done, and how fast; a context manager around the work.

    ``count`` is for the working thread to set; ``doing`` too.
    """

    def __init__(self, command: str, doing: str, *, quiet: bool) -> None:
        """Nothing is drawn before ``__enter__``, and nothing at all if ``quiet`` or if stderr is not a terminal.

        Args:
            command: its name, which begins the line.
            doing: what it is doing before there is something to count, for instance "opening".
            quiet: whether the user wants none.
        """
        self.count = 0
        self.doing = doing
        self._command = command
        self._started = time.monotonic()
        # Where the rate is measured from: the opening of the journal is no part of it.
        self._counted_from: tuple[float, int] | None = None
        self._shown = ""
        self._shares_terminal = output.is_terminal(sys.stdout)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if not quiet and output.is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb":
            self._thread = threading.Thread(target=self._draw_until_ended, name="batpak-progress", daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Wipe the line away, for good. A second call does nothing."""
        if self._thread is None or self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._show("")

    def before_output(self) -> None:
        """End if data goes to a terminal too: its lines and this one would get into each other."""
        if self._shares_terminal:
            self.end()

    def counting(self, events: Iterable[Event]) -> Iterator[Event]:
        """``events``, counted as they are taken."""
        for event in events:
            self.count += 1
            yield event

    def _draw_until_ended(self) -> None:
        if self._ended.wait(DELAY_S):
            return
        while True:
            self._show(self._text())
            if self._ended.wait(INTERVAL_S):
                return

    def _text(self) -> str:
        now = time.monotonic()
        count = self.count
        elapsed = f"{int(now - self._started)} s"
        if count == 0:
            return f"{self._command}: {self.doing}, {elapsed}"
        if self._counted_from is None:
            self._counted_from = now, count
        since, before = self._counted_from
        # The first figures would be of too short a time.
        rate = f", {int((count - before) / (now - since)):,}/s" if now - since >= DELAY_S else ""
        return f"{self._command}: {count:,} event{'' if count == 1 else 's'}{rate}, {elapsed}"

    def _show(self, text: str) -> None:
        """Replace what is shown by ``text``, with spaces over what was longer; an empty one leaves an empty line."""
        text = text[: _columns() - 1]
        if text == self._shown:
            return
        padding = " " * (len(self._shown) - len(text))
        self._shown, end = text, "" if text else "\r"
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\r{text}{padding}{end}")
            sys.stderr.flush()


def _columns() -> int:
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS_DEFAULT
    return _COLUMNS_DEFAULT
