"""The autoencoder: latents as features, decoding, codes, weights of another run, and errors."""

from __future__ import annotations

import pytest
import torch
from autoencoders import SHAPE, autoencoder
from encoders import any_pixels
from safetensors.torch import save_file

from frozenvl.model.vision import Autoencoder
from frozenvl.util.errors import UserError


def test_features_are_the_latents_that_the_decoder_takes():
    """Checked against diffusers' own `encode` and `decode` of the rearranged pixels."""
    made = autoencoder(trainable=True).eval()
    images = any_pixels(made)
    assert (made.tokens, made.channels, made.side) == (16, 2, 4)
    normal = images / 127.5 - 1
    blocks = normal.unfold(2, 4, 4).unfold(3, 4, 4)  # (N, 3, 8, 8, 4, 4)
    rearranged = blocks.permute(0, 1, 4, 5, 2, 3).reshape(2, 48, 8, 8)
    latents = made.model.encode(rearranged).latent_dist.mean
    torch.testing.assert_close(made(images), latents.flatten(2).transpose(1, 2))
    decoded = made.model.decode(latents).sample.reshape(2, 3, 4, 4, 8, 8).permute(0, 1, 4, 2, 5, 3)
    torch.testing.assert_close(made.decode(made(images)), (decoded.reshape(2, 3, 32, 32) + 1) / 2)
    mean, log_variance = made.moments(images)
    torch.testing.assert_close(mean, latents)
    torch.testing.assert_close(log_variance, made.model.encode(rearranged).latent_dist.logvar)


def test_levels_make_features_codes():
    made = autoencoder(levels=[3, 4]).eval()
    features = made(any_pixels(made))
    levels = {channel: set(features[..., channel].flatten().tolist()) for channel in (0, 1)}
    assert levels[0] <= {-1, 0, 1}
    assert all(min(abs(x - y) for y in (-1, -1 / 3, 1 / 3, 1)) < 1e-6 for x in levels[1])
    assert made.quantization.codes == 12 and "levels [3, 4]" in made.name


def test_a_frozen_one_is_the_same_random_encoder_each_time():
    torch.manual_seed(1)
    one = autoencoder()
    torch.manual_seed(2)
    other = autoencoder()
    assert one.fingerprint == other.fingerprint and not one.trained()
    assert autoencoder(trainable=True).fingerprint != one.fingerprint
    assert autoencoder(levels=[3, 3]).fingerprint != one.fingerprint  # the same weights, other features


def test_a_trained_one_has_a_gradient_and_its_last_blocks_can_be_trained():
    made = autoencoder(trainable=True)
    made(any_pixels(made)).sum().backward()
    assert made.trained() and all(p.grad is not None for p in made.model.encoder.parameters())
    made = autoencoder(trainable=2)
    named = {name.split(".")[1] for name, p in made.model.named_parameters() if p.requires_grad}
    assert named == {"conv_norm_out", "conv_out", "mid_block"} | {"weight", "bias"}  # quant_conv
    assert not any(p.requires_grad for p in made.model.decoder.parameters())


@pytest.mark.parametrize("layout", ["export", "checkpoint", "run"])
def test_weights_come_from_another_run(tmp_path, layout):
    trained = autoencoder(trainable=True).eval()
    weights = {f"vision.{key}": value.contiguous() for key, value in trained.trained().items()}
    path = tmp_path
    if layout == "export":
        save_file(weights, tmp_path / "model.safetensors")
    else:
        path = tmp_path / ("checkpoints/last.ckpt" if layout == "run" else "x.ckpt")
        path.parent.mkdir(exist_ok=True)
        torch.save({"state_dict": {f"model.{key}": value for key, value in weights.items()}}, path)
        path = tmp_path if layout == "run" else path
    made = autoencoder(weights=str(path))
    images = any_pixels(made)
    assert torch.equal(made(images), trained(images)) and not made.trained()
    assert made.fingerprint == trained.fingerprint  # a feature cache tells weights apart
    assert made.identity() == {"vision": made.name, "vision_weights": made.fingerprint}


def test_averages_of_latents_cannot_be_decoded():
    made = autoencoder(grid=2).eval()
    features = made(any_pixels(made))
    assert features.shape == (2, 4, 2)
    with pytest.raises(UserError, match=r"averages of its 4 × 4 latents \(grid 2\), .* use grid all"):
        made.decode(features)
    assert autoencoder(grid=4).eval().decode(autoencoder()(any_pixels(made))).shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 30}, r"size is 30; patch 4 and 2 widths need a multiple of 8"),
        ({"widths": []}, "widths has at least one"),
        ({"channels": 0}, "channels, layers and patch start at 1"),
        ({"levels": [3]}, "1 levels for 2 channels"),
        ({"levels": [3, 1]}, "each channel has 2 or more"),
        ({"grid": "head"}, "no classifier"),
        ({"trainable": 9}, "has 4 blocks; trainable is 9"),
    ],
)
def test_bad_arguments_are_one_line(options, message):
    with pytest.raises(UserError, match=message):
        autoencoder(**options)


def test_without_diffusers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(UserError, match=r"pip install frozenvl\[draw\]"):
        Autoencoder(**SHAPE)
