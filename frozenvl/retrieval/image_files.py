"""Lists the image and video files below folders."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from frozenvl.data.shards.keys import IMAGE_SUFFIXES
from frozenvl.prompt import Image
from frozenvl.util.errors import UserError
from frozenvl.video.files import image_or_video
from frozenvl.video.sampling import Sampling
from frozenvl.video.suffixes import CLIP_ENDINGS

SUFFIXES = frozenset(f".{suffix}" for suffix in IMAGE_SUFFIXES)
"""Suffixes of image files, in lower case."""


def images_and_videos(paths: Sequence[Path], sampling: Sampling) -> list[Image]:
    """Returns the images and videos of files, and of all below folders (`image_files`). Nothing is decoded.

    Args:
        paths: files and folders.
        sampling: rule that chooses the frames of videos.
    """
    return [image_or_video(file, sampling) for file in image_files(paths, SUFFIXES | CLIP_ENDINGS)]


def image_files(paths: Sequence[Path], suffixes: Container[str] = SUFFIXES) -> list[Path]:
    """Lists files: those given, and all with one of the suffixes below folders, sorted within each folder.

    Hidden files and folders (`.name`) are left out. A file that was named itself is taken whatever its suffix. Links
    to folders are followed once each.

    Raises:
        UserError: if a path does not exist, or a folder holds no images or cannot be listed.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(_below(path, suffixes))
            if not below:
                kinds = (
                    "images or videos (.jpg, .mp4, …)"
                    if ".mp4" in suffixes
                    else "images (.jpg, .png, .webp, …)"
                )
                raise UserError(f"{path}: a folder without {kinds}; name the folder that holds them")
            files += below
        elif path.exists():
            files.append(path)
        else:
            raise UserError(f"{path}: no such image or folder; check the path")
    return list(dict.fromkeys(files))


def _below(folder: Path, suffixes: Container[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_cannot_list, followlinks=True):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in seen:  # a link to a folder above would never end
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(place, name)


def _cannot_list(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions")
