"""Five layouts of chat templates, and a tiny language model and tokeniser with one of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import tiny
from transformers import PreTrainedTokenizerFast


class Layout(NamedTuple):
    """A chat template, with the special tokens that it writes."""

    template: str
    special: tuple[str, ...]
    bos: str | None = None
    system: bool = True
    """Whether it takes a system message."""


CHATML = Layout(
    "{% for m in messages %}"
    "{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    ("<|im_start|>", "<|im_end|>"),
)
"""Adds a system message of its own."""
HEADERS = Layout(
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|header|>' + m['role'] + '<|header_end|>\\n\\n' + m['content'] | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|header|>assistant<|header_end|>\\n\\n' }}{% endif %}",
    ("<|header|>", "<|header_end|>", "<|eot|>"),
    bos="<|begin|>",
)
"""Begins with a start token, and trims messages."""
BRACKETS = Layout(
    "{{ bos_token }}{% set start = 1 if messages[0]['role'] == 'system' else 0 %}"
    "{% for m in messages[start:] %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' }}"
    "{% if loop.first and start %}{{ messages[0]['content'] + '\\n\\n' }}{% endif %}{{ m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}",
    (),
    bos="<s>",
)
"""Puts the system message into the first message, refuses two turns of one role, and writes no generation prompt."""
TURNS = Layout(
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + m['content'] | trim + '</turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}",
    ("<turn>", "</turn>"),
    system=False,
)
"""Takes no system message, and has another name for the assistant."""
THINKING = Layout(
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if m['role'] == 'assistant' and '</think>' in m['content'] %}{{ m['content'].split('</think>')[-1].lstrip() }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}",
    ("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
)
"""Strips thoughts from replies, and inserts an empty one when a reply is asked for without thinking."""

LAYOUTS = {"chatml": CHATML, "headers": HEADERS, "brackets": BRACKETS, "turns": TURNS, "thinking": THINKING}


def chat_tokenizer(folder: Path, layout: Layout) -> PreTrainedTokenizerFast:
    """Saves the tiny tokeniser with a chat template."""
    words = tiny.tokenizer(folder)
    special = {"additional_special_tokens": list(layout.special)}
    words.add_special_tokens(special | ({"bos_token": layout.bos} if layout.bos else {}))
    words.chat_template = layout.template
    words.save_pretrained(folder)
    if not (folder / "config.json").is_file():
        (folder / "config.json").write_text('{"model_type": "llama"}')
    return words


def chat_model(folder: Path, layout: Layout) -> Path:
    """Saves the tiny language model and its tokeniser with a chat template; returns the folder."""
    import torch
    from transformers import LlamaForCausalLM

    tiny.language_model(folder)
    words = chat_tokenizer(folder, layout)
    torch.manual_seed(0)
    model = LlamaForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(words))
    model.save_pretrained(folder)
    return folder
