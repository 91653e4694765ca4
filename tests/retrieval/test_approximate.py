"""Approximate neighbours: against exact ones, kept on disk, and the line without faiss."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from frozenvl.retrieval import ImageIndex, nearest
from frozenvl.retrieval.approximate import Approximate
from frozenvl.util.errors import UserError


def clustered(rows: int, seed: int) -> np.ndarray:
    centres = np.random.default_rng(0).standard_normal((20, 16))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(0, 20, rows)] + 0.5 * random.standard_normal((rows, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS, QUERIES = clustered(4000, 1), clustered(30, 2)


def test_without_the_library_it_is_one_error_line(folder, colours, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        UserError, match=r"needs the library faiss; install it with `pip install 'frozenvl\[search\]'`"
    ):
        ImageIndex(colours(), folder, approximate=True)
    assert not (folder / ".frozenvl").exists()
    assert len(ImageIndex(colours(), folder)) == 4


def test_nearly_all_true_neighbours_are_found_with_their_scores():
    pytest.importorskip("faiss")
    expected, _ = nearest(QUERIES, VECTORS, 10)
    few, many = (Approximate(VECTORS, probes=probes).search(QUERIES, 10) for probes in (1, 100))
    assert (many[0] == expected).mean() > 0.99
    assert 0.2 < np.mean([len(set(a) & set(b)) for a, b in zip(few[0], expected, strict=True)]) / 10 < 0.99
    assert np.allclose(many[1], (QUERIES[:, None] * VECTORS[many[0]]).sum(-1), atol=1e-5)
    with pytest.raises(UserError, match="embeddings of different sizes"):
        Approximate(VECTORS).search(QUERIES[:, :5], 10)


def test_lists_are_kept_in_a_file(tmp_path):
    pytest.importorskip("faiss")
    file = tmp_path / "new" / "a.faiss"
    assert Approximate(VECTORS, file).made
    again = Approximate(VECTORS, file)
    assert not again.made and again.search(VECTORS[7:8], 1)[0][0, 0] == 7
    file.write_bytes(file.read_bytes()[:1000])
    assert Approximate(VECTORS, file).made
    assert Approximate(VECTORS, file.with_name("b.faiss")).made
    assert [path.name for path in file.parent.iterdir()] == ["b.faiss"]


def test_an_index_searches_approximately_and_follows_its_folder(folder, colours):
    pytest.importorskip("faiss")
    for moved in (None, "z.png"):
        if moved:
            (folder / "a.png").rename(folder / moved)  # the same vectors in another order
        exact, index = ImageIndex(colours(), folder), ImageIndex(colours(), folder, approximate=True)
        assert index.search("red", 9) == exact.search("red", 9)
        assert index.search("red", 1)[0].path.name == (moved or "a.png")
        assert len(list(index.place.glob("*.faiss"))) == 1
