"""LoRA: low-rank updates of linear layers."""

from __future__ import annotations

import pytest
import torch
from losses import loss_of
from tuned import SAMPLES

from frozenvl.model.tuning import LoRA
from frozenvl.util.errors import UserError


def test_each_target_gets_two_low_rank_matrices_and_nothing_else_is_trained(build):
    language = build(tuning=LoRA(3, targets=["q_proj", "v_proj"])).language
    trained = {name: tuple(p.shape) for name, p in language.named_parameters() if p.requires_grad}
    assert len(trained) == len(language.layers) * 2 * 2
    assert all(".q_proj.lora_" in name or ".v_proj.lora_" in name for name in trained)
    assert {min(shape) for shape in trained.values()} == {3}


def test_updates_are_scaled_by_alpha_over_rank(build, processor_of):
    """Half of alpha with twice the matrices gives the same loss."""
    losses = []
    for alpha, factor in ((8.0, 1.0), (4.0, 2.0), (4.0, 1.0)):
        model = build(tuning=LoRA(4, alpha=alpha))
        torch.manual_seed(0)
        with torch.no_grad():
            for name, weight in model.language.named_parameters():
                if "lora_B" in name:
                    weight.copy_(factor * torch.randn_like(weight) * 0.1)
        losses.append(loss_of(model, processor_of(model)(SAMPLES)).nll.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] != pytest.approx(losses[2], rel=1e-3)


def test_unknown_target_modules_are_refused(build):
    with pytest.raises(UserError, match=r"LoRA on .*") as found:
        build("llama", tuning=LoRA(targets=["nothing"]))
    assert "\n" not in str(found.value)
