"""Preparation of optimiser steps: what objectives see of one, and that those without a weight are left out."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import pairs, retrieval_model

from frozenvl.objectives import Captioning
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import Prepared, Step, pass_seed, prepare_step
from frozenvl.util.errors import UserError


class Looks(Captioning):
    """Captioning that prepares each step: it notes what it sees."""

    prepares = True

    def prepare(self, step: Step) -> Prepared:
        assert not torch.is_grad_enabled()
        runs = [step.run(micro) for micro in range(len(step.batches))]
        draw = torch.rand(2, generator=step.generator("draw"))
        return Prepared([(run.batch.ids, run.prefix.clone(), draw) for run in runs], 7.0, {"n": 2.0})


def prepared(model, objectives, batches, number: int = 0):
    where = {"number": number, "seed": 0, "rank": 0, "world_size": 1}
    return prepare_step(objectives, model, model.processor(), batches, **where)


def test_an_objective_sees_its_rows_of_all_micro_batches(tiny_language, tiny_vision):
    objectives = {"a": Looks(), "b": Captioning(), "off": Looks(weight=0.0)}
    model = retrieval_model(tiny_language, tiny_vision, objectives)
    batches = [ObjectiveRows(model.processor(), objectives)(pairs(start, 2)) for start in (0, 2)]
    found = prepared(model, objectives, batches)
    assert found.keys() == {"a"} and found["a"].count == 7 and found["a"].sums == {"n": 2.0}
    assert [ids for ids, _, _ in found["a"].micro] == [("0", "1"), ("2", "3")]


def test_draws_and_dropout_depend_on_the_step_alone(tiny_language, tiny_vision):
    objectives = {"a": Looks()}
    model = retrieval_model(tiny_language, tiny_vision, objectives).train()
    model.mapper = torch.nn.Sequential(model.mapper, torch.nn.Dropout(0.5))
    batches = [ObjectiveRows(model.processor(), objectives)(pairs(0, 2))]
    ((_, prefix, draw),) = prepared(model, objectives, batches)["a"].micro
    torch.rand(3)
    ((_, again, draw_again),) = prepared(model, objectives, batches)["a"].micro
    ((_, later, draw_later),) = prepared(model, objectives, batches, number=1)["a"].micro
    assert torch.equal(prefix, again) and torch.equal(draw, draw_again)
    assert not torch.equal(prefix, later) and not torch.equal(draw, draw_later)
    assert torch.equal(model.run(batches[0], seed=pass_seed(0, 0, 0, 0)).prefix, prefix)


def test_an_objective_that_prepares_nothing_says_so():
    with pytest.raises(NotImplementedError):
        Captioning().prepare(None)


def test_an_objective_that_prepares_no_value_for_a_micro_batch_is_named(tiny_language, tiny_vision):
    objectives = {"a": Looks()}
    model = retrieval_model(tiny_language, tiny_vision, objectives)
    batches = [ObjectiveRows(model.processor(), objectives)(pairs(0, 2))]
    for made, what in ((None, "NoneType"), (Prepared([], 1.0), "Prepared")):
        objectives["a"].prepare = lambda step, made=made: made
        with pytest.raises(UserError, match=f"objectives.a: prepare has to return .* Looks returned {what}"):
            prepared(model, objectives, batches)
