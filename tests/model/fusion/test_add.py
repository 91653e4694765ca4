"""Fusion by addition, against the embeddings with the image's vector added by hand."""

from __future__ import annotations

import pytest
import torch
from samples import BLUE, RED

from frozenvl.model.fusion import Add


@pytest.mark.parametrize("kind", ["llama", "neox"])
def test_at_layer_0_it_adds_the_images_vector_to_the_input_embeddings(build, processor_of, kind):
    model = build(kind, fusion=Add())
    torch.nn.init.constant_(model.fusion.maps["0"].gate.gate, 0.02)
    batch = processor_of(model)([("a", RED, "large circle", BLUE, "dax")])
    with torch.no_grad():
        prefix = model.run(batch).prefix
        added = torch.cat([model.fusion.maps["0"](prefix), torch.zeros(1, model.language.dim)])
        inputs = model.embeddings(batch, prefix)
        expected = model.language.hidden(inputs + added[batch.image_of], batch.lengths)
        found = torch.cat([hidden for _, hidden in model.run(batch).hidden()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
