"""Prints a script that completes commands, options, class paths and names of runs in a shell.

bash: frozenvl completion bash > ~/.local/share/bash-completion/completions/frozenvl;
zsh: frozenvl completion zsh > ~/.frozenvl.zsh, and `source ~/.frozenvl.zsh` in ~/.zshrc;
fish: frozenvl completion fish > ~/.config/fish/completions/frozenvl.fish
"""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Prints the script; returns the exit status."""
    from frozenvl.completion.commands import all_commands
    from frozenvl.completion.scripts import SHELLS as SCRIPTS

    print(SCRIPTS[args.shell](all_commands()), end="")
    return 0
