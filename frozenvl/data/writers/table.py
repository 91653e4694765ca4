"""Writes captions as a table: `captions.csv` and `images/`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from frozenvl.data.shards.record import RECORD
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.writers.image_files import ImageFiles
from frozenvl.data.writers.public import public_texts, record_of
from frozenvl.data.writers.writer import Writer
from frozenvl.prompt import Example


class TableWriter(Writer):
    """CSV file with the columns image, caption and id, and a row for each caption.

    An example that has more than captions is one row, with its record as JSON in the column `frozenvl`. Without such
    examples there is no such column.
    """

    copies_images = True

    def __init__(self, folder: Path, link: bool, first: Example) -> None:
        self.images = ImageFiles(folder / "images", link)
        self.path = folder / "captions.csv"
        self.file = self.path.open("w", newline="", encoding="utf-8")
        self.rows = csv.writer(self.file)
        self.rows.writerow(("image", "caption", "id", RECORD))
        self.records = 0
        self._captioned: set[str] = set()

    def add(self, number: int, key: str, example: Example, file: str, data: bytes) -> None:
        # Rows of one image are joined: a second example with this image has to be told from the first.
        record = record_of(example, coco_id(file), always=file in self._captioned)
        if record:
            texts = public_texts(example)
            self.rows.writerow((file, texts[0] if texts else "", key, json.dumps(record)))
            self.records += 1
            return
        self._captioned.add(file)
        self.rows.writerows((file, text, key, "") for text in public_texts(example))

    def finish(self) -> None:
        self.file.close()
        if not self.records:
            whole = self.path.rename(self.path.with_name("whole.csv"))
            with whole.open("rb") as rows, self.path.open("wb") as file:
                # Without records, each row is one line, and its last field is empty.
                file.writelines(row.rpartition(b",")[0] + b"\r\n" for row in rows)
            whole.unlink()

    @classmethod
    def reader(cls, folder: Path) -> list[str]:
        files = ["--table", f"{folder / 'captions.csv'}", "--images", f"{folder / 'images'}"]
        return ["TableCaptions", *files, "--columns.id", "id"]
