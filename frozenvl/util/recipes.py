"""Configurations that come with frozenvl: the folder `configs` of a clone, or of an installation."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import frozenvl
from frozenvl.util.errors import UserError

INSTALLED = "share/frozenvl/configs/"
"""Place of the configurations below the installation's prefix (`data-files` of pyproject.toml)."""


def folder() -> Path:
    """Returns the folder of the configurations.

    Raises:
        UserError: if there is none, as after copying the package alone.
    """
    clone = Path(frozenvl.__file__).parent.parent / "configs"
    if (clone / "demo.yaml").is_file():
        return clone
    for found in distributions(name="frozenvl"):
        for file in found.files or ():
            if str(file).endswith(f"{INSTALLED}demo.yaml"):
                return Path(str(file.locate())).resolve().parent
    raise UserError(
        "this installation has no configurations; install frozenvl with pip, or clone its repository"
    )


def recipes() -> Iterator[tuple[str, str]]:
    """Yields (name, what it is) of each configuration: its path without `.yaml`, and its first sentence."""
    root = folder()
    for path in sorted(root.rglob("*.yaml"), key=lambda path: (path.parent != root, path)):
        yield (
            path.relative_to(root).with_suffix("").as_posix(),
            first_sentence(path.read_text(encoding="utf-8")),
        )


def recipe(name: str) -> Path:
    """Returns the file of a configuration.

    Args:
        name: name of the configuration, with or without `configs/` and `.yaml`.

    Raises:
        UserError: if there is none of this name; it names the nearest.
    """
    from frozenvl.util.parser_messages import nearest

    known = [known for known, _ in recipes()]
    wanted = name.removeprefix("configs/").removesuffix(".yaml")
    if wanted not in known:
        raise UserError(f"no configuration {name!r}; {nearest(wanted, known)}")
    return folder() / f"{wanted}.yaml"


def first_sentence(text: str) -> str:
    """Returns the first sentence of a configuration's leading comment, in one line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
        if lines[-1].endswith((".", ":")):
            break
    whole = " ".join(lines).rstrip(":.")
    # "et al. 2021" ends no sentence: one ends before a capital letter behind a small one, a bracket or a digit.
    for place, (before, after) in enumerate(zip(whole, whole[3:], strict=False)):
        if (
            whole[place + 1 : place + 3] == ". "
            and after.isupper()
            and (before.islower() or before in ")]0123456789")
        ):
            return whole[: place + 1]
    return whole
