"""Data sets of the library `datasets`: Parquet files with images, saved data sets, image folders, hub names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from frozenvl.data.arrow.columns import FILE_NAMES, LABELS, PHOTOGRAPH, choose
from frozenvl.data.arrow.images import ImageColumn
from frozenvl.data.arrow.load import failures, open_dataset
from frozenvl.data.arrow.rows import choose_ids, count_targets
from frozenvl.data.arrow.texts import Problem, is_text, refuse, texts_of
from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.values import as_id
from frozenvl.data.shards.record import RECORD, from_record
from frozenvl.data.sources.coco_ids import coco_id, content_id, photograph_id
from frozenvl.data.sources.questions import majority
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UserError


class HuggingFaceData(Source):
    """Captions or questions from a data set that the library `datasets` reads: one example per row.

    Reads Parquet files with image bytes (such as those of the Hugging Face hub, and of img2dataset), Arrow files, what
    `save_to_disk` wrote, and image folders with a `metadata.jsonl` or `metadata.csv`. A name that is no local path is
    one on the hub; its data come from the library's cache, or are downloaded into it if the hub can be reached.

    Columns are found by their usual names and their types. Each text of a list is a caption (or an annotator's answer),
    also in objects such as {"answer": …}. Rows without an image, such as failed downloads, are left out and counted.
    Rows that `frozenvl data convert` wrote are read as the examples that they were.

    Args:
        path: file, glob or folder, or a name on the hub.
        split: split, or several joined by "+"; it may be left out if there is only one.
        columns: what a column holds → its name, to choose others than the usual ones. What: `image`, `caption`,
            `question`, `answers`, `answer` (the one to train on), `choices`, `correct` (number of the correct choice,
            from 0), `id`.
        images: folder of the image files, where a column has their paths; by default the folder of the data.
        subset: configuration of the data set, if it has several.
        first: number of rows to use, from the beginning; by default all. Of a data set on the hub, only these are
            downloaded.

    Raises:
        UserError: if the library is missing, there is no such data set, the columns are not clear, or rows cannot be
            used. All problems are named at once.
    """

    layout = "a data set of Hugging Face's library"

    def __init__(
        self,
        path: str,
        split: str | None = None,
        columns: dict[str, str] | None = None,
        images: str | None = None,
        subset: str | None = None,
        first: int | None = None,
    ) -> None:
        dataset, folder = open_dataset(path, split, subset, first)
        if images is not None:
            folder = image_folder(Path(images))
        table = dataset.data.table
        self.columns = choose(path, table.schema, columns)
        self.images = ImageColumn(dataset, self.columns.image, f"{path}:{split or ''}", folder)
        found: list[Problem] = []
        with failures(path):
            present = self.images.present()
            self.rows = np.flatnonzero(present)
            if not len(self.rows):
                raise UserError(f"{path}: none of its {len(present):,} rows has an image")
            targets = count_targets(table, self.columns, present, found)
            self._id = choose_ids(table, self.columns, present, found)
        refuse(path, found)
        if missing := len(present) - len(self.rows):
            self.notes["rows without an image left out"] = missing
        if unlisted := self.images.unlisted():
            self.notes["image files without a row left out"] = unlisted
        self.targets_per_example = int(targets[0]) if (targets == targets[0]).all() else targets.tolist()
        kinds = dict(zip(table.schema.names, table.schema.types, strict=True))
        self._photograph = next((name for name in kinds if name.lower() in PHOTOGRAPH), "")
        self._file = next((name for name in kinds if name.lower() in FILE_NAMES and is_text(kinds[name])), "")
        self._labels = {name: LABELS[name] for name in kinds if name in LABELS}
        used = [
            *self.columns.texts,
            self.columns.correct,
            self._id,
            self._photograph,
            self._file,
            *self._labels,
        ]
        self._known = [*{name: 0 for name in (*used, RECORD) if name in kinds}]
        self._data = dataset.select_columns(self._known).with_format("arrow")

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Tells whether a path is a Parquet or Arrow file, or a folder of these, or an image folder with metadata."""
        if not path.is_dir():
            return path.suffix in (".parquet", ".arrow")
        files = [*path.glob("*"), *path.glob("*/*")]
        if any(file.suffix == ".tar" for file in files):  # Parquet files of img2dataset list its tars
            return False
        names = {file.name for file in files} & {"metadata.csv", "metadata.jsonl", "dataset_info.json"}
        return bool(names) or any(file.suffix in (".parquet", ".arrow") for file in files)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = int(self.rows[index])
        data = self._data[row].to_pylist()[0]
        key = (as_id(data[self._id]) or "") if self._id else str(row)
        image = self.images.image(row, key)
        photograph = self._photograph_of(self.images.path(row), data)
        record = json.loads(data[RECORD]) if data.get(RECORD) else {}
        photograph = record.get("image_id") or photograph or content_id(image)
        if record:
            return from_record(record, image, photograph)
        if self.columns.question:
            return self._question(key, image, photograph, data)
        captions = self._texts(data, self.columns.caption)
        return Example(key, image, photograph, captions, kind=self._kind(data))

    def _question(self, key: str, image: Image, photograph: str, data: dict[str, Any]) -> Example:
        answers = self._texts(data, self.columns.answers)
        choices = list(self._texts(data, self.columns.choices))
        if choices:
            correct = data[self.columns.correct] if self.columns.correct else None
            if correct is None and answers and not self.columns.correct:
                correct = choices.index(answers[0])
            if correct is None or correct < 0:  # a test set
                choices = []
            else:
                choices.insert(0, choices.pop(correct))
                answers = answers or (choices[0],)
        preferred = self._texts(data, self.columns.answer)
        return Example(
            id=key,
            image=image,
            image_id=photograph,
            references=answers,
            question=self._texts(data, self.columns.question)[0],
            answer=majority(answers, preferred[0] if preferred else ""),
            kind=self._kind(data),
            choices=tuple(choices),
        )

    def _texts(self, data: dict[str, Any], name: str) -> tuple[str, ...]:
        return texts_of(data[name], self.columns.fields[name]) if name else ()

    def _kind(self, data: dict[str, Any]) -> dict[str, str]:
        return {
            label: str(data[name]) for name, label in self._labels.items() if data[name] not in (None, "")
        }

    def _photograph_of(self, path: str, data: dict[str, Any]) -> str:
        """Returns the id of a row's photograph; empty if only its content tells."""
        if known := coco_id(path) or coco_id(data.get(self._file) or ""):
            return known
        key = as_id(data[self._photograph]) if self._photograph else None
        if key and self._photograph.lower() == "cocoid":
            return f"coco/{key}"
        if self.images.kind == "path":
            return photograph_id(self.images.folder, path)
        return "/".join((*self.images.folder.absolute().parts[-2:], key)) if key else ""

    def image_ids(self) -> list[str] | None:
        names = [name for name in (self._file, self._photograph, RECORD) if name in self._known]
        data = {name: self._data.data.table.column(name).to_pylist() for name in names}
        paths = self.images.paths()
        ids = []
        for row in self.rows:
            values = {name: column[row] for name, column in data.items()}
            own = json.loads(values[RECORD])["image_id"] if values.get(RECORD) else ""
            ids.append(own or self._photograph_of(paths[row], values))
        if not any(ids):
            return None
        return [
            key or content_id(self.images.image(int(row), ""))
            for key, row in zip(ids, self.rows, strict=True)
        ]
