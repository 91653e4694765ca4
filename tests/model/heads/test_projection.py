"""Projection of pooled vectors."""

from __future__ import annotations

import torch

from frozenvl.model.heads.projection import Projection, Standardize


def test_vectors_are_projected_side_by_side():
    made = Projection(2, 3, 4)
    vectors = torch.randn(5, 2, 3)
    assert torch.allclose(made(vectors), vectors.reshape(5, 6) @ made.linear.weight.T + made.linear.bias)


def test_the_norm_treats_each_vector_by_itself_and_has_no_weights():
    made = Projection(2, 8, 4, norm=True)
    vectors = torch.randn(5, 2, 8)
    scaled = vectors * torch.tensor([1.0, 1000.0])[None, :, None] + 5
    assert torch.allclose(made(vectors), made(scaled), atol=1e-3)
    assert {name for name, _ in made.named_parameters()} == {"linear.weight", "linear.bias"}


def test_dropout_is_for_training_alone():
    made, vectors = Projection(1, 8, 4, dropout=0.5), torch.ones(3, 1, 8)
    assert not torch.equal(made(vectors), made(vectors))
    made.eval()
    assert torch.equal(made(vectors), made(vectors))


def test_standardised_dimensions_have_mean_0_and_deviation_1():
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(50, 2, 3, generator=random) * torch.tensor([1.0, 10.0, 0.0]) + 7
    made = Standardize(2, 3)
    assert torch.equal(made(vectors), vectors) and not made.is_measured
    made.measure(vectors.split(20))
    found = made(vectors)
    assert made.is_measured and found.mean(0).abs().max() < 1e-5
    assert torch.allclose(found[..., :2].std(0, unbiased=False), torch.ones(2, 2), atol=1e-5)
    assert not found[..., 2].any()  # a constant dimension is only shifted


def test_statistics_are_measured_once_and_saved():
    made = Projection(1, 3, 4, norm=True, standardize=True)
    made.measure([torch.randn(9, 1, 3)])
    before = made.state_dict()["standardize.mean"].clone()
    made.measure([torch.randn(9, 1, 3) + 5])
    assert torch.equal(made.standardize.mean, before) and before.any()
