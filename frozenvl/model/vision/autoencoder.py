"""`Autoencoder`: a convolutional autoencoder whose latents are the features, with a decoder back to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision.encoder import Grid, PixelEncoder
from frozenvl.model.vision.encoder_weights import load_encoder
from frozenvl.model.vision.scalar_quantization import ScalarQuantization
from frozenvl.util.errors import UserError

MAX_GROUPS = 8
"""Largest number of groups of a group normalisation."""


class Autoencoder(PixelEncoder):
    """Convolutional autoencoder (diffusers' `AutoencoderKL`, trained from random weights). Features are its latents.

    The objective `PixelReconstruction` trains it: as a plain autoencoder, as a variational one (`beta`), or with
    latents that are rounded to a few levels (`levels`; finite scalar quantization, Mentzer et al. 2023). A trained one
    (`weights`) encodes the images of other runs, and draws. Without weights and not trained it is a random encoder, the
    same each time.

    Blocks of `patch` × `patch` pixels become channels first (pixel unshuffle), and each width but the last halves the
    side. So the defaults turn 64 × 64 pixels into 8 × 8 latents of 4 channels.

    Args:
        size: side of the input in pixels.
        widths: channels of each resolution, from the pixels to the latents.
        channels: channels of a latent.
        layers: residual blocks at each resolution.
        patch: side of the blocks of pixels that become channels.
        levels: number of values of each channel of a latent, which is then a code; by default latents are continuous.
        grid: output, see `Grid`. Only "all" keeps the latents as they are, so that they can be decoded.
        trainable: whether to train all weights, or the number of last blocks of the encoder to train.
        weights: checkpoint, folder of a run (its last checkpoint) or exported folder with a trained autoencoder of the
            same size, widths, channels, layers, patch and levels.

    Raises:
        UserError: if an argument is not valid, or the weights do not fit.
    """

    def __init__(
        self,
        size: int = 64,
        widths: Sequence[int] = (64, 64),
        channels: int = 4,
        layers: int = 1,
        patch: int = 4,
        levels: Sequence[int] | None = None,
        grid: Grid = "all",
        trainable: bool | int = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.patch, self.latent_channels = patch, channels
        check_shape(size, widths, channels, layers, patch, levels)
        if grid == "head":
            raise UserError("Autoencoder: it has no classifier; grid is all, or cells a side")
        self.side = size // (patch * 2 ** (len(widths) - 1))
        random = nullcontext() if trainable or weights else same_random_weights()
        with random:
            model = convolutions(3 * patch**2, widths, channels, layers)
        # In the model, so that a frozen one changes its precision with it.
        model.quantization = ScalarQuantization(levels) if levels is not None else None
        if weights is not None:
            load_encoder(model, Path(weights), "size, widths, channels, layers, patch and levels")
        shape = f"{size} px, widths {list(widths)}, {channels} channels, patch {patch}"
        name = f"autoencoder ({shape}{'' if levels is None else f', levels {list(levels)}'})"
        half = (0.5,) * 3
        self.adopt(name, model, size, half, half, grid, trainable, False, f"patch={patch} levels={levels}")

    @property
    def quantization(self) -> ScalarQuantization | None:
        """Rounding of the latents; None if they are continuous."""
        return self.model.quantization

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        latents = self._moments(pixels)[0]
        if self.quantization is not None:
            latents = self.quantization(latents)
        return latents.new_zeros(len(latents), 0, latents.shape[1]), latents

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        encoder = self.model.encoder
        ends = (encoder.conv_norm_out, encoder.conv_out, self.model.quant_conv)
        first, *rest = encoder.down_blocks
        return [
            [*encoder.conv_in.parameters(), *first.parameters()],
            *(list(block.parameters()) for block in (*rest, encoder.mid_block)),
            [weight for end in ends for weight in end.parameters()],
        ]

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the mean and the log-variance of the latents before rounding, (N, channels, side, side) each.

        Args:
            pixels: (N, 3, size, size) uint8 pixels.
        """
        return self._moments(self.normalized(pixels))

    def _moments(self, normal: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.model.quant_conv(self.model.encoder(pixel_unshuffle(normal, self.patch)))
        mean, log_variance = hidden.chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)  # as in diffusers: exp does not overflow

    def decode(self, features: Tensor) -> Tensor:
        """Decodes features (N, tokens, channels) to pixels (N, 3, size, size) in fp32: 0 is black, 1 is white.

        Values beyond are not cut.

        Raises:
            UserError: if the features are averages of latents (`grid`).
        """
        self.check_decodes()
        return self.decode_map(features.transpose(1, 2).unflatten(2, (self.side, self.side)))

    def check_decodes(self) -> None:
        """Raises `UserError` if the features are averages of latents, which cannot be decoded."""
        if self.grid not in ("all", self.side):
            raise UserError(
                f"the features of {self.name} are averages of its {self.side} × {self.side} latents (grid "
                f"{self.grid}), which cannot be decoded; use grid all"
            )

    def decode_map(self, latents: Tensor) -> Tensor:
        """Decodes a map of latents (N, channels, side, side) to pixels, as `decode`."""
        dtype = self.model.post_quant_conv.weight.dtype
        hidden = self.model.decoder(self.model.post_quant_conv(latents.to(dtype)))
        return pixel_shuffle(hidden, self.patch).float() * self.std + self.mean


def check_shape(
    size: int,
    widths: Sequence[int],
    channels: int,
    layers: int,
    patch: int,
    levels: Sequence[int] | None,
) -> None:
    """Raises `UserError` if there is no autoencoder of these sizes."""
    if not widths or min(*widths, channels, layers, patch, size) < 1:
        raise UserError(
            "Autoencoder: size, channels, layers and patch start at 1, and widths has at least one number from 1"
        )
    step = patch * 2 ** (len(widths) - 1)
    if size % step:
        raise UserError(
            f"Autoencoder: size is {size}; patch {patch} and {len(widths)} widths need a multiple of {step}"
        )
    if levels is not None and len(levels) != channels:
        raise UserError(
            f"Autoencoder: {len(levels)} levels for {channels} channels; give each channel its number of levels"
        )


def convolutions(pixels: int, widths: Sequence[int], channels: int, layers: int) -> Any:
    """Returns diffusers' `AutoencoderKL` with random weights.

    Args:
        pixels: channels of the input and of the output.
        widths: channels of each resolution.
        channels: channels of the latents.
        layers: residual blocks at each resolution.

    Raises:
        UserError: if diffusers is not installed.
    """
    try:
        from diffusers import AutoencoderKL
    except ImportError:
        raise UserError("Autoencoder: needs diffusers; `pip install frozenvl[draw]`") from None
    return AutoencoderKL(
        in_channels=pixels,
        out_channels=pixels,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=tuple(widths),
        layers_per_block=layers,
        latent_channels=channels,
        norm_num_groups=math.gcd(MAX_GROUPS, *widths),
    )
