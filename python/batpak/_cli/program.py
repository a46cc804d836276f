"""Running a Python program in this process as ``python SCRIPT`` and ``python -m MODULE`` would.

What a program can see of how it was started is made the same: ``sys.argv``, ``sys.orig_argv``, ``sys.path[0]``, a
fresh ``__main__`` with all its attributes (``multiprocessing`` and ``pickle`` depend on them), the message and the
status when it cannot be started, and what ends it: ``SystemExit`` and uncaught exceptions reach the interpreter, which
treats them as ever. Only tracebacks are cut, so that they begin with the program's first line.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: a script, a directory or zip file with ``__main__.py``, or (``is_module``) a module or package."""

    target: str
    is_module: bool
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The program as on a command line after ``python``."""
        return [*(["-m"] if self.is_module else []), self.target, *self.arguments]


def run_as_main(program: Program, ended: Callable[[BaseException | None], None]) -> None:
    """Run the program; what it raises comes through.

    ``ended`` is told how: None, ``SystemExit`` or what was not caught; and once more if the program's own
    ``sys.excepthook`` then ends the process otherwise. An uncaught exception other than ``SystemExit`` leaves
    ``sys.excepthook`` wrapped: when the exception reaches the interpreter, the program's own hook is called with a
    traceback without the caller's frames.
    """
    module = _fresh_main()
    _replace_orig_argv(program)
    try:
        if program.is_module:
            _run_module(program)
        else:
            _run_script(program, module)
    except BaseException as error:
        ended(error)
        if not isinstance(error, SystemExit):
            _cut_traceback(error, module, ended)
        raise
    _forget_file(module)
    ended(None)


_REPLACED: list[ModuleType] = []
"""The ``__main__`` modules that were replaced, for as long as the process lives."""


def _fresh_main() -> ModuleType:
    """An empty ``__main__`` with the attributes that this version of Python gives one, in its order."""
    module = ModuleType("__main__")
    if "__annotations__" in vars(sys.modules["__main__"]):
        vars(module)["__annotations__"] = {}
    vars(module)["__builtins__"] = builtins
    # CPython holds the first one's dict by a borrowed reference until it ends.
    _REPLACED.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module


def _replace_orig_argv(program: Program) -> None:
    """Programs that start themselves again do it from ``sys.orig_argv``; they are not recorded a second time."""
    command = list(sys.orig_argv)
    own = sys.argv[1:]
    if own and command[-len(own) :] == own:
        command = command[: -len(own)]
    if len(command) >= 2 and command[-2].startswith("-") and command[-2].endswith("m"):
        # ``-m batpak``, or a cluster such as ``-Im batpak``.
        flags = command[-2].removesuffix("m")
        command = [*command[:-2], *([flags] if flags != "-" else [])]
    elif len(command) >= 2:
        command.pop()
    sys.orig_argv[:] = [*command, *program.command]


def _replace_path0(entry: str | None) -> None:
    """Exchange the entry that belongs to the command ``batpak`` for the program's own."""
    if not sys.flags.safe_path:
        del sys.path[:1]
    if entry is not None:
        sys.path.insert(0, entry)


def _run_module(program: Program) -> None:
    directory: str | None = None
    if not sys.flags.safe_path:
        with suppress(OSError):
            directory = os.getcwd()  # noqa: PTH109 - text, as in sys.path
    _replace_path0(directory)
    sys.argv = ["-m", *program.arguments]
    _run_by_runpy(program.target, alter_argv=True)


def _run_by_runpy(name: str, *, alter_argv: bool) -> None:
    # The function that the interpreter itself calls for -m, directories and zip files; it has no public name.
    runpy = importlib.import_module("runpy")
    runpy._run_module_as_main(name, alter_argv)


def _run_script(program: Program, module: ModuleType) -> None:
    path = _absolute(program.target)
    sys.argv = [program.target, *program.arguments]
    if _has_importer(path):
        _replace_path0(path)
        _run_by_runpy("__main__", alter_argv=False)
        return
    _replace_path0(None if sys.flags.safe_path else os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
    source = _read(path)
    members = vars(module)
    members["__file__"] = path
    members["__cached__"] = None
    if path.endswith(".pyc") or source[:2] == MAGIC_NUMBER[:2]:
        sourceless = SourcelessFileLoader("__main__", path)
        members["__loader__"] = sourceless
        code = sourceless.get_code("__main__")
    else:
        members["__loader__"] = SourceFileLoader("__main__", path)
        code = compile(source, path, "exec", dont_inherit=True)
    if code is not None:
        exec(code, members)  # noqa: S102 - to run a program is what this is for


def _absolute(path: str) -> str:
    """As the interpreter makes a script's path absolute: nothing in it is resolved."""
    return os.getcwd() if path == "." else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118


def _has_importer(path: str) -> bool:
    """Whether ``path`` is something that modules are imported from: a directory or a zip file."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _read(path: str) -> bytes:
    try:
        with io.open_code(path) as file:
            return file.read()
    except OSError as error:
        _complain(f"{sys.orig_argv[0]}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}")
        raise SystemExit(2) from None


def _complain(line: str) -> None:
    """Write to stderr what the interpreter would, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")


def _forget_file(module: ModuleType) -> None:
    """A script's ``__file__`` is gone once it has ended (a module's stays), and exit handlers can tell."""
    if module.__spec__ is None:
        vars(module).pop("__file__", None)
        vars(module).pop("__cached__", None)


def _cut_traceback(error: BaseException, module: ModuleType, ended: Callable[[BaseException], None]) -> None:
    """Have the program's hook see a traceback that begins with the program's first line."""
    traceback = _own_part(error.__traceback__)
    hook: Callable[[type[BaseException], BaseException, TracebackType | None], object] = sys.excepthook

    def cut(cls: type[BaseException], value: BaseException, full: TracebackType | None) -> None:
        sys.excepthook = hook
        if value is error:
            value.__traceback__ = full = traceback
            sys.last_traceback = traceback
        try:
            hook(cls, value, full)
        except SystemExit as exit_:
            ended(exit_)
            raise
        except BaseException as failure:  # noqa: BLE001 - as the interpreter does
            _report_failed_hook(failure, value)
        _forget_file(module)

    sys.excepthook = cut


def _own_part(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not this file's."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


def _report_failed_hook(failure: BaseException, original: BaseException) -> None:
    """The interpreter's words for an excepthook that raises."""
    failure.__traceback__ = _own_part(failure.__traceback__)
    _complain("Error in sys.excepthook:")
    sys.__excepthook__(type(failure), failure, failure.__traceback__)
    _complain("\nOriginal exception was:")
    sys.__excepthook__(type(original), original, original.__traceback__)
