"""Encoders from torchvision."""

import pytest
import torch
import torchvision
from encoders import any_pixels

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision import TorchvisionEncoder
from frozenvl.util.errors import UserError

LAYER = {
    "layer4.1.conv2.weight": r"7\.1\.conv2",
    "bn1.running_var": r"1\.running_var",
    "conv1.weight": r"0\.weight",
}
"""Name in a file → name among the layers up to the feature map."""


def test_features_are_the_input_of_the_classifier(resnet):
    encoder = TorchvisionEncoder("resnet18", str(resnet), size=64)
    whole = torchvision.models.resnet18()
    whole.load_state_dict(torch.load(resnet, weights_only=True))
    whole.fc = torch.nn.Identity()
    pixels = any_pixels(encoder)
    expected = whole.eval()((pixels / 255 - encoder.mean) / encoder.std)
    torch.testing.assert_close(encoder(pixels)[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["layer4.1.conv2.weight", "bn1.running_var", "conv1.weight"])
def test_a_file_that_lacks_a_weight_is_refused(resnet, tmp_path, name):
    weights = torch.load(resnet, weights_only=True)
    del weights[name]
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(
        UserError, match=rf"its file lacks {LAYER[name]}.*, which would be random; choose another"
    ):
        TorchvisionEncoder("resnet18", str(tmp_path / "weights.pth"), size=64)


def test_a_file_needs_no_classifier(resnet, tmp_path):
    weights = {k: v for k, v in torch.load(resnet, weights_only=True).items() if not k.startswith("fc.")}
    torch.save(weights, tmp_path / "weights.pth")
    whole = TorchvisionEncoder("resnet18", str(resnet), size=64)
    assert (
        TorchvisionEncoder("resnet18", str(tmp_path / "weights.pth"), size=64).fingerprint
        == whole.fingerprint
    )


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet34", r"its file lacks .* and 77 more, which would be random"),
        ("resnet50", r"resnet18.pth: cannot be loaded \(RuntimeError: .*size mismatch"),
    ],
)
def test_weights_of_another_model_are_one_error_line(resnet, name, message):
    with pytest.raises(UserError, match=message) as found:
        TorchvisionEncoder(name, str(resnet), size=64)
    assert "\n" not in str(found.value)


def test_weights_of_a_larger_model_are_refused(tmp_path):
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "larger.pth")
    with pytest.raises(
        UserError, match=r"larger.pth has weights that it lacks \(layer1.2.conv1.weight, .*another model"
    ):
        TorchvisionEncoder("resnet18", str(tmp_path / "larger.pth"), size=64)
