"""Baselines: the image that stands for "nothing there"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from frozenvl.analysis.target import Level, TargetFunction
from frozenvl.util.errors import UserError

Baseline: TypeAlias = Literal["mean", "blur", "black"]
"""Image that stands for "nothing there":

- `mean`: the mean colour of the image;
- `blur`: the image, blurred (Fong & Vedaldi 2017, arXiv:1704.03296);
- `black`.
"""
BLUR = 10 / 224
"""Standard deviation of the blur ÷ side of the encoder's square (Fong & Vedaldi: 10 pixels of 224)."""


def mean(pixels: Tensor) -> Tensor:
    """Returns the mean colour of an image (3, height, width), everywhere."""
    return pixels.mean((1, 2), keepdim=True).expand_as(pixels)


def black(pixels: Tensor) -> Tensor:
    """Returns a black image."""
    return torch.zeros_like(pixels)


def blur(pixels: Tensor, sigma: float) -> Tensor:
    """Returns an image (3, height, width) blurred by a Gaussian, reflected at its border.

    Args:
        pixels: image.
        sigma: standard deviation in pixels.
    """
    kernel = [2 * min(round(3 * sigma), length - 1) + 1 for length in (pixels.shape[2], pixels.shape[1])]
    return gaussian_blur(pixels[None], kernel, [sigma, sigma])[0]


def baseline_pixels(function: TargetFunction, baseline: Baseline) -> Tensor:
    """Returns a baseline (1, 3, size, size), from 0 to 255. Only the image changes: its padding stays.

    Raises:
        UserError: if there is no baseline of the name.
    """
    made: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": mean,
        "blur": lambda pixels: blur(pixels, BLUR * function.size),
        "black": black,
    }
    if baseline not in made:
        raise UserError(f"baseline is {baseline!r}; it is one of {', '.join(made)}")
    left, top, right, bottom = function.box
    pixels = function.at("pixel").clone()
    pixels[0, :, top:bottom, left:right] = made[baseline](pixels[0, :, top:bottom, left:right])
    return pixels


@torch.no_grad()
def baseline_inputs(function: TargetFunction, baseline: Baseline, level: Level) -> Tensor:
    """Returns a baseline at a level: its pixels, features or prefix vectors (1, …). Raises as `baseline_pixels`."""
    return function.raised(baseline_pixels(function, baseline), "pixel", level)
