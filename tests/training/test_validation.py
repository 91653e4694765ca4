"""Validation: losses over all pairs of all ranks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from losses import loss_of

from frozenvl.training.datamodule import FrozenData
from frozenvl.training.trained_run import from_config, load_trained


@pytest.mark.parametrize("ranks", [1, 3])
def test_perplexity_and_bits_per_byte_are_over_all_targets_of_all_ranks(frozenvl, tiny_run, ranks):
    """The 32 pairs in batches of 3 make the last batch smaller, and give some ranks one batch more."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert frozenvl("validate", "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt", ranks=ranks) == 0
    trained = load_trained(tiny_run)
    tasks = from_config(tiny_run, "data", FrozenData, {}).val.values()
    samples = [task.sample(pair) for task in tasks for pair in range(task.source.pairs)]
    with torch.no_grad():
        parts = [loss_of(trained.module.model, trained.processor([sample])) for sample in samples]
    nll, size = sum(part.nll.item() for part in parts), sum(len(x.target.encode()) for x in samples)
    expected = math.exp(nll / sum(part.tokens for part in parts))
    events = EventAccumulator(str(Path("runs/tiny")))
    events.Reload()
    assert events.Scalars("val/perplexity")[-1].value == pytest.approx(expected, rel=1e-5)
    bits = nll / math.log(2) / size
    assert events.Scalars("val/bits_per_byte")[-1].value == pytest.approx(bits, rel=1e-5)
