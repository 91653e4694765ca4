"""Tiny models with random weights, for tests without downloads."""

from __future__ import annotations

import json
from pathlib import Path

import timm
import torch
from timm.models import save_for_hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SENTENCES = [
    "a large red circle to the left of two small blue stars",
    "Question: what color is the circle? Answer: red",
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "This is a dax. This is a blicket. How many squares are there? 3 yes no",
]


def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE tokeniser like GPT-2's; its pad token is its end token, as in SmolLM2."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(SENTENCES, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<end>")
    wrapped.save_pretrained(folder)
    return wrapped


def language_model(folder: Path, seed: int = 0) -> Path:
    """Saves a LLaMA of two layers with grouped-query attention; returns its folder."""
    words = tokenizer(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.eos_token_id,
        initializer_range=0.2,  # large enough that generated texts differ
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def vision_model(folder: Path, seed: int = 0) -> Path:
    """Saves timm's smallest convolutional network for images of 64 × 64; returns its folder."""
    torch.manual_seed(seed)
    model = timm.create_model("test_efficientnet")
    save_for_hf(model, str(folder), safe_serialization=True)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["pretrained_cfg"]["input_size"] = [3, 64, 64]
    path.write_text(json.dumps(config))
    return folder
