"""Scripts that complete commands in a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from shlex import quote

from frozenvl.completion.commands import Command

FUNCTION = r"""
_frozenvl() {
    local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"
    local options="" values="" runs="" run
    case "$command ${COMP_WORDS[2]}" in
@ACTIONS@
    esac
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "@COMMANDS@" -- "$word"))
        return
    fi
    case "$command" in
@OPTIONS@
    esac
    case "$command $previous" in
@VALUES@
    esac
    if [ "$runs" ]; then
        for run in runs/*/config.yaml; do
            [ -e "$run" ] && values="$values ${run%/config.yaml}"
        done
    fi
    case "$word" in
        -*) values="$options" ;;
    esac
    COMPREPLY=($(compgen -W "$values" -- "$word"))
}
complete -o bashdefault -o default -F _frozenvl frozenvl
"""
"""Completion in bash. Where nothing else is known, file names are completed."""


def bash(commands: Iterable[Command]) -> str:
    """Returns the script for bash."""
    commands = list(commands)
    named = [*keyed(commands)]
    fields = {
        "ACTIONS": [f"{quote(key)}) command={quote(key)} ;;" for key, _ in named if " " in key],
        "OPTIONS": [case(key, command) for key, command in named],
        "VALUES": [
            f"{quote(f'{key} {option.name}')}) values={quote(' '.join(option.values))}; runs= ;;"
            for key, command in named
            for option in command.options
            if option.takes_value and option.values
        ],
    }
    script = FUNCTION.replace("@COMMANDS@", " ".join(command.name for command in commands))
    for name, lines in fields.items():
        script = script.replace(
            f"@{name}@", "\n".join(f"        {line}" for line in lines) or "        *) ;;"
        )
    return f"# Completion of frozenvl in bash.{script}"


def case(key: str, command: Command) -> str:
    """Returns the branch that sets what is known of a command."""
    parts = [f"options={quote(' '.join(option.name for option in command.options))}"]
    if values := [*(action.name for action in command.actions), *command.values]:
        parts.append(f"values={quote(' '.join(values))}")
    if command.takes_runs:
        parts.append("runs=1")
    return f"{quote(key)}) {'; '.join(parts)} ;;"


def zsh(commands: Iterable[Command]) -> str:
    """Returns the script for zsh, which runs that for bash."""
    return (
        f"autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n{bash(commands)}"
    )


def fish(commands: Iterable[Command]) -> str:
    """Returns the script for fish."""
    lines = ["# Completion of frozenvl in fish."]
    commands = list(commands)
    actions = {command.name: " ".join(action.name for action in command.actions) for command in commands}
    for key, command in keyed(commands):
        *above, name = key.split()
        before = "__fish_use_subcommand"
        if above:
            before = f"__fish_seen_subcommand_from {above[0]}; and not __fish_seen_subcommand_from {actions[above[0]]}"
        lines.append(f"complete -c frozenvl -n {quote(before)} -f -a {name} -d {quote(command.help)}")
        inside = "; and ".join(f"__fish_seen_subcommand_from {part}" for part in key.split())
        start = f"complete -c frozenvl -n {quote(inside)}"
        for option in command.options:
            flag = f"-l {option.name[2:]}" if option.name.startswith("--") else f"-s {option.name[1:]}"
            value = (
                f" -x -a {quote(' '.join(option.values))}"
                if option.values
                else " -r"
                if option.takes_value
                else ""
            )
            lines.append(f"{start} {flag}{value} -d {quote(option.help)}")
        if command.values:
            lines.append(f"{start} -a {quote(' '.join(command.values))}")
        if command.takes_runs:
            lines.append(f"{start} -a '(path dirname runs/*/config.yaml)'")
    return "\n".join(lines) + "\n"


def keyed(commands: Iterable[Command], above: Sequence[str] = ()) -> Iterator[tuple[str, Command]]:
    """Yields commands and their actions, each with its full name, such as "data pack"."""
    for command in commands:
        yield " ".join([*above, command.name]), command
        yield from keyed(command.actions, [*above, command.name])


SHELLS: dict[str, Callable[[Iterable[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
"""Function that makes the script of a shell, by the shell's name."""
