"""Images of a data set of the library `datasets`: bytes in its rows, or paths of files."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from frozenvl.data.arrow.columns import image_kind
from frozenvl.data.sources.folder import ENDINGS
from frozenvl.prompt import Image, ImageFile, StoredImage

if TYPE_CHECKING:
    from datasets import Dataset


class ImageColumn:
    """Column of images.

    Args:
        dataset: data set. Forked and spawned processes map its files into their own memory.
        name: name of the column.
        place: name of the data set, for the keys of images.
        folder: folder that paths are relative to.
    """

    def __init__(self, dataset: Dataset, name: str, place: str, folder: Path) -> None:
        self.column = dataset.select_columns([name]).with_format("arrow")
        self.name, self.place, self.folder = name, place, folder
        self.kind = image_kind(dataset.data.table.schema.field(name).type)

    def present(self) -> np.ndarray:
        """Returns for each row whether it has an image."""
        import pyarrow.compute as pc

        present = [np.empty(0, bool)]
        for chunk in self.column.data.table.column(self.name).chunks:
            if self.kind == "struct":
                valid = pc.struct_field(chunk, "bytes").is_valid()
                if "path" in {field.name for field in chunk.type}:
                    valid = pc.or_(valid, pc.struct_field(chunk, "path").is_valid())
            else:
                valid = chunk.is_valid()
            present.append(valid.to_numpy(zero_copy_only=False))
        return np.concatenate(present)

    def paths(self) -> list[str]:
        """Returns the path of each row's image; empty where there is none."""
        import pyarrow.compute as pc

        column = self.column.data.table.column(self.name)
        if self.kind == "struct" and "path" in {field.name for field in column.type}:
            column = pc.struct_field(column, "path")
        elif self.kind != "path":
            return [""] * len(column)
        return [path or "" for path in column.to_pylist()]

    def unlisted(self) -> int:
        """Returns the number of image files beside those of an image folder's table that it does not list."""
        import pyarrow.compute as pc

        column = self.column.data.table.column(self.name)
        if self.kind != "struct" or not pc.struct_field(column, "bytes").null_count:
            return 0
        listed = {Path(path) for path in self.paths() if Path(path).is_absolute()}
        folders = {path.parent for path in listed}
        files = {file for folder in folders if folder.is_dir() for file in folder.iterdir()}
        return sum(file.suffix.lower() in ENDINGS for file in files - listed)

    def path(self, row: int) -> str:
        """Returns the path of a row's image; empty if there is none."""
        cell = self.column[row].column(0)[0]
        if self.kind == "struct":
            return (cell["path"].as_py() or "") if "path" in cell else ""
        return cell.as_py() or "" if self.kind == "path" else ""

    def content(self, row: int) -> bytes:
        """Returns the encoded bytes of a row's image."""
        cell = self.column[row].column(0)[0]
        data: bytes = (cell["bytes"] if self.kind == "struct" else cell).as_py()
        return data

    def image(self, row: int, name: str) -> Image:
        """Returns the image of a row.

        Args:
            row: number of the row.
            name: name of the image if it has no path, without a suffix.
        """
        path = self.path(row)
        if self.kind == "path" or (self.kind == "struct" and not self._has_bytes(row)):
            return ImageFile(self.folder / path)
        suffix = f".{self.name}" if self.name.lower() in ("jpg", "jpeg", "png", "webp") else ""
        name = PurePosixPath(path.replace("\\", "/")).name or f"{name}{suffix}"
        return StoredImage(name, f"{self.place}#{row}", partial(self.content, row))

    def _has_bytes(self, row: int) -> bool:
        return bool(self.column[row].column(0)[0]["bytes"].is_valid)
