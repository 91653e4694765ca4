"""The objective that trains an autoencoder: squared error of the pixels, and a KL divergence of the latents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.vision import Autoencoder
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError


class PixelReconstruction(Objective):
    """Mean squared error between an image and its reconstruction by the model's `Autoencoder`, which it trains.

    Pixels go from 0 to 1. With `beta` the autoencoder is variational (Kingma & Welling 2014): latents are drawn from
    their Gaussians, and β · KL(Gaussian ‖ standard normal) is added, in nats per value of the latents. The language
    model does not run. The denominator is the number of images; each sample has one, its last.

    Args:
        beta: weight of the KL divergence; 0 trains a plain autoencoder.
        weight: factor of this objective in the loss.
    """

    needs: ClassVar[Literal["pixels", "features"]] = "pixels"

    def __init__(self, beta: float = 0.0, weight: float = 1.0) -> None:
        super().__init__(weight)
        if not 0 <= beta < math.inf:
            raise UserError(f"model.objectives: beta is {beta}; give a finite number from 0")
        self.beta = beta

    def attach(self, model: FrozenVL) -> None:
        vision = model.vision
        trained = all(weight.requires_grad for weight in vision.parameters())
        if not isinstance(vision, Autoencoder) or not trained:
            raise UserError(
                f"model.objectives: PixelReconstruction trains an autoencoder, and model.vision is {vision.name}"
                f"{'' if trained else ' with frozen weights'}; use frozenvl.model.vision.Autoencoder with "
                "trainable: true"
            )
        if self.beta and vision.quantization is not None:
            raise UserError("model.objectives: latents with levels have no KL divergence; set beta to 0")
        if model.temporal is not None:
            raise UserError(
                "model.objectives: PixelReconstruction reads single images; drop model.temporal, or the objective"
            )

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the prompt of the sample's last image alone; none if it has no image."""
        return [Sample(sample.id, (image,)) for image in sample.images[-1:]]

    def count(self, batch: Batch) -> int:
        """Returns the number of images."""
        return len(batch)

    def total(self, run: Forward) -> Tensor:
        batch, vision = run.batch, run.model.autoencoder
        seen = batch.image_of.gather(1, batch.lengths[:, None] - 1)[:, 0]
        pixels = batch.images[seen]
        with run.randomness("latents"), run.model.autocast(pixels):
            mean, log_variance = vision.moments(pixels)
            latents = mean
            if vision.quantization is not None:
                latents = vision.quantization(mean)
            elif self.beta:
                latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            found = vision.decode_map(latents)
        total = (found - pixels / 255).pow(2).mean((1, 2, 3)).sum()
        if self.beta:
            total = total + self.beta * divergence(mean, log_variance).sum()
        return total


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Returns the KL divergence (N,) of Gaussians from the standard normal: the mean over (N, …) values, in nats."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).flatten(1).mean(1)
