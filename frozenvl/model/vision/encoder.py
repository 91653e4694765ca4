"""Base classes of image encoders: normalisation, output grid, and the choice of trained blocks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from frozenvl.model.fingerprint import fingerprint
from frozenvl.model.missing_weights import refuse_missing, unused_weights, without
from frozenvl.model.part import Part
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.util.errors import UserError

Grid: TypeAlias = int | Literal["all", "head"]
"""Output of an encoder's last layer:

- a number g: the feature map (patches of a transformer, without class token) averaged into g × g cells; 1 is global
  average pooling;
- `all`: every vector, class token included;
- `head`: the one pooled vector that the model's own classifier or projection takes.
"""


class VisionEncoder(Part, ABC):
    """Base class of encoders, which turn images into features (N, tokens, channels)."""

    name: str
    tokens: int
    """Number of feature vectors per image."""
    channels: int
    """Dimension of a feature vector."""
    trainable: bool
    """True if any weight of the encoder is trained."""
    fingerprint: str
    """Hash of all that the features depend on besides the images."""
    model: Any

    def identity(self) -> dict[str, Any]:
        """Returns the name and, if the encoder is frozen, the fingerprint. Checkpoints hold weights of trained ones."""
        return {"vision": self.name} | ({} if self.trainable else {"vision_weights": self.fingerprint})

    @abstractmethod
    def reader(self, scaled: bool = True) -> ImageReader:
        """Returns the image reader that makes this encoder's input.

        Args:
            scaled: whether large JPEGs are decoded at a reduced size.
        """


class PixelEncoder(VisionEncoder):
    """Base class of encoders that take pixels. A subclass calls `adopt` with its model; it implements `last`, `blocks`.

    Shapes:
        forward: (N, 3, size, size) uint8 pixels → (N, tokens, channels).
    """

    size: int
    mean: Tensor
    std: Tensor

    @abstractmethod
    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the last layer's class tokens and feature map.

        Args:
            pixels: (N, 3, size, size) normalised pixels.

        Returns:
            The vectors before the map, (N, 0 or more, channels), and the map, (N, channels, height, width). With grid
            `head`: the pooled vector, (N, 1, channels); the second value is then ignored.
        """

    @abstractmethod
    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        """Returns the parameters of each block of the model, from input to output."""

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
        missing: Collection[str] = (),
    ) -> None:
        """Sets the model and its settings, and runs it once to find `tokens` and `channels`.

        Weights that are not in the model's file are removed if the features do not depend on them, such as the pooler
        of a ViT classifier with grid 1.

        Args:
            name: name of the encoder, for messages and checkpoints.
            model: model that `last` runs.
            size: side of the input in pixels.
            mean: mean of each colour channel, for pixels from 0 to 1.
            std: standard deviation of each colour channel.
            grid: output of the last layer.
            trainable: True to train all weights, False to train none, or the number of last blocks to train.
            moving_statistics: whether training updates the running statistics of batch normalisation.
            facts: other settings that features depend on besides weights, size, normalisation and grid.
            missing: names of weights that the model's file lacks.

        Raises:
            UserError: if the grid is not valid, the model has fewer blocks than `trainable`, or a weight that is
                frozen and used is missing.
        """
        if grid not in ("all", "head") and (not isinstance(grid, int) or grid < 1):
            raise UserError(f"vision encoder {name!r}: grid is {grid!r}; it is all, head, or cells a side")
        self.name, self.model, self.size, self.grid = name, model, size, grid
        self.feature_map = nn.Identity()
        """Module that the last feature map goes through, for hooks (Grad-CAM)."""
        # Channels last takes 13 ms per image instead of 20, in bf16 on two cores.
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
        if missing:
            self._leave_out(set(missing))
        self.train()
        facts += f" {fingerprint(model)} size={size} grid={grid} mean={mean} std={std}"
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()[:32]
        with torch.no_grad():
            self.eval()
            self.tokens, self.channels = 0, 0  # measured below
            image = torch.arange(3 * size * size).remainder(251).view(1, 3, size, size).to(torch.uint8)
            features, again = self(image), self(image)
            if not features.is_meta and (features - again).abs().max() > 1e-3 * features.abs().mean():
                raise UserError(
                    f"vision encoder {name!r} gives other features at each look at an image (a {type(model).__name__} "
                    "masks some at random); choose another"
                )
            _, self.tokens, self.channels = features.shape
            self.train()

    def _leave_out(self, missing: set[str]) -> None:
        """Removes the missing weights that features do not depend on, and refuses frozen ones that they depend on."""
        self.eval()
        black = torch.zeros(1, 3, self.size, self.size, dtype=torch.uint8)
        unused = unused_weights(self.model, missing, lambda: self(black))
        frozen = {name for name, weight in self.model.named_parameters() if not weight.requires_grad}
        frozen |= {name for name, buffer in self.model.named_buffers() if buffer.is_floating_point()}
        remedy = "use grid 1 or all" if self.grid == "head" else "choose another model, or complete its file"
        refuse_missing(f"vision encoder {self.name!r}", (missing - unused) & frozen, remedy)
        without(self.model, unused, lambda: self(black))

    def forward(self, pixels: Tensor) -> Tensor:
        if not len(pixels):  # an empty batch would change batch statistics
            return self.mean.new_zeros(0, self.tokens, self.channels)
        first, maps = self.last(self.normalized(pixels))
        if self.grid == "head":
            return first
        maps = self.feature_map(maps)
        if self.grid == "all":
            return torch.cat([first, maps.flatten(2).transpose(1, 2)], dim=1)
        return nn.functional.adaptive_avg_pool2d(maps, self.grid).flatten(2).transpose(1, 2)

    def normalized(self, pixels: Tensor) -> Tensor:
        """Shifts and scales uint8 pixels (N, 3, size, size) by the mean and deviation of each colour channel."""
        return ((pixels / 255 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> PixelEncoder:
        """Sets the mode. A frozen encoder stays in eval mode, and so does batch normalisation with fixed statistics."""
        super().train(mode and self.trainable)
        if not self.moving_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def split(vectors: Tensor, before: int, grid: Grid, name: str) -> tuple[Tensor, Tensor]:
    """Splits the vectors of a transformer into class tokens and feature map, as `PixelEncoder.last` returns them.

    Args:
        vectors: class tokens and patches (N, before + side · side, channels).
        before: number of vectors before the patches.
        grid: output of the encoder. With `all`, the patches need not be a square: they stay vectors.
        name: name of the encoder, for messages.

    Raises:
        UserError: if the number of patches is not a square, and the grid needs a map.
    """
    if grid == "all":
        return vectors, vectors.new_zeros(len(vectors), vectors.shape[2], 0, 0)
    first, patches = vectors[:, :before], vectors[:, before:]
    side = round(patches.shape[1] ** 0.5)
    if side * side != patches.shape[1]:
        raise UserError(
            f"vision encoder {name!r}: its {patches.shape[1]} patches are no square; use grid all"
        )
    return first, patches.transpose(1, 2).unflatten(2, (side, side))
