"""Concat: image vectors take the place of text embeddings."""

from __future__ import annotations

import pytest
import torch

from frozenvl.model.batch import Batch
from frozenvl.model.fusion import Concat

K, DIM = 2, 3


def batch(slots: list[list[int]]) -> Batch:
    where = torch.tensor(slots)
    nothing = torch.zeros_like(where)
    lengths = torch.full((len(slots),), where.shape[1])
    return Batch(tuple(map(str, range(len(slots)))), nothing, where, nothing - 100, lengths, torch.empty(0))


def test_vectors_fill_their_slots_and_text_is_unchanged():
    text, prefix = torch.randn(2, 5, DIM), torch.randn(2, K, DIM)
    slots = [[-1, 0, 1, -1, -1], [2, 3, -1, 0, 1]]  # the second image first, then the first one again
    found = Concat().embeddings(text, batch(slots), prefix)
    vectors = prefix.flatten(0, 1)
    for row, places in enumerate(slots):
        for place, slot in enumerate(places):
            expected = text[row, place] if slot < 0 else vectors[slot]
            assert found[row, place].equal(expected)


def test_an_image_takes_k_positions():
    assert [Concat().places(k) for k in (1, 4)] == [1, 4]


def test_gradients_reach_only_the_vectors_that_are_used():
    text, prefix = torch.randn(1, 4, DIM), torch.randn(2, K, DIM, requires_grad=True)
    Concat().embeddings(text, batch([[-1, 0, 1, -1]]), prefix).sum().backward()
    assert prefix.grad[0].eq(1).all() and not prefix.grad[1].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_text_without_images_is_unchanged_and_keeps_its_dtype(dtype):
    text = torch.randn(2, 3, DIM, dtype=dtype)
    assert Concat().embeddings(text, batch([[-1] * 3] * 2), torch.empty(0, K, DIM)).equal(text)
    mixed = Concat().embeddings(text, batch([[-1, 0, 1]] * 2), torch.ones(1, K, DIM))
    assert mixed.dtype == dtype and mixed[:, 1:].eq(1).all()


def test_concat_adds_nothing_to_the_identity_of_a_checkpoint():
    assert Concat().identity() == {}
