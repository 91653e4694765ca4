"""Lists the configurations that come with frozenvl, prints one, or copies some into a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="configurations, such as flickr8k or trainer/gpu (default: all)",
    )
    parser.add_argument(
        "--copy", type=Path, metavar="DIR", help="copy them into this folder; existing files are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Lists, prints or copies configurations; returns the exit status."""
    from frozenvl.util.recipes import folder, recipe, recipes

    if args.copy:
        known = {name: recipe(name) for name in args.names or [name for name, _ in recipes()]}
        root = folder()
        targets = {path: args.copy / path.relative_to(root) for path in known.values()}
        if there := [target for target in targets.values() if target.exists()]:
            raise UserError(
                f"{there[0]}: exists, and nothing was copied; choose another folder, or name other files"
            )
        for path, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
            print(target)
    elif args.names:
        for name in args.names:
            print(recipe(name).read_text(encoding="utf-8"), end="")
    else:
        print(table([*recipes()]))
    return 0


def table(rows: list[tuple[str, str]]) -> str:
    """Returns names and what they are, as lines that fit the terminal."""
    import shutil
    import textwrap

    start = max(len(name) for name, _ in rows) + 2
    width = max(60, shutil.get_terminal_size().columns) - start
    lines = []
    for name, what in rows:
        first, *more = textwrap.wrap(what, width) or [""]
        lines += [f"{name:<{start}}{first}".rstrip(), *(" " * start + line for line in more)]
    return "\n".join(lines)
