"""Writes captions or questions as Parquet files with images, as the Hugging Face hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from frozenvl.data.arrow.load import library
from frozenvl.data.records.values import one_line
from frozenvl.data.shards.record import RECORD
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.writers.public import public_texts, record_of
from frozenvl.data.writers.writer import Writer
from frozenvl.prompt import Example

ROWS_PER_GROUP = 100
"""Rows that are read together, as the hub recommends for images."""
BYTES_PER_FILE = 500_000_000
"""Size in bytes at which a file is closed."""


class ParquetWriter(Writer):
    """Parquet files with the columns image, id, caption (a list) and, where that is not all, the record `frozenvl`.

    For questions, the columns are image, id, question, answers (a list) and `frozenvl`.
    """

    def __init__(self, folder: Path, link: bool, first: Example) -> None:
        datasets = library()
        text, texts = datasets.Value("string"), datasets.Sequence(datasets.Value("string"))
        self.asks = bool(first.question)
        columns = {"question": text, "answers": texts} if self.asks else {"caption": texts}
        features = {"image": datasets.Image(), "id": text, **columns, RECORD: text}
        self.schema = datasets.Features(features).arrow_schema
        self.folder, self.rows, self.files, self.size = folder, list[dict[str, Any]](), 0, 0
        self.writer: Any = None

    def add(self, number: int, key: str, example: Example, file: str, data: bytes) -> None:
        if self.asks:
            answers = [*map(one_line, example.references)] or public_texts(example)
            held: dict[str, Any] = {"question": one_line(example.question), "answers": answers}
        else:
            held = {"caption": public_texts(example)}
        record = record_of(example, coco_id(file), always=self.asks)
        written = json.dumps(record) if record else None
        self.rows.append({"image": {"bytes": data, "path": file}, "id": key, **held, RECORD: written})
        self.size += len(data)
        if len(self.rows) == ROWS_PER_GROUP or self.size >= BYTES_PER_FILE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self.writer is None:
            self.writer = pq.ParquetWriter(self.folder / f"{self.files:05}.parquet", self.schema)
            self.files += 1
        self.writer.write_table(pa.Table.from_pylist(self.rows, self.schema))
        self.rows = []
        if self.size >= BYTES_PER_FILE:
            self._close()

    def _close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.writer, self.size = None, 0

    def finish(self) -> None:
        if self.rows:
            self._flush()
        self._close()
        for number in range(self.files):
            name = f"train-{number:05}-of-{self.files:05}.parquet"
            (self.folder / f"{number:05}.parquet").rename(self.folder / name)

    @classmethod
    def reader(cls, folder: Path) -> list[str]:
        return ["HuggingFaceData", "--path", f"{folder}"]
