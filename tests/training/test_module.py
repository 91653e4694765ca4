"""Training steps: one loss and gradient however a batch is divided, and frozen weights."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from losses import loss_of
from running import add, history, one_line

from frozenvl.data.stream import TrainingStream
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.trained_run import from_config, load_trained

NO_VALIDATION = ("--trainer.limit_val_batches", 0)
PLAIN = ("--data.batch_size", 24, "--model.mapper.init_args.dropout", 0, "--model.schedule", "constant")


class Reference(NamedTuple):
    loss: float
    gradients: dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def first_batch(tiny_run) -> Reference:
    """Loss and gradients of the first global batch, computed sample by sample."""
    trained = load_trained(tiny_run)
    stream = TrainingStream(from_config(tiny_run, "data", FrozenData, {}).train, seed=0)
    module = trained.module
    module.zero_grad()
    parts = [loss_of(module.model, trained.processor([stream[position]])) for position in range(24)]
    tokens = sum(part.tokens for part in parts)
    assert len({part.tokens for part in parts}) > 3  # so that a mean of means would differ
    loss = sum(part.nll for part in parts) / tokens
    loss.backward()
    return Reference(loss.item(), {n: p.grad for n, p in module.named_parameters() if p.grad is not None})


@pytest.mark.parametrize(("ranks", "accumulate"), [(1, 1), (1, 4), (2, 1), (2, 4), (3, 1), (3, 4)])
def test_loss_and_gradient_are_the_same_however_a_batch_is_divided(
    frozenvl, tiny_run, first_batch, ranks, accumulate
):
    start = ("--init_from", tiny_run / "checkpoints" / "last.ckpt", "--trainer.max_steps", 1)
    cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", 4 * accumulate)
    probe = add("probes.Gradients", file="gradients.pt")
    assert frozenvl("fit", *PLAIN, *NO_VALIDATION, *start, *cut, *probe, ranks=ranks) == 0
    gradients = torch.load("gradients.pt")
    assert gradients.keys() == first_batch.gradients.keys()
    whole, other = (
        torch.cat([g[name].flatten() for name in gradients]) for g in (first_batch.gradients, gradients)
    )
    assert (other - whole).norm() <= 2e-6 * whole.norm()  # fp32 sums in another order
    for name, expected in first_batch.gradients.items():
        assert (gradients[name] - expected).norm() <= 2e-6 * expected.norm(), name
    assert history("tiny")[0]["train/loss"] == pytest.approx(first_batch.loss, rel=1e-6)


def test_clipping_uses_the_gradient_of_the_whole_batch(frozenvl, tiny_run, first_batch):
    start = ("--init_from", tiny_run / "checkpoints" / "last.ckpt", "--trainer.max_steps", 1)
    probe = add("probes.Gradients", file="gradients.pt")
    assert frozenvl("fit", *PLAIN, *NO_VALIDATION, *start, "--trainer.gradient_clip_val", 0.01, *probe) == 0
    norm = torch.stack([g.norm() for g in torch.load("gradients.pt").values()]).norm().item()
    assert torch.stack([g.norm() for g in first_batch.gradients.values()]).norm() > 0.02
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_the_language_model_is_unchanged(frozenvl):
    assert frozenvl("fit", *add("probes.LanguageModelUntouched")) == 0


def test_a_nan_loss_is_an_error_with_its_samples(frozenvl, capfd):
    explode = ("--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", 1e30)
    assert frozenvl("fit", *NO_VALIDATION, *explode) == 1
    message = one_line(capfd.readouterr().err)
    assert "loss is nan at step 1, samples scenes/train/" in message and "learning rate" in message
