"""Writes captions in COCO's layout: `captions.json` and `images/`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from frozenvl.data.shards.record import RECORD
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.writers.image_files import ImageFiles
from frozenvl.data.writers.public import public_texts, record_of
from frozenvl.data.writers.writer import Writer
from frozenvl.prompt import Example


class CocoWriter(Writer):
    """COCO captions. What the layout has no field for is in the field `frozenvl` of an image."""

    copies_images = True

    def __init__(self, folder: Path, link: bool, first: Example) -> None:
        self.images = ImageFiles(folder / "images", link)
        self.file = (folder / "captions.json").open("w+b")
        self.annotations = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `finish`
        self.count = 0
        self.file.write(b'{"images": [')

    def add(self, number: int, key: str, example: Example, file: str, data: bytes) -> None:
        image: dict[str, Any] = {"id": _number(key), "file_name": file}
        if record := record_of(example, coco_id(file)):
            image[RECORD] = record
        self._append(self.file, image, first=self.file.tell() < 20)
        for text in public_texts(example):
            self.count += 1
            annotation = {"id": self.count, "image_id": image["id"], "caption": text}
            self._append(self.annotations, annotation, first=self.count == 1)

    def _append(self, file: Any, row: dict[str, Any], first: bool) -> None:
        file.write(("\n" if first else ",\n").encode() + json.dumps(row).encode())

    def finish(self) -> None:
        self.file.write(b'\n],\n"annotations": [')
        self.annotations.seek(0)
        shutil.copyfileobj(self.annotations, self.file)
        self.file.write(b"\n]}\n")
        self.annotations.close()
        self.file.close()

    @classmethod
    def reader(cls, folder: Path) -> list[str]:
        return [
            "CocoCaptions",
            "--annotations",
            f"{folder / 'captions.json'}",
            "--images",
            f"{folder / 'images'}",
        ]


def _number(key: str) -> int | str:
    """Returns an id as a number if it is written as one, as COCO's are."""
    return int(key) if key.isascii() and key.isdecimal() and str(int(key[:18])) == key else key
