import pytest
import torch

from frozenvl.model.mapper import MLP, Linear


@pytest.mark.parametrize("make", [Linear, MLP])
@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize(("tokens", "k"), [(1, 1), (4, 3)])
def test_shapes(make, n, tokens, k):
    mapper = make(8, tokens, 16, k)
    assert mapper(torch.randn(n, tokens, 8)).shape == (n, k, 16)


@pytest.mark.parametrize("make", [Linear, MLP])
def test_images_are_mapped_apart_and_from_all_their_features(make):
    mapper = make(8, 2, 16, 3).eval()
    features = torch.randn(2, 2, 8)
    changed = features.clone()
    changed[0, 1, 7] += 1
    before, after = mapper(features), mapper(changed)
    assert before[1].equal(after[1]) and not before[0].isclose(after[0]).any(-1).all()


def test_options():
    torch.manual_seed(0)
    mapper = MLP(8, 1, 16, 2, hidden=5, dropout=0.5)
    features = torch.randn(4, 1, 8)
    assert mapper.net[1].out_features == 5
    assert not mapper(features).equal(mapper(features))
    mapper.eval()
    assert mapper(features).equal(mapper(features))
