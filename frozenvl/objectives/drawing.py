"""The drawing objective: a drawing head predicts the latents of an image from its text (GILL, Koh et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads.pooling import of_images
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError


class Drawing(Objective):
    """Loss of a drawing head: how well it predicts the latents of a sample's last image from its target text.

    The latents are the features of the model's frozen autoencoder, computed once and cached. The denominator is the
    number of images.

    Args:
        head: name of the drawing head; by default the only one.
        weight: factor of this objective in the loss.
    """

    separate = True

    def __init__(self, head: str | None = None, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.head = head

    def attach(self, model: FrozenVL) -> None:
        head = model.drawer(self.head)
        if model.vision.trainable:
            raise UserError(
                "model.objectives: Drawing aims at the latents of a trained autoencoder, and model.vision is being "
                "trained; set trainable to false and name its weights"
            )
        self._prompt = head.prompt

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the last image, which the language model does not read, and the text; none if one is missing."""
        text = sample.target.strip()
        if not text or not sample.images:
            return ()
        return Sample(sample.id, (sample.images[-1],)), Sample(sample.id, self._prompt(text))

    def count(self, batch: Batch) -> int:
        """Returns the number of images."""
        return len(batch) // 2

    def total(self, run: Forward) -> Tensor:
        batch = run.batch
        images, texts = (batch.select(torch.arange(first, len(batch), 2)) for first in (0, 1))
        latents = of_images(images, run.features.float())
        return run.model.drawer(self.head).loss(run.on(texts), latents).sum()
