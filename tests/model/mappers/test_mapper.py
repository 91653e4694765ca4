"""Properties of all mappers."""

import pytest
import torch
from made_mappers import KINDS, kinds_and_sizes, make

from frozenvl.model import mapper as mappers
from frozenvl.model.mappers import Mapper


def test_all_mappers_are_tested():
    found = {
        value for value in vars(mappers).values() if isinstance(value, type) and issubclass(value, Mapper)
    }
    assert found - {Mapper} == {of for of, _ in KINDS.values()}


@pytest.mark.parametrize(("kind", "tokens", "k"), kinds_and_sizes())
@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_mapper_returns_k_vectors_per_image(kind, tokens, k, n):
    assert make(kind, tokens, k)(torch.randn(n, tokens, 8)).shape == (n, k, 16)


@pytest.mark.parametrize(("kind", "tokens", "k"), kinds_and_sizes())
def test_an_image_is_mapped_from_all_its_features_and_no_other_image(kind, tokens, k):
    mapper = make(kind, tokens, k).eval()
    features = torch.randn(2, tokens, 8)
    changed = features.clone()
    changed[0, -1, 7] += 1
    before, after = mapper(features), mapper(changed)
    torch.testing.assert_close(before[1], after[1], rtol=0, atol=1e-6)
    assert not before[0][-1].isclose(after[0][-1]).any()


@pytest.mark.parametrize(("kind", "tokens", "k"), kinds_and_sizes())
def test_every_weight_gets_a_gradient(kind, tokens, k):
    mapper = make(kind, tokens, k, norm=True)
    mapper(torch.randn(3, tokens, 8)).square().sum(-1).mul(torch.randn(3, k)).sum().backward()
    for name, parameter in mapper.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("kind", "tokens", "k"), kinds_and_sizes())
def test_a_prefix_norm_starts_at_the_size_of_embeddings(kind, tokens, k):
    mapper = make(kind, tokens, k, norm=True)
    table = torch.randn(50, 16) * 0.07
    mapper.start_like(table)
    prefix = mapper(torch.randn(20, tokens, 8) * 30)
    torch.testing.assert_close(prefix.std(), table.std(), rtol=0.2, atol=0)
    plain = make(kind, tokens, k)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    plain.start_like(table)
    assert all(value.equal(before[name]) for name, value in plain.state_dict().items())
