import pytest
import torch
from encoders import any_pixels

from frozenvl.model.vision import HFEncoder, TimmEncoder, TorchvisionEncoder
from frozenvl.util.errors import UserError

FAMILIES = {
    "convolutions": lambda hub, resnet, **o: TimmEncoder("test_efficientnet", pretrained=False, **o),
    "convnext": lambda hub, resnet, **o: TimmEncoder("test_convnext", pretrained=False, **o),
    "channels last": lambda hub, resnet, **o: TimmEncoder("test_mambaout", pretrained=False, **o),
    "timm's transformer": lambda hub, resnet, **o: TimmEncoder("test_vit", pretrained=False, size=160, **o),
    "without normalisation": lambda hub, resnet, **o: TimmEncoder("test_nfnet", pretrained=False, **o),
    "resnet18": lambda hub, resnet, **o: TorchvisionEncoder("resnet18", str(resnet), size=64, **o),
    "mobilenet": lambda hub, resnet, **o: TorchvisionEncoder("mobilenet_v3_small", None, size=64, **o),
} | {
    name: lambda hub, resnet, name=name, **o: HFEncoder(str(hub / name), **o)
    for name in ("clip", "siglip", "clip tower", "dinov2", "vit")
}
CLASS_TOKEN = {"timm's transformer", "clip", "clip tower", "dinov2", "vit"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_requested_features(hub, resnet, family):
    make = FAMILIES[family]
    everything = make(hub, resnet, grid="all")
    vectors = everything(any_pixels(everything))
    assert vectors.shape == (2, everything.tokens, everything.channels)
    before = family in CLASS_TOKEN
    side = round((everything.tokens - before) ** 0.5)
    assert everything.tokens == side * side + before
    pooled = make(hub, resnet, grid=1)
    found = pooled(any_pixels(pooled))
    torch.testing.assert_close(found[:, 0], vectors[:, before:].mean(1), rtol=1e-4, atol=1e-5)
    cells = make(hub, resnet, grid=2)
    assert cells(any_pixels(cells)).shape == (2, 4, everything.channels)
    assert cells(any_pixels(cells)[:0]).shape == (0, 4, everything.channels)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_can_be_limited_to_the_last_blocks(hub, resnet, family):
    make = FAMILIES[family]
    encoder = make(hub, resnet, trainable=1)
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    everything = {name for name, _ in encoder.named_parameters()}
    assert trained and trained < everything
    encoder(any_pixels(encoder)).square().sum().backward()
    got = {name for name, p in encoder.named_parameters() if p.grad is not None}
    assert got <= trained and got
    every = make(hub, resnet, trainable=True)
    assert all(p.requires_grad for p in every.parameters())
    blocks = every.blocks()
    assert sum(len(block) for block in blocks) == len(list(every.parameters()))
    with pytest.raises(UserError, match=rf"has {len(blocks)} blocks; trainable is 99"):
        make(hub, resnet, trainable=99)
