"""Files of embeddings: what is written is read again; other files are refused."""

from __future__ import annotations

import os

import numpy as np
import pytest

from frozenvl.retrieval.embedding_files import (
    EmbeddingFile,
    check_model,
    read_embeddings,
    write_embeddings,
)
from frozenvl.util.errors import UserError

VECTORS = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_what_is_written_is_read_again(tmp_path, suffix, kind):
    path, items = tmp_path / f"x{suffix}", ["a.jpg", "ü/ b\t.png", "c"]
    write_embeddings(path, EmbeddingFile(kind, items, VECTORS, "model"))
    read = read_embeddings(path)
    assert (read.kind, read.items, read.model) == (kind, items, "model")
    assert np.array_equal(read.vectors, VECTORS) and read.vectors.dtype == np.float32
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_parquet_has_a_row_of_numbers_for_each_item(tmp_path):
    from pyarrow import parquet

    write_embeddings(tmp_path / "x.parquet", EmbeddingFile("texts", ["a", "b", "c"], VECTORS, "model"))
    rows = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert [row["texts"] for row in rows] == ["a", "b", "c"]
    assert np.array_equal(np.array([row["vectors"] for row in rows], np.float32), VECTORS)


def test_a_file_name_that_is_no_utf8_is_kept_in_npz_and_has_placeholders_in_parquet(tmp_path):
    items = ["a", os.fsdecode(b"b\xff.png"), "c"]
    for name, expected in (("x.npz", items), ("x.parquet", ["a", "b\ufffd.png", "c"])):
        write_embeddings(tmp_path / name, EmbeddingFile("images", items, VECTORS, "model"))
        assert read_embeddings(tmp_path / name).items == expected


def test_a_file_of_another_model_is_refused(tmp_path):
    content = EmbeddingFile("texts", ["a"], VECTORS[:1], "one")
    check_model(tmp_path / "x.npz", content, "one")
    with pytest.raises(UserError, match=r"x.npz: made by another model or head \(one; this one is two\)"):
        check_model(tmp_path / "x.npz", content, "two")


def damage(path):
    path.write_bytes(path.read_bytes()[:-40])


def other_arrays(path):
    np.savez(path, vectors=VECTORS)


def other_count(path):
    np.savez(path, vectors=VECTORS, names=np.array(["a"]), model=np.array("m"))


def not_finite(path):
    np.savez(path, vectors=VECTORS * np.nan, names=np.array(["a", "b", "c"]), model=np.array("m"))


def pickled(path):
    np.savez(path, vectors=VECTORS, names=np.array([{}, {}, {}], object), model=np.array("m"))


@pytest.mark.parametrize("change", [damage, other_arrays, other_count, not_finite, pickled])
def test_other_npz_files_are_refused(tmp_path, change):
    path = tmp_path / "x.npz"
    write_embeddings(path, EmbeddingFile("images", ["a", "b", "c"], VECTORS, "model"))
    change(path)
    with pytest.raises(UserError, match=r"x.npz: .*; write it again with `frozenvl embed`") as error:
        read_embeddings(path)
    assert "\n" not in str(error.value)


def test_other_parquet_files_are_refused(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    for content in (b"PAR1 no", None):
        if content is None:
            parquet.write_table(pyarrow.table({"texts": ["a"]}), path)
        else:
            path.write_bytes(content)
        with pytest.raises(UserError, match=r"x.parquet: not a file of embeddings \(.*; write it again"):
            read_embeddings(path)


def test_a_missing_file_is_one_error_line(tmp_path):
    with pytest.raises(UserError, match=r"x.npz: no such file; `frozenvl embed` writes one"):
        read_embeddings(tmp_path / "x.npz")
