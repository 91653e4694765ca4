"""The contrastive objective: formulas in fp64, masked negatives, one gradient however a step is divided, errors."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from retrieval_models import pairs, retrieval_model
from running import add, history, one_line

from frozenvl.data.stream import TrainingStream
from frozenvl.objectives import Captioning, Contrastive
from frozenvl.objectives.contrastive import alike
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import pass_seed, prepare_step
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.trained_run import from_config, load_trained
from frozenvl.util.errors import UserError

HEADS = {"r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}}}
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "nce": {"class_path": "frozenvl.objectives.Contrastive", "init_args": {"weight": 0.5}},
    "sig": {"class_path": "frozenvl.objectives.Contrastive", "init_args": {"loss": "sigmoid", "bias": -2.0}},
}
ASKED = ("--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps(OBJECTIVES))
PLAIN = (
    "--data.batch_size", 24, "--model.mapper.init_args.dropout", 0, "--model.schedule", "constant",
    "--trainer.limit_val_batches", 0, "--trainer.max_steps", 1, "--data.train.vqa.weight", 1,
)  # fmt: skip


def embeddings(rows: int = 6, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return tuple(
        torch.nn.functional.normalize(torch.randn(rows, dim, generator=random, dtype=torch.float64), dim=1)
        for _ in range(2)
    )


def keys(rows: int) -> list[tuple[str, str]]:
    return [(f"image {row}", f"text {row}") for row in range(rows)]


def test_infonce_is_the_mean_of_two_cross_entropies():
    texts, images = embeddings()
    expected = 0.0
    for one, other in ((texts, images), (images, texts)):
        for row in range(6):
            similar = [(one[row] @ other[column] / 0.07).exp() for column in range(6)]
            expected += -(similar[row] / sum(similar)).log() / 2
    assert Contrastive().double()._sum(texts, images, keys(6)).item() == pytest.approx(
        float(expected), rel=1e-6
    )


def test_sigmoid_loss_decides_each_combination():
    texts, images = embeddings()
    expected = sum(
        torch.nn.functional.softplus(-(1 if i == j else -1) * (10 * images[i] @ texts[j] - 3))
        for i in range(6)
        for j in range(6)
    )
    found = Contrastive(loss="sigmoid", bias=-3.0).double()._sum(texts, images, keys(6))
    assert found.item() == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_pairs_of_one_image_or_one_text_are_no_negatives(loss):
    texts, images = embeddings()
    objective = Contrastive(loss=loss).double()
    masked = [("a", "x"), ("a", "y"), ("b", "z"), ("c", "z")]
    found = objective._sum(texts[:4], images[:4], masked)
    scale, expected = objective.log_scale.exp(), 0.0
    logits = scale * images[:4] @ texts[:4].T
    for row in range(4):
        allowed = [
            c
            for c in range(4)
            if c == row or not (masked[c][0] == masked[row][0] or masked[c][1] == masked[row][1])
        ]
        if loss == "infonce":
            for matrix in (logits, logits.T):
                expected += (matrix[row, allowed].logsumexp(0) - matrix[row, row]) / 2
        else:
            for column in allowed:
                sign = 1 if column == row else -1
                expected += torch.nn.functional.softplus(-sign * (logits[row, column] + objective.bias))
    assert found.item() == pytest.approx(float(expected), rel=1e-9)


def test_alike_pairs():
    assert alike([("a", "x"), ("b", "x"), ("b", "y")]).int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]


@pytest.mark.parametrize(
    ("pool", "images"), [("marker", "features"), ("mean", "features"), ("marker", "prompt")]
)
def test_a_prepared_step_has_the_gradient_of_the_whole_even_with_dropout(
    tiny_language, tiny_vision, pool, images
):
    objectives = {"captions": Captioning(), "c": Contrastive(temperature=0.5)}
    model = retrieval_model(tiny_language, tiny_vision, objectives, pool=pool, dropout=0.4, images=images)
    model.train()
    processor = model.processor()
    rows = ObjectiveRows(processor, objectives)
    batches = [rows(pairs(start, size)) for start, size in ((0, 5), (5, 2), (7, 4))]
    counts = count_rows(objectives, batches)
    assert counts["c"] == 11

    seeds = [pass_seed(0, 3, micro, 0) for micro in range(3)]
    embedded = [
        objectives["c"]._embed(model.run(b, seed=s).of("c")) for b, s in zip(batches, seeds, strict=True)
    ]
    sides = (torch.cat(side) for side in zip(*embedded, strict=True))
    whole = objectives["c"]._sum(*sides, [(f"image {i}", f"text {i}") for i in range(11)])
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    expected = torch.autograd.grad(whole / 11, trained.values(), allow_unused=True)

    prepared = prepare_step(objectives, model, processor, batches, number=3, seed=0, rank=0, world_size=1)[
        "c"
    ]
    found, total = {name: torch.zeros_like(weight) for name, weight in trained.items()}, 0.0
    for batch, seed, micro in zip(batches, seeds, prepared.micro, strict=True):
        run = model.run(batch, seed=seed, prepared={"c": micro})
        loss = objectives["c"].total(run.of("c")) / counts["c"]
        total += loss.item()
        gradients = torch.autograd.grad(loss, trained.values(), allow_unused=True)
        for name, gradient in zip(trained, gradients, strict=True):
            found[name] += 0 if gradient is None else gradient
    assert total == pytest.approx(whole.item() / 11, rel=1e-6)
    for name, gradient in zip(trained, expected, strict=True):
        if gradient is not None:
            assert (found[name] - gradient).norm() <= 1e-5 * gradient.norm().clamp(min=1e-6), name
    assert found["objectives.c.log_scale"].abs() > 0


@pytest.fixture(scope="module")
def start(drilled) -> Path:
    """Checkpoint of a run with two contrastive objectives beside captions."""
    assert drilled("fit", *PLAIN, *ASKED, name="start") == 0
    return Path("runs/start/checkpoints/last.ckpt").absolute()


@pytest.fixture(scope="module")
def whole(start) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses and gradients of the first global batch, computed in one pass without a preparation."""
    trained = load_trained(start)
    stream = TrainingStream(from_config(start.parents[1], "data", FrozenData, {}).train, seed=0)
    made = trained.module.objectives
    batch = ObjectiveRows(trained.processor, made)([stream[position] for position in range(24)])
    counts = count_rows(made, [batch])
    assert counts["nce"] == counts["sig"] == 24
    loss = micro_loss(made, trained.module.model.run(batch), counts)
    loss.value.backward()
    losses = {name: total.item() / counts[name] for name, total in loss.totals.items()}
    return losses, {n: p.grad for n, p in trained.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2, 3), (1, 3, 4)))
def test_one_gradient_however_a_step_is_divided(drilled, start, whole, ranks, accumulate):
    """24 pairs: of unequal lengths in each of 1 to 12 micro-batches."""
    cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", 4 * accumulate)
    probe = add("probes.Gradients", file="gradients.pt")
    options = (*PLAIN, *ASKED, "--init_from", start, *cut, *probe, "--overwrite", "true")
    assert drilled("fit", *options, ranks=ranks) == 0
    losses, expected = whole
    gradients = torch.load("gradients.pt")
    assert gradients.keys() == expected.keys()
    assert {
        "model.heads.r.vector",
        "model.objectives.nce.log_scale",
        "model.objectives.sig.bias",
    } <= gradients.keys()
    for name, gradient in expected.items():
        assert (gradients[name] - gradient).norm() <= 3e-6 * gradient.norm(), name
    (row,) = history("tiny")
    for name, loss in losses.items():
        assert row[f"train/{name}"] == pytest.approx(loss, rel=1e-6)


def test_validation_logs_the_loss_of_its_batches_and_the_temperature(drilled, start):
    options = (
        "--ckpt_path",
        start,
        *PLAIN,
        *ASKED,
        "--trainer.limit_val_batches",
        "1.0",
        "--overwrite",
        "true",
    )
    assert drilled("validate", *options, name="validated") == 0
    path = Path("runs/validated/evaluation/perplexity/score.json")
    scores = json.loads(path.read_text())["scores"]
    assert {"nce", "sig", "temperature"} <= scores.keys() and scores["nce"] > 0


def test_resume_keeps_temperature_and_marker(drilled):
    steps = ("--data.batch_size", 6, "--trainer.limit_val_batches", 0)
    assert drilled("fit", *ASKED, *steps, "--trainer.max_steps", 4, name="whole") == 0
    assert (
        drilled("fit", *ASKED, *steps, "--trainer.max_steps", 2, "--model.schedule", "constant", name="part")
        == 0
    )
    whole = torch.load("runs/whole/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    part = torch.load("runs/part/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name in ("model.heads.r.vector", "model.objectives.nce.log_scale", "model.objectives.sig.bias"):
        assert name in part and not torch.equal(whole[name], part[name])
    resumed = ("--trainer.max_steps", 4, "--resume", "true")
    assert drilled("fit", *ASKED, *steps, *resumed, "--model.schedule", "constant", name="part") == 0
    assert (
        drilled(
            "fit", *ASKED, *steps, "--trainer.max_steps", 4, "--model.schedule", "constant", name="straight"
        )
        == 0
    )
    one, other = (
        torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("part", "straight")
    )
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_step_of_one_pair_is_refused(drilled, capfd):
    assert drilled("fit", *PLAIN, *ASKED, "--data.batch_size", 1, name="one") == 2
    assert "raise data.batch_size" in one_line(capfd.readouterr().err)


def test_without_a_head_the_line_says_where_one_is_made(drilled, capfd):
    assert drilled("fit", *PLAIN, "--model.objectives", json.dumps(OBJECTIVES), name="none") == 2
    assert "model.heads" in one_line(capfd.readouterr().err)


def test_a_temperature_below_the_clamp_is_refused():
    with pytest.raises(UserError, match="temperature is 0"):
        Contrastive(temperature=0.0)
