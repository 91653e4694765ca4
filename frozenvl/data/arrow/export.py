"""Sources as data sets of the library `datasets`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from frozenvl.data.arrow.load import library
from frozenvl.data.convert import convert
from frozenvl.data.sources.source import Source

if TYPE_CHECKING:
    from datasets import Dataset


def to_dataset(source: Source) -> Dataset:
    """Returns a source as a data set in memory, with the columns that `frozenvl data convert --format parquet` writes.

    Image files keep their bytes; other images become PNG. `HuggingFaceData` reads what `save_to_disk` of the result
    writes as the same examples. For more than fits into memory, use `frozenvl data convert`.

    Raises:
        UnreadableImage: if an image cannot be read.
        UserError: if the library `datasets` is missing, the source is empty or holds videos, two examples have the same
            id, or one shows several images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    datasets = library()
    with TemporaryDirectory() as folder:
        made = Path(folder) / "parquet"
        convert(source, made, "parquet")
        tables = [pq.read_table(file, memory_map=False) for file in sorted(made.glob("*.parquet"))]
    return datasets.Dataset(datasets.table.InMemoryTable(pa.concat_tables(tables)))
