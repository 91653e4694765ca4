"""Several objectives at once: one loss and one gradient however a step is divided, logging, and errors in one line."""

from __future__ import annotations

import csv
import json
import re
from itertools import product
from pathlib import Path

import pytest
import torch
from running import add, checkpoint, history, one_line, score

from frozenvl.data.stream import TrainingStream
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.trained_run import from_config, load_trained

BOTH = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "near": {"class_path": "own_objective.Alignment", "init_args": {"weight": 0.5}},
}
PLAIN = (
    "--data.batch_size", 24, "--model.mapper.init_args.dropout", 0, "--model.schedule", "constant",
    "--trainer.limit_val_batches", 0, "--trainer.max_steps", 1,
)  # fmt: skip


def objectives(**described) -> tuple[str, str]:
    return "--model.objectives", json.dumps(described)


@pytest.fixture(scope="module")
def start(drilled) -> Path:
    """Checkpoint of a run with two objectives."""
    assert drilled("fit", *PLAIN, *objectives(**BOTH), name="start") == 0
    return Path("runs/start/checkpoints/last.ckpt").absolute()


@pytest.fixture(scope="module")
def whole(start) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses and gradients of the first global batch, computed in one pass without a Trainer."""
    trained = load_trained(start)
    stream = TrainingStream(from_config(start.parents[1], "data", FrozenData, {}).train, seed=0)
    made = trained.module.objectives
    batch = ObjectiveRows(trained.processor, made)([stream[position] for position in range(24)])
    counts = count_rows(made, [batch])
    loss = micro_loss(made, trained.module.model.run(batch), counts)
    loss.value.backward()
    losses = {name: total.item() / counts[name] for name, total in loss.totals.items()}
    assert loss.value.item() == pytest.approx(losses["captions"] + 0.5 * losses["near"], rel=1e-6)
    assert counts["captions"] != counts["near"] == 24
    return losses, {n: p.grad for n, p in trained.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2, 3), (1, 3)))
def test_two_objectives_have_one_gradient_however_a_batch_is_divided(
    drilled, start, whole, ranks, accumulate
):
    cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", 4 * accumulate)
    probe = add("probes.Gradients", file="gradients.pt")
    options = (*PLAIN, *objectives(**BOTH), "--init_from", start, *cut, *probe, "--overwrite", "true")
    assert drilled("fit", *options, ranks=ranks) == 0
    losses, expected = whole
    gradients = torch.load("gradients.pt")
    assert gradients.keys() == expected.keys() and any(".near." in name for name in gradients)
    for name, gradient in expected.items():
        assert (gradients[name] - gradient).norm() <= 2e-6 * gradient.norm(), name
    (row,) = history("tiny")
    assert row["train/captions"] == pytest.approx(losses["captions"], rel=1e-6)
    assert row["train/near"] == pytest.approx(losses["near"], rel=1e-6)
    assert row["train/loss"] == pytest.approx(losses["captions"] + 0.5 * losses["near"], rel=1e-6)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_validation_logs_each_objective(drilled, start, ranks):
    """Some ranks have an empty batch, since there are 32 pairs in batches of 3."""
    evaluate = (
        "--ckpt_path",
        start,
        *objectives(**BOTH),
        "--trainer.logger",
        "lightning.pytorch.loggers.CSVLogger",
    )
    assert drilled("validate", *evaluate, "--trainer.logger.save_dir", f"log{ranks}", ranks=ranks) == 0
    rows = csv.DictReader(next(Path(f"log{ranks}").rglob("metrics.csv")).open())
    found = {key: value for row in rows for key, value in row.items() if value}
    trained = load_trained(start)
    tasks = from_config(start.parents[1], "data", FrozenData, {}).val.values()
    samples = [task.sample(pair) for task in tasks for pair in range(task.source.pairs)]
    made = trained.module.objectives
    batch = ObjectiveRows(trained.processor, made)(samples)
    with torch.no_grad():
        loss = micro_loss(made, trained.module.model.run(batch), count_rows(made, [batch]))
    counts = count_rows(made, [batch])
    for name, total in loss.totals.items():
        assert float(found[f"val/{name}"]) == pytest.approx(total.item() / counts[name], rel=1e-5)
    assert float(found["val/loss"]) == pytest.approx(loss.value.item(), rel=1e-5)
    assert "val/perplexity" in found and score("tiny", "perplexity")


@pytest.mark.nightly
def test_a_resumed_run_with_two_objectives_is_bit_identical(drilled):
    options = (*PLAIN[:-1], 4, *objectives(**BOTH))
    assert drilled("fit", *options, name="once") == 0
    assert drilled("fit", *options, *add("probes.StopAt", step=3), name="cut") == 1
    assert drilled("fit", *options, "--ckpt_path", "last", name="cut") == 0
    one, other = (checkpoint(name)["state_dict"] for name in ("once", "cut"))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert "model.objectives.near.projection.weight" in one


CAPTIONS = BOTH["captions"]


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"x": {"class_path": "nowhere.Objective"}}, "model.objectives.*nowhere.*name a class by the path"),
        ({"x": {"class_path": "frozenvl.model.mappers.MLP"}}, "model.objectives: .*MLP does not correspond"),
        (
            {"x": {**CAPTIONS, "init_args": {"weight": -1}}},
            "model.objectives.x.weight is -1.0; give a finite",
        ),
        (
            {"x": {**CAPTIONS, "init_args": {"weight": "a"}}},
            'model.objectives: .*"weight": Expected a .*float',
        ),
        (
            {"loss": CAPTIONS},
            "model.objectives.loss: names are letters, digits and _, and not loss or lr; rename",
        ),
        ({"a b": CAPTIONS}, "model.objectives.a b: names are letters"),
        ({}, "model.objectives is empty; name at least one"),
        (
            {"x": {"class_path": "own_objective.Pixels"}},
            "model.objectives.x needs pixels, but data.cache_features",
        ),
    ],
)
def test_bad_objectives_are_one_error_line_and_nothing_is_written(frozenvl, capfd, described, message):
    assert frozenvl("fit", *PLAIN, *objectives(**described)) == 2
    assert re.search(message, one_line(capfd.readouterr().err))
    assert not Path("runs/tiny/checkpoints").exists() and not Path("runs/tiny/history.jsonl").exists()


@pytest.mark.parametrize("weight", [".inf", ".nan", "-.inf"])
def test_a_weight_that_is_not_finite_is_refused(frozenvl, capfd, weight):
    Path("weight.yaml").write_text(
        "model: {objectives: {x: {class_path: frozenvl.objectives.Captioning, init_args: {weight: "
        + weight
        + "}}}}"
    )
    assert frozenvl("fit", *PLAIN, "--config", "weight.yaml") == 2
    assert re.search(
        r"model.objectives.x.weight is -?(inf|nan); give a finite", one_line(capfd.readouterr().err)
    )


def test_a_checkpoint_of_other_objectives_is_refused(drilled, start, capfd):
    assert drilled("fit", *PLAIN, "--init_from", start, name="other") == 2
    line = one_line(capfd.readouterr().err)
    assert (
        "model.objectives.near.projection.bias is 32 there, absent in this model; use the configuration"
        in line
    )
    assert not Path("runs/other").exists()


def test_an_objective_that_needs_pixels_gets_them_without_the_cache(frozenvl):
    described = objectives(x={"class_path": "own_objective.Pixels"})
    assert frozenvl("fit", *PLAIN, *described, "--data.cache_features", "false") == 0
