"""Chat templates laid out like those of public instruct models, each with a small tokeniser that has their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tiny
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedConfig, PreTrainedTokenizerFast

REFUSES_TURNS = (
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def default_system(text: str) -> str:
    """Returns ChatML whose template writes a system message where the conversation has none."""
    line = f"<|im_start|>system\\n{text}<|im_end|>\\n"
    return f"{{% if messages[0].role != 'system' %}}{{{{ '{line}' }}}}{{% endif %}}{CHATML}"


QWEN3 = (
    "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% set answer = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{% if loop.index0 > ns.last %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' + answer }}"
    "{% else %}{{ '<|im_start|>assistant\n' + answer }}{% endif %}{{ '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{% endif %}"
)
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set told = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}{% for m in messages %}"
    + REFUSES_TURNS
    + "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + (told if loop.first else '') + m.content.strip() + "
    "' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
HEADERS = (
    "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + "
    "'<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
DATED = (
    "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{% if messages[0].role == 'system' %}{% set told = messages[0].content | trim %}{% set messages = messages[1:] %}"
    "{% else %}{% set told = '' %}{% endif %}{{ bos_token + '<|start_header_id|>system<|end_header_id|>\n\nToday: ' + "
    "date_string + '\n\n' + told + '<|eot_id|>' }}"
)
MISTRAL = (
    "{% if messages[0].role == 'system' %}{% set told = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}{{ bos_token }}{% for m in messages %}"
    + REFUSES_TURNS
    + "{% if m.role == 'user' %}{{ '[INST] ' + (told if loop.last else '') + m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content | trim + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    + REFUSES_TURNS
    + "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + "
    "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
FALCON = (
    "{% for m in messages %}{% if not loop.first %}{{ '\n\n' }}{% endif %}"
    "{{ {'system': '', 'user': 'User: ', 'assistant': 'Assistant: '}[m.role] + m.content | trim }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n\nAssistant:' }}{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
TULU = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<|assistant|>\n' + m.content + eos_token }}"
    "{% if not loop.last %}{{ '\n' }}{% endif %}{% else %}{{ '<|' + m.role + '|>\n' + m.content + '\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
GRANITE = (
    "{% if messages[0].role != 'system' %}{{ '<|start_of_role|>system<|end_of_role|>Today is ' + "
    "strftime_now('%B %d, %Y') + '.<|end_of_text|>\n' }}{% endif %}{% for m in messages %}"
    "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)
GLM4 = (
    "{{ '[gMASK]<sop>' }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SMOLLM3 = (
    "{{ '<|im_start|>system\nToday: ' + strftime_now('%d %B %Y') + '\n' }}{% if messages[0].role == 'system' %}"
    "{{ messages[0].content.rstrip() }}{% set messages = messages[1:] %}{% endif %}{{ '<|im_end|>\n' }}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and not enable_thinking %}{{ '<think>\n\n</think>\n' + m.content.lstrip('\n') }}"
    "{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' + ('' if enable_thinking else '<think>\n\n</think>\n') }}{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "{{ '<|User|>' + m.content }}{% else %}{{ '<|Assistant|>' + m.content.split('</think>')[-1] + eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}"
)
COHERE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|START|>' + {'user': '<|USER|>', 'assistant': '<|CHATBOT|>', "
    "'system': '<|SYSTEM|>'}[m.role] + m.content | trim + '<|END|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|START|><|CHATBOT|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Layout:
    """A chat template with its tokeniser."""

    template: str
    tokens: tuple[str, ...] = ()
    """Special tokens beside the end token and the BOS token."""
    end: str = "<end>"
    """The tokeniser's end token."""
    bos: str | None = None
    adds_bos: bool = False
    spaces: str = ""
    """How the tokeniser puts a space in front of texts, if it is like SentencePiece's: `always` or `first`."""
    strips: bool = False
    """Whether special tokens strip the white space behind them."""
    ends: str = ""
    """Token that ends a turn, if it is not the end token."""
    system: bool = True
    """Whether it takes a system message, in front of the first message."""


IM = ("<|im_start|>", "<|im_end|>")
HEAD = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
INST = ("[INST]", "[/INST]")
SENTENCEPIECE = {"end": "</s>", "bos": "<s>", "adds_bos": True}
LAYOUTS = {
    "chatml": Layout(CHATML, IM, ends="<|im_end|>"),
    "smollm2": Layout(default_system("You are helpful."), IM[:1], end="<|im_end|>", bos="<|im_start|>"),
    "qwen2": Layout(default_system("You are a helpful assistant."), IM, ends="<|im_end|>"),
    "qwen3": Layout(QWEN3, (*IM, "<think>", "</think>"), ends="<|im_end|>"),
    "llama2": Layout(LLAMA2, spaces="always", **SENTENCEPIECE),
    "llama2_new": Layout(LLAMA2, spaces="first", **SENTENCEPIECE),
    "llama3": Layout("{{ bos_token }}" + HEADERS, HEAD, bos="<s>", adds_bos=True, ends="<|eot_id|>"),
    "llama3_1": Layout(DATED + HEADERS, HEAD, bos="<s>", adds_bos=True, ends="<|eot_id|>"),
    "mistral": Layout(MISTRAL, INST, spaces="first", **SENTENCEPIECE),
    "gemma": Layout(
        GEMMA, ("<start_of_turn>", "<end_of_turn>"), bos="<s>", adds_bos=True, ends="<end_of_turn>", system=False
    ),
    "phi3": Layout(
        PHI3, ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"), spaces="always", strips=True, ends="<|end|>",
        end="</s>", bos="<s>",
    ),
    "falcon": Layout(FALCON),
    "zephyr": Layout(ZEPHYR, spaces="first", **SENTENCEPIECE),
    "stablelm": Layout(ZEPHYR),
    "tulu": Layout(TULU, bos="<end>"),
    "granite": Layout(GRANITE, ("<|start_of_role|>", "<|end_of_role|>"), end="<|end_of_text|>"),
    "glm4": Layout(GLM4, ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>"), ends="<|user|>"),
    "smollm3": Layout(SMOLLM3, (*IM, "<think>", "</think>"), end="<|im_end|>"),
    "deepseek": Layout(DEEPSEEK, ("<|User|>", "<|Assistant|>", "<think>"), bos="<s>", adds_bos=True),
    "cohere": Layout(
        COHERE, ("<|START|>", "<|END|>", "<|USER|>", "<|CHATBOT|>", "<|SYSTEM|>"), bos="<s>", adds_bos=True,
        ends="<|END|>",
    ),
}  # fmt: skip


def save(layout: Layout, folder: Path) -> str:
    """Saves the tokeniser of a layout; returns its folder."""
    special = [*dict.fromkeys(token for token in (layout.bos, layout.end) if token)]
    if layout.spaces:
        core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=layout.spaces)
        core.decoder = decoders.Metaspace(prepend_scheme=layout.spaces)
        alphabet = ["\n", *map(chr, range(33, 127))]
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=["<unk>", *special], initial_alphabet=alphabet
        )
        core.train_from_iterator(tiny.SENTENCES, trainer)
    else:
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
        core.train_from_iterator(tiny.SENTENCES, trainer)
    if layout.adds_bos:
        core.post_processor = processors.TemplateProcessing(
            single=f"{layout.bos} $A", special_tokens=[(layout.bos, core.token_to_id(layout.bos))]
        )
    core.add_special_tokens(
        [AddedToken(token, rstrip=layout.strips, normalized=False) for token in layout.tokens]
    )
    words = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=layout.bos, eos_token=layout.end)
    words.chat_template = layout.template
    words.save_pretrained(folder)
    PreTrainedConfig().save_pretrained(folder)
    return str(folder)
