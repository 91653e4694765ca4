"""Randomised weights: shuffled, of the same distribution, and restored."""

import pytest
import torch
from torch import nn

from frozenvl.analysis.randomised import randomised


def part() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)).eval()


def test_weights_are_shuffled_and_come_back():
    model, inputs = part(), torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    before, output = {name: x.clone() for name, x in model.state_dict().items()}, model(inputs)
    with randomised(model):
        for name, weight in model.named_parameters():
            assert torch.equal(weight.flatten().sort()[0], before[name].flatten().sort()[0])
        assert not torch.equal(model[0].weight, before["0.weight"])
        assert torch.equal(model[1].running_var, before["1.running_var"])
        first = model(inputs)
        assert not torch.allclose(first, output, atol=1e-2)
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    with randomised(model):
        assert torch.equal(model(inputs), first)  # a seed is one shuffle
    with randomised(model, seed=1):
        assert not torch.equal(model(inputs), first)


def test_weights_come_back_after_an_error():
    model = part()
    before = model[0].weight.detach().clone()
    with pytest.raises(ValueError, match="inside"), randomised(model):
        raise ValueError("inside")
    assert torch.equal(model[0].weight, before)


def test_gradients_flow_through_shuffled_weights():
    model, inputs = part(), torch.ones(1, 6, requires_grad=True)
    with randomised(model):
        model(inputs).sum().backward()
    assert inputs.grad.abs().sum() > 0
