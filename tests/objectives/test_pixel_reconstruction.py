"""The objective of autoencoders: its formula, the KL divergence by hand, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from autoencoders import autoencoder, autoencoding
from painted import Painted

from frozenvl.model.temporal import MeanOverFrames
from frozenvl.model.vision import TimmEncoder
from frozenvl.objectives import Captioning, PixelReconstruction
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.pixel_reconstruction import divergence
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

RED, BLUE = Painted("red"), Painted("blue", (32, 32))
SAMPLES = [
    Sample("1", (RED,), " red"),
    Sample("2", (RED, "then", BLUE), " blue"),
    Sample("3", ("No image",), " x"),
]


def test_the_loss_is_the_mean_squared_error_of_each_samples_last_image(tiny_language):
    objective = PixelReconstruction()
    model = autoencoding(tiny_language, autoencoder(trainable=True), objectives={"pixels": objective})
    batch = ObjectiveRows(model.processor(), {"pixels": objective})(SAMPLES)
    assert objective.count(batch) == 2 and batch.texts == ("", "")
    run = model.run(batch)
    total = objective.total(run.of("pixels"))
    expected = 0.0
    for image in (RED, BLUE):
        pixels = model.processor()([(image,)]).images
        found = model.vision.decode(model.vision(pixels))
        expected += ((found - pixels / 255) ** 2).mean().item()
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_the_divergence_by_hand():
    mean, variance = torch.tensor([[[0.0, 1.0]], [[2.0, 0.0]]]), torch.tensor([[[1.0, 1.0]], [[1.0, math.e]]])
    # 1/2 · (μ² + σ² − 1 − ln σ²): 0, 1/2; 2, (e − 2) / 2
    expected = [0.25, (2 + (math.e - 2) / 2) / 2]
    assert divergence(mean, variance.log()).tolist() == pytest.approx(expected)


def test_beta_draws_latents_and_adds_the_divergence(tiny_language):
    losses = {}
    for beta in (1.0, 3.0):
        objective = PixelReconstruction(beta)
        model = autoencoding(tiny_language, autoencoder(trainable=True), objectives={"pixels": objective})
        batch = ObjectiveRows(model.processor(), {"pixels": objective})(SAMPLES)
        losses[beta] = [objective.total(model.run(batch, seed=seed)).item() for seed in (1, 1, 2)]
        kl = divergence(*model.vision.moments(batch.images)).sum().item()
    assert losses[1.0][0] == losses[1.0][1] != losses[1.0][2]
    assert losses[3.0][0] - losses[1.0][0] == pytest.approx(2 * kl, rel=1e-4)


def test_the_language_model_and_the_mapper_do_not_run(tiny_language, monkeypatch):
    objectives = {"pixels": PixelReconstruction()}
    model = autoencoding(tiny_language, autoencoder(trainable=True), objectives=objectives)
    monkeypatch.setattr(model.mapper, "forward", lambda *_: pytest.fail("the mapper ran"))
    batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
    run = model.run(batch)
    loss = micro_loss(objectives, run, count_rows(objectives, [batch]))
    loss.value.backward()
    assert run.positions == run.targets == 0
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    assert model.vision.model.decoder.conv_out.weight.grad.any()


def test_it_trains_beside_captions(tiny_language):
    objectives = {"captions": Captioning(), "pixels": PixelReconstruction()}
    model = autoencoding(tiny_language, autoencoder(trainable=True), objectives=objectives)
    batch = ObjectiveRows(model.processor(), objectives)(SAMPLES)
    assert count_rows(objectives, [batch])["pixels"] == 2
    totals = micro_loss(objectives, model.run(batch), count_rows(objectives, [batch])).totals
    assert all(total > 0 for total in totals.values())


def test_what_it_cannot_train_is_refused(tiny_language, tiny_vision):
    def build(vision, **parts):
        return autoencoding(tiny_language, vision, objectives={"pixels": PixelReconstruction(0.1)}, **parts)

    with pytest.raises(
        UserError, match=r"model\.vision is autoencoder .* with frozen weights; use .*trainable: true"
    ):
        build(autoencoder())
    with pytest.raises(UserError, match=r"use frozenvl\.model\.vision\.Autoencoder"):
        build(TimmEncoder(str(tiny_vision), trainable=True))
    with pytest.raises(UserError, match="no KL divergence; set beta to 0"):
        build(autoencoder(trainable=True, levels=[3, 3]))
    with pytest.raises(UserError, match=r"drop model\.temporal"):
        build(autoencoder(trainable=True), temporal=MeanOverFrames())
    with pytest.raises(UserError, match="beta is -1"):
        PixelReconstruction(-1)
