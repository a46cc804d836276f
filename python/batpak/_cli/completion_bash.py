"""The completion script of bash, 3.2 and later, without bash-completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .completion_tree import Command, Option, Tree, Value

_HEAD: Final = """\
# bash completion of batpak, printed by `batpak completion bash`.

# Offers paths of kind $1 (-f files, -d directories) that begin with $2.
_batpak_paths() {
    local path
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$2")
    compopt -o filenames 2>/dev/null
}

# Offers what fits: $1 is "file", "directory", "text" or words to choose from; $2 is how it begins.
_batpak_offer() {
    local word
    case $1 in
        text) ;;
        file) _batpak_paths -f "$2" ;;
        directory) _batpak_paths -d "$2" ;;
        *) while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$2") ;;
    esac
}
"""

_BODY: Final = """\
_batpak() {
    local command='' pending='' glued='' foreign='' places=0 index word
    local current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    for (( index = 1; index < COMP_CWORD; index++ )); do
        word=${COMP_WORDS[index]}
        if [[ $word == [:=]* ]]; then
            # bash cuts words here: what follows belongs to what was before.
            glued=$word
        elif [[ -n $glued || -n $pending ]]; then
            glued='' pending=''
        elif [[ $word == -* && -z $foreign ]]; then
            _batpak_value "$command" "$word"
        elif [[ -z $command ]]; then
            command=$word
        else
            places=$(( places + 1 ))
            # What follows is another program's.
            [[ " @REST@ " == *" $command "* ]] && foreign=yes
        fi
    done
    if [[ $current == [:=]* ]]; then
        glued=$current current=''
    fi
    if [[ -n $pending ]]; then
        _batpak_offer "$pending" "$current"
    elif [[ -n $glued ]]; then
        return
    elif [[ $current == -* && -z $foreign ]]; then
        _batpak_options "$command"
        _batpak_offer "${pending:-text}" "$current"
    else
        _batpak_place "$command" "$places"
        _batpak_offer "${pending:-text}" "$current"
    fi
}

complete -F _batpak batpak
"""


def script(tree: Tree) -> str:
    """The script."""
    names = " ".join(command.name for command in tree.commands)
    values = [line for command in tree.commands for line in _values(command)]
    places = [line for command in tree.commands for line in _places(command)]
    options = [f"        {command.name}) pending='{_flags(command.options)}' ;;" for command in tree.commands]
    rest = " ".join(command.name for command in tree.commands if any(place.rest for place in command.places))
    return "\n".join(
        (
            _HEAD,
            "# Sets pending to what follows option $2 of command $1, or to nothing.",
            *_function("_batpak_value", '"$1 $2"', values, "pending=''"),
            "# Sets pending to the options of command $1.",
            *_function("_batpak_options", '"$1"', options, f"pending='{_flags(tree.options)}'"),
            "# Sets pending to what stands in place $2 of command $1.",
            *_function("_batpak_place", '"$1 $2"', [f"        ' '*) pending='{names}' ;;", *places], "pending=''"),
            _BODY.replace("@REST@", rest),
        )
    )


def _function(name: str, subject: str, cases: Iterable[str], otherwise: str) -> list[str]:
    return [f"{name}() {{", f"    case {subject} in", *cases, f"        *) {otherwise} ;;", "    esac", "}", ""]


def _values(command: Command) -> list[str]:
    lines = []
    for option in command.options:
        if option.value is not None:
            patterns = "|".join(f"'{command.name} {flag}'" for flag in option.flags)
            lines.append(f"        {patterns}) pending='{_form(option.value)}' ;;")
    return lines


def _places(command: Command) -> list[str]:
    return [
        f"        '{command.name} '{'*' if place.rest else index}) pending='{_form(place.value)}' ;;"
        for index, place in enumerate(command.places)
    ]


def _form(value: Value) -> str:
    return " ".join(value.choices) if value.form == "choice" else value.form


def _flags(options: Iterable[Option]) -> str:
    return " ".join(flag for option in options for flag in option.flags)
