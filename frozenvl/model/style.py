"""Style transfer by adaptive instance normalization (AdaIN; Huang & Belongie 2017), in an autoencoder's latents."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from frozenvl.model.vision import Autoencoder
from frozenvl.util.errors import UserError

LEAST_DEVIATION = 1e-5
"""Deviation of a flat channel, which has none to divide by."""


class Styled(NamedTuple):
    """A picture with the content of one image in the style of another, and its losses (Huang & Belongie, section 5)."""

    features: Tensor
    """Latents (1, tokens, channels) that the decoder takes."""
    content_loss: float
    """Mean squared difference between the encoded picture and the latents that it was decoded from."""
    style_loss: float
    """Σ over the encoder's blocks of the mean squared differences of channel means and of channel deviations."""
    style_loss_before: float
    """The same for the content image as the autoencoder reconstructs it, with strength 0."""


def statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the mean and the standard deviation (N, C, 1, 1) of each channel of maps (N, C, H, W)."""
    deviation, mean = torch.std_mean(maps, dim=(2, 3), correction=0, keepdim=True)
    return mean, deviation


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Returns the content maps (N, C, H, W) with each channel's mean and deviation of the style maps (N, C, H', W')."""
    (mean, deviation), (style_mean, style_deviation) = statistics(content), statistics(style)
    return style_deviation * (content - mean) / deviation.clamp(min=LEAST_DEVIATION) + style_mean


@torch.no_grad()
def styled(vision: Autoencoder, content: Tensor, style: Tensor, strength: float = 1.0) -> Styled:
    """Puts the style of an image onto the content of another: AdaIN between encoder and decoder.

    Args:
        vision: trained autoencoder.
        content: (1, 3, size, size) uint8 pixels.
        style: (1, 3, size, size) uint8 pixels.
        strength: share of the style, from 0 (the reconstructed content) to 1.

    Raises:
        UserError: if the strength is outside 0 … 1, or latents are codes, whose statistics cannot be set.
    """
    if not 0 <= strength <= 1:
        raise UserError(f"strength is {strength}; give a number from 0 (content alone) to 1")
    if vision.quantization is not None:
        raise UserError(
            f"the latents of {vision.name} are codes, whose statistics cannot be set; train one without levels"
        )
    vision.check_decodes()
    (latents, _), (style_latents, _) = vision.moments(content), vision.moments(style)
    latents, style_latents = latents.float(), style_latents.float()
    target = latents + strength * (adain(latents, style_latents) - latents)
    wanted = block_statistics(vision, style)
    pictures = [pixels_of(vision.decode_map(maps)) for maps in (target, latents)]
    found, before = (
        sum(
            float(mse_loss(made, goal))
            for own, their in zip(block_statistics(vision, picture), wanted, strict=True)
            for made, goal in zip(own, their, strict=True)
        )
        for picture in pictures
    )
    content_loss = float(mse_loss(vision.moments(pictures[0])[0].float(), target))
    return Styled(target.flatten(2).transpose(1, 2), content_loss, found, before)


def pixels_of(decoded: Tensor) -> Tensor:
    """Returns decoded pixels from 0 to 1 as pixels from 0 to 255, which are not rounded."""
    return decoded.clamp(0, 1) * 255


def block_statistics(vision: Autoencoder, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Returns the mean and deviation of each channel behind each block of the encoder."""
    encoder, maps = vision.model.encoder, list[Tensor]()
    hooks = [
        block.register_forward_hook(lambda _block, _inputs, output: maps.append(output.float()))
        for block in (*encoder.down_blocks, encoder.mid_block)
    ]
    try:
        vision.moments(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return [statistics(each) for each in maps]
