"""A folder of images without texts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from frozenvl.data.records.folders import image_folder
from frozenvl.data.shards.keys import IMAGE_SUFFIXES
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError

ENDINGS = frozenset(f".{suffix}" for suffix in IMAGE_SUFFIXES)
"""Suffixes of image files."""


class ImageFolder(Source):
    """All image files below a folder, sorted by path. They have no texts, so they can be captioned but not trained on.

    The name of an image's topmost subfolder is its `label` in `kind`. Hidden files are skipped.

    Args:
        folder: image folder, searched recursively.

    Raises:
        UserError: if the folder is missing, cannot be listed or holds no image.
    """

    layout = "a folder of images"
    targets_per_example = 0

    def __init__(self, folder: str) -> None:
        self.folder = image_folder(Path(folder))
        files = sorted(self._files())
        if not files:
            from frozenvl.data.detect import hint

            raise UserError(f"{self.folder}: holds no image ({hint(self.folder, ' '.join(sorted(ENDINGS)))})")
        self.files = Packed(files)

    @classmethod
    def reads(cls, path: Path) -> bool:
        return path.is_dir() and some_image(path)

    def _files(self) -> Iterator[str]:
        for folder, below, names in os.walk(self.folder, onerror=_cannot_list):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in names:
                suffix = Path(name).suffix.lower()
                if name.startswith("."):
                    continue
                if suffix in ENDINGS:
                    yield (Path(folder) / name).relative_to(self.folder).as_posix()
                else:
                    self.notes[
                        f"files with {f'suffix {suffix}' if suffix else 'no suffix'}, which are no images"
                    ] += 1

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Example:
        """Returns the image at `index`. Its `id` is its path below the folder."""
        file = self.files[index]
        label, slash, _ = file.partition("/")
        return Example(
            id=file,
            image=ImageFile(self.folder / file),
            image_id=photograph_id(self.folder, file),
            kind={"label": label} if slash else {},
        )

    def image_ids(self) -> list[str]:
        return [photograph_id(self.folder, file) for file in self.files]


def some_image(folder: Path) -> bool:
    """Tells whether a folder, or one of its subfolders, directly holds an image."""
    places = (folder, *(each for each in folder.iterdir() if each.is_dir()))
    return any(file.suffix.lower() in ENDINGS for place in places for file in place.iterdir())


def _cannot_list(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions")
