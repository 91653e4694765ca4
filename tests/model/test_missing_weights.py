"""Weights that a model's file lacks: refused where they are frozen and used, removed where they are not used."""

import json

import pytest
import timm
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.vision import HFEncoder, TimmEncoder
from frozenvl.util.errors import UserError

SIZES = {
    "image_size": 32,
    "patch_size": 16,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
CLASSIFIERS = {
    "vit": lambda: hf.ViTForImageClassification(hf.ViTConfig(**SIZES)),
    "deit": lambda: hf.DeiTForImageClassification(hf.DeiTConfig(**SIZES)),
    "vit_msn": lambda: hf.ViTMSNForImageClassification(hf.ViTMSNConfig(**SIZES)),
}
PIXELS = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def drop(folder, *names):
    """Takes weights out of a folder's file. A name stands for itself and for all below it."""
    weights = load_file(folder / "model.safetensors")
    gone = [key for key in weights if any(key == name or key.startswith(f"{name}.") for name in names)]
    assert gone
    save_file(
        {k: v for k, v in weights.items() if k not in gone}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


@pytest.fixture
def classifier(tmp_path):
    """Function that saves a classifier of a family, which has no pooler, as an encoder's folder."""

    def save(family):
        torch.manual_seed(0)
        CLASSIFIERS[family]().save_pretrained(tmp_path)
        processor = {
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "image_processor_type": "ViTImageProcessor",
        }
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
        return tmp_path

    return save


@pytest.mark.parametrize("grid", [1, 2, "all"])
@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("trainable", [False, 1, True])
def test_a_pooler_that_a_classifier_lacks_is_not_built(classifier, family, grid, trainable):
    folder = str(classifier(family))
    encoders = [HFEncoder(folder, grid=grid, trainable=trainable) for _ in range(2)]
    assert encoders[0].fingerprint == encoders[1].fingerprint
    assert not any("pooler" in name for name in encoders[0].state_dict())
    expected = hf.AutoModelForImageClassification.from_pretrained(folder).base_model
    with torch.no_grad():
        hidden = expected.eval()(pixel_values=PIXELS / 127.5 - 1).last_hidden_state
        all_vectors = encoders[0].eval()(PIXELS) if grid == "all" else hidden
    torch.testing.assert_close(all_vectors, hidden)


def test_a_pooler_that_is_the_feature_is_refused(classifier):
    line = r"its file lacks pooler\.dense\.bias, pooler\.dense\.weight, which would be random; use grid 1 or all$"
    with pytest.raises(UserError, match=line):
        HFEncoder(str(classifier("vit")), grid="head")
    assert HFEncoder(str(classifier("vit")), grid="head", trainable=True).channels == 16, "it is trained"


def test_a_layer_that_is_used_is_refused_whatever_the_grid(classifier):
    folder = drop(classifier("vit"), "vit.encoder.layer.1.intermediate.dense")
    for grid in (1, "all", "head"):
        with pytest.raises(UserError, match=r"its file lacks .*layers\.1\.mlp\.fc1\.(bias|weight)"):
            HFEncoder(str(folder), grid=grid)
    assert HFEncoder(str(folder), trainable=1).tokens == 1, "the last layer is trained"


@pytest.mark.parametrize("name", ["conv_stem", "bn2", "blocks.0.0.bn1.running_mean"])
def test_timm_does_not_hide_missing_weights(tiny_vision, tmp_path, name):
    for file in tiny_vision.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    drop(tmp_path, name)
    with pytest.raises(UserError, match=rf"its file lacks {name}.*, which would be random; choose another"):
        TimmEncoder(str(tmp_path))
    assert nn_load_is_restored()


def nn_load_is_restored():
    """Returns whether `load_state_dict` is strict again."""
    try:
        torch.nn.Linear(1, 1).load_state_dict({})
    except RuntimeError:
        return True
    return False


def test_timm_classifiers_without_their_classes_are_whole(tmp_path):
    model = timm.create_model("test_vit", num_classes=5)
    save_for_hf(model, str(tmp_path), safe_serialization=True)
    drop(tmp_path, "head")
    encoder = TimmEncoder(str(tmp_path))
    assert encoder.fingerprint == TimmEncoder(str(tmp_path)).fingerprint


@pytest.mark.parametrize(
    "name", ["lm_head", "model.layers.1.mlp.up_proj", "model.embed_tokens", "model.norm"]
)
def test_language_models_are_whole(tiny_language, tmp_path, name):
    for file in tiny_language.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    drop(tmp_path, name)
    with pytest.raises(
        UserError, match=rf"its file lacks {name}\.weight, which would be random; choose another"
    ):
        FrozenLanguageModel(str(tmp_path))


def test_a_tied_head_is_not_missing(tmp_path):
    from architectures import causal_lm

    folder = causal_lm(tmp_path, "llama", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    language = FrozenLanguageModel(str(folder))
    assert language.model.lm_head.weight is language.model.model.embed_tokens.weight


def test_an_encoder_of_a_16_bit_configuration_is_fp32(classifier):
    folder = classifier("vit")
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    for trainable in (False, True):
        encoder = HFEncoder(str(folder), pretrained=False, trainable=trainable)
        assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
        assert encoder(PIXELS).dtype == torch.float32
