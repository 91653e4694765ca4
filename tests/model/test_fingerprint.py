"""Fingerprints of weights, and the check that a checkpoint fits a model."""

from __future__ import annotations

import copy

import pytest
import torch

from frozenvl.model.fingerprint import fingerprint, refuse_misfit, same_random_weights
from frozenvl.util.errors import UserError


def test_fingerprint_follows_the_weights_alone(language):
    one = copy.deepcopy(language("llama"))
    assert fingerprint(one.model) == one.fingerprint
    assert fingerprint(copy.deepcopy(one.model).to(torch.bfloat16)) == one.fingerprint
    with torch.no_grad():
        one.model.lm_head.weight.mul_(1.1)
    assert fingerprint(one.model) != one.fingerprint


def test_a_start_token_is_part_of_what_was_trained():
    old = {"language_weights": "a", "k": 2, "vision": "b"}
    refuse_misfit(old, {}, {**old, "bos": False}, {}, "it")
    with pytest.raises(UserError, match="it was trained with bos = False, this model has True"):
        refuse_misfit(old, {}, {**old, "bos": True}, {}, "it")


def test_names_shapes_and_values_tell_modules_apart():
    torch.manual_seed(0)
    one = torch.nn.Linear(4, 3)
    same, redrawn, other = copy.deepcopy(one), torch.nn.Linear(4, 3), torch.nn.Linear(4, 3, bias=False)
    other.weight = one.weight
    renamed = torch.nn.Sequential(one)
    assert fingerprint(same) == fingerprint(one)
    assert len({fingerprint(module) for module in (one, redrawn, other, renamed)}) == 4
    assert fingerprint(same.bfloat16()) == fingerprint(one)


def test_without_content_names_and_shapes_are_what_there_is():
    with torch.device("meta"):
        one, same, other = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3), torch.nn.Linear(4, 2)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_random_weights_that_stay_are_the_same_and_the_others_draw_on():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with same_random_weights():
        one = torch.rand(3)
    assert torch.rand(2).equal(expected)
    with same_random_weights():
        assert torch.rand(3).equal(one)


IDENTITY = {"language": "a", "language_weights": "1", "vision": "b", "vision_weights": "2", "k": 2}
WEIGHTS = {"mapper.weight": torch.zeros(2, 3), "mapper.scale": torch.zeros(())}


@pytest.mark.parametrize(
    "fits",
    [
        {},
        {"language": "elsewhere/a"},  # a folder may have moved: its weights are compared
        {"fusion": "concat", "bos": False},  # what models were before there was a choice
    ],
)
def test_what_fits(fits):
    refuse_misfit(IDENTITY, WEIGHTS, IDENTITY | fits, WEIGHTS, "it")
    refuse_misfit(IDENTITY | fits, WEIGHTS, IDENTITY, WEIGHTS, "it")
    trained = {key: value for key, value in IDENTITY.items() if key != "vision_weights"}
    refuse_misfit(IDENTITY, WEIGHTS, trained, WEIGHTS, "it")  # an encoder that is trained from there on


@pytest.mark.parametrize(
    ("identity", "weights", "said"),
    [
        ({"k": 3}, WEIGHTS, "it was trained with k = 2, this model has 3; use the configuration"),
        (
            {"language": "c", "language_weights": "9"},
            WEIGHTS,
            "trained with language = a 1, this model has c 9",
        ),
        ({"fusion": "own.Fusion"}, WEIGHTS, "trained with fusion = concat, this model has own.Fusion"),
        ({}, WEIGHTS | {"mapper.weight": torch.zeros(2, 4)}, "it: mapper.weight is 2 × 3 there, 2 × 4 in"),
        ({}, {"mapper.weight": torch.zeros(2, 3)}, "mapper.scale is a number there, absent in this model"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(identity, weights, said):
    with pytest.raises(UserError, match=said) as error:
        refuse_misfit(IDENTITY, WEIGHTS, IDENTITY | identity, weights, "it")
    assert "\n" not in str(error.value)
