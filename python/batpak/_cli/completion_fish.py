"""The completion script of fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .completion_tree import Command, Option, Tree, Value


def script(tree: Tree) -> str:
    """The script: one ``complete`` for every command, option and place."""
    return "\n".join(
        (
            "# fish completion of batpak, printed by `batpak completion fish`.",
            "",
            "function __batpak_command",
            "    # Whether the command is $argv[1], or with no argument, whether there is none yet.",
            "    set -l words (commandline -opc)[2..-1]",
            "    if set -q argv[1]",
            '        test "$words[1]" = "$argv[1]"',
            "    else",
            '        not string match -qr -- "^[^-]" $words',
            "    end",
            "end",
            "",
            "complete -c batpak -f",
            *(_option("__batpak_command", option) for option in tree.options),
            *(
                f"complete -c batpak -n __batpak_command -a {command.name} -d {_quoted(command.summary)}"
                for command in tree.commands
            ),
            *(line for command in tree.commands for line in _command(command)),
            "",
        )
    )


def _command(command: Command) -> list[str]:
    condition = _quoted(f"__batpak_command {command.name}")
    lines = [_option(condition, option) for option in command.options]
    # fish has no places: what stands in any of them is offered in all.
    forms = {place.value.form: place.value for place in command.places}
    lines += [
        f"complete -c batpak -n {condition} {_argument(value)}" for value in forms.values() if value.form != "text"
    ]
    return lines


def _option(condition: str, option: Option) -> str:
    words = ["complete -c batpak", f"-n {condition}"]
    words += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
    if option.value is not None:
        words.append(
            "-r " + _argument(option.value) if option.value.form == "file" else "-x " + _argument(option.value)
        )
    words.append(f"-d {_quoted(option.help)}")
    return " ".join(word for word in words if word)


def _argument(value: Value) -> str:
    return {
        "choice": f"-a {_quoted(' '.join(value.choices))}",
        "directory": "-a '(__fish_complete_directories)'",
        "file": "-F",
        "text": "",
    }[value.form].strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
