"""The negative log-likelihood of target texts."""

from __future__ import annotations

import math

import pytest
import torch

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.objectives import Captioning
from frozenvl.util.errors import UserError


def batch(labels: list[list[int]], target_bytes: tuple[int, ...] = ()) -> Batch:
    rows = torch.tensor(labels)
    nothing = torch.zeros_like(rows)
    lengths = torch.full((len(labels),), rows.shape[1])
    return Batch(
        ("1",) * len(labels), nothing, nothing, rows, lengths, torch.empty(0), target_bytes=target_bytes
    )


class Run:
    """Forward pass with given losses."""

    def __init__(self, batch: Batch, *nll: list[float]) -> None:
        self.batch, self.prefix, self.asked = batch, torch.zeros(2, dtype=torch.bfloat16), 0
        self._nll = [torch.tensor(chunk, requires_grad=True) for chunk in nll]

    def nll(self, smoothing=0.0):
        self.asked += 1
        self.smoothing = smoothing
        return ((self.batch, chunk) for chunk in self._nll)


TWO = batch([[IGNORE, 5, 6], [IGNORE, IGNORE, 7]], (9, 4))


def test_target_tokens_are_counted_and_their_losses_summed():
    run = Run(TWO, [1.0, 2.0], [4.0])
    assert Captioning().count(TWO) == 3
    total = Captioning().total(run)
    assert total.item() == 7 and total.dtype == torch.float32
    total.backward()
    assert all(chunk.grad.eq(1).all() for chunk in run._nll)


def test_labels_are_smoothed_in_training_only():
    made, run = Captioning(label_smoothing=0.1), Run(TWO, [1.0])
    made.total(run)
    assert run.smoothing == 0.1
    made.eval().total(run)
    assert run.smoothing == 0


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_of_smoothing_outside_its_range_is_refused(share):
    with pytest.raises(UserError, match=f"label_smoothing is {share}; it is a share, from 0 to below 1"):
        Captioning(label_smoothing=share)


def test_without_targets_the_language_model_is_not_run():
    run = Run(batch([[IGNORE, IGNORE]]), [1.0])
    total = Captioning().total(run)
    assert total == 0 and total.dtype == torch.float32 and run.asked == 0


def test_perplexity_and_bits_per_byte_of_a_validation():
    made = Captioning()
    assert made.sums(TWO) == {"bytes": 13.0}
    found = made.summary(2.0, {"total": 26.0, "bytes": 13.0})
    assert found["perplexity"] == pytest.approx(math.e**2)
    assert found["bits_per_byte"] == pytest.approx(2 / math.log(2))


def test_perplexity_is_finite_for_huge_losses_and_no_bytes():
    found = Captioning().summary(1e9, {"total": 0.0, "bytes": 0.0})
    assert math.isfinite(found["perplexity"]) and found["bits_per_byte"] == 0


def test_the_weight_is_the_only_argument():
    assert Captioning(0.5).weight == 0.5 and Captioning(0.5).arguments == {"weight": 0.5}
    assert not list(Captioning().parameters())
