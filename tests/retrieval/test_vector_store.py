"""`VectorStore`: segments, damage, other models, and joining segments."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from frozenvl.retrieval import vector_store
from frozenvl.retrieval.vector_store import VectorStore
from frozenvl.util.errors import UserError


def digests(*names: str) -> list[str]:
    return [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names]


def rows(*values: float) -> np.ndarray:
    return np.array([[value, -value] for value in values], np.float32)


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*.safetensors"))


@pytest.fixture
def store(tmp_path) -> VectorStore:
    store = VectorStore(tmp_path, "model", 2)
    store.add(digests("a", "b"), rows(1, 2))
    store.add(digests("c"), rows(3))
    return store


def test_what_was_added_is_found_again(store, tmp_path):
    for opened in (store, VectorStore(tmp_path, "model", 2)):
        a, b, c, d = digests("a", "b", "c", "d")
        assert c in opened and d not in opened and len(opened) == 3
        assert np.array_equal(opened.vectors([c, a, c, b]), rows(3, 1, 3, 2))


def test_a_segment_of_another_model_or_size_is_refused(store, tmp_path):
    with pytest.raises(UserError, match=r"of another model \(model; this one is other\); remove"):
        VectorStore(tmp_path, "other", 2)
    with pytest.raises(UserError, match="embeddings of 2 numbers where the model has 5; remove"):
        VectorStore(tmp_path, "model", 5)


def test_a_damaged_segment_is_reported_and_the_others_are_used(store, tmp_path, capsys):
    path = store.places[digests("a")[0]][0]
    path.write_bytes(path.read_bytes()[:-5])
    opened = VectorStore(tmp_path, "model", 2)
    assert "a damaged part of the index" in capsys.readouterr().err and not path.exists()
    assert [digest in opened for digest in digests("a", "b", "c")] == [False, False, True]
    VectorStore(tmp_path, "model", 2)
    assert capsys.readouterr().err == ""


def test_another_folder_is_read_but_never_written(store, tmp_path):
    before = files(tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"damaged")
    second = VectorStore(tmp_path / "new", "model", 2, also=[tmp_path])
    second.add(digests("d"), rows(4))
    second.compact(digests("a", "d"))
    assert np.array_equal(second.vectors(digests("d", "a")), rows(4, 1))
    assert files(tmp_path) == sorted([*before, "broken.safetensors"]) and len(files(tmp_path / "new")) == 1


def test_rows_of_no_use_are_dropped_when_they_are_most(store, tmp_path):
    store.add(digests("d", "e"), rows(4, 5))
    store.compact(digests("a", "c"))
    assert len(files(tmp_path)) == 3  # 5 rows for 2: not yet
    store.compact(digests("c"))
    assert len(files(tmp_path)) == 1
    for opened in (store, VectorStore(tmp_path, "model", 2)):
        assert len(opened) == 1 and np.array_equal(opened.vectors(digests("c")), rows(3))


def test_many_segments_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_store, "MAX_SEGMENTS", 3)
    store = VectorStore(tmp_path, "model", 2)
    names = digests(*"abcd")
    for value, name in enumerate(names):
        store.add([name], rows(value))
    store.compact(names)
    assert len(files(tmp_path)) == 1
    assert np.array_equal(VectorStore(tmp_path, "model", 2).vectors(names), rows(0, 1, 2, 3))


def test_segments_that_another_process_joins_meanwhile_are_found(store, tmp_path, monkeypatch):
    plain, calls = vector_store.safe_open, []

    def open_late(path, **options):
        calls.append(path)
        if len(calls) == 1:
            store.compact([])  # removes the segments that were just listed
            store.add(digests("a", "b", "c"), rows(1, 2, 3))
        return plain(path, **options)

    monkeypatch.setattr(vector_store, "safe_open", open_late)
    opened = VectorStore(tmp_path, "model", 2)
    assert np.array_equal(opened.vectors(digests("a", "b", "c")), rows(1, 2, 3))
