"""`SideBySide`: several image encoders whose features are joined."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.processor import Pixels
from frozenvl.model.vision.encoder import PixelEncoder, VisionEncoder
from frozenvl.util.errors import UserError


class SideBySide(VisionEncoder):
    """Several encoders look at the same pixels, and their features are joined: (N, tokens, sum of channels).

    Encoders with other architectures or pretraining see other things, so a linear map of both is better than one of
    either (for retrieval: experiments/retrieval).

    Args:
        encoders: encoders of pixels, all with the same size of image and number of features (`size`, `grid`). Each is
            frozen or trained by its own options.

    Raises:
        UserError: if fewer than two are given, one takes no pixels, or sizes or numbers of features differ.
    """

    def __init__(self, encoders: list[VisionEncoder]) -> None:
        super().__init__()
        if len(encoders) < 2:
            raise UserError("SideBySide: give at least two encoders; one alone is a vision encoder itself")
        if other := [encoder.name for encoder in encoders if not isinstance(encoder, PixelEncoder)]:
            raise UserError(
                f"SideBySide: {other[0]} takes no pixels; give encoders of timm, transformers or torchvision"
            )
        self.encoders = nn.ModuleList(encoders)
        self.size, self.tokens = (
            self._shared(encoders, name, option) for name, option in (("size", "size"), ("tokens", "grid"))
        )
        self.name = " + ".join(encoder.name for encoder in encoders)
        self.channels = sum(encoder.channels for encoder in encoders)
        self.trainable = any(encoder.trainable for encoder in encoders)
        prints = " ".join(encoder.fingerprint for encoder in encoders)
        self.fingerprint = hashlib.sha256(prints.encode()).hexdigest()[:32]
        self.train()

    @staticmethod
    def _shared(encoders: Sequence[VisionEncoder], name: str, option: str) -> int:
        """Returns an attribute that all encoders have to share. Raises `UserError` that names the option to change."""
        values = [getattr(encoder, name) for encoder in encoders]
        if len(set(values)) > 1:
            what = "images of different sizes" if name == "size" else "different numbers of features"
            listed = ", ".join(
                f"{encoder.name} {value}" for encoder, value in zip(encoders, values, strict=True)
            )
            raise UserError(f"SideBySide: its encoders have {what} ({listed}); give all the same {option}")
        return values[0]

    @property
    def model(self) -> nn.ModuleList:  # type: ignore[override]
        """The models of the encoders, without their normalisation of pixels, which stays fp32."""
        return nn.ModuleList([encoder.model for encoder in self.encoders])  # type: ignore[misc]

    def identity(self) -> dict[str, Any]:
        """Returns the names and, if any encoder is frozen, the fingerprint of these."""
        frozen = [str(encoder.fingerprint) for encoder in self.encoders if not encoder.trainable]
        return {"vision": self.name} | ({"vision_weights": " ".join(frozen)} if frozen else {})

    def reader(self, scaled: bool = True) -> Pixels:
        return Pixels(self.size, scaled)

    def forward(self, pixels: Tensor) -> Tensor:
        """Computes the features (N, tokens, channels) of pixels (N, 3, size, size), uint8."""
        return torch.cat([encoder(pixels) for encoder in self.encoders], dim=-1)

    def train(self, mode: bool = True) -> SideBySide:
        """Sets the mode of each encoder; frozen ones stay in eval mode."""
        return super().train(mode and self.trainable)
