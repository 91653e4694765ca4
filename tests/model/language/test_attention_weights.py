"""Attention weights of each architecture."""

import pytest
import torch
from architectures import PACKED

from frozenvl.model.language.attention_weights import attention_weights
from frozenvl.model.language.capabilities import two_sequences
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("kind", [*PACKED, "bloom", "mpt"])
def test_they_are_transformers_own_and_leave_the_model_as_it_was(kind, language):
    model = language(kind)
    embeddings, lengths = two_sequences(model)
    before = model.hidden(embeddings[:1], lengths[:1])
    implementation = model.model.config._attn_implementation
    weights = attention_weights(model, embeddings[:1])
    model.model.set_attn_implementation("eager")
    expected = model.model(inputs_embeds=embeddings[:1], output_attentions=True, use_cache=False).attentions
    model.model.set_attn_implementation(implementation)
    assert weights.shape == (2, 4, 5, 5)
    assert torch.allclose(weights, torch.stack(expected)[:, 0], atol=1e-6)
    assert torch.allclose(weights.sum(-1), torch.ones(()), atol=1e-5)
    assert (weights.triu(1) == 0).all()
    assert model.model.config._attn_implementation == implementation
    assert model.hidden(embeddings[:1], lengths[:1]).equal(before)


@pytest.mark.parametrize(("kind", "name"), [("mamba", "Mamba"), ("falcon", "Falcon")])
def test_models_without_attention_or_a_way_to_see_it_are_refused(kind, name, language):
    """Falcon's attention with weights is not causal: it cannot be switched after loading."""
    model = language(kind)
    embeddings, _ = two_sequences(model)
    with pytest.raises(
        UserError, match=f"{name}ForCausalLM has no attention weights to show; explain by occlusion"
    ):
        attention_weights(model, embeddings[:1])
