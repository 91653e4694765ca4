"""Tiny sentence encoder with random weights, in the layout of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [
    "a",
    "red",
    "circle",
    "two",
    "blue",
    "stars",
    "dog",
    "runs",
    "of",
    "photo",
    "yes",
    "no",
    "query",
    ":",
]
LONGEST = 7
"""Longest text in tokens, special ones included."""


def sentence_encoder(folder: Path, seed: int = 0, pooler: bool = False) -> Path:
    """Saves a BERT of one layer; returns its folder.

    Args:
        folder: empty folder.
        seed: seed of the weights.
        pooler: whether the file holds the weights of BERT's pooler.
    """
    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        initializer_range=0.3,
        hidden_dropout_prob=0.5,  # so that a head in training mode would be told
    )
    BertModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LONGEST}))
    return folder
