"""Loading of language models: the text part of composite models, and all tokens that end a text."""

import json

import pytest
import tiny
import torch
import transformers as hf
from sequences import LENGTHS, rows

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import greedy

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
