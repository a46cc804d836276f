"""The completion script of zsh."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .completion_tree import Command, Option, Place, Tree, Value


def script(tree: Tree) -> str:
    """The script: a file ``_batpak`` for ``$fpath``, which may be sourced too."""
    return "\n".join(
        (
            "#compdef batpak",
            "# zsh completion of batpak, printed by `batpak completion zsh`.",
            "",
            "_batpak() {",
            "    local context state state_descr line",
            "    typeset -A opt_args",
            "    local -a commands=(",
            *(f"        {_quoted(f'{command.name}:{_plain(command.summary)}')}" for command in tree.commands),
            "    )",
            f"    _arguments -C {' '.join(spec for option in tree.options for spec in _option(option))} \\",
            "        '1:command:->command' '*::argument:->argument'",
            "    case $state in",
            "        command) _describe -t commands 'batpak command' commands ;;",
            "        argument)",
            "            case $words[1] in",
            *(line for command in tree.commands for line in _command(command)),
            "            esac ;;",
            "    esac",
            "}",
            "",
            "if [[ $funcstack[1] == _batpak ]]; then",
            '    _batpak "$@"',
            "else",
            "    compdef _batpak batpak",
            "fi",
            "",
        )
    )


def _command(command: Command) -> list[str]:
    specs = [spec for option in command.options for spec in _option(option)]
    specs += [_place(number, place) for number, place in enumerate(command.places, start=1)]
    return [
        f"                {command.name}) _arguments \\",
        " \\\n".join(f"                    {spec}" for spec in specs) + " ;;",
    ]


def _option(option: Option) -> list[str]:
    """One specification for each spelling; they exclude one another unless the option may be repeated."""
    before = "*" if option.repeated else f"({' '.join(option.flags)})"
    specs = []
    for flag in option.flags:
        if option.value is None:
            name, after = flag, ""
        else:
            name = f"{flag}=" if flag.startswith("--") else f"{flag}+"
            after = f":{_plain(option.value.name)}:{_action(option.value)}"
        specs.append(_quoted(f"{before}{name}[{_plain(option.help)}]{after}"))
    return specs


def _place(number: int, place: Place) -> str:
    return _quoted(f"{'*' if place.rest else number}:{_plain(place.value.name)}:{_action(place.value)}")


def _action(value: Value) -> str:
    return {"choice": f"({' '.join(value.choices)})", "directory": "_files -/", "file": "_files", "text": ""}[
        value.form
    ]


def _plain(text: str) -> str:
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
