"""Fingerprints of weights, and the check that a checkpoint fits a model."""

from __future__ import annotations

import copy

import pytest
import torch

from frozenvl.model.fingerprint import fingerprint, refuse_misfit, same_random_weights
from frozenvl.util.errors import UserError


def test_a_fingerprint_depends_only_on_the_weights(language):
    one = copy.deepcopy(language("llama"))
    assert fingerprint(one.model) == one.fingerprint
    assert fingerprint(copy.deepcopy(one.model).to(torch.bfloat16)) == one.fingerprint
    with torch.no_grad():
        one.model.lm_head.weight.mul_(1.1)
    assert fingerprint(one.model) != one.fingerprint


def test_a_checkpoint_has_to_match_in_the_bos_token():
    old = {"language_weights": "a", "k": 2, "vision": "b"}
    refuse_misfit(old, {}, {**old, "bos": False}, {}, "it")
    with pytest.raises(UserError, match="it was trained with bos = False, this model has True"):
        refuse_misfit(old, {}, {**old, "bos": True}, {}, "it")


def test_names_shapes_and_values_change_the_fingerprint():
    torch.manual_seed(0)
    one = torch.nn.Linear(4, 3)
    same, redrawn, other = copy.deepcopy(one), torch.nn.Linear(4, 3), torch.nn.Linear(4, 3, bias=False)
    other.weight = one.weight
    renamed = torch.nn.Sequential(one)
    assert fingerprint(same) == fingerprint(one)
    assert len({fingerprint(module) for module in (one, redrawn, other, renamed)}) == 4
    assert fingerprint(same.bfloat16()) == fingerprint(one)


def test_fingerprints_of_meta_tensors_use_names_and_shapes():
    with torch.device("meta"):
        one, same, other = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3), torch.nn.Linear(4, 2)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_same_random_weights_are_reproducible_and_keep_the_random_state():
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
        {"language": "elsewhere/a"},  # a folder may have moved, since weights are compared
        {"fusion": "concat", "bos": False},  # models before there was a choice
    ],
)
def test_matching_checkpoints_are_accepted(fits):
    refuse_misfit(IDENTITY, WEIGHTS, IDENTITY | fits, WEIGHTS, "it")
    refuse_misfit(IDENTITY | fits, WEIGHTS, IDENTITY, WEIGHTS, "it")
    trained = {key: value for key, value in IDENTITY.items() if key != "vision_weights"}
    refuse_misfit(IDENTITY, WEIGHTS, trained, WEIGHTS, "it")  # an encoder that is trained from now on


def test_frozen_weights_in_a_checkpoint_are_not_needed():
    """Averaging callbacks of earlier versions saved them. What this model does not have at all is another model's."""
    names = {*WEIGHTS, "language.weight"}
    more = WEIGHTS | {"language.weight": torch.zeros(5)}
    refuse_misfit(IDENTITY, more, IDENTITY, WEIGHTS, "it", names)
    for kept, message in (
        (more | {"tuning.weight": torch.zeros(1)}, "tuning.weight is 1 there, absent in this model"),
        (
            {"language.weight": torch.zeros(5), "mapper.weight": torch.zeros(2, 3)},
            "mapper.scale is absent there",
        ),
        (more | {"mapper.weight": torch.zeros(3, 2)}, "mapper.weight is 3 × 2 there"),
    ):
        with pytest.raises(UserError, match=message):
            refuse_misfit(IDENTITY, kept, IDENTITY, WEIGHTS, "it", names)


@pytest.mark.parametrize(
    ("identity", "weights", "message"),
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
def test_a_mismatch_is_one_error_line(identity, weights, message):
    with pytest.raises(UserError, match=message) as error:
        refuse_misfit(IDENTITY, WEIGHTS, IDENTITY | identity, weights, "it")
    assert "\n" not in str(error.value)
