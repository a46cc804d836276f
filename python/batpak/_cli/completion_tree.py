"""The command line as a tree of words, read from argparse: what completion scripts are made of."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_REST = ("*", "+", argparse.REMAINDER)


@dataclass(frozen=True, slots=True)
class Value:
    """What an option or a place takes.

    Attributes:
        name: how the help calls it.
        form: one of ``choices``, the path of a directory or of a file, or any text.
        choices: the words, if it is one of them.
    """

    name: str
    form: Literal["choice", "directory", "file", "text"]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its spellings, what it does, what it takes (None: nothing), and whether it may be repeated."""

    flags: tuple[str, ...]
    help: str
    value: Value | None
    repeated: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An argument without a flag; ``rest`` if it takes all that follow."""

    value: Value
    help: str
    rest: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what may follow it."""

    name: str
    summary: str
    options: tuple[Option, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole command line."""

    name: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...]


def tree_of(parser: argparse.ArgumentParser) -> Tree:
    """The tree of a parser with commands, all of them configured."""
    commands: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            commands += [_command(name, summaries[name], subparser) for name, subparser in action.choices.items()]
    return Tree(parser.prog, _options(parser), tuple(commands))


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    places = [
        Place(_value(action), _help(parser, action), action.nargs in _REST)
        for action in parser._actions
        if not action.option_strings
    ]
    return Command(name, summary, _options(parser), tuple(places))


def _options(parser: argparse.ArgumentParser) -> tuple[Option, ...]:
    return tuple(
        Option(
            flags=tuple(action.option_strings),
            help=_help(parser, action),
            value=None if action.nargs == 0 else _value(action),
            repeated=isinstance(action, argparse._AppendAction),
        )
        for action in parser._actions
        if action.option_strings
    )


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return " ".join(parser._get_formatter()._expand_help(action).split())


def _value(action: argparse.Action) -> Value:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        return Value(name, "choice", tuple(map(str, action.choices)))
    if action.type is not Path:
        return Value(name, "text")
    return Value(name, "directory" if name == "DIR" else "file")
