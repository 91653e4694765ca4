"""Capabilities of an architecture that are tested when it is loaded."""

import copy

import pytest
from architectures import PACKED, causal_lm
from transformers import AutoModelForCausalLM, OpenAIGPTConfig

from frozenvl.model.language.capabilities import can_pack, check_cache, goes_on
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.util.errors import UserError


def test_logits_with_an_unknown_transformation_are_refused(tmp_path, monkeypatch):
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def twice(*args, **inputs):
        out = forward(*args, **inputs)
        out.logits = 2 * out.logits
        return out

    folder = causal_lm(tmp_path, "llama")
    monkeypatch.setattr(LlamaForCausalLM, "forward", twice)
    with pytest.raises(UserError, match="LlamaForCausalLM transforms its logits") as caught:
        FrozenLanguageModel(str(folder))
    assert "\n" not in str(caught.value)


def test_a_model_that_ignores_its_cache_is_refused(tmp_path, monkeypatch):
    from transformers import LlamaModel

    forward = LlamaModel.forward
    forgetful = lambda self, past_key_values=None, **inputs: forward(self, **inputs)
    folder = causal_lm(tmp_path, "llama")
    monkeypatch.setattr(LlamaModel, "forward", forgetful)
    with pytest.raises(
        UserError, match="LlamaForCausalLM does not continue correctly from its cache"
    ) as caught:
        FrozenLanguageModel(str(folder))
    assert "\n" not in str(caught.value)


def test_an_architecture_that_cannot_continue_from_its_cache_is_refused(tmp_path):
    config = OpenAIGPTConfig(
        n_embd=32, n_layer=2, n_head=4, vocab_size=20
    )  # its mask covers only new positions
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(
        UserError, match="OpenAIGPTLMHeadModel does not continue correctly from its cache"
    ) as caught:
        FrozenLanguageModel(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom", "mamba"])
def test_packing_is_detected(language, kind):
    model = copy.deepcopy(language(kind))
    model.packs = False
    assert can_pack(model) == (kind in PACKED)


def test_packing_that_changes_results_is_not_used(language, monkeypatch):
    model = copy.deepcopy(language("llama"))
    model.packs = False
    hidden = model.hidden
    monkeypatch.setattr(model, "hidden", lambda *inputs: hidden(*inputs) * (1.01 if model.packs else 1))
    assert not can_pack(model)


def test_continuing_from_the_cache_is_tested(language, monkeypatch):
    model = copy.deepcopy(language("llama"))
    assert goes_on(model)
    read = model.read
    monkeypatch.setattr(model, "read", lambda embeddings, lengths: read(2 * embeddings, lengths))
    assert not goes_on(model)
    with pytest.raises(UserError, match="does not continue correctly from its cache"):
        check_cache(model)
