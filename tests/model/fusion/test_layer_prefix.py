"""Layer prefix, against attention computed by hand."""

from __future__ import annotations

import pytest
import torch
from samples import BLUE, RED

from frozenvl.model.fusion import LayerPrefix
from frozenvl.util.errors import UserError


def test_each_layer_adds_gated_attention_of_its_own_queries(build, processor_of, monkeypatch):
    """Grouped heads share keys. The text's attention is what the frozen layer computes without images."""
    model = build(fusion=LayerPrefix(width=8))
    attention = model.language.layers[1].self_attn
    torch.nn.init.constant_(model.fusion.gates[1].gate, 0.02)
    batch = processor_of(model)([("a", RED, "circle", BLUE, "dax")])
    inputs = []
    attention.o_proj.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    attention.q_proj.register_forward_hook(lambda _, __, out: inputs.append(out))
    model.language.packs = False
    with torch.no_grad():
        prefix = model.run(batch).prefix
        model.hidden(batch, prefix)
        plain = model.language.hidden(model.embeddings(batch, prefix), batch.lengths)
        assert plain.shape
        _, with_images, query, without = inputs
        # Rotary positions: the queries of the layer as they reach its attention.
        rotated = rotate(query, model.language.model.model.rotary_emb, batch.tokens.shape[1])
        narrow = model.fusion.bottleneck(prefix)
        keys, values = model.fusion.layers[1](narrow).chunk(2, dim=-1)
        expected = without.clone()
        for at, image in enumerate(batch.image_of[0].tolist()):
            for head in range(4 if image >= 0 else 0):
                shared = slice(8 * (head // 2), 8 * (head // 2) + 8)
                k, v = keys[image][:, shared], values[image][:, shared]
                weights = (rotated[0, head, at] @ k.T * 8**-0.5).softmax(-1)
                expected[0, at, 8 * head : 8 * head + 8] += torch.tanh(torch.tensor(0.6)) * (weights @ v)
    torch.testing.assert_close(with_images, expected, rtol=1e-4, atol=1e-5)


def rotate(query: torch.Tensor, rotary: torch.nn.Module, length: int) -> torch.Tensor:
    """Returns queries (1, heads, L, 8) with rotary positions, computed with complex numbers."""
    q = query.view(1, length, -1, 8).transpose(1, 2)
    angles = torch.arange(length)[:, None] * rotary.inv_freq
    turned = torch.complex(q[..., :4], q[..., 4:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def test_an_empty_bottleneck_is_refused():
    with pytest.raises(UserError, match="width is 0; give 1 or more"):
        LayerPrefix(0)
