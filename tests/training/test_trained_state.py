"""State of a module: trained weights at any prefix, copies, and loading."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from frozenvl.training.trained_run import load_trained


def test_a_state_holds_trained_weights_at_any_prefix(tiny_run):
    module = load_trained(tiny_run).module
    state = module.state_dict()
    assert state and all(name.startswith("model.mapper.") for name in state)
    whole = torch.nn.Sequential(torch.nn.Linear(2, 2), module, torch.nn.Linear(2, 2))
    assert set(whole.state_dict()) == {
        *("0.weight", "0.bias", "2.weight", "2.bias"),
        *(f"1.{name}" for name in state),
    }
    assert set(module.state_dict(prefix="x.")) == {f"x.{name}" for name in state}
    assert all(value.requires_grad for value in module.state_dict(keep_vars=True).values())
    ours = {"x": 1}
    assert module.state_dict(destination=ours) is ours and set(ours) == {"x", *state}


def test_a_copy_is_independent_and_its_state_holds_trained_weights_only(tiny_run):
    """Averages of one's own are often taken in place, over all weights of a copy."""
    module = load_trained(tiny_run).module
    copied = deepcopy(module)
    before = {name: value.clone() for name, value in module.named_parameters()}
    with torch.no_grad():
        for average, value in zip(copied.parameters(), module.parameters(), strict=True):
            average.mul_(0.5).add_(value, alpha=0.25)
    assert all(value.equal(before[name]) for name, value in module.named_parameters())
    averaged = torch.optim.swa_utils.AveragedModel(module)
    names = {f"module.{name}" for name in module.state_dict()} | {"n_averaged"}
    assert set(averaged.state_dict()) == names
    module.load_state_dict(copied.state_dict())
    for name, value in module.named_parameters():
        factor = 0.75 if name in module.state_dict() else 1
        assert torch.allclose(value, factor * before[name]), name


def test_loading_a_state_misses_trained_weights_only_and_replaces_no_frozen_one(tiny_run):
    module = load_trained(tiny_run).module
    state = module.state_dict()
    frozen = {name: value for name, value in module.named_parameters() if name not in state}
    before = {name: value.clone() for name, value in frozen.items()}
    module.load_state_dict(state | {name: value + 1 for name, value in frozen.items()})
    assert all(value.equal(before[name]) for name, value in frozen.items())
    some = next(iter(state))
    with pytest.raises(RuntimeError, match=f"missing weights .*{some}"):
        module.load_state_dict({name: value for name, value in state.items() if name != some})
    with pytest.raises(RuntimeError, match=r"unknown weights .*'x'"):
        module.load_state_dict(state | {"x": torch.zeros(1)})
