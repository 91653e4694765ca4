"""PatchLinear: a linear map of each feature vector."""

from __future__ import annotations

import pytest
import torch

from frozenvl.model.mappers import PatchLinear
from frozenvl.util.errors import UserError


def test_each_vector_is_mapped_separately_by_the_same_map():
    mapper = PatchLinear(8, 4, 16, 4)
    features = torch.randn(2, 4, 8)
    prefix = mapper(features)
    torch.testing.assert_close(mapper(features.flip(1)), prefix.flip(1))
    changed = features.clone()
    changed[0, 2] += 1
    assert (mapper(changed) != prefix).any(-1).nonzero().tolist() == [[0, 2]]


def test_normed_features_have_no_mean_and_no_scale():
    mapper, plain = PatchLinear(8, 4, 16, 4, norm_features=True), PatchLinear(8, 4, 16, 4)
    assert plain.state_dict().keys() == {"out.weight", "out.bias"}  # as in earlier checkpoints
    features = torch.randn(2, 4, 8)
    torch.testing.assert_close(mapper(5 * features + 3), mapper(features), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(plain(5 * features + 3), plain(features), rtol=0.1)


def test_a_k_other_than_the_number_of_features_is_refused():
    with pytest.raises(UserError, match=r"set k to 49 \(it is 4\)"):
        PatchLinear(8, 49, 16, 4)
