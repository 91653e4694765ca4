"""The matching objective: its formula, one gradient however a step is divided, what it trains, validation, errors."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from divided_steps import CUTS, PLAIN, Whole, check_divided, started, validated, whole_step
from retrieval_models import pairs, retrieval_model
from running import one_line
from toy import Square

from frozenvl.model.heads import Matching as MatchingHead
from frozenvl.objectives import Captioning, Matching
from frozenvl.objectives.hard_negatives import pair_tails
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import prepare_step
from frozenvl.prompt import BlackImage, Sample
from frozenvl.util.errors import UserError

HEADS = {
    "r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}},
    "m": {"class_path": "frozenvl.model.heads.Matching"},
    "deep": {
        "class_path": "frozenvl.model.heads.Matching",
        "init_args": {"pool": "mean", "layers": [1, 2], "norm": True, "hidden": 5, "marker": "[DEEP]"},
    },
}
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "near": {"class_path": "frozenvl.objectives.Matching", "init_args": {"head": "m", "weight": 0.5}},
    "any": {
        "class_path": "frozenvl.objectives.Matching",
        "init_args": {"head": "deep", "temperature": ".inf", "pairs": 5},
    },
}
ASKED = (
    "--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps(OBJECTIVES), "--data.train.vqa.weight", 1
)  # fmt: skip
WHERE = {"number": 3, "seed": 7, "rank": 0, "world_size": 1}


def matching_model(language: Path, vision: Path, objectives=None, **head):
    return retrieval_model(language, vision, objectives, extra={"m": MatchingHead(**head)})


def made(language: Path, vision: Path, samples=None, **options):
    """Returns a model with captions and matching, and a batch of its rows."""
    objectives = {"captions": Captioning(), "match": Matching(**options)}
    model = matching_model(language, vision, objectives)
    rows = ObjectiveRows(model.processor(), objectives)
    return model, objectives, rows(pairs(0, 7) if samples is None else samples)


def prepared_total(model, objectives, batch, **where):
    prepared = prepare_step(objectives, model, model.processor(), [batch], **WHERE | where)["match"]
    run = model.run(batch, prepared={"match": prepared.micro[0]}).of("match")
    return objectives["match"].total(run), prepared


def test_the_loss_is_the_cross_entropy_of_true_and_wrong_pairs(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision)
    total, prepared = prepared_total(model, objectives, batch)
    samples, head, processor = pairs(0, 7), model.matcher(), model.processor()
    true = [(sample.prompt[0], sample.target.strip()) for sample in samples]
    tails = [pair_tails(processor([head.prompt(*pair)]))[0] for pair in true]
    wrong = [(true[pair][0], true[tails.index(tail)][1]) for pair, tail in prepared.micro[0].wrong]
    expected = 0.0
    for sign, judged in ((-1, true), (1, wrong)):
        for pair in judged:
            (odds,) = head.logits(model.run(processor([head.prompt(*pair)]))).tolist()
            expected += math.log1p(math.exp(sign * odds))
    assert len(true) + len(wrong) == prepared.count == 3 * 7 and not set(true) & set(wrong)
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_each_image_gets_a_wrong_text_and_each_text_a_wrong_image(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision)
    _, prepared = prepared_total(model, objectives, batch)
    of_image = [pair for pair, _ in prepared.micro[0].wrong[:7]]
    texts = [tuple(tail) for _, tail in prepared.micro[0].wrong[7:]]
    assert of_image == list(range(7)) and len(set(texts)) == 7


def test_only_what_is_trained_has_a_gradient(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision)
    total, _ = prepared_total(model, objectives, batch)
    total.backward()
    found = {
        name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()
    }
    assert found == {
        "heads.m.vector", "heads.m.read.linear.weight", "heads.m.read.linear.bias", "mapper.out.weight",
        "mapper.out.bias",
    }  # fmt: skip


def test_draws_depend_on_seed_and_step(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision, temperature=math.inf)
    draw = lambda **where: prepared_total(model, objectives, batch, **where)[1].micro
    assert draw() == draw() and draw() != draw(number=4) and draw() != draw(seed=8)


def test_a_step_without_negatives_has_its_true_rows_alone(tiny_language, tiny_vision):
    same = [replace(sample, target="a dog") for sample in pairs(0, 3)]
    model, objectives, batch = made(tiny_language, tiny_vision, samples=same)
    total, prepared = prepared_total(model, objectives, batch)
    assert prepared.count == 3 == objectives["match"].count(batch.of("match")) and total > 0


def test_the_head_learns_which_text_fits_which_image(tiny_language, tiny_vision):
    """A frozen random language model is enough to tell four colours after 20 steps."""
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
    samples = [Sample(name, (Square(name, colour),), f" {name}") for name, colour in colours.items()]
    model, objectives, batch = made(tiny_language, tiny_vision, samples=samples)
    model.train()
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    for step in range(20):
        total, prepared = prepared_total(model, objectives, batch, number=step)
        optimizer.zero_grad()
        (total / prepared.count).backward()
        optimizer.step()
    pairs_of_all = [(sample.prompt[0], name) for sample in samples for name in colours]
    odds = model.eval().match(model.processor(), pairs_of_all).view(4, 4)
    assert torch.equal(odds.argmax(0), torch.arange(4)) and torch.equal(odds.argmax(1), torch.arange(4))
    assert ((odds > 0) == torch.eye(4, dtype=torch.bool)).all()


def test_samples_without_a_text_or_an_image_have_no_rows(tiny_language, tiny_vision):
    blank = [Sample("a", ("words",), " a dog"), Sample("b", (BlackImage(64, name="x"),), " ")]
    model, objectives, batch = made(tiny_language, tiny_vision, samples=[*blank, *pairs(0, 2)])
    assert len(batch.of("match")) == 3 * 2 and prepared_total(model, objectives, batch)[1].count == 6


def test_without_an_embedding_head_nothing_is_embedded_and_draws_are_uniform(tiny_language, tiny_vision):
    objectives = {"match": Matching()}
    model = retrieval_model(tiny_language, tiny_vision, objectives, heads={"m": MatchingHead()})
    batch = ObjectiveRows(model.processor(), objectives)(pairs(0, 4))
    assert len(batch.of("match")) == 4
    total, prepared = prepared_total(model, objectives, batch)
    assert prepared.count == 12 and total > 0


def test_a_validation_draws_within_its_batch_always_the_same(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision)
    objective = objectives["match"]
    with torch.no_grad():
        first = objective.total(model.run(batch).of("match")).item()
        assert first == objective.total(model.run(batch).of("match")).item()
    assert objective.count(batch.of("match")) == 21
    sums = objective.sums(batch.of("match"))
    assert (sums["true"], sums["wrong"]) == (7, 14)
    assert 0 <= sums["true_right"] <= 7 and 0 <= sums["wrong_right"] <= 14
    told = objective.summary(first / 21, {"true_right": 6, "true": 8, "wrong_right": 4, "wrong": 16})
    assert told == {"match_accuracy": 50}
    assert objective.sums(batch.of("match").select(torch.arange(0)))["true"] == 0


def test_some_pairs_are_judged_and_their_negatives_come_from_all(tiny_language, tiny_vision):
    model, objectives, batch = made(tiny_language, tiny_vision, pairs=2)
    total, prepared = prepared_total(model, objectives, batch)
    true, wrong = prepared.micro[0]
    assert len(set(true)) == 2 and len(wrong) == 4 and prepared.count == 6 and total > 0
    assert [pair for pair, _ in wrong[:2]] == true
    assert objectives["match"].count(batch.of("match")) == 21  # a validation judges all


@pytest.fixture(scope="module")
def start(drilled) -> Path:
    """Checkpoint of a run with two matching objectives beside captions."""
    return started(drilled, ASKED)


@pytest.fixture(scope="module")
def whole(start) -> Whole:
    """First global batch, prepared and computed in one pass."""
    made = whole_step(start, prepares=True)
    assert 48 < made.counts["near"] <= 72 and 10 < made.counts["any"] <= 15
    return made


@pytest.mark.parametrize(("ranks", "accumulate"), CUTS)
def test_one_gradient_however_a_step_is_divided(drilled, start, whole, ranks, accumulate):
    _, gradients = check_divided(drilled, ASKED, start, whole, ranks, accumulate)
    trained = {"model.heads.m.vector", "model.heads.deep.decide.1.weight"}
    assert gradients.keys() == whole.gradients.keys() >= trained


def test_validation_logs_loss_and_accuracy(drilled, start):
    scores = validated(drilled, ASKED, start)
    assert scores["near"] > 0 and scores["any"] > 0 and 0 < scores["match_accuracy"] <= 100


def test_without_a_head_the_line_says_where_one_is_made(drilled, capfd):
    assert drilled("fit", *PLAIN, "--model.objectives", json.dumps(OBJECTIVES), name="none") == 2
    assert "no matching head; train one (model.heads)" in one_line(capfd.readouterr().err)


def test_a_number_of_pairs_below_one_is_refused():
    with pytest.raises(UserError, match="pairs is 0; give 1 or more"):
        Matching(pairs=0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(UserError, match=r"give a number above 0, or \.inf"):
        Matching(temperature=temperature)
