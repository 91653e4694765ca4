"""Files of embeddings: NumPy's .npz, and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from frozenvl.util.errors import UserError
from frozenvl.util.files import whole_file

Kind = Literal["images", "texts"]
COLUMNS: dict[Kind, str] = {"images": "names", "texts": "texts"}
"""Kind → name of the array, or of the column, with what was embedded."""
SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True)
class EmbeddingFile:
    """Content of a file of embeddings."""

    kind: Kind
    items: Sequence[str]
    """Paths of the images, or the texts."""
    vectors: np.ndarray
    """Embeddings (n, dim), fp32, of length 1."""
    model: str
    """Fingerprint of the model and head that made them."""


def check_output(path: Path) -> None:
    """Checks that embeddings can be written to a file of this name.

    Raises:
        UserError: if the suffix is another one, or the path is a folder.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: embeddings are written as {' or '.join(SUFFIXES)}; name such a file")
    if path.is_dir():
        raise UserError(f"{path}: a folder; name a file")


def write_embeddings(path: Path, content: EmbeddingFile) -> None:
    """Writes embeddings atomically.

    An .npz file has the arrays `vectors` (n, dim), `names` or `texts` (n), and `model`. A Parquet file has a row each,
    with the columns `names` or `texts` and `vectors`, and the fingerprint under `frozenvl.model` in its metadata.

    Args:
        path: .npz or .parquet file.
        content: the embeddings.

    Raises:
        UserError: see `check_output`.
    """
    check_output(path)
    column, vectors = COLUMNS[content.kind], np.ascontiguousarray(content.vectors, np.float32)
    if path.suffix == ".npz":
        arrays: dict[str, Any] = {"vectors": vectors, column: np.array(content.items, str)}
        with whole_file(path) as file:
            np.savez(file, model=np.array(content.model), **arrays)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    # Parquet holds UTF-8 only; a file name that is none gets placeholders.
    items = [item.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for item in content.items]
    table = pa.table({column: pa.array(items, pa.string()), "vectors": rows})
    with whole_file(path) as file:
        pq.write_table(table.replace_schema_metadata({"frozenvl.model": content.model}), file)


def read_embeddings(path: Path) -> EmbeddingFile:
    """Reads a file that `write_embeddings` wrote.

    Raises:
        UserError: if it cannot be read, or is not such a file.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"{path}: not a file of embeddings ({' or '.join(SUFFIXES)}); `frozenvl embed` writes one"
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file; `frozenvl embed` writes one")
    try:
        arrays, model = _read_npz(path) if path.suffix == ".npz" else _read_parquet(path)
        kind: Kind = "images" if COLUMNS["images"] in arrays else "texts"
        items, vectors = arrays[COLUMNS[kind]], arrays["vectors"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UserError(
            f"{path}: not a file of embeddings ({reason}); write it again with `frozenvl embed`"
        ) from None
    if vectors.ndim != 2 or len(vectors) != len(items) or not len(vectors) or not np.isfinite(vectors).all():
        raise UserError(
            f"{path}: damaged (vectors {vectors.shape} for {len(items)} {COLUMNS[kind]}, or numbers that are not "
            "finite); write it again with `frozenvl embed`"
        )
    return EmbeddingFile(kind, [str(item) for item in items], vectors.astype(np.float32, copy=False), model)


def check_model(path: Path, content: EmbeddingFile, model: str) -> None:
    """Checks that a file of embeddings was made by a model.

    Args:
        path: the file, for the message.
        content: content of the file.
        model: fingerprint of the model and head.

    Raises:
        UserError: if another model or head made it.
    """
    if content.model != model:
        raise UserError(
            f"{path}: made by another model or head ({content.model}; this one is {model}); its embeddings cannot be "
            f"compared with this model's: write it again with `frozenvl embed`"
        )


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], str]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, str(arrays["model"])


def _read_parquet(path: Path) -> tuple[dict[str, np.ndarray], str]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    vectors = table.column("vectors").combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    arrays = {
        name: np.array(table.column(name).to_pylist(), str)
        for name in table.column_names
        if name != "vectors"
    }
    arrays["vectors"] = flat.reshape(len(table), -1) if len(table) else np.zeros((0, 0), np.float32)
    return arrays, (table.schema.metadata or {})[b"frozenvl.model"].decode()
