import pytest
import tiny
import torch

from frozenvl.errors import UserError
from frozenvl.model.vision import TimmEncoder


@pytest.fixture
def pixels():
    return torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("grid", [1, 2])
def test_features_are_averages_of_the_last_map(tiny_vision, pixels, grid):
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


@pytest.mark.parametrize("trainable", [False, True])
def test_a_frozen_encoder_stays_in_eval_mode_and_a_trainable_one_trains(tiny_vision, pixels, trainable):
    encoder = TimmEncoder(str(tiny_vision), trainable=trainable)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train()
    assert all(module.training == trainable for module in encoder.modules())
    features = encoder(pixels)
    assert features.requires_grad == trainable
    if trainable:
        features.square().sum().backward()
        torch.optim.SGD(encoder.parameters(), lr=0.1).step()
    after = encoder.state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert bool(changed) == trainable
    assert any("running_mean" in name for name in changed) == trainable
    assert any("conv" in name for name in changed) == trainable


def test_identity_is_what_features_depend_on(tiny_vision, tmp_path):
    path = str(tiny_vision)
    identities = [
        TimmEncoder(path).identity,
        TimmEncoder(path, grid=2).identity,
        TimmEncoder(path, size=96).identity,
        TimmEncoder(str(tiny.vision_model(tmp_path, seed=1))).identity,
    ]
    assert len(set(identities)) == 4
    assert TimmEncoder(path).identity == identities[0]


def test_random_weights_where_asked(tiny_vision):
    one, other = (TimmEncoder(str(tiny_vision), pretrained=pretrained) for pretrained in (True, False))
    assert one.identity != other.identity


def test_what_cannot_be_used(tiny_vision, pixels):
    with pytest.raises(UserError, match=r"'no_such_net'.*timm knows no such model"):
        TimmEncoder("no_such_net", pretrained=False)
    encoder = TimmEncoder("test_vit", pretrained=False, size=160)
    with pytest.raises(UserError, match=r"test_vit.*no feature map"):
        encoder(torch.zeros(1, 3, 160, 160, dtype=torch.uint8))
    encoder = TimmEncoder(str(tiny_vision))
    maps = encoder.model.forward_features
    encoder.model.forward_features = lambda x: maps(x).permute(0, 2, 3, 1)  # as Swin's: channels last
    with pytest.raises(UserError, match="no feature map"):
        encoder(pixels)
