"""`ScalarQuantization`: rounds each channel of latents to a few levels, so that a latent is one of finitely many codes.

Finite scalar quantization (Mentzer et al. 2023, "Finite Scalar Quantization: VQ-VAE Made Simple"). There is no codebook
that could collapse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError


class ScalarQuantization(nn.Module):
    """Rounds latents (N, channels, …) to levels from -1 to 1; the gradient passes as if nothing was rounded.

    Args:
        levels: number of values of each channel.

    Raises:
        UserError: if a channel has fewer than two levels.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise UserError(f"Autoencoder: levels is {list(levels)}; each channel has 2 or more")
        self.levels = tuple(levels)
        self.codes = math.prod(levels)
        """Number of codes."""

    def _number(self, latents: Tensor) -> Tensor:
        """Returns the number of levels of each channel, to be multiplied with (N, channels, …)."""
        return torch.tensor(self.levels, device=latents.device).view(-1, *[1] * (latents.dim() - 2))

    def forward(self, latents: Tensor) -> Tensor:
        """Rounds latents (N, channels, …). Tanh bounds them first."""
        steps = (self._number(latents) - 1) / 2
        bounded = latents.tanh()
        # Level i of L is at 2i / (L - 1) - 1, so that an even number of levels needs no shift.
        rounded = ((bounded + 1) * steps).round() / steps - 1
        return bounded + (rounded - bounded).detach()

    def to_codes(self, latents: Tensor) -> Tensor:
        """Returns the code (N, …) of rounded latents (N, channels, …). Its digits are the levels, the lowest first."""
        last = self._number(latents) - 1
        # Other features than this rounding's, such as the random ones of a plan, get the nearest code.
        digits = ((latents.float() + 1) * last / 2).round().long().clamp(min=0).minimum(last)
        code = torch.zeros_like(digits[:, 0])
        for channel in reversed(range(len(self.levels))):
            code = code * self.levels[channel] + digits[:, channel]
        return code

    def to_latents(self, codes: Tensor) -> Tensor:
        """Returns the latents (N, channels, …) of codes (N, …)."""
        channels = []
        for number in self.levels:
            channels.append((codes % number) * 2 / (number - 1) - 1)
            codes = codes // number
        return torch.stack(channels, dim=1)
