"""Drill of objectives: one loss and one gradient however an optimiser step is divided among ranks and micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from running import Runs, add, history, score

from frozenvl.data.stream import TrainingStream
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import prepare_step
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.trained_run import from_config, load_trained

PAIRS = 24
"""Pairs of the step: they give micro-batches of unequal lengths."""
PLAIN = (
    "--data.batch_size", PAIRS, "--model.mapper.init_args.dropout", 0, "--model.schedule", "constant",
    "--trainer.limit_val_batches", 0, "--trainer.max_steps", 1,
)  # fmt: skip
"""Options of a run of one step, without dropout and validation."""
CUTS = list(product((1, 2, 3), (1, 3)))
"""Numbers of ranks and of micro-batches."""


class Whole(NamedTuple):
    """An optimiser step computed in one pass, without a Trainer."""

    losses: dict[str, float]
    gradients: dict[str, torch.Tensor]
    counts: dict[str, float]
    batch: Any


def started(drilled: Runs, asked: Sequence[object]) -> Path:
    """Trains one step with the options `asked`; returns the checkpoint."""
    assert drilled("fit", *PLAIN, *asked, name="start") == 0
    return Path("runs/start/checkpoints/last.ckpt").absolute()


def whole_step(start: Path, prepares: bool = False) -> Whole:
    """Returns losses and gradients of the first global batch in one pass; `prepares` prepares the step before."""
    trained = load_trained(start)
    stream = TrainingStream(from_config(start.parents[1], "data", FrozenData, {}).train, seed=0)
    objectives, model = trained.module.objectives, trained.module.model
    batch = ObjectiveRows(trained.processor, objectives)([stream[position] for position in range(PAIRS)])
    where = {"number": 0, "seed": trained.module.seed, "rank": 0, "world_size": 1}
    prepared = prepare_step(objectives, model, trained.processor, [batch], **where) if prepares else {}
    counts = count_rows(objectives, [batch]) | {name: each.count for name, each in prepared.items()}
    run = model.run(batch, prepared={name: each.micro[0] for name, each in prepared.items()})
    loss = micro_loss(objectives, run, counts)
    loss.value.backward()
    losses = {name: total.item() / counts[name] for name, total in loss.totals.items()}
    gradients = {n: p.grad for n, p in trained.module.named_parameters() if p.grad is not None}
    return Whole(losses, gradients, counts, batch)


def check_divided(
    drilled: Runs,
    asked: Sequence[object],
    start: Path,
    whole: Whole,
    ranks: int,
    accumulate: int,
    tolerance: float = 3e-6,
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Trains the step of `whole` divided; asserts its losses and gradients. Returns the logged row and the gradients.

    Weights that the whole step has no gradient for may have one of 0.

    Args:
        tolerance: norm of the difference of two gradients of a weight ÷ norm of the gradient.
    """
    cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", 4 * accumulate)
    probe = add("probes.Gradients", file="gradients.pt")
    options = (*PLAIN, *asked, "--init_from", start, *cut, *probe, "--overwrite", "true")
    assert drilled("fit", *options, ranks=ranks) == 0
    gradients = torch.load("gradients.pt")
    for name, gradient in whole.gradients.items():
        assert (gradients[name] - gradient).norm() <= tolerance * gradient.norm(), name
    assert not any(gradients[name].any() for name in gradients.keys() - whole.gradients.keys())
    (row,) = history("tiny")
    for name, loss in whole.losses.items():
        assert row[f"train/{name}"] == pytest.approx(loss, rel=1e-6)  # without its weight
    return row, gradients


def validated(drilled: Runs, asked: Sequence[object], start: Path) -> dict[str, float]:
    """Validates the checkpoint; returns what it logs as `val/…`, by name."""
    options = (
        "--ckpt_path",
        start,
        *PLAIN,
        *asked,
        "--trainer.limit_val_batches",
        "1.0",
        "--overwrite",
        "true",
    )
    assert drilled("validate", *options, name="validated") == 0
    return score("validated", "perplexity")["scores"]
