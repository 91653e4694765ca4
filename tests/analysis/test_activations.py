"""Feature activations."""

import pytest
import torch

from frozenvl.analysis.activations import Activations
from frozenvl.util.errors import UserError


def test_lengths_of_feature_vectors_and_the_channels_that_vary(model_of, function_of):
    function = function_of(model_of())
    features = function.at("cell")[0]
    maps = Activations(channels=2).maps(function)
    assert torch.allclose(maps.values[0].flatten(), features.norm(dim=1), rtol=1e-4)
    channels = features.std(0).topk(2).indices.tolist()
    assert maps.names == ("length", *(f"channel {channel}" for channel in channels))
    assert torch.allclose(maps.values[1:].flatten(1), features[:, channels].T)
    assert maps.value is None and maps.unit == "activation"


def test_pooled_features_are_refused(pooled, function_of):
    with pytest.raises(UserError, match="pooled features"):
        Activations().maps(function_of(pooled))
