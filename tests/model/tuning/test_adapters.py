"""Adapters after the feed-forward parts."""

from __future__ import annotations

import pytest
import torch

from frozenvl.model.tuning import Adapters
from frozenvl.model.tuning.adapters import Bottleneck
from frozenvl.util.errors import UserError


def test_each_layer_has_an_adapter_of_the_given_reduction(build):
    model = build(tuning=Adapters(8))
    adapters = model.tuning.adapters
    assert len(adapters) == len(model.language.layers)
    assert {each.down.weight.shape for each in adapters} == {(32 // 8, 32)}
    assert not any(weight.requires_grad for weight in model.language.parameters())
    assert build(tuning=Adapters(99)).tuning.adapters[0].down.out_features == 1


def test_a_bottleneck_adds_to_its_input_and_starts_at_zero():
    made, x = Bottleneck(8, 2), torch.randn(3, 8)
    assert made(x).equal(x)
    with torch.no_grad():
        made.up.bias.fill_(1)
    assert made.after(made, (), x).equal(x + 1)
    changed, beside = made.after(made, (), (x, "router"))  # output of a mixture of experts
    assert changed.equal(x + 1) and beside == "router"
    half = made(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.equal(x.bfloat16() + 1)


def test_layers_without_a_feed_forward_part_are_refused(build):
    with pytest.raises(UserError, match=r"adapters on .*no feed-forward part") as found:
        build("opt", tuning=Adapters())
    assert "\n" not in str(found.value)
