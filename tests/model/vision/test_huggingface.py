"""Vision transformers of the Hugging Face hub."""

import json

import pytest
import torch
import transformers as hf
from encoders import any_pixels

from frozenvl.model.vision import HFEncoder
from frozenvl.model.vision.encoder import split
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


MAPS = {
    "convnext": lambda: hf.ConvNextModel(
        hf.ConvNextConfig(image_size=64, hidden_sizes=[8, 16, 24, 36], depths=[1] * 4, initializer_range=0.3)
    ),
    "convnextv2": lambda: hf.ConvNextV2Model(
        hf.ConvNextV2Config(
            image_size=64, hidden_sizes=[8, 16, 32, 64], depths=[1] * 4, initializer_range=0.3
        )
    ),
}
"""Models whose last hidden state is a map (N, channels, height, width)."""


def saved(model, folder, **settings):
    model.save_pretrained(folder)
    processor = {"image_processor_type": "ViTImageProcessor", "image_mean": [0.4] * 3, "image_std": [0.2] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | settings))
    return str(folder)


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("grid", [1, 2, "all"])
def test_a_last_hidden_state_that_is_a_map_is_read_as_a_map(tmp_path, kind, grid):
    torch.manual_seed(0)
    model = MAPS[kind]().eval()
    encoder = HFEncoder(saved(model, tmp_path), grid=grid)
    pixels = any_pixels(encoder)
    with torch.no_grad():
        maps = model(pixel_values=(pixels / 255 - encoder.mean) / encoder.std).last_hidden_state
    expected = maps if grid == "all" else torch.nn.functional.adaptive_avg_pool2d(maps, grid)
    assert (encoder.channels, encoder.tokens) == (maps.shape[1], {1: 1, 2: 4, "all": 4}[grid])
    torch.testing.assert_close(encoder(pixels), expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_normalize": False},
        {"do_rescale": False},
        {"rescale_factor": 1 / 127.5},
        {"image_mean": None, "image_std": None, "do_normalize": False},
    ],
)
def test_pixels_are_normalised_as_the_processor_of_the_folder_does(hub, tmp_path, settings):
    encoder = HFEncoder(saved(hf.AutoModel.from_pretrained(hub / "vit"), tmp_path, **settings), grid="all")
    pixels = any_pixels(encoder)
    processor = hf.AutoImageProcessor.from_pretrained(tmp_path)
    expected = processor(list(pixels), do_resize=False, return_tensors="pt").pixel_values
    torch.testing.assert_close((pixels / 255 - encoder.mean) / encoder.std, expected, rtol=1e-4, atol=1e-4)


def test_models_of_bgr_images_are_refused(hub, tmp_path):
    folder = saved(hf.AutoModel.from_pretrained(hub / "vit"), tmp_path, do_flip_channel_order=True)
    with pytest.raises(UserError, match="takes BGR images, which are not supported; try TimmEncoder"):
        HFEncoder(folder)


def test_models_that_mask_images_at_random_are_refused(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = hf.ViTMAEModel(hf.ViTMAEConfig(image_size=64, **sizes))
    with pytest.raises(
        UserError, match=r"gives other features at each look at an image \(a ViTMAEModel masks"
    ):
        HFEncoder(saved(model, tmp_path), grid="all")


def test_grid_all_takes_patches_that_are_no_square():
    vectors = torch.randn(2, 6, 4)
    first, maps = split(vectors, 1, "all", "x")
    assert first is vectors and maps.shape == (2, 4, 0, 0)
    with pytest.raises(UserError, match="its 5 patches are no square; use grid all"):
        split(vectors, 1, 1, "x")
