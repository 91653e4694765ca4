"""Augmentation: a randomly changed image that is the same one whenever it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import PIL.Image
import torch

from frozenvl.prompt import Image


@dataclass(frozen=True)
class AugmentedImage(Image):
    """An image under a random transform.

    Args:
        image: the original.
        transform: PIL image to PIL image, drawing from torch's generator (torchvision's do).
        seed: the draw's address; a resumed run reads the same pixels.
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
    def digest(self) -> str:  # type: ignore[override]
        content = f"{self.image.digest} {self.transform!r} {self.seed}"
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def read(self, side: int | None = None) -> PIL.Image.Image:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self.transform(self.image.read())
