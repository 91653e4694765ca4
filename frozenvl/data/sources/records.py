"""Helpers that read annotation files: clear errors for missing files and wrong layouts, and text cleaning."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


def read_annotations(path: Path) -> Any:
    """Reads a JSON file. Raises `UserError` if it does not exist or is not JSON."""
    if not path.is_file():
        raise UserError(f"{path}: no such annotation file; name the data's folder with --data.root")
    with _no_collector():
        return read_json(path)


def image_folder(folder: Path) -> Path:
    """Returns the folder. Raises `UserError` if it does not exist."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such image folder; name the data's folder with --data.root")
    return folder


@contextmanager
def laid_out(path: Path, layout: str) -> Iterator[None]:
    """Turns errors from malformed records into a `UserError` that says that the file does not have the layout."""
    try:
        with _no_collector():
            yield
    except KeyError as error:
        raise UserError(f"{path}: not {layout} (missing {error})") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: not {layout} ({error})") from None


@contextmanager
def _no_collector() -> Iterator[None]:
    """Suspends garbage collection, which would double the time to parse millions of records."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def one_line(text: str | None) -> str:
    """Collapses white space to single spaces. None becomes "".

    A lone surrogate, which JSON can contain but no tokenizer accepts, becomes a question mark.
    """
    return " ".join((text or "").split()).encode("utf-8", "replace").decode()
