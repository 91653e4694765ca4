"""Rows of plain values as an Arrow file, which processes map into memory and share.

A row is a NamedTuple. Its texts and lists of texts are columns of their types, and other values are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, overload

import numpy as np

from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 1 << 14
NOTES = b"notes"
"""Key of the notes in the metadata of the file's last batch, which has no rows."""


class Fields(NamedTuple):
    """Columns of a kind of rows, by the types of their fields."""

    texts: frozenset[str]
    """Fields that are a text."""
    lists: frozenset[str]
    """Fields that are a tuple of texts."""
    names: tuple[str, ...]
    """All fields, in order. Those that are neither text nor list are JSON."""

    @classmethod
    def of(cls, kind: type) -> Fields:
        """Returns the columns for a class of NamedTuple."""
        hints = kind.__annotations__.items()
        types = {name: getattr(hint, "__forward_arg__", hint) for name, hint in hints}
        texts = frozenset(name for name, hint in types.items() if hint == "str")
        lists = frozenset(name for name, hint in types.items() if hint == "tuple[str, ...]")
        return cls(texts, lists, tuple(types))

    def schema(self) -> pa.Schema:
        """Returns the Arrow schema."""
        import pyarrow as pa

        return pa.schema(
            [(name, pa.list_(pa.string()) if name in self.lists else pa.string()) for name in self.names]
        )


def write_rows(
    file: BinaryIO, rows: Iterable[tuple[Any, ...]], fields: Fields, notes: Mapping[str, int]
) -> None:
    """Writes rows as an Arrow file.

    Args:
        file: file to write to.
        rows: the rows.
        fields: their fields.
        notes: what was left out or is worth a remark, with its number; read when all rows were.

    Raises:
        ValueError, TypeError: if a value is not of its field's type, or a text is not Unicode.
    """
    import pyarrow as pa

    schema, rows = fields.schema(), iter(rows)
    as_json = lru_cache(1 << 12)(
        lambda kind: json.dumps(dict(kind))
    )  # few labels, which millions of rows share
    with pa.ipc.new_file(file, schema) as writer:
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            columns = []
            for kind, values in zip(schema, zip(*batch, strict=True), strict=True):
                if kind.name not in fields.texts | fields.lists:
                    values = tuple(_json(value, as_json) for value in values)
                columns.append(pa.array(values, kind.type))
            writer.write_batch(pa.record_batch(columns, schema=schema))
        empty = schema.empty_table().to_batches() or [pa.RecordBatch.from_pylist([], schema)]
        writer.write_batch(empty[0], custom_metadata={NOTES: json.dumps(dict(notes)).encode()})


def _json(value: Any, of_labels: Any) -> str | None:
    """Returns a value as JSON; None for None."""
    if value is None:
        return None
    if isinstance(value, dict) and all(type(label) is str for label in value.values()):
        return of_labels(tuple(value.items()))
    return json.dumps(value)


class RowTable(Sequence[Any]):
    """Rows of an Arrow file that `write_rows` wrote, as tuples. The file is mapped: processes share its memory.

    Args:
        path: the file.
        fields: fields of the rows.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is damaged, or has other fields.
    """

    def __init__(self, path: Path, fields: Fields) -> None:
        import pyarrow as pa

        self._path, self._fields = path, fields
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.schema != fields.schema() or not reader.num_record_batches:
            raise ValueError(f"{path}: other fields")
        *batches, (_, metadata) = map(reader.get_batch_with_custom_metadata, range(reader.num_record_batches))
        self._batches = [batch for batch, _ in batches]
        self.notes: dict[str, int] = json.loads(metadata[NOTES])
        self._count = sum(batch.num_rows for batch in self._batches)

    def __getstate__(self) -> tuple[Path, Fields]:
        return self._path, self._fields

    def __setstate__(self, state: tuple[Path, Fields]) -> None:
        try:
            self.__init__(*state)  # type: ignore[misc]
        except (OSError, ValueError) as error:
            raise UserError(f"{state[0]}: is gone or damaged ({error}); start again") from None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        number, place = divmod(range(len(self))[index], ROWS_PER_BATCH)
        return next(self._rows(self._batches[number].slice(place, 1)))

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            for start in range(0, batch.num_rows, 1024):
                yield from self._rows(batch.slice(start, 1024))

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Any]:
        return zip(*map(self._values, self._fields.names, batch.columns), strict=True)

    def _values(self, name: str, column: pa.Array) -> Iterable[Any]:
        """Returns the values of a field that a column holds."""
        values = column.to_pylist()
        if name in self._fields.texts:
            return values
        if name in self._fields.lists:
            return map(tuple, values)
        return (None if text is None else json.loads(text) for text in values)

    def column(self, name: str) -> Iterator[Any]:
        """Yields the value of a field in each row."""
        at = self._fields.names.index(name)
        for batch in self._batches:
            yield from self._values(name, batch.column(at))

    def sizes(self, name: str) -> np.ndarray:
        """Returns the number of texts of a list, or of bytes of a text, in each row: (rows,), int64."""
        import pyarrow.compute as pc

        at = self._fields.names.index(name)
        length = pc.list_value_length if name in self._fields.lists else pc.binary_length
        counts = [length(batch.column(at)).to_numpy(zero_copy_only=False) for batch in self._batches]
        return np.concatenate([np.empty(0, np.int64), *counts]).astype(np.int64)
