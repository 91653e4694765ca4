"""Several encoders side by side."""

import copy

import pytest
import tiny
import torch

from frozenvl.model.part import description
from frozenvl.model.vision import SideBySide, TimmEncoder
from frozenvl.util.errors import UserError


@pytest.fixture
def other_vision(tmp_path):
    return str(tiny.vision_model(tmp_path, seed=1))


def test_features_are_those_of_each_encoder_joined(tiny_vision, other_vision, pixels):
    encoders = [TimmEncoder(str(tiny_vision), grid=2), TimmEncoder(other_vision, grid=2)]
    joined = SideBySide(encoders)
    features = joined(pixels)
    assert features.shape == (3, 4, joined.channels) == (3, joined.tokens, 2 * encoders[0].channels)
    assert features.equal(torch.cat([encoder(pixels) for encoder in encoders], dim=-1))


def test_only_what_is_trainable_trains(tiny_vision, other_vision, pixels):
    joined = SideBySide([TimmEncoder(str(tiny_vision)), TimmEncoder(other_vision, trainable=True)])
    joined.train()
    assert [encoder.training for encoder in joined.encoders] == [False, True]
    joined(pixels).square().sum().backward()
    has_gradient = {
        name.split(".")[1] for name, weight in joined.named_parameters() if weight.grad is not None
    }
    assert has_gradient == {"1"}
    frozen = joined.encoders[0].fingerprint
    assert joined.trainable and joined.identity()["vision_weights"] == frozen


def test_the_order_of_the_encoders_is_in_the_fingerprint(tiny_vision, other_vision):
    make = lambda *names: SideBySide([TimmEncoder(name) for name in names])
    one, two = str(tiny_vision), other_vision
    assert make(one, two).fingerprint == make(one, two).fingerprint != make(two, one).fingerprint


def test_normalisation_stays_exact_when_frozen_weights_are_cast(tiny_vision, other_vision):
    joined = SideBySide([TimmEncoder(str(tiny_vision)), TimmEncoder(other_vision)])
    joined.model.to(torch.bfloat16)
    for encoder in joined.encoders:
        assert encoder.mean.dtype == torch.float32
        assert {weight.dtype for weight in encoder.model.parameters()} == {torch.bfloat16}


def test_its_description_names_each_encoder(tiny_vision, other_vision):
    joined = SideBySide([TimmEncoder(str(tiny_vision)), TimmEncoder(other_vision, grid=1)])
    inner = description(joined)["init_args"]["encoders"]
    assert [part["class_path"].rpartition(".")[2] for part in inner] == ["TimmEncoder", "TimmEncoder"]
    assert [part["init_args"]["name"] for part in inner] == [str(tiny_vision), other_vision]
    assert copy.deepcopy(joined).arguments.keys() == {"encoders"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([{}], "give at least two encoders"),
        ([{}, {"size": 96}], r"images of different sizes \(.* 64, .* 96\); give all the same size"),
        ([{}, {"grid": 2}], r"different numbers of features \(.* 1, .* 4\); give all the same grid"),
    ],
)
def test_encoders_that_do_not_fit_together_are_refused(tiny_vision, options, message):
    with pytest.raises(UserError, match=message):
        SideBySide([TimmEncoder(str(tiny_vision), **given) for given in options])
