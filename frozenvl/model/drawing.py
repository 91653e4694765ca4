"""`Draws`: pictures of texts by a `FrozenVL`, decoded from latents of its autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frozenvl.model.embedding import in_batches
from frozenvl.model.heads import Drawing
from frozenvl.model.heads.head import named
from frozenvl.model.processor import Processor
from frozenvl.model.vision import Autoencoder
from frozenvl.util.errors import UserError


class Draws:
    """Mixin of `FrozenVL` with the methods that draw pictures."""

    @property
    def autoencoder(self: Any) -> Autoencoder:
        """The model's vision encoder, which decodes too.

        Raises:
            UserError: if it has no decoder.
        """
        if not isinstance(self.vision, Autoencoder):
            raise UserError(
                f"the vision encoder {self.vision.name} has no decoder, so nothing can be drawn; use "
                "frozenvl.model.vision.Autoencoder, as configs/autoencoder.yaml does"
            )
        return self.vision

    @torch.no_grad()
    def pictures(self: Any, features: Tensor) -> np.ndarray:
        """Decodes features (N, tokens, channels) of the autoencoder to pictures (N, size, size, 3), uint8.

        Raises:
            UserError: if the model has no decoder, or the features are averages of latents.
        """
        with self.autocast(features):
            pixels = self.autoencoder.decode(features)
        levels = (pixels.clamp(0, 1) * 255).round().to("cpu", torch.uint8)
        return levels.permute(0, 2, 3, 1).numpy()

    def drawer(self: Any, name: str | None = None) -> Drawing:
        """Returns the drawing head of a name, or the only one.

        Raises:
            UserError: if there is none of the name, none at all, or a name is needed.
        """
        return named(self.heads, Drawing, "drawing head", name, "as configs/draw.yaml does")

    @torch.no_grad()
    def draw(
        self: Any,
        processor: Processor,
        texts: Sequence[str],
        seed: int = 0,
        temperature: float = 1.0,
        head: str | None = None,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> np.ndarray:
        """Draws a picture of each text: (n, size, size, 3), uint8.

        Args:
            processor: this model's processor.
            texts: texts to draw.
            seed: seed of a head whose latents are codes. A text's picture does not depend on the other texts.
            temperature: temperature of such a head; 0 draws the most likely codes.
            head: name of the drawing head; by default the only one.
            batch_size: number of texts per pass.
            progress: function called with the number of texts done and their total.
        """
        if isinstance(texts, str):
            raise TypeError("texts is one text; give a list of texts")
        made, size = self.drawer(head), self.autoencoder.size
        read = lambda run: made.latents(run, seed, temperature)
        latents = in_batches(self, texts, made.prompt, read, processor, batch_size, progress)
        drawn = [self.pictures(part.to(self.device)) for part in latents]
        return np.concatenate([np.zeros((0, size, size, 3), np.uint8), *drawn])
