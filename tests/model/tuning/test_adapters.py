"""Bottlenecks behind the feed-forward parts."""

from __future__ import annotations

import pytest
import torch

from frozenvl.model.tuning import Adapters
from frozenvl.model.tuning.adapters import Bottleneck
from frozenvl.util.errors import UserError


def test_there_is_one_behind_each_layer_as_narrow_as_asked(build):
    model = build(tuning=Adapters(8))
    adapters = model.tuning.adapters
    assert len(adapters) == len(model.language.layers)
    assert {each.down.weight.shape for each in adapters} == {(32 // 8, 32)}
    assert not any(weight.requires_grad for weight in model.language.parameters())
    assert build(tuning=Adapters(99)).tuning.adapters[0].down.out_features == 1


def test_a_bottleneck_adds_to_what_comes_out_of_a_part_and_at_first_nothing():
    made, x = Bottleneck(8, 2), torch.randn(3, 8)
    assert made(x).equal(x)
    with torch.no_grad():
        made.up.bias.fill_(1)
    assert made.after(made, (), x).equal(x + 1)
    changed, beside = made.after(made, (), (x, "router"))  # of a mixture of experts
    assert changed.equal(x + 1) and beside == "router"
    half = made(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.equal(x.bfloat16() + 1)


def test_layers_without_a_part_of_their_own_to_feed_forward(build):
    with pytest.raises(UserError, match=r"adapters on .*no feed-forward part") as found:
        build("opt", tuning=Adapters())
    assert "\n" not in str(found.value)
