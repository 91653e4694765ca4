"""Transformer over features and learned constants."""

from __future__ import annotations

import pytest
import torch
from made_mappers import make

from frozenvl.model.mappers import Transformer
from frozenvl.util.errors import UserError


def test_the_position_of_a_feature_matters():
    mapper = make("transformer", 4, 3).eval()
    features = torch.randn(1, 4, 8)
    assert not mapper(features).isclose(mapper(features.flip(1)), atol=1e-4).all()


def test_a_feature_takes_several_positions_before_the_constants(monkeypatch):
    mapper = make("long transformer", 4, 3).eval()
    seen = []
    forward = mapper.layers.forward
    monkeypatch.setattr(mapper.layers, "forward", lambda x: seen.append(x) or forward(x))
    prefix = mapper(torch.randn(2, 4, 8))
    (entered,) = seen
    assert entered.shape == (2, 4 * 3 + 3, 16) and prefix.shape == (2, 3, 16)
    assert entered[:, -3:].equal(mapper.constants.expand(2, -1, -1))


def test_heads_have_to_divide_the_width():
    with pytest.raises(UserError, match=r"3 heads do not divide .* 16"):
        Transformer(8, 4, 16, 4, heads=3)
