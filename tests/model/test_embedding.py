"""Embeddings of prompts, texts and images by a model."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import WORDS, pairs, retrieval_model

from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UnreadableImage, UserError


@pytest.fixture(scope="module")
def model(tiny_language, tiny_vision):
    return retrieval_model(tiny_language, tiny_vision).eval()


def test_embeddings_do_not_depend_on_the_batch_size(model):
    processor, seen = model.processor(), []
    progress = lambda done, total: seen.append((done, total))
    one = model.embed_texts(processor, WORDS, batch_size=3, progress=progress)
    assert torch.allclose(one, model.embed_texts(processor, WORDS), atol=1e-5)
    assert seen == [(3, 8), (6, 8), (8, 8)]
    images = [sample.images[0] for sample in pairs(0, 5)]
    assert torch.allclose(
        model.embed_images(processor, images, batch_size=2), model.embed_images(processor, images), atol=1e-5
    )


def test_nothing_gives_no_rows(model):
    assert model.embed_texts(model.processor(), []).shape == (0, 8)


def test_an_unreadable_image_is_named(model, tmp_path):
    image = ImageFile(tmp_path / "none.jpg")
    with pytest.raises(UnreadableImage) as raised:
        model.embed_images(model.processor(), [image])
    assert raised.value.image == image


def test_a_prompt_is_embedded_as_its_last_hidden_state(model):
    batch = model.processor()([("a large red",), (pairs(0, 1)[0].images[0], "two")])
    with torch.no_grad():
        (_, hidden), *_ = model.run(batch).hidden()
    vectors = model.embed(batch)
    rows = {tuple(row.tolist()) for row in hidden}
    assert all(tuple(vector.tolist()) in rows for vector in vectors)


def test_a_model_without_a_head_says_where_one_is_made(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision)
    del model.heads["r"]
    with pytest.raises(UserError, match="no embedding head; train one"):
        model.embed_texts(model.processor(), ["a"])


def test_one_text_in_place_of_a_list_is_an_error(model):
    with pytest.raises(TypeError, match="give a list of texts"):
        model.embed_texts(model.processor(), "two stars")
