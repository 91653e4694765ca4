"""The drawing objective: pairs of image and text, its sum, and what it refuses."""

from __future__ import annotations

import pytest
from autoencoders import autoencoder, autoencoding
from painted import Painted

from frozenvl.model.heads import Drawing as DrawingHead
from frozenvl.objectives import Drawing
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

RED, BLUE = Painted("red"), Painted("blue", (32, 32))
SAMPLES = [
    Sample("1", (RED,), " red"),
    Sample("2", (RED, BLUE), " blue"),
    Sample("3", ("No image",), " x"),
    Sample("4", (RED,), ""),
]


@pytest.mark.parametrize("levels", [None, [3, 3]])
def test_each_text_is_drawn_as_its_own_last_image(tiny_language, levels):
    objectives = {"draw": Drawing()}
    head = DrawingHead(2, dim=8, depth=1, heads=2)
    parts = {"heads": {"d": head}, "objectives": objectives}
    model = autoencoding(tiny_language, autoencoder(levels=levels), **parts)
    batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
    assert count_rows(objectives, [batch]) == {"draw": 2}
    run = model.run(batch)
    loss = micro_loss(objectives, run, {"draw": 2})
    expected = 0.0
    for text, image in (("red", RED), ("blue", BLUE)):
        latents = model.features(model.processor()([(image,)]).images, "pixels")
        expected += head.loss(model.run(model.processor()([head.prompt(text)])), latents).item()
    assert loss.totals["draw"].item() == pytest.approx(expected, rel=1e-4)
    assert loss.value.item() == pytest.approx(expected / 2, rel=1e-4)
    loss.value.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    # The language model reads the texts and the markers alone.
    assert 0 < run.positions <= int(batch.of("draw").lengths[1::2].sum())


def test_the_targets_have_no_gradient_and_no_language_model_reads_images(tiny_language, monkeypatch):
    objectives = {"draw": Drawing()}
    head = DrawingHead(2, dim=8, depth=1, heads=2)
    model = autoencoding(tiny_language, autoencoder(), heads={"d": head}, objectives=objectives)
    monkeypatch.setattr(model.mapper, "forward", lambda *_: pytest.fail("the mapper ran"))
    batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
    micro_loss(objectives, model.run(batch), {"draw": 2}).value.backward()
    assert not any(weight.requires_grad for weight in model.vision.parameters())


def test_what_it_cannot_train_is_refused(tiny_language):
    with pytest.raises(UserError, match="has no drawing head"):
        autoencoding(tiny_language, autoencoder(), objectives={"draw": Drawing()})
    with pytest.raises(UserError, match="set trainable to false and name its weights"):
        autoencoding(
            tiny_language,
            autoencoder(trainable=True),
            heads={"d": DrawingHead(2, dim=8, depth=1, heads=2)},
            objectives={"draw": Drawing()},
        )
