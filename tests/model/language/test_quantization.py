"""Quantised language models: options given to transformers, and refusals. No model is run, since CUDA is missing."""

from __future__ import annotations

import pytest
import torch
from running import one_line
from torch import nn
from transformers import AutoModelForCausalLM

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language import quantization
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.tuning import Finetuned
from frozenvl.model.vision import TimmEncoder
from frozenvl.training.module import FrozenModule
from frozenvl.util.errors import UserError


@pytest.fixture
def asked(monkeypatch) -> dict:
    """Quantisation options given to transformers, with CUDA and bitsandbytes faked; the model is not quantised."""
    options: dict = {}
    whole = AutoModelForCausalLM.from_pretrained

    def load(where, quantization_config=None, device_map=None, **others):
        options.update(config=quantization_config, device_map=device_map)
        return whole(where, **others)

    monkeypatch.setattr(quantization, "find_spec", lambda name: name == "bitsandbytes")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    return options


def test_transformers_gets_the_options_for_8_or_4_bits(asked, tiny_language, monkeypatch):
    FrozenLanguageModel(str(tiny_language))
    assert asked == {"config": None, "device_map": None}
    FrozenLanguageModel(str(tiny_language), quantization="int8")
    assert asked["config"].quantization_method() == "llm_int8" and asked["device_map"] == {"": 0}
    monkeypatch.setenv("LOCAL_RANK", "3")
    language = FrozenLanguageModel(str(tiny_language), quantization="nf4")
    assert asked["config"].quantization_method() == "nf4" and asked["device_map"] == {"": 3}
    assert asked["config"].bnb_4bit_compute_dtype == torch.bfloat16
    assert language.packs and language.arguments["quantization"] == "nf4"


def test_a_run_passes_quantization_on(asked, tiny_language, tiny_vision):
    FrozenModule(str(tiny_language), TimmEncoder(str(tiny_vision)), quantization="nf4")
    assert asked["config"].load_in_4bit


def test_quantised_weights_are_not_converted_to_bf16(tiny_language, tiny_vision):
    language = FrozenLanguageModel(str(tiny_language))
    model = FrozenVL(language, TimmEncoder(str(tiny_vision)), MLP, 1)
    projection = language.layers[0].mlp.down_proj
    bits = torch.randint(-128, 127, projection.weight.shape, dtype=torch.int8)
    projection.weight = nn.Parameter(bits.clone(), requires_grad=False)
    model.hold_frozen_in_bf16()
    assert projection.weight.equal(bits) and projection.weight.dtype == torch.int8
    assert language.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16


def test_training_quantised_weights_is_refused(asked, tiny_language):
    with pytest.raises(UserError, match="quantised weights cannot be trained; use LoRA"):
        Finetuned().attach(FrozenLanguageModel(str(tiny_language), quantization="nf4"))
    with pytest.raises(UserError, match="random weights are not quantised"):
        FrozenLanguageModel(str(tiny_language), pretrained=False, quantization="nf4")


@pytest.mark.parametrize(
    ("cuda", "package", "missing"),
    [
        (False, True, "a CUDA device"),
        (True, False, "the package bitsandbytes"),
        (False, False, "a CUDA device and the package bitsandbytes"),
    ],
)
def test_missing_cuda_or_bitsandbytes_is_one_error_line(frozenvl, monkeypatch, capfd, cuda, package, missing):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(quantization, "find_spec", lambda name: package or None)
    assert frozenvl("fit", "--model.quantization", "int8") == 2
    line = one_line(capfd.readouterr().err)
    assert line == f"model.quantization int8 needs {missing}; leave it out"


def test_an_unknown_kind_is_refused(frozenvl, capfd):
    assert frozenvl("fit", "--model.quantization", "int3") == 2
    assert "quantization" in one_line(capfd.readouterr().err)
