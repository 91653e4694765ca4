"""Places of feature vectors and prefix vectors."""

from functools import partial

import pytest
import torch

from frozenvl.analysis.places import feature_places, places_at, prefix_places
from frozenvl.model.mappers import MLP, Linear, PatchLinear, PixelShuffle, Resampler, Transformer
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("mapper", "k", "side"), [(PatchLinear, 16, 4), (PixelShuffle, 4, 2), (PixelShuffle, 16, 4)]
)
def test_mappers_that_keep_places_have_a_grid(mapper, k, side, model_of):
    model = model_of(partial(mapper, norm=True), k)
    places = prefix_places(model, torch.randn(1, 16, model.vision.channels))
    assert places.side == side and places.cell_of.tolist() == list(range(k))


@pytest.mark.parametrize(
    "mapper", [partial(MLP, hidden=16), Linear, partial(Resampler, layers=1), partial(Transformer, layers=1)]
)
def test_mappers_that_mix_places_have_none(mapper, model_of, function_of):
    function = function_of(model_of(mapper, 4))
    assert prefix_places(function.model, function.at("cell")) is None
    with pytest.raises(UserError, match="mixes the places of the image"):
        places_at(function, "prefix")
    assert places_at(function, "cell").side == 4


def test_pooled_features_have_no_places(pooled, function_of):
    assert feature_places(pooled) is None
    for level in ("cell", "prefix"):
        with pytest.raises(
            UserError, match=r"gives pooled features: no vector stands for a place.*occlusion"
        ):
            places_at(function_of(pooled), level)


def test_class_tokens_have_no_place(model_of):
    """An encoder with grid `all` gives its class tokens first."""
    model = model_of(PatchLinear, 4, "all")  # the convolutional network has 2 × 2 vectors and no class token
    assert feature_places(model).cell_of.tolist() == [0, 1, 2, 3]
    model.vision.tokens = 5
    assert feature_places(model).cell_of.tolist() == [-1, 0, 1, 2, 3]
    model.mapper.tokens = model.mapper.k = 5
    places = prefix_places(model, torch.randn(1, 5, model.vision.channels))
    assert places.side == 2 and places.cell_of.tolist() == [-1, 0, 1, 2, 3]
