"""What every image encoder does alike: normalisation, which vectors of the last layer it gives, what is trained."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from frozenvl.model.fingerprint import fingerprint
from frozenvl.model.part import Part
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.util.errors import UserError

Grid: TypeAlias = int | Literal["all", "head"]
"""What an encoder gives of its last layer:

- a number g: its map (patches of a transformer, class token left out) averaged into g × g cells; 1 is global average
  pooling;
- `all`: every vector, class token included;
- `head`: the one vector that the model's own classifier or projection is given.
"""


class VisionEncoder(Part, ABC):
    """What gives images their features, (N, tokens, channels)."""

    name: str
    tokens: int
    channels: int
    trainable: bool
    fingerprint: str
    """What the features depend on beside the images."""
    model: Any

    def identity(self) -> dict[str, Any]:
        """Its name; and its fingerprint, unless it is trained: then a checkpoint holds its weights."""
        return {"vision": self.name} | ({} if self.trainable else {"vision_weights": self.fingerprint})

    @abstractmethod
    def reader(self, scaled: bool = True) -> ImageReader:
        """How it is given images.

        Args:
            scaled: whether large JPEGs are decoded at reduced size.
        """


class PixelEncoder(VisionEncoder):
    """An encoder that looks at pixels. A new one calls `adopt` with its model, and writes `last`.

    Shapes:
        forward: (N, 3, size, size) uint8 pixels → (N, tokens, channels).
    """

    size: int
    mean: Tensor
    std: Tensor

    @abstractmethod
    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer's vectors before its map (N, 0 or more, channels), and the map (N, channels, height, width).

        With grid `head` the one vector is all that comes first, and the map is not looked at.

        Args:
            pixels: (N, 3, size, size), normalised.
        """

    @abstractmethod
    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        """The model's parameters, block by block from the image onwards."""

    def reader(self, scaled: bool = True) -> Pixels:
        return Pixels(self.size, scaled)

    def adopt(
        self,
        name: str,
        model: nn.Module,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        grid: Grid,
        trainable: bool | int,
        moving_statistics: bool,
        facts: str = "",
    ) -> None:
        """Takes over a model.

        Args:
            trainable: whether all its weights are trained, none, or those of its last so many blocks.
            moving_statistics: whether batch normalisation goes on averaging while it is trained.
            facts: what features depend on beside weights, size, normalisation and grid.

        Raises:
            UserError: where it has no such grid, or fewer blocks.
        """
        if grid not in ("all", "head") and (not isinstance(grid, int) or grid < 1):
            raise UserError(f"vision encoder {name!r}: grid is {grid!r}; it is all, head, or cells a side")
        self.name, self.model, self.size, self.grid = name, model, size, grid
        # Channels last: 13 ms an image in place of 20, in bf16 on two cores.
        self.model.to(memory_format=torch.channels_last)
        for key, values in {"mean": mean, "std": std}.items():
            self.register_buffer(key, torch.tensor(list(values)).view(1, 3, 1, 1), persistent=False)
        self.trainable, self.moving_statistics = bool(trainable), moving_statistics
        self.requires_grad_(False)
        if trainable is True:
            model.requires_grad_(True)
        elif trainable:
            blocks = self.blocks()
            if not 0 < trainable <= len(blocks):
                raise UserError(f"vision encoder {name!r} has {len(blocks)} blocks; trainable is {trainable}")
            for parameter in (p for block in blocks[-trainable:] for p in block):
                parameter.requires_grad_(True)
        self.train()
        facts += f" {fingerprint(model)} size={size} grid={grid} mean={mean} std={std}"
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()[:32]
        with torch.no_grad():
            self.eval()
            self.tokens, self.channels = 0, 0  # of nothing, until it is seen
            _, self.tokens, self.channels = self(torch.zeros(1, 3, size, size, dtype=torch.uint8)).shape
            self.train()

    def forward(self, pixels: Tensor) -> Tensor:
        if not len(pixels):  # batch statistics of nothing would move
            return self.mean.new_zeros(0, self.tokens, self.channels)
        normal = (pixels / 255 - self.mean) / self.std
        first, maps = self.last(normal.contiguous(memory_format=torch.channels_last))
        if self.grid == "head":
            return first
        if self.grid == "all":
            return torch.cat([first, maps.flatten(2).transpose(1, 2)], dim=1)
        return nn.functional.adaptive_avg_pool2d(maps, self.grid).flatten(2).transpose(1, 2)

    def train(self, mode: bool = True) -> PixelEncoder:
        """A frozen encoder stays in eval mode, and so do batch statistics that are not to move."""
        super().train(mode and self.trainable)
        if not self.moving_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def as_map(vectors: Tensor, name: str) -> Tensor:
    """(N, side · side, channels) patches → (N, channels, side, side)."""
    side = round(vectors.shape[1] ** 0.5)
    if side * side != vectors.shape[1]:
        raise UserError(
            f"vision encoder {name!r}: its {vectors.shape[1]} patches are no square; use grid all"
        )
    return vectors.transpose(1, 2).unflatten(2, (side, side))
