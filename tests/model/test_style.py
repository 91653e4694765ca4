"""AdaIN: exact statistics, strength, and the losses by hand."""

from __future__ import annotations

import pytest
import torch
from autoencoders import autoencoder
from encoders import any_pixels

from frozenvl.model.style import adain, styled
from frozenvl.util.errors import UserError


def moments(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel, computed by sums."""
    count = maps.shape[2] * maps.shape[3]
    mean = maps.double().sum((2, 3)) / count
    return mean, ((maps.double() - mean[..., None, None]).square().sum((2, 3)) / count).sqrt()


def test_the_result_has_exactly_the_statistics_of_the_style():
    torch.manual_seed(0)
    content, style = 3 * torch.randn(2, 4, 5, 6) + 1, torch.rand(2, 4, 7, 3) ** 2 - 8
    found = adain(content, style)
    for made, wanted in zip(moments(found), moments(style), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-5, atol=1e-5)
    # Within a channel nothing is exchanged: the values keep their order.
    assert torch.equal(found.flatten(2).argsort(-1), content.flatten(2).argsort(-1))
    torch.testing.assert_close(adain(content, content), content)


def test_a_flat_channel_becomes_the_mean_of_the_style():
    style = torch.randn(1, 1, 4, 4)
    found = adain(torch.ones(1, 1, 4, 4), style)
    torch.testing.assert_close(found, style.mean().expand(1, 1, 4, 4))


def test_strength_goes_from_the_content_to_the_style():
    vision = autoencoder().eval()
    content, style = any_pixels(vision).split(1)
    style = style // 4
    made = {alpha: styled(vision, content, style, alpha) for alpha in (0.0, 0.25, 1.0)}
    torch.testing.assert_close(made[0.0].features, vision(content))
    between = 0.75 * made[0.0].features + 0.25 * made[1.0].features
    torch.testing.assert_close(made[0.25].features, between, rtol=1e-4, atol=1e-5)
    maps = made[1.0].features.transpose(1, 2).unflatten(2, (4, 4))
    wanted = vision(style).transpose(1, 2).unflatten(2, (4, 4))
    for one, other in zip(moments(maps), moments(wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert made[0.0].style_loss == pytest.approx(made[0.0].style_loss_before)


def test_losses_by_hand():
    vision = autoencoder().eval()
    content, style = any_pixels(vision).split(1)
    found = styled(vision, content, style, 0.5)
    picture = vision.decode(found.features).clamp(0, 1) * 255
    target = found.features.transpose(1, 2).unflatten(2, (4, 4))
    again = vision.moments(picture)[0]
    assert found.content_loss == pytest.approx((again - target).square().mean().item(), rel=1e-4)
    blocks: dict[str, list[torch.Tensor]] = {"picture": [], "style": []}
    encoder = vision.model.encoder
    for name, pixels in (("picture", picture), ("style", style)):
        unfolded = torch.nn.functional.pixel_unshuffle(pixels / 127.5 - 1, 4)
        maps = encoder.conv_in(unfolded)
        for block in encoder.down_blocks:
            blocks[name].append(maps := block(maps))
        blocks[name].append(encoder.mid_block(maps))
    expected = sum(
        (one - other).square().mean().item()
        for made, wanted in zip(blocks["picture"], blocks["style"], strict=True)
        for one, other in zip(moments(made), moments(wanted), strict=True)
    )
    assert found.style_loss == pytest.approx(expected, rel=1e-3)


def test_what_has_no_style_is_refused():
    vision = autoencoder().eval()
    one, other = any_pixels(vision).split(1)
    with pytest.raises(UserError, match=r"strength is 1.5"):
        styled(vision, one, other, 1.5)
    with pytest.raises(UserError, match="are codes, whose statistics cannot be set"):
        styled(autoencoder(levels=[3, 3]).eval(), one, other)
    with pytest.raises(UserError, match="cannot be decoded"):
        styled(autoencoder(grid=2).eval(), one, other)
