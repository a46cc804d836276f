"""``batpak schema``: keep what classes look like, and prove that today's still read it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak
from batpak import schema
from batpak._schemas.registry import default_registry

from . import output
from .exit_codes import FAILED, OK, USAGE, CommandError
from .opening import add_json

if TYPE_CHECKING:
    import argparse
    from types import ModuleType


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "freeze: write, for each class that the module registers, its definition and events that it could have "
        "written; a version that was frozen with another definition is refused. check: prove that today's classes "
        "still read every frozen event, and say which changes since then are safe."
    )
    parser.add_argument("action", metavar="ACTION", choices=("freeze", "check"), help="freeze or check")
    parser.add_argument(
        "module",
        metavar="MODULE[:REGISTRY]",
        help="the module that registers the classes, imported as python -m does; and its Registry, if it has its own",
    )
    parser.add_argument("--dir", metavar="DIR", type=Path, required=True, help="the directory of frozen definitions")
    parser.add_argument(
        "--samples", metavar="NAME", help="freeze: a dict of the module from each class to a list of its instances"
    )
    parser.add_argument(
        "--strict", action="store_true", help="check: fail also if a registered version is not frozen yet"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Freeze or check."""
    if arguments.samples is not None and arguments.action == "check":
        raise CommandError("--samples is for freeze: check reads those that were frozen", USAGE)
    if arguments.strict and arguments.action == "freeze":
        raise CommandError("--strict is for check: freeze writes whatever is not frozen yet", USAGE)
    module_name, _, registry_name = arguments.module.partition(":")
    module = _imported(module_name)
    registry = _member(module, registry_name) if registry_name else default_registry
    if not isinstance(registry, batpak.Registry):
        raise CommandError(f"{arguments.module}: {type(registry).__name__} is no batpak.Registry", USAGE)
    if not registry.types():
        raise CommandError(f"{arguments.module}: no class is registered; name the registry, MODULE:REGISTRY", USAGE)
    if arguments.action == "check":
        return _check(registry, arguments.dir, strict=arguments.strict, as_json=arguments.json)
    samples = None if arguments.samples is None else _member(module, arguments.samples)
    if samples is not None and not isinstance(samples, dict):
        raise CommandError(f"--samples {arguments.samples}: a dict from class to a list of instances", USAGE)
    return _freeze(registry, arguments.dir, samples, as_json=arguments.json)


def _imported(name: str) -> ModuleType:
    """The module, looked for in the current directory first. What it prints goes to stderr."""
    here = os.getcwd()  # noqa: PTH109 - text, as in sys.path
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)
    if not name or name.startswith("."):
        raise CommandError(f"{name or ':'} names no module: write MODULE or MODULE:REGISTRY", USAGE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        exit_code = USAGE if error.name is not None and f"{name}.".startswith(f"{error.name}.") else FAILED
        raise CommandError(f"cannot import {name}: {error}", exit_code) from error
    except (Exception, SystemExit) as error:
        raise CommandError(f"cannot import {name}: {type(error).__name__}: {error}", FAILED) from error


def _member(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CommandError(f"{module.__name__} has no {name}", USAGE) from None
    return found


def _freeze(registry: batpak.Registry, directory: Path, samples: Any, *, as_json: bool) -> int:
    for frozen in schema.freeze(registry, directory, samples=samples).classes:
        if as_json:
            output.write_json(frozen.to_dict())
            continue
        state = "frozen" if frozen.written else "as it was"
        refused = f"; {frozen.refused} made from the annotations were refused" if frozen.refused else ""
        name = output.escape(frozen.type_name)
        output.write(f"{frozen.file}  {name}  {state}, {_count(frozen.samples, 'sample')}{refused}")
    return OK


def _check(registry: batpak.Registry, directory: Path, *, strict: bool, as_json: bool) -> int:
    report = schema.check(registry, directory)
    exit_code = OK if report.ok and not (strict and report.not_frozen) else FAILED
    if as_json:
        for result in report.results:
            output.write_json({**result.to_dict(), "ok": result.ok})
        output.write_json({"ok": report.ok, "not_frozen": report.not_frozen})
        return exit_code
    for result in report.results:
        output.write(f"{result.file}  {output.escape(result.type_name)}  {_verdict(result)}")
        for change in result.changes:
            safe = "safe  " if change.safe else "UNSAFE"
            output.write(f"    {safe}  {output.escape(change.where)} {output.escape(change.text)}")
        for failure in result.failures:
            output.write(f"    FAILED  {output.escape(failure)}")
    for name in report.not_frozen:
        output.write(f"not frozen yet: {output.escape(name)}")
    return exit_code


def _verdict(result: schema.SchemaResult) -> str:
    if result.failures:
        return "cannot be read"
    read = f"{_count(result.samples, 'sample')} read"
    if not result.ok:
        return f"{read}, but not every stored event can be"
    if result.known_version != result.version:
        return f"{read}, lifted to version {result.known_version}"
    return f"{read}, with safe changes" if result.changes else f"{read}, nothing changed"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
