"""MLP on all features."""

import torch
from made_mappers import make


def test_hidden_width_and_dropout():
    features = torch.randn(4, 1, 8)
    for options in ({"dropout": 0.5}, {"prefix_dropout": 0.5}):
        mapper = make("mlp", 1, 2, **options)
        assert mapper.net[1].out_features == 5
        assert not mapper(features).equal(mapper(features))
        mapper.eval()
        assert mapper(features).equal(mapper(features))
