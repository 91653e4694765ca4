"""Attention to images beside the text, in transformers' own attention."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from frozenvl.model.language.conditioned_attention import TEXT, conditioned_attention
from frozenvl.model.language.conditioning import ATTENTION, Conditioner, Conditioning, conditioned


class Constant(Conditioner):
    """Conditioner whose images add a constant to the attention, and that records the scale."""

    def attention(self, number, query, scale, conditioning):
        self.asked = number, scale
        return torch.ones(len(query), 2, 5)


def test_it_is_the_attention_to_the_text_plus_what_images_add():
    query, key, value = (torch.randn(1, 2, 3, width) for width in (4, 4, 5))
    module = SimpleNamespace(layer_idx=7, is_causal=True)
    expected = ALL_ATTENTION_FUNCTIONS[TEXT](module, query, key, value, None, scaling=0.3)[0]
    attend = ALL_ATTENTION_FUNCTIONS[ATTENTION]
    assert attend is conditioned_attention
    assert attend(module, query, key, value, None, scaling=0.3)[0].equal(expected)
    images = Constant(torch.zeros(1, 1, 4))
    with conditioned(Conditioning.of(images, torch.tensor([[-1, 0, 0]]))):
        found = attend(module, query, key, value, None, scaling=0.3)[0]
        assert images.asked == (7, 0.3)
        attend(module, query, key, value, None)
        assert images.asked == (7, 0.5)  # 1 / √width
    assert found.equal(expected + torch.tensor([0.0, 1.0, 1.0])[None, :, None, None])
