"""Soft prompts at the input of the language model."""

from __future__ import annotations

import copy

import pytest
import torch
from sequences import LENGTHS, rows

from frozenvl.model.language.soft_prompt import SoftPrompt


class Vectors(SoftPrompt):
    """Soft prompt of given vectors."""

    def __init__(self, vectors: torch.Tensor) -> None:
        self.length, self._vectors = len(vectors), vectors

    def vectors(self) -> torch.Tensor:
        return self._vectors


def test_the_base_class_has_neither_vectors_nor_keys_and_values():
    assert SoftPrompt().vectors() is None and SoftPrompt().cache(3) is None


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom"])
def test_vectors_are_prepended_and_their_hidden_states_are_removed(language, kind):
    model = copy.deepcopy(language(kind))
    embeddings, _ = rows(model)
    vectors = torch.randn(3, model.dim, generator=torch.Generator().manual_seed(0))
    whole = torch.cat([vectors.expand(len(LENGTHS), -1, -1), embeddings], dim=1)
    expected = model.hidden(whole, LENGTHS + 3)
    kept = torch.cat([torch.arange(n + 3) >= 3 for n in LENGTHS.tolist()])
    assert model.soft_prompt_length == 0
    model.prepend(Vectors(vectors))
    assert model.soft_prompt_length == 3
    torch.testing.assert_close(model.hidden(embeddings, LENGTHS), expected[kept], rtol=1e-4, atol=1e-4)
