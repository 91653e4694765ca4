"""First vectors of markers."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import retrieval_model

from frozenvl.model.heads.marker import first_vector


@pytest.fixture
def model(tiny_language, tiny_vision):
    return retrieval_model(tiny_language, tiny_vision)


def test_a_marker_starts_in_the_direction_of_the_end_token_at_the_mean_length(model):
    language = model.language
    (end,) = language.end_tokens
    own = torch.arange(1.0, language.dim + 1)
    language.model.get_input_embeddings().weight.data[end] = own
    found = first_vector(model)
    assert found.shape == (1, language.dim) and not found.requires_grad
    assert torch.cosine_similarity(found[0], own, dim=0).item() == pytest.approx(1)
    assert found.norm().item() == pytest.approx(
        language.some_embeddings().norm(dim=-1).mean().item(), rel=1e-5
    )


def test_if_the_end_token_has_no_vector_another_one_is_taken(model):
    (end,) = model.language.end_tokens
    assert not model.language.embed(torch.tensor([end])).any()  # it is the padding token of a random model
    found, mean = first_vector(model), model.language.some_embeddings().norm(dim=-1).mean()
    assert found.norm().item() == pytest.approx(mean.item(), rel=1e-5)
