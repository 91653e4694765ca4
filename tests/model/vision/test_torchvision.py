"""Encoders from torchvision."""

import pytest
import torch
import torchvision
from encoders import any_pixels

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision import TorchvisionEncoder
from frozenvl.util.errors import UserError


def test_features_are_the_input_of_the_classifier(resnet):
    encoder = TorchvisionEncoder("resnet18", str(resnet), size=64)
    whole = torchvision.models.resnet18()
    whole.load_state_dict(torch.load(resnet, weights_only=True))
    whole.fc = torch.nn.Identity()
    pixels = any_pixels(encoder)
    expected = whole.eval()((pixels / 255 - encoder.mean) / encoder.std)
    torch.testing.assert_close(encoder(pixels)[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("swin_t", "head"),  # channels last
        ("densenet121", "classifier"),
        ("googlenet", "fc"),
        ("mobilenet_v2", "classifier"),
        ("shufflenet_v2_x0_5", "fc"),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_features_of_all_kinds_of_models_are_the_input_of_the_classifier(name, classifier):
    encoder = TorchvisionEncoder(name, None, size=64)
    with same_random_weights():
        whole = torchvision.models.get_model(name)
    setattr(whole, classifier, torch.nn.Identity())
    pixels = any_pixels(encoder)
    expected = whole.eval()((pixels / 255 - encoder.mean) / encoder.std)
    torch.testing.assert_close(encoder(pixels)[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert encoder.fingerprint == TorchvisionEncoder(name, None, size=64).fingerprint


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet19", None, "'resnet19'.*list_models"),
        ("resnet18", "BEST", "no weights 'BEST', neither a file nor one of IMAGENET1K_V1, DEFAULT"),
        ("vit_b_16", None, "'vit_b_16' has no feature map"),
    ],
)
def test_unknown_models_and_weights_are_refused(name, weights, message):
    with pytest.raises(UserError, match=message):
        TorchvisionEncoder(name, weights)


def test_weights_of_another_model_are_one_error_line(resnet):
    with pytest.raises(UserError, match=r"resnet34 .*resnet18.pth: cannot be loaded") as found:
        TorchvisionEncoder("resnet34", str(resnet))
    assert "\n" not in str(found.value)
