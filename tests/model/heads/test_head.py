"""The interface of embedding heads: prompts, normalised embeddings, and errors of the model that owns them."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import pairs, retrieval_model

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import Retrieval
from frozenvl.model.heads.head import Prompts
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import BlackImage, Marker
from frozenvl.util.errors import UserError


def test_prompts_of_texts_and_images():
    image = BlackImage()
    assert Prompts().of_text("a dog") == ("a dog",) and Prompts().of_image(image) == (image,)
    marked = Prompts("it shows {text}", "[RET]", marks_images=True)
    assert marked.of_text("a {dog}") == ("it shows a {dog}", Marker("[RET]"))
    assert marked.of_image(image) == (image, Marker("[RET]"))


def test_embeddings_are_fp32_and_of_length_1(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision).eval()
    model.hold_frozen_in_bf16()
    processor = model.processor()
    texts = model.embed_texts(processor, ["two stars", "a child"])
    images = model.embed_images(processor, [sample.images[0] for sample in pairs(0, 3)])
    for vectors in (texts, images):
        assert vectors.dtype == torch.float32
        assert torch.allclose(vectors.norm(dim=-1), torch.ones(len(vectors)), atol=1e-5)


def test_two_heads_need_two_markers(tiny_language, tiny_vision):
    language, vision = FrozenLanguageModel(str(tiny_language)), TimmEncoder(str(tiny_vision))
    with pytest.raises(UserError, match="two heads have the marker"):
        FrozenVL(language, vision, Linear, 1, heads={"a": Retrieval(), "b": Retrieval()})
    heads = {"a": Retrieval(), "b": Retrieval(marker="[B]")}
    model = FrozenVL(language, vision, Linear, 1, heads=heads)
    assert model.markers == ("[RET]", "[B]")
    with pytest.raises(UserError, match="several embedding heads; name one of a, b"):
        model.head()
    with pytest.raises(UserError, match="no embedding head 'c'; it has a, b"):
        model.head("c")
    first, second = (model.embed_texts(model.processor(), ["two stars"], head=name) for name in heads)
    assert not torch.allclose(first, second)
