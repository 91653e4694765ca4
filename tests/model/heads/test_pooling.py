"""Pooling of hidden states: by hand from transformers' own, whatever the batch is."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import retrieval_model

from frozenvl.model.heads.pooling import pooled_states
from frozenvl.prompt import Marker

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
