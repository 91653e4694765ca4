"""Image augmentation with a fixed seed per draw: every read gives the same pixels."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import PIL.Image
import torch

from frozenvl.prompt import Image

DRAWING = threading.Lock()
"""Held while a transform draws."""


@dataclass(frozen=True)
class AugmentedImage(Image):
    """An image with a seeded random transform applied when it is read.

    Args:
        image: original image.
        transform: function from PIL image to PIL image that draws from torch's generator, as torchvision's do.
        seed: seed of the draw. A resumed run uses the same seed and reads the same pixels.
    """

    image: Image
    transform: Callable[[PIL.Image.Image], PIL.Image.Image]
    seed: int

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.image.name

    @property
    def key(self) -> str:
        return self.image.key

    @property
    def origin(self) -> Image:
        return self.image.origin

    @property
    def digest(self) -> str:  # type: ignore[override]
        content = f"{self.image.digest} {self.transform!r} {self.seed}"
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def read(self, side: int | None = None) -> PIL.Image.Image:
        image = self.image.read()
        # torch has one CPU generator for all threads, and several threads may read images.
        with DRAWING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self.transform(image)
