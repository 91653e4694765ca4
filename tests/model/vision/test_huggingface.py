"""Vision transformers of the Hugging Face hub."""

import pytest
import torch
import transformers as hf
from encoders import any_pixels

from frozenvl.model.vision import HFEncoder
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2", "vit"])
def test_features_equal_hidden_states_of_transformers(hub, resnet, family):
    encoder = HFEncoder(str(hub / family), grid="all")
    assert encoder.size == 64 and encoder.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    pixels = any_pixels(encoder)
    normal = (pixels / 255 - encoder.mean) / encoder.std
    own = getattr(
        hf.AutoModel.from_pretrained(hub / family), "vision_model", None
    ) or hf.AutoModel.from_pretrained(hub / family)
    with torch.no_grad():
        found = own.eval()(pixel_values=normal, output_hidden_states=True)
    torch.testing.assert_close(encoder(pixels), found.last_hidden_state)
    second = HFEncoder(str(hub / family), grid="all", layer=-2)
    torch.testing.assert_close(second(pixels), found.hidden_states[-2])
    head = HFEncoder(str(hub / family), grid="head")
    torch.testing.assert_close(head(pixels)[:, 0], found.pooler_output)
    assert len({encoder.fingerprint, second.fingerprint, head.fingerprint}) == 3


def test_unknown_layers_are_refused(hub):
    assert HFEncoder(str(hub / "vit"), layer=-4).channels == 16, "the embeddings, before three layers"
    for layer in (4, -5):
        with pytest.raises(UserError, match=rf"has 4 hidden states; layer is {layer}$"):
            HFEncoder(str(hub / "vit"), layer=layer)


def test_weights_saved_in_16_bits_are_loaded_in_fp32(hub, tmp_path):
    hf.AutoModel.from_pretrained(hub / "vit").half().save_pretrained(tmp_path)
    hf.AutoImageProcessor.from_pretrained(hub / "vit").save_pretrained(tmp_path)
    encoder = HFEncoder(str(tmp_path), trainable=True)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", ["clip", "vit"])
def test_random_weights_are_the_same_each_time(hub, family):
    make = lambda **options: HFEncoder(str(hub / family), **options).fingerprint
    assert make(pretrained=False) == make(pretrained=False) != make()


def test_models_that_are_no_vision_transformers_are_refused(hub):
    with pytest.raises(UserError, match=r"resnet.*no vision transformer; try TimmEncoder"):
        HFEncoder(str(hub / "resnet"))
    with pytest.raises(UserError, match=r"nowhere.*no such folder"):
        HFEncoder("/nowhere/at/all")
