"""Image encoders: pixels to features."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from frozenvl.errors import UserError
from frozenvl.model.language import fingerprint
from frozenvl.weights import loading, resolve


class VisionEncoder(nn.Module, ABC):
    """An image encoder. A new one sets these attributes and writes `features`.

    Shapes:
        forward: (N, 3, size, size) uint8 pixels → (N, tokens, channels).
    """

    size: int
    tokens: int
    channels: int
    trainable: bool
    identity: str
    """What the features depend on: weights, size, pooling."""

    model: Any
    mean: Tensor
    std: Tensor

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) normalised pixels → (N, tokens, channels)."""

    def forward(self, pixels: Tensor) -> Tensor:
        if not len(pixels):  # batch statistics of nothing would move
            return self.mean.new_zeros(0, self.tokens, self.channels)
        normal = (pixels / 255 - self.mean) / self.std
        return self.features(normal.contiguous(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> VisionEncoder:
        """A frozen encoder stays in eval mode."""
        return super().train(mode and self.trainable)


class TimmEncoder(VisionEncoder):
    """Any timm model.

    Args:
        name: timm's name, a local folder in timm's layout, or a model brought by `frozenvl fetch`.
        grid: cells a side that the last feature map is averaged into: 1 is global average pooling.
        trainable: whether its weights are trained; else it runs in eval mode.
        pretrained: False starts from random weights, as in Frozen.
        size: side of its input in pixels; by default the one that it was trained at.
    """

    def __init__(
        self,
        name: str,
        grid: int = 1,
        trainable: bool = False,
        pretrained: bool = True,
        size: int | None = None,
    ) -> None:
        super().__init__()
        where = resolve(name)
        with loading(name):
            try:
                self.model = timm.create_model(
                    f"local-dir:{where}" if isinstance(where, Path) else where,
                    pretrained=pretrained,
                    num_classes=0,
                )
            except RuntimeError as error:
                if "Unknown model" not in str(error):
                    raise
                raise UserError(
                    f"vision encoder {name!r}: timm knows no such model and there is no such folder; "
                    "`frozenvl fetch --list` names those that need no hub"
                ) from None
        config = self.model.pretrained_cfg
        self.name, self.grid, self.trainable = name, grid, trainable
        self.size = size or config["input_size"][-1]
        self.channels = self.model.num_features
        self.tokens = grid * grid
        # Channels last: 13 ms an image in place of 20, in bf16 on two cores.
        self.model.to(memory_format=torch.channels_last)
        self.requires_grad_(trainable)
        self.train()
        for key in ("mean", "std"):
            self.register_buffer(key, torch.tensor(config[key]).view(1, 3, 1, 1), persistent=False)
        # Beside the weights: tf_efficientnet_lite0 and efficientnet_lite0 share them and pad differently.
        facts = f"{config['architecture']} {fingerprint(self.model)} size={self.size} grid={grid}"
        facts += f" mean={config['mean']} std={config['std']}"
        self.identity = hashlib.sha256(facts.encode()).hexdigest()[:32]

    def features(self, pixels: Tensor) -> Tensor:
        maps = self.model.forward_features(pixels)
        if maps.ndim != 4 or maps.shape[1] != self.channels:
            raise UserError(
                f"vision encoder {self.name!r} has no feature map; choose a convolutional timm model"
            )
        return nn.functional.adaptive_avg_pool2d(maps, self.grid).flatten(2).transpose(1, 2)
