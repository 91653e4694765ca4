"""Linear: one linear map of all features."""

from __future__ import annotations

import torch

from frozenvl.model.mappers import Linear


def test_the_prefix_is_one_product_with_all_features_of_an_image():
    mapper = Linear(8, 4, 16, 3)
    features = torch.randn(2, 4, 8)
    assert sum(weight.numel() for weight in mapper.parameters()) == 4 * 8 * 3 * 16 + 3 * 16
    weight, bias = mapper.out.weight.view(3, 16, 4, 8), mapper.out.bias.view(3, 16)
    expected = torch.einsum("kdtc,ntc->nkd", weight, features) + bias
    torch.testing.assert_close(mapper(features), expected)
    torch.testing.assert_close(
        mapper(3 * features) - mapper(0 * features), 3 * (expected - bias), rtol=1e-5, atol=1e-5
    )
