"""Attention of words over positions."""

import pytest
import torch

from frozenvl.analysis.attention import Attention, attended, rollout, rows_of, square
from frozenvl.model.fusion import CrossAttention
from frozenvl.model.tuning import PrefixTuning, PromptTuning
from frozenvl.util.errors import UserError


def whole(function):
    return attended(function, square(function)[:, :, rows_of(function)])


@pytest.mark.parametrize("each_word", [True, False])
def test_rows_sum_to_one_and_positions_are_named(each_word, model_of, function_of):
    function = function_of(model_of(), each_word=each_word)
    made = whole(function)
    assert made.weights.shape[:3] == (2, 4, 2 if each_word else 1)
    assert torch.allclose(made.weights.sum(-1), torch.ones(()), atol=1e-5)
    assert made.labels[:16] == ("image 1",) * 16
    assert "".join(made.labels[16:]) == "Question: what color is the circle? Answer: red"
    assert made.image.tolist() == [*range(16), *[-1] * (len(made.labels) - 16)]


def test_maps_are_the_shares_of_the_cells(model_of, function_of):
    function = function_of(model_of())
    with_sinks = Attention(sinks=True).maps(function)
    expected = whole(function).weights.mean((0, 1))[:, :16].reshape(2, 4, 4)
    assert torch.allclose(with_sinks.values, expected, atol=1e-6) and with_sinks.unit == "share of attention"
    maps = Attention().maps(function)
    assert (maps.values[:, 0, 0] == 0).all()  # the first position is the image's first cell
    first = torch.tensor(maps.facts["first position"])
    assert torch.allclose(first, expected[:, 0, 0], atol=1e-6)
    assert torch.allclose(maps.values[:, 1], expected[:, 1] / (1 - first)[:, None], atol=1e-5)
    assert torch.tensor(maps.facts["weights"]).sum(1) == pytest.approx(torch.ones(2), abs=1e-4)
    by_layer = torch.tensor(maps.facts["image by layer"])
    assert torch.allclose(by_layer.mean(1), expected.sum((1, 2)), atol=1e-5)


def test_one_layer_and_one_head(model_of, function_of):
    function = function_of(model_of())
    weights = whole(function).weights
    maps = Attention(layers=-1, head=2, sinks=True).maps(function)
    assert torch.allclose(maps.values.flatten(1), weights[-1, 2, :, :16], atol=1e-6)
    with pytest.raises(UserError, match="layers is 2, and the model has 2; choose one from 0 to 1"):
        Attention(layers=2).maps(function)
    with pytest.raises(UserError, match="head is 4, and a layer has 4; choose one from 0 to 3"):
        Attention(head=4).maps(function)
    with pytest.raises(UserError, match="layers is 'all'"):
        Attention(layers="all")


def test_rollout_multiplies_layers_with_their_residual_connections(model_of, function_of):
    first = torch.tensor([[1.0, 0], [0.5, 0.5]])
    second = torch.tensor([[1.0, 0], [1.0, 0]])
    # (A₂ + I)/2 · (A₁ + I)/2 by hand.
    assert torch.allclose(rollout(torch.stack([first, second])), torch.tensor([[1.0, 0], [0.625, 0.375]]))
    maps = Attention(layers="rollout", sinks=True).maps(function_of(model_of()))
    assert (maps.values >= 0).all() and (maps.values.sum((1, 2)) <= 1).all()


@pytest.mark.parametrize("tuning", [PromptTuning(length=3), PrefixTuning(length=3)])
def test_a_soft_prompt_is_named(tuning, model_of, function_of):
    made = whole(function_of(model_of(tuning=tuning)))
    assert made.labels[:4] == ("soft prompt",) * 3 + ("image 1",)
    assert torch.allclose(made.weights.sum(-1), torch.ones(()), atol=1e-5)


def test_models_without_positions_of_the_image_are_refused(model_of, function_of, pooled, language):
    with pytest.raises(UserError, match="gives pooled features"):
        Attention().maps(function_of(pooled))
    with pytest.raises(UserError, match="with CrossAttention the image's vectors are not among the text"):
        Attention().maps(function_of(model_of(fusion=CrossAttention(every=1, heads=2, width=8))))
    with pytest.raises(UserError, match="MambaForCausalLM has no attention weights"):
        Attention().maps(function_of(model_of(language=language("mamba"))))
    with pytest.raises(UserError, match="attention has no log-odds"):
        Attention().maps(function_of(model_of(), " red", False, " blue"))
