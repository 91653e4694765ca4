"""Fusion by multiplication, against the embeddings scaled by hand."""

from __future__ import annotations

import torch
from samples import BLUE, RED

from frozenvl.model.fusion import Multiply


def test_at_layer_0_it_scales_the_input_embeddings(build, processor_of):
    model = build(fusion=Multiply())
    torch.nn.init.constant_(model.fusion.maps["0"].gate.gate, 0.02)
    batch = processor_of(model)([("a", RED, "large circle", BLUE, "dax")])
    with torch.no_grad():
        prefix = model.run(batch).prefix
        factor = torch.cat([1 + model.fusion.maps["0"](prefix), torch.ones(1, model.language.dim)])
        inputs = model.embeddings(batch, prefix) * factor[batch.image_of]
        expected = model.language.hidden(inputs, batch.lengths)
        found = torch.cat([hidden for _, hidden in model.run(batch).hidden()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_small_vectors_are_not_lost_in_bf16():
    hidden = torch.full((1, 4), 3.0, dtype=torch.bfloat16)
    made = Multiply().combine(hidden, torch.full((1, 4), 0.003))
    assert made.dtype == torch.bfloat16 and made.ne(hidden).all()
    assert Multiply().combine(hidden, torch.zeros(1, 4)).equal(hidden)
