"""Gated cross-attention, against a plain formula."""

from __future__ import annotations

import pytest
import torch
from samples import BLUE, RED
from torch import nn
from torch.nn.functional import gelu, layer_norm

from frozenvl.model.fusion import CrossAttention
from frozenvl.model.fusion.cross_attention import Block
from frozenvl.model.language.conditioning import Conditioning
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("hidden", [0, 10])
def test_a_block_is_flamingos_formula(hidden):
    """Compares with torch's own multi-head attention, in fp64."""
    torch.manual_seed(0)
    block = Block(6, 8, heads=2, width=4, hidden=hidden, gate_scale=2.0).double()
    with torch.no_grad():
        for name, weight in block.named_parameters():
            if name.endswith("gate"):
                weight.fill_(0.3)
    images, x = torch.randn(2, 3, 6).double(), torch.randn(5, 8).double()
    image_of = torch.tensor([[1, 0, 0, 1, 0]])
    fusion = CrossAttention(heads=2, width=4)
    conditioning = Conditioning.of(fusion.conditioner(images), image_of)

    attention = nn.MultiheadAttention(8, 2, bias=False, kdim=6, vdim=6, batch_first=True).double()
    keys, values = block.key_value.weight.chunk(2)
    state = {
        "q_proj_weight": block.query.weight,
        "k_proj_weight": keys,
        "v_proj_weight": values,
        "out_proj.weight": block.out.weight,
    }
    attention.load_state_dict(state)
    context = layer_norm(images, (6,))[image_of[0]]
    attended = attention(layer_norm(x, (8,))[:, None], context, context)[0][:, 0]
    gate = torch.tanh(torch.tensor(0.6, dtype=torch.float64))
    expected = x + gate * attended
    if hidden:
        feed = block.feed_forward
        inner = gelu(layer_norm(expected, (8,)) @ feed.up.weight.T)
        expected = expected + gate * (inner @ feed.down.weight.T)
    update = block(x, *block.keys_values(images), conditioning)
    torch.testing.assert_close(x + update, expected, rtol=1e-10, atol=1e-10)


def test_blocks_stand_before_every_nth_layer(build):
    assert build(fusion=CrossAttention(every=1)).fusion.blocks.keys() == {"0", "1"}
    assert build(fusion=CrossAttention(every=2)).language.conditioned_layers == {0}


def test_keys_and_values_are_computed_once_for_all_texts_of_an_image(build, processor_of, monkeypatch):
    model = build(fusion=CrossAttention(every=1))
    processor, sizes = processor_of(model), []
    made = Block.keys_values
    monkeypatch.setattr(Block, "keys_values", lambda self, x: sizes.append(len(x)) or made(self, x))
    prompts = [(image, text) for image in (RED, BLUE) for text in ("a", "This is", "How many squares")]
    for _ in model.run(processor(prompts)).hidden():
        pass
    assert sizes == [2, 2]
    model.generate(processor(prompts), processor, 4)
    assert sizes == [2] * 4


def test_images_that_are_seen_matter_to_the_identity(build):
    one, other = (build(fusion=CrossAttention(heads=h, width=16 // h)) for h in (2, 4))
    assert [w.shape for w in one.trained_weights().values()] == [
        w.shape for w in other.trained_weights().values()
    ]
    assert one.identity()["fusion_heads"] == 2 and other.identity()["fusion_heads"] == 4
    assert build(fusion=CrossAttention(images="all")).identity()["fusion_images"] == "all"


def test_wrong_arguments_are_refused():
    for name in "every", "heads", "width":
        with pytest.raises(UserError, match=f"{name} is 0; give 1 or more"):
            CrossAttention(**{name: 0})
    with pytest.raises(UserError, match="ratio is -1; give a positive number, or 0"):
        CrossAttention(ratio=-1)
    with pytest.raises(UserError, match="images is 'first'; give last or all"):
        CrossAttention(images="first")
