"""What the sources say of files that are missing or laid out otherwise, and of text that is no line."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


def read_annotations(path: Path) -> Any:
    """The content of a JSON file. Raises `UserError` where there is none."""
    if not path.is_file():
        raise UserError(f"{path}: no such annotation file; name the data's folder with --data.root")
    with _no_collector():
        return read_json(path)


def image_folder(folder: Path) -> Path:
    """The folder. Raises `UserError` where there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such image folder; name the data's folder with --data.root")
    return folder


@contextmanager
def laid_out(path: Path, layout: str) -> Iterator[None]:
    """Within it, whatever a record lacks is said in one line: the file is not of that layout."""
    try:
        with _no_collector():
            yield
    except KeyError as error:
        raise UserError(f"{path}: not {layout} (missing {error})") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: not {layout} ({error})") from None


@contextmanager
def _no_collector() -> Iterator[None]:
    """Millions of records: the garbage collector, walking them again and again, would double the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def one_line(text: str | None) -> str:
    """A text with single spaces for all white space; nothing for nothing.

    Half a surrogate pair, which JSON can spell and no tokeniser takes, becomes a question mark.
    """
    return " ".join((text or "").split()).encode("utf-8", "replace").decode()
