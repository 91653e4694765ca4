"""Pooling of hidden states: by hand from transformers' own, whatever the batch is."""

from __future__ import annotations

import pytest
import torch
from painted import Painted
from retrieval_models import retrieval_model
from torch.nn.functional import normalize

from frozenvl.model.heads.pooling import of_images, pooled_states
from frozenvl.prompt import Marker
from frozenvl.video import Video

TEXTS = ("a large red circle to the left of two small blue stars", "stars", "This is a dax .")


@pytest.fixture(scope="module")
def model(tiny_language, tiny_vision):
    return retrieval_model(tiny_language, tiny_vision).eval()


def by_hand(model, text: str, layers: tuple[int, ...], pool: str) -> torch.Tensor:
    """Returns the pooled states (layers, dim) of one text by a call of transformers' model."""
    tokens = torch.tensor([model.processor().encode(text)])
    embeddings = model.language.embed(tokens)
    if pool == "marker":
        embeddings = torch.cat([embeddings, model.heads["r"].vector[None]], dim=1)
    out = model.language.model.model(inputs_embeds=embeddings, output_hidden_states=True)
    states = torch.stack([out.hidden_states[layer][0] for layer in layers])  # (layers, positions, dim)
    if pool in ("marker", "last"):
        return states[:, -1]
    return states[:, 1:].mean(1) if states.shape[1] > 1 else states[:, 0]


@pytest.mark.parametrize("layers", [(-1,), (0, 1), (1, 2, -1)])
@pytest.mark.parametrize("pool", ["marker", "mean", "last"])
def test_states_are_those_of_each_text_alone(model, layers, pool):
    prompts = [(text, Marker("[RET]")) if pool == "marker" else (text,) for text in TEXTS]
    with torch.no_grad():
        found = pooled_states(model.run(model.processor()(prompts)), layers, pool)
        for row, text in enumerate(TEXTS):
            assert torch.allclose(found[row], by_hand(model, text, layers, pool), atol=1e-5), text


def test_the_only_position_counts(model):
    """The first position is left out of a mean, but not if it is the only one."""
    one = model.processor().encode("no")[:1]
    text = model.processor().decode(one)
    with torch.no_grad():
        found = pooled_states(model.run(model.processor()([(text,)])), (-1,), "mean")
        assert (
            torch.allclose(found[0], by_hand(model, text, (-1,), "mean"), atol=1e-5) and found.abs().sum() > 0
        )


def test_a_gradient_reaches_the_marker_alone(model):
    run = model.run(model.processor()([(text, Marker("[RET]")) for text in TEXTS]))
    pooled_states(run, (1, -1), "marker").pow(2).sum().backward()
    moved = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert moved == {"heads.r.vector"}
    model.zero_grad()


def test_the_value_of_a_video_is_the_mean_over_its_frames(model):
    """A row with one image keeps its value to the last bit, also beside videos."""
    red, blue, green = map(Painted, ("red", "blue", "green"))
    video, short = Video([red, blue, green, red]), Video([blue, blue])
    batch = model.processor()([(red, "this"), (video, "this"), (short, "it"), ("text", green)])
    values = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    found = of_images(batch, values)
    assert torch.equal(found[[0, 2, 3]], values[[0, 1, 2]])
    torch.testing.assert_close(found[1], (2 * values[0] + values[1] + values[2]) / 4)
    alone = model.processor()([(red, "this"), ("text", green)])
    assert torch.equal(of_images(alone, values[[0, 2]]), values[[0, 2]])


def test_a_video_is_embedded_by_all_of_its_frames(model):
    """The embedding has the direction of the mean projection of the frames, and does not depend on their order."""
    frames = [Painted(colour) for colour in ("red", "blue", "green")]
    processor = model.processor()
    head = model.head()
    with torch.no_grad():
        run = model.run(processor([head.prompts.of_image(frame) for frame in frames]))
        mean = normalize(head.images(run).float().mean(0), dim=-1)
    embedded = model.embed_images(processor, [Video(frames), Video(frames[::-1]), frames[2]])
    torch.testing.assert_close(embedded[0], mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(embedded[0], embedded[1], atol=1e-5, rtol=0)
    assert not torch.allclose(embedded[0], embedded[2], atol=1e-3)
