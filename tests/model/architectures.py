"""Tiny random-weight language models of many architectures."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch
import transformers as hf
from transformers import AutoModelForCausalLM

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,  # so that their outputs differ
}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.3}
GROUPED = {**SIZES, "num_key_value_heads": 2}
GEMMA = {
    **GROUPED,
    "head_dim": 8,
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention"],
}

PACKED = {
    "llama": lambda: hf.LlamaConfig(**GROUPED),
    "gpt2": lambda: hf.GPT2Config(**GPT),  # absolute positions, tied head
    "opt": lambda: hf.OPTConfig(
        hidden_size=32,
        word_embed_proj_dim=16,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        init_std=0.3,
    ),
    "neox": lambda: hf.GPTNeoXConfig(**SIZES),
    "qwen2": lambda: hf.Qwen2Config(**GROUPED),
    "qwen3": lambda: hf.Qwen3Config(**GROUPED, head_dim=8),
    "gemma": lambda: hf.GemmaConfig(**GROUPED, head_dim=8),
    "gemma2": lambda: hf.Gemma2Config(**GEMMA, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma3": lambda: hf.Gemma3TextConfig(**GEMMA),
    "mistral": lambda: hf.MistralConfig(**GROUPED, sliding_window=4),
    "phimoe": lambda: hf.PhimoeConfig(  # its sliding window is only in the mask
        **GROUPED, sliding_window=4, num_local_experts=2, num_experts_per_tok=1
    ),
    "phi": lambda: hf.PhiConfig(**SIZES),  # output head with a bias
    "cohere": lambda: hf.CohereConfig(**SIZES, logit_scale=0.5),
    "granite": lambda: hf.GraniteConfig(**SIZES, logits_scaling=4.0),
    "gptj": lambda: hf.GPTJConfig(**GPT, rotary_dim=4),
}
PADDED = {
    "bloom": lambda: hf.BloomConfig(hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3),
    "mpt": lambda: hf.MptConfig(d_model=32, n_layers=2, n_heads=4, max_seq_len=128, initializer_range=0.3),
    "falcon": lambda: hf.FalconConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, initializer_range=0.3
    ),
}
RECURRENT = {
    "mamba": lambda: hf.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=8, initializer_range=0.3),
}
"""Architectures with a recurrent state instead of keys and values."""
ALL = [*PACKED, *PADDED, *RECURRENT]
FP32_INSIDE = {"gemma2", "bloom", "mpt", "gptj", "mamba"}
"""Architectures that compute attention or a scan in fp32 even if the inputs are fp64."""


def causal_lm(folder: Path, kind: str, **changes: object) -> Path:
    """Saves a language model and its tokeniser, whose pad token is its end token."""
    words = tiny.tokenizer(folder)
    torch.manual_seed(0)
    config = (PACKED | PADDED | RECURRENT)[kind]()
    config.update({"vocab_size": len(words), "bos_token_id": None} | changes)
    config.update({"eos_token_id": words.eos_token_id, "pad_token_id": words.eos_token_id})
    model = AutoModelForCausalLM.from_config(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder
