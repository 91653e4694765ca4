"""Encoders from timm."""

import pytest
import tiny
import torch
from encoders import any_pixels

from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("grid", [1, 2])
def test_features_are_averages_of_the_last_feature_map(tiny_vision, pixels, grid):
    encoder = TimmEncoder(str(tiny_vision), grid=grid)
    assert encoder.size == 64
    normal = (
        pixels.float() / 255 - torch.tensor(encoder.model.pretrained_cfg["mean"]).view(3, 1, 1)
    ) / torch.tensor(encoder.model.pretrained_cfg["std"]).view(3, 1, 1)
    maps = encoder.model.forward_features(normal)
    cell = maps.shape[-1] // grid
    rows = maps.unfold(2, cell, cell).unfold(3, cell, cell).mean((-1, -2)).flatten(2).transpose(1, 2)
    features = encoder(pixels)
    assert features.shape == (3, encoder.tokens, encoder.channels) == (3, grid * grid, maps.shape[1])
    torch.testing.assert_close(features, rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("moving", [None, False, True])
@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize("trainable", [False, True])
def test_a_frozen_encoder_stays_in_eval_mode_and_a_trainable_one_trains(
    tiny_vision, pixels, trainable, pretrained, moving
):
    encoder = TimmEncoder(
        str(tiny_vision), trainable=trainable, pretrained=pretrained, moving_statistics=moving
    )
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train()
    norms = (module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d))
    moves = trainable and (not pretrained if moving is None else moving)
    assert encoder.training == trainable
    assert {norm.training for norm in norms} == {moves}
    features = encoder(pixels)
    assert features.requires_grad == trainable
    if trainable:
        features.square().sum().backward()
        torch.optim.SGD(encoder.parameters(), lr=0.1).step()
    after = encoder.state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert bool(changed) == trainable
    assert any("running_mean" in name for name in changed) == moves
    assert any("conv" in name for name in changed) == trainable


def test_a_vision_transformer_at_another_image_size():
    encoder = TimmEncoder("test_vit", pretrained=False, size=96, grid="all")
    assert encoder.tokens == 1 + (96 // 16) ** 2
    assert encoder(any_pixels(encoder)).shape == (2, encoder.tokens, encoder.channels)
    with pytest.raises(UserError, match=r"'test_vit' takes no images of 8 pixels .*; it was made for 160"):
        TimmEncoder("test_vit", pretrained=False, size=8)


def test_a_model_without_known_blocks_is_trained_completely_or_not_at_all():
    make = lambda trainable: TimmEncoder("poolformer_s12", pretrained=False, size=64, trainable=trainable)
    assert all(parameter.requires_grad for parameter in make(True).model.parameters())
    with pytest.raises(UserError, match=r"timm does not tell its blocks apart; trainable is true or false"):
        make(1)


def test_a_model_of_several_branches_has_only_head_features():
    encoder = TimmEncoder("crossvit_tiny_240", pretrained=False, grid="head")
    assert encoder(any_pixels(encoder)).shape == (2, 1, encoder.channels)
    with pytest.raises(UserError, match="'crossvit_tiny_240' has no one feature map; use grid head"):
        TimmEncoder("crossvit_tiny_240", pretrained=False)


def test_head_features_are_the_input_of_the_classifier(pixels, tiny_vision):
    encoder = TimmEncoder(str(tiny_vision), grid="head")
    normal = (pixels / 255 - encoder.mean) / encoder.std
    torch.testing.assert_close(encoder(pixels)[:, 0], encoder.model(normal))


def test_the_fingerprint_covers_weights_grid_and_size(tiny_vision, tmp_path):
    path = str(tiny_vision)
    identities = [
        TimmEncoder(path).fingerprint,
        TimmEncoder(path, grid=2).fingerprint,
        TimmEncoder(path, size=96).fingerprint,
        TimmEncoder(str(tiny.vision_model(tmp_path, seed=1))).fingerprint,
    ]
    assert len(set(identities)) == 4
    assert TimmEncoder(path).fingerprint == identities[0]


def test_pretrained_false_gives_random_weights(tiny_vision):
    one, other = (TimmEncoder(str(tiny_vision), pretrained=pretrained) for pretrained in (True, False))
    assert one.fingerprint != other.fingerprint


def test_unknown_models_and_grids_are_refused(tiny_vision, pixels):
    with pytest.raises(UserError, match=r"'no_such_net'.*timm knows no such model"):
        TimmEncoder("no_such_net", pretrained=False)
    for grid in (0, "none"):
        with pytest.raises(UserError, match=rf"grid is {grid!r}; it is all, head, or cells a side"):
            TimmEncoder(str(tiny_vision), grid=grid)
