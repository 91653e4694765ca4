"""Custom image encoder: mean colours of a grid of cells, through a random projection."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from frozenvl.model.vision import PixelEncoder


class Cells(PixelEncoder):
    """Maps the mean colours of cells by a 1 × 1 convolution.

    Args:
        channels: width of a feature vector.
        trainable: whether the convolution is trained.
    """

    def __init__(self, channels: int = 8, trainable: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)  # frozen weights have to be the same each time
            model = nn.Conv2d(3, channels, 1)
        self.adopt("cells", model, 32, (0.5,) * 3, (0.5,) * 3, 2, trainable, moving_statistics=False)

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.model(nn.functional.adaptive_avg_pool2d(pixels, 4))
        return maps.new_zeros(len(maps), 0, maps.shape[1]), maps

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        return [list(self.model.parameters())]
