"""Recognises the layout of a file or folder, and names the source that reads it."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from frozenvl.data.registry import source_classes
from frozenvl.data.sources.folder import some_image
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.video_folder import some_clip
from frozenvl.util.errors import UserError

NO_SOURCE = "no source reads this layout (data/README.md lists them); docs/tutorials/add_source.md writes one"
"""Advice for a file that no source reads."""
MAX_FILES = 200
"""Number of files of a folder that are looked at."""
ANNOTATIONS = {".json", ".jsonl", ".csv", ".tsv", ".txt", ".token", ".gz", ".zip", ".zst"}
"""Suffixes of files that are looked at in a folder."""


def detect(content: Any) -> type[Source] | None:
    """Returns the source that reads an annotation file with some content; None if there is none."""
    for kind in source_classes().values():
        try:
            if kind.recognises(content):
                return kind
        except (LookupError, TypeError, AttributeError):  # odd content: not this layout
            continue
    return None


def identify(path: Path) -> list[type[Source]]:
    """Returns the sources that read a file or a folder; those without texts last.

    Raises:
        UserError: if there is no such file or folder, or it cannot be read.
    """
    from frozenvl.data.records.record_file import RecordFile

    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    kinds = [kind for kind in source_classes().values() if kind.reads(path)]
    kinds.sort(key=lambda kind: kind.targets_per_example == 0)
    if not kinds and path.is_file():
        kind = detect(RecordFile(path, "an annotation file").content)
        kinds = [kind] if kind else []
    return kinds


def inside(folder: Path) -> Iterator[tuple[Path, list[type[Source]]]]:
    """Yields (file, sources) for the annotation files and tables directly in a folder."""
    for path in annotation_files(folder)[:MAX_FILES]:
        with suppress(UserError):  # a broken file: `identify` says why if it is asked about it alone
            yield path, identify(path)


def annotation_files(folder: Path) -> list[Path]:
    """Returns the files directly in a folder that may be annotations, by their suffixes."""
    return [
        path for path in sorted(folder.iterdir()) if path.suffix.lower() in ANNOTATIONS and path.is_file()
    ]


def usage(kind: type[Source], path: Path) -> str:
    """Returns the arguments by which a source reads a path. Those that the user has to fill in are in capitals."""
    first, *others = inspect.signature(kind).parameters.values()
    values = {o.name: o.name.upper() for o in others if o.default is inspect.Parameter.empty}
    folders = [folder for folder in path.parent.iterdir() if folder.is_dir()]
    folders = [folder for folder in folders if some_image(folder)] or folders
    if folders and any(other.name == "images" for other in others):
        values["images"] = shlex.quote(str(folders[0])) if len(folders) == 1 else "IMAGES"
    folders = [folder for folder in path.parent.iterdir() if folder.is_dir() and some_clip(folder)]
    if "videos" in values and len(folders) == 1:
        values["videos"] = shlex.quote(str(folders[0]))
    arguments = {first.name: shlex.quote(str(path))} | values
    return " ".join([kind.__name__, *(f"--{name} {value}" for name, value in arguments.items())])


def advice(path: Path, content: Any, layout: str = "") -> str:
    """Returns what to do with a file that a source refused: the name of the source that reads it, if there is one.

    Args:
        path: the refused file.
        content: content of the file.
        layout: layout of the source that refused it.
    """
    kind = detect(content)
    if kind and kind.layout == layout:
        return "the source is the right one: complete the records"
    return _use(kind, path) if kind else hint(path)


def hint(path: Path, otherwise: str = NO_SOURCE) -> str:
    """Returns the source that reads a file or folder, for an error line, or other advice if there is none."""
    with suppress(UserError, OSError):
        if path.is_dir():
            for file, kinds in inside(path):
                if kinds:
                    return f"it holds {file.name}: {_use(kinds[0], file)}"
        for kind in identify(path):
            return _use(kind, path)
    return otherwise


def _use(kind: type[Source], path: Path) -> str:
    first = next(iter(inspect.signature(kind).parameters))
    return f"this is {kind.layout}: use {kind.__name__} (--{first} {path.name})"
