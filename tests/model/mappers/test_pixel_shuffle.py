"""PixelShuffle: neighbouring cells become one vector."""

import pytest
import torch
from made_mappers import make

from frozenvl.model.mappers import PixelShuffle
from frozenvl.util.errors import UserError


def test_neighbouring_cells_become_one_vector():
    mapper = make("shuffle", 16, 4).eval()
    features = torch.randn(1, 16, 8)
    for cell in range(16):
        changed = features.clone()
        changed[0, cell] += 1
        moved = (~mapper(changed).isclose(mapper(features), atol=1e-6)).any(-1)[0]
        assert moved.nonzero().flatten().tolist() == [cell // 8 * 2 + cell % 4 // 2]


@pytest.mark.parametrize(
    ("tokens", "k", "message"),
    [(49, 4, "49 vectors and k = 4"), (16, 3, "16 vectors and k = 3"), (8, 4, "8 vectors")],
)
def test_a_grid_that_cannot_be_divided_into_squares_is_refused(tokens, k, message):
    with pytest.raises(UserError, match=message):
        PixelShuffle(8, tokens, 16, k)


def test_the_hidden_width_is_that_of_the_embeddings_by_default():
    assert PixelShuffle(8, 16, 12, 4).net[1].out_features == 12
    assert PixelShuffle(8, 16, 12, 4, hidden=5).net[1].weight.shape == (5, 4 * 8)
