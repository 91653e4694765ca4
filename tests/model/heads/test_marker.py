"""First vectors of markers."""

from __future__ import annotations

import pytest
import torch
from retrieval_models import retrieval_model

from frozenvl.model.heads.marker import first_vector


def test_a_marker_starts_as_the_mean_embedding_at_the_mean_length(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision)
    table, found = model.language.model.get_input_embeddings().weight, first_vector(model)
    assert found.shape == (1, model.language.dim) and not found.requires_grad
    assert torch.cosine_similarity(found[0], table.mean(0), dim=0).item() == pytest.approx(1)
    assert found.norm().item() == pytest.approx(table.norm(dim=-1).mean().item(), rel=1e-5)
