"""Texts of an Arrow column: one text in each row, or a list. All rows are checked without making Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from frozenvl.data.records.problems import Problems
from frozenvl.data.records.values import short_line

if TYPE_CHECKING:
    import pyarrow as pa

SPELLED_LIST = r"""(?s)^\s*\[\s*(?:['"].*['"])?\s*\]\s*$"""
"""Pattern of a text that spells a list: ['a dog', 'the dog']."""


class Problem(NamedTuple):
    """Something wrong with a row."""

    row: int
    text: str


class Texts(NamedTuple):
    """Texts of a column, in order."""

    counts: np.ndarray
    """Number of texts of each row; -1 where the row is null."""
    filled: np.ndarray
    """Number of texts of each row that are not empty."""
    wrong: list[tuple[int, int, str]]
    """(row, position in its list or -1, what is wrong) of texts that are no text."""
    empty: list[tuple[int, int]]
    """(row, position in its list or -1) of empty texts."""


def is_text(kind: pa.DataType | None) -> bool:
    """Tells whether an Arrow type is text."""
    import pyarrow.types as types

    if kind is None:
        return False
    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def is_list(kind: pa.DataType) -> bool:
    """Tells whether an Arrow type is a list."""
    import pyarrow.types as types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def text_field(kind: pa.DataType, fields: Iterable[str] = ()) -> str | None:
    """Returns the field of a column's objects that holds their texts.

    Args:
        kind: type of the column: texts, lists of texts, objects, or lists of objects.
        fields: names that the field may have, in order of preference.

    Returns:
        Name of the field; "" if the column holds texts itself; None if it holds no texts.
    """
    import pyarrow.types as types

    if is_list(kind):
        kind = kind.value_type
    if is_text(kind):
        return ""
    if not types.is_struct(kind):
        return None
    own = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
    usable = (name for name in fields if name in own)
    return next((name for name in usable if text_field(own[name]) == ""), None)


def texts_of(value: Any, field: str = "") -> tuple[str, ...]:
    """Returns the texts of a row, each on one line.

    Args:
        value: value of the row: a text, an object, a list of these, or null.
        field: see `text_field`.
    """
    if isinstance(value, dict):
        value = value[field]
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(short_line(each[field] if isinstance(each, dict) else each) for each in values)


def read_texts(column: pa.ChunkedArray, field: str = "") -> Texts:
    """Reads all texts of a column.

    Args:
        column: column of texts.
        field: see `text_field`.
    """
    counts, filled = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    wrong: list[tuple[int, int, str]] = []
    empty: list[tuple[int, int]] = []
    in_lists, start = _holds_lists(column.type, field), 0
    for chunk in column.chunks:
        texts, rows, lengths = _flat(chunk, field)
        masks = _masks(texts, in_lists)
        for what, mask in masks.items():
            for at in np.flatnonzero(mask):
                row = int(rows[at])
                place = int(at - np.searchsorted(rows, row)) if in_lists else -1
                if what == "empty":
                    empty.append((start + row, place))
                else:
                    wrong.append((start + row, place, what))
        bad = masks["null"] | masks["empty"]
        filled.append(np.bincount(rows[~bad], minlength=len(chunk)))
        counts.append(lengths)
        start += len(chunk)
    return Texts(np.concatenate(counts), np.concatenate(filled), wrong, empty)


def _holds_lists(kind: pa.DataType, field: str) -> bool:
    return is_list(kind) or (bool(field) and is_list(kind.field(field).type))


def _flat(array: pa.Array, field: str) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Returns the texts of an array, the row of each, and the number of texts of each row (-1 where it is null)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(array.type):
        array = pc.struct_field(array, field)
    if is_list(array.type):
        lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
        # pc.list_parent_indices counts the hidden values of null lists, which list_flatten leaves out.
        rows = np.repeat(np.arange(len(array)), np.maximum(lengths, 0))
        texts = pc.list_flatten(array)
        if pa.types.is_struct(texts.type):
            texts = pc.struct_field(texts, field)
        return texts, rows, lengths
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    return array.drop_null(), np.flatnonzero(valid), np.where(valid, 1, -1)


def _masks(texts: pa.Array, in_lists: bool) -> dict[str, np.ndarray]:
    """Returns for each kind of problem which of the texts have it. Texts in lists are never read as lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    if not pa.types.is_large_string(texts.type):
        texts = texts.cast(pa.string())
    null = texts.is_null()
    empty = pc.fill_null(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0), False)
    named = {"null": null, "empty": empty}
    if not in_lists:
        spelled = pc.fill_null(pc.match_substring_regex(texts, SPELLED_LIST), False)
        named["a text that spells a list; make the column one of lists"] = spelled
    return {what: mask.to_numpy(zero_copy_only=False) for what, mask in named.items()}


def matching(choices: pa.ChunkedArray, answers: pa.ChunkedArray) -> np.ndarray:
    """Returns for each row whether its answer is one of its choices.

    Args:
        choices: column of lists of texts.
        answers: column of texts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [np.empty(0, bool)]
    for batch in pa.table({"choices": choices, "answers": answers}).to_batches():
        texts, rows, _ = _flat(batch["choices"], "")
        same = pc.fill_null(pc.equal(texts, batch["answers"].take(pa.array(rows))), False)
        found.append(np.bincount(rows[same.to_numpy(zero_copy_only=False)], minlength=len(batch)) > 0)
    return np.concatenate(found)


def problems(
    name: str, texts: Texts, kept: np.ndarray, some_empty: bool = False, required: bool = False
) -> Iterator[Problem]:
    """Yields what is wrong with the texts of a column.

    A row has to have a text or a list of texts, none of them null. If all rows are null or empty, the texts of the
    data set are withheld, and nothing is wrong.

    Args:
        name: name of the column.
        texts: texts of the column.
        kept: mask of the rows that are used, (rows,).
        some_empty: whether some texts of a row may be empty, as answers may.
        required: whether the texts may not be withheld.
    """
    if not required and not (texts.counts[kept] > 0).any():
        return
    for what, rows in (("null", texts.counts < 0), ("an empty list", texts.counts == 0)):
        yield from (Problem(int(row), f"{name!r} is {what}") for row in np.flatnonzero(rows & kept))
    yield from (Problem(row, f"{_place(name, at)} is {what}") for row, at, what in texts.wrong if kept[row])
    if some_empty:
        bare = (texts.counts > 0) & (texts.filled == 0) & kept
        nulls = {row for row, _, _ in texts.wrong}
        for row in np.flatnonzero(bare):
            if int(row) not in nulls:
                yield Problem(int(row), f"{name!r} has only empty texts")
    else:
        yield from (
            Problem(row, f"{_place(name, at)} is an empty text") for row, at in texts.empty if kept[row]
        )


def _place(name: str, position: int) -> str:
    return f"{name}[{position}]" if position >= 0 else repr(name)


def refuse(path: str, found: Iterable[Problem]) -> None:
    """Raises `UserError` with the first problems and their number, in the order of the rows, if there are any."""
    problems = Problems(Path(path))
    for problem in sorted(found):
        problems.problem(f"row {problem.row} (from 0): {problem.text}")
    problems.check()
