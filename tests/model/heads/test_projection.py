"""Projection of pooled vectors."""

from __future__ import annotations

import torch

from frozenvl.model.heads.projection import Projection


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
