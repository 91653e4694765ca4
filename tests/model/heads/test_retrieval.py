"""The retrieval head: what it reads, what it trains, and that it changes nothing else."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import pairs, retrieval_model

from frozenvl.prompt import BlackImage, Marker
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, "dim is 0"),
        ({"layers": ()}, "layers is empty"),
        ({"text": "a photo"}, "has to contain {text} once"),
        ({"pool": "mean", "images": "prompt"}, "use pool marker or last"),
        ({"pool": "last", "dropout": 1.0}, "dropout is 1.0; give a share"),
        ({"standardize": True}, "standardize needs states that no trained weight changes"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tiny_language, tiny_vision, arguments, message):
    with pytest.raises(UserError, match=message):
        retrieval_model(tiny_language, tiny_vision, **arguments)


@pytest.mark.parametrize("layer", [3, -2])
def test_a_layer_that_the_model_lacks_is_refused(tiny_language, tiny_vision, layer):
    with pytest.raises(UserError, match=f"layer {layer}, but .* has 2"):
        retrieval_model(tiny_language, tiny_vision, layers=[layer])


@pytest.mark.parametrize("images", ["features", "prompt"])
@pytest.mark.parametrize("pool", ["marker", "last"])
def test_images_are_embedded_alike_alone_and_in_a_batch(tiny_language, tiny_vision, images, pool):
    model = retrieval_model(tiny_language, tiny_vision, images=images, pool=pool).eval()
    samples = [sample.images[0] for sample in pairs(0, 3)]
    processor = model.processor()
    together = model.embed_images(processor, [*samples, samples[0]])
    alone = torch.cat([model.embed_images(processor, [image]) for image in samples])
    assert torch.allclose(together[:3], alone, atol=1e-5) and torch.equal(together[0], together[3])


def test_images_by_features_are_the_projection_of_their_mean(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision).eval()
    image = BlackImage(64)
    pixels = model.processor().reader([image])
    with torch.no_grad():
        projected = model.heads["r"].project_image(model.encode(pixels).float().mean(1, keepdim=True))
    expected = torch.nn.functional.normalize(projected, dim=-1)
    assert torch.allclose(model.embed_images(model.processor(), [image]), expected, atol=1e-5)


def test_the_text_pass_does_not_run_the_encoder(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision).eval()
    model.encode = model.features = model.map = None  # a call would fail
    assert model.embed_texts(model.processor(), ["two stars"]).shape == (1, 8)


def test_captions_are_the_same_with_and_without_a_head(tiny_language, tiny_vision):
    with_head = retrieval_model(tiny_language, tiny_vision).eval()
    without = retrieval_model(tiny_language, tiny_vision).eval()
    del without.heads["r"]
    without.markers = ()
    prompts = [(sample.images[0], "a") for sample in pairs(0, 3)]
    texts = []
    for model in (with_head, without):
        processor = model.processor()
        batch = processor(prompts)
        texts.append(model.generate(batch, processor, 6))
        with torch.no_grad():
            texts.append(model.score(processor(pairs(0, 3))).tolist())
    assert texts[:2] == texts[2:]


def test_a_prompt_with_an_unknown_marker_is_refused(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision)
    with pytest.raises(UserError, match=r"the marker '\[X\]', the model has \[RET\]"):
        model.processor()([("a", Marker("[X]"))])


def test_the_marker_starts_as_the_mean_embedding_at_the_usual_length(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision)
    vector, some = model.heads["r"].vector, model.language.some_embeddings()
    assert torch.cosine_similarity(vector, some.mean(0, keepdim=True)).item() == pytest.approx(1, abs=1e-5)
    assert vector.norm().item() == pytest.approx(some.norm(dim=-1).mean().item(), rel=1e-5)


def test_what_it_reads_is_part_of_the_identity(tiny_language, tiny_vision):
    one, other = (retrieval_model(tiny_language, tiny_vision, layers=[layer]) for layer in (1, 2))
    assert one.identity()["heads.r.reads"] != other.identity()["heads.r.reads"]
