"""Checks the rows of a data set, column by column, and counts their texts to train on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from frozenvl.data.arrow.columns import Columns
from frozenvl.data.arrow.texts import Problem, Texts, matching, problems, read_texts
from frozenvl.data.shards.record import RECORD, from_record
from frozenvl.prompt import BlackImage

if TYPE_CHECKING:
    import pyarrow as pa


def count_targets(table: pa.Table, columns: Columns, kept: np.ndarray, found: list[Problem]) -> np.ndarray:
    """Returns the number of texts to train on of each row that is kept.

    Args:
        table: the rows.
        columns: columns that are used.
        kept: mask of the rows that are used, (rows,).
        found: gets what is wrong with the rows.
    """
    targets, plain = np.zeros(len(kept), np.int64), kept.copy()
    if RECORD in table.schema.names:
        written = table.column(RECORD)
        for row in np.flatnonzero(written.is_valid().to_numpy() & kept):
            plain[row] = False
            try:
                targets[row] = len(from_record(json.loads(written[row].as_py()), BlackImage()).targets)
            except ValueError:
                found.append(Problem(int(row), f"{RECORD!r} is not an example's record"))
    if plain.any():
        count = _questions if columns.question else _captions
        targets[plain] = count(table, columns, plain, found)[plain]
    return targets[kept]


def _texts(table: pa.Table, columns: Columns, name: str) -> Texts:
    return read_texts(table.column(name), columns.fields[name])


def _captions(table: pa.Table, columns: Columns, kept: np.ndarray, found: list[Problem]) -> np.ndarray:
    texts = _texts(table, columns, columns.caption)
    found += problems(columns.caption, texts, kept)
    return np.maximum(texts.counts, 0)


def _questions(table: pa.Table, columns: Columns, kept: np.ndarray, found: list[Problem]) -> np.ndarray:
    found += problems(columns.question, _texts(table, columns, columns.question), kept, required=True)
    answered = np.zeros(len(kept), bool)
    if columns.answers:
        texts = _texts(table, columns, columns.answers)
        found += problems(columns.answers, texts, kept, some_empty=True)
        answered = texts.filled > 0
    if columns.answer:
        one = _texts(table, columns, columns.answer)
        found += (Problem(row, f"{columns.answer!r} is {what}") for row, _, what in one.wrong if kept[row])
    if columns.choices:
        answered |= _choices(table, columns, kept, found)
    return answered.astype(np.int64)


def _choices(table: pa.Table, columns: Columns, kept: np.ndarray, found: list[Problem]) -> np.ndarray:
    """Checks the choices. Returns which rows have a correct one."""
    texts = _texts(table, columns, columns.choices)
    found += problems(columns.choices, texts, kept)
    if not columns.correct:
        right = matching(table.column(columns.choices), table.column(columns.answers))
        answered = _texts(table, columns, columns.answers).counts > 0
        for row in np.flatnonzero((texts.counts > 0) & answered & ~right & kept):
            found.append(Problem(int(row), f"{columns.answers!r} is none of its {columns.choices}"))
        return right
    numbers = table.column(columns.correct).cast("int64").fill_null(-1).to_numpy()
    for row in np.flatnonzero((numbers >= texts.counts) & kept):
        many = f"there are {max(texts.counts[row], 0)} {columns.choices}, counted from 0"
        found.append(Problem(int(row), f"{columns.correct!r} is {numbers[row]}, but {many}"))
    return numbers >= 0


def choose_ids(table: pa.Table, columns: Columns, kept: np.ndarray, found: list[Problem]) -> str:
    """Returns the column of ids: the one that was named, or the first whose ids differ from row to row.

    Args:
        table: the rows.
        columns: columns that are used.
        kept: mask of the rows that are used, (rows,).
        found: gets what is wrong with the ids of a column that was named.

    Returns:
        Name of the column; empty if there is none, and the numbers of rows are the ids.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in columns.ids:
        ids = table.column(name).filter(pa.array(kept))
        if pc.count_distinct(ids, mode="only_valid").as_py() == len(ids):
            return name
        if columns.id_given:
            seen: dict[str | int, int] = {}
            for row, key in zip(np.flatnonzero(kept).tolist(), ids.to_pylist(), strict=True):
                if key is None or key in seen:
                    what = "null" if key is None else f"{key!r}, as in row {seen[key]}"
                    found.append(Problem(row, f"{name!r} is {what}"))
                seen.setdefault(key, row)
            return name
    return ""
