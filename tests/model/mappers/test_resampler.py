"""Resampler: learned queries that attend to the features."""

from __future__ import annotations

import pytest
import torch
from made_mappers import make

from frozenvl.model.mappers import Resampler
from frozenvl.util.errors import UserError


def test_the_position_of_a_feature_matters():
    mapper = make("resampler", 4, 3).eval()
    features = torch.randn(1, 4, 8)
    assert not mapper(features).isclose(mapper(features.flip(1)), atol=1e-4).all()


def test_the_prefix_is_computed_from_the_queries(monkeypatch):
    mapper = make("resampler", 4, 3).eval()
    features = torch.randn(1, 4, 8)
    seen = []
    forward = mapper.layers.forward
    monkeypatch.setattr(mapper.layers, "forward", lambda *x, **y: seen.append(x) or forward(*x, **y))
    before = mapper(features)
    ((queries, memory),) = seen
    assert queries.equal(mapper.queries[None]) and memory.shape == (1, 4, 16)
    with torch.no_grad():
        mapper.queries.copy_(mapper.queries.flip(0))
    torch.testing.assert_close(mapper(features), before.flip(1))


def test_heads_have_to_divide_the_width():
    with pytest.raises(UserError, match=r"5 heads do not divide .* 16"):
        Resampler(8, 4, 16, 4, heads=5)
