"""One vector of an image for each layer."""

from __future__ import annotations

import pytest
import torch
from samples import RED

from frozenvl.model.fusion import Add, LayerFusion, Multiply
from frozenvl.model.fusion.per_image import ImageMap
from frozenvl.util.errors import UserError


def test_the_vector_is_a_gated_projection_of_an_average_that_is_learned():
    torch.manual_seed(0)
    made, images = ImageMap(6, 4, None, 30.0), torch.randn(3, 5, 6)
    assert made(images).eq(0).all()
    with torch.no_grad():
        made.gate.gate.normal_(std=0.1)
    normed = torch.nn.functional.layer_norm(images, (6,))
    weights = (normed @ made.score.weight.T).softmax(1)
    average = torch.stack([(w * vectors).sum(0) for w, vectors in zip(weights, normed, strict=True)])
    layer = made.project[1]
    expected = torch.tanh(30 * made.gate.gate) * (average @ layer.weight.T + layer.bias)
    torch.testing.assert_close(made(images), expected)
    assert ImageMap(6, 4, 2, 1.0).project[0].weight.shape == (2, 6)


def test_only_named_layers_are_changed(build, processor_of):
    """The output of layer 0 stays as it is; that of layer 1 does not."""
    model = build(fusion=Add([1]))
    batch, layers = processor_of(model)([("a", RED, "dax")]), (0, 1, 2)
    with torch.no_grad():
        prefix = model.run(batch).prefix
        model.language.packs = False
        before = model.language.hidden(model.embeddings(batch, prefix), batch.lengths, layers=layers)
        torch.nn.init.constant_(model.fusion.maps["1"].gate.gate, 0.1)
        after = model.hidden(batch, prefix, layers=layers)
    assert model.fusion.maps.keys() == {"1"} and model.language.conditioned_layers == {1}
    assert after[:, 0].equal(before[:, 0]) and not after[1:, 2].allclose(before[1:, 2])


@pytest.mark.parametrize("kind", [Add, Multiply])
def test_wrong_arguments_are_refused(build, kind):
    for layers in [], [0, 0], [-1], 3:
        with pytest.raises(UserError, match=r"list distinct layers, from 0 on"):
            kind(layers)
    with pytest.raises(UserError, match="width is 0; give 1 or more, or leave it out"):
        kind(width=0)
    with pytest.raises(UserError, match="gate_scale is 0; give a positive number"):
        kind(gate_scale=0)
    with pytest.raises(UserError, match=r"layer 2, but .* has 2; name 0 to 1"):
        build(fusion=kind([0, 2]))
    assert issubclass(kind, LayerFusion)
