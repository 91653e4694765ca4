"""The contrastive objective: formulas in fp64, masked negatives, one gradient however a step is divided, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from divided_steps import CUTS, PAIRS, PLAIN, Whole, check_divided, started, validated, whole_step
from retrieval_models import pairs, retrieval_model
from running import one_line

from frozenvl.objectives import Captioning, Contrastive
from frozenvl.objectives.contrastive import alike
from frozenvl.objectives.objective import count_rows
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import pass_seed, prepare_step
from frozenvl.util.errors import UserError

HEADS = {"r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}}}
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "nce": {"class_path": "frozenvl.objectives.Contrastive", "init_args": {"weight": 0.5}},
    "sig": {"class_path": "frozenvl.objectives.Contrastive", "init_args": {"loss": "sigmoid", "bias": -2.0}},
}
ASKED = (
    "--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps(OBJECTIVES), "--data.train.vqa.weight", 1
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
    return started(drilled, ASKED)


@pytest.fixture(scope="module")
def whole(start) -> Whole:
    """First global batch in one pass, without a preparation."""
    made = whole_step(start)
    assert made.counts["nce"] == made.counts["sig"] == PAIRS
    return made


@pytest.mark.parametrize(("ranks", "accumulate"), [*CUTS, (1, 4), (2, 4), (3, 4)])
def test_one_gradient_however_a_step_is_divided(drilled, start, whole, ranks, accumulate):
    _, gradients = check_divided(drilled, ASKED, start, whole, ranks, accumulate)
    trained = {"model.heads.r.vector", "model.objectives.nce.log_scale", "model.objectives.sig.bias"}
    assert gradients.keys() == whole.gradients.keys() >= trained


def test_validation_logs_the_loss_of_its_batches_and_the_temperature(drilled, start):
    scores = validated(drilled, ASKED, start)
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
