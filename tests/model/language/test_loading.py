"""Loading of language models: the text part of composite models, and all tokens that end a text."""

import json
import shutil

import pytest
import tiny
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from sequences import LENGTHS, rows

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import greedy
from frozenvl.util.errors import UserError

SIZES = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
COMPOSITE = {
    "gemma3": lambda: hf.Gemma3ForConditionalGeneration(
        hf.Gemma3Config(
            text_config=SIZES | {"head_dim": 8, "sliding_window": 4},
            vision_config=TOWER,
            mm_tokens_per_image=1,
        )
    ),
    "llava": lambda: hf.LlavaForConditionalGeneration(
        hf.LlavaConfig(
            text_config=hf.LlamaConfig(**SIZES),
            vision_config=hf.CLIPVisionConfig(**TOWER),
            image_token_index=7,
        )
    ),
    "mistral3": lambda: hf.Mistral3ForConditionalGeneration(
        hf.Mistral3Config(
            text_config=hf.MistralConfig(**SIZES),
            vision_config=hf.PixtralVisionConfig(**TOWER),
            image_token_index=7,
        )
    ),
}


@pytest.fixture(scope="module")
def composite(tmp_path_factory):
    """Function that saves a composite model and its tokeniser, and returns the folder and the model."""

    def save(kind):
        folder = tmp_path_factory.mktemp(kind)
        tiny.tokenizer(folder)
        torch.manual_seed(0)
        model = COMPOSITE[kind]()
        model.save_pretrained(folder)
        return folder, model.eval()

    return save


@pytest.mark.parametrize("kind", COMPOSITE)
def test_the_text_part_of_a_composite_model_is_used(composite, kind):
    folder, whole = composite(kind)
    language = FrozenLanguageModel(str(folder))
    assert language.dim == 32 and language.max_positions == 128
    embeddings, _ = rows(language)
    with torch.no_grad():
        expected = whole(inputs_embeds=embeddings[:1, : int(LENGTHS[0])], use_cache=False).logits[0]
        logits = language.head(language.hidden(embeddings[:1], LENGTHS[:1]))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert not any("vision" in name for name, _ in language.named_parameters()), "the tower is not kept"
    assert greedy(language, embeddings, LENGTHS, 4, lambda ids: False, ())[0][0] == int(expected[-1].argmax())


def test_the_text_part_starts_from_random_weights_too(composite):
    folder, _ = composite("gemma3")
    language = FrozenLanguageModel(str(folder), pretrained=False)
    assert language.dim == 32
    assert language.fingerprint == FrozenLanguageModel(str(folder), pretrained=False).fingerprint


@pytest.mark.parametrize("ids, expected", [(0, {0}), ([0, 5], {0, 5}), (None, set())])
def test_all_end_tokens_of_the_generation_file_are_known(tiny_language, tmp_path, ids, expected):
    for file in tiny_language.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    assert FrozenLanguageModel(str(tmp_path)).end_tokens == expected


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """Folder of a language model with a LoRA adapter beside it, and the adapted model."""
    from architectures import causal_lm
    from peft import LoraConfig, get_peft_model

    folder = causal_lm(tmp_path_factory.mktemp("adapted"), "llama")
    settings = LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, target_modules=["q_proj", "v_proj"])
    torch.manual_seed(1)
    model = get_peft_model(hf.AutoModelForCausalLM.from_pretrained(folder), settings)
    model.save_pretrained(folder)
    return folder, model.eval()


def test_an_adapter_beside_a_model_is_applied(adapted):
    folder, model = adapted
    language = FrozenLanguageModel(str(folder))
    embeddings, _ = rows(language)
    with torch.no_grad():
        expected = model(inputs_embeds=embeddings[:1], use_cache=False).logits[0]
        logits = language.head(language.hidden(embeddings[:1], LENGTHS[:1]))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert not language.trained(), "it is frozen as the rest is"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("adapter_model.safetensors", "layers.0.self_attn.q_proj.lora_A"),
        ("model.safetensors", "layers.1.mlp.up_proj"),
    ],
)
def test_model_and_adapter_are_whole(adapted, tmp_path, file, name):
    folder = shutil.copytree(adapted[0], tmp_path / "model")
    weights = load_file(folder / file)
    kept = {key: value for key, value in weights.items() if name not in key}
    assert len(kept) == len(weights) - 1
    save_file(kept, folder / file, {"format": "pt"})
    with pytest.raises(UserError, match=rf"its file lacks model\.{name}.*, which would be random"):
        FrozenLanguageModel(str(folder))


def test_an_adapter_without_its_model_is_refused(adapted, tmp_path):
    for file in adapted[0].glob("adapter_*"):
        shutil.copy(file, tmp_path)
    with pytest.raises(UserError, match=r"holds a PEFT adapter without its model; merge the two"):
        FrozenLanguageModel(str(tmp_path))


def test_a_model_with_code_of_its_own_is_refused_without_a_question(tiny_language, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_language, tmp_path / "model")
    (folder / "own.py").write_text("raise SystemExit('this code ran')")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on the terminal"))
    for pretrained in (True, False):
        with pytest.raises(
            UserError, match=r"model: has code of its own, which is not run here; choose a model"
        ):
            FrozenLanguageModel(str(folder), pretrained)
