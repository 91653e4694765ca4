"""`load_model`, and search in Python with an exported model."""

from __future__ import annotations

import pytest

from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import ImageFile
from frozenvl.retrieval import Embedder, ImageIndex
from frozenvl.retrieval.load import load_model
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


def test_an_exported_model_searches_a_folder(tiny_model, tmp_path, folder):
    tiny_model.save_pretrained(tmp_path / "exported")
    index = ImageIndex(FrozenVL.from_pretrained(tmp_path / "exported"), folder)
    assert index.vectors.shape == (4, 8)
    processor = tiny_model.processor()
    (text,) = tiny_model.embed_texts(processor, ["a red circle"])
    images = tiny_model.embed_images(processor, [ImageFile(path) for path in index.paths])
    cosines = images @ text
    hits = index.search("a red circle", top=2)
    best = cosines.argsort(descending=True)[:2].tolist()
    assert [hit.path for hit in hits] == [index.paths[place] for place in best]
    assert [hit.score for hit in hits] == pytest.approx(cosines[best].tolist(), abs=1e-4)
    same = ImageIndex(tiny_model, folder)
    assert same.embedded == 0 and same.place == index.place
    assert index.search(ImageFile(folder / "b.png"), 1)[0].path == folder / "b.png"


def test_an_exported_folder_is_loaded(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path / "exported")
    model, processor, captioning = load_model(tmp_path / "exported")
    assert captioning == Template() and not model.training
    assert Embedder(model, processor).fingerprint == Embedder(tiny_model).fingerprint


def test_a_folder_of_neither_kind_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_model(tmp_path)
