"""The processor of a model in LLaVA's layout, for transformers: tokeniser, image processor and chat template."""

from __future__ import annotations

import json
from string import Formatter
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, LlavaImageProcessor, LlavaProcessor

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.vision import HFEncoder
from frozenvl.pretrained.names import loading, resolve
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

IMAGE = "<image>"
"""Name of a new image token."""


def llava_processor(model: FrozenVL, strategy: str) -> LlavaProcessor:
    """Returns the processor of a model, whose pixels are those that the model was trained with.

    Args:
        model: the model.
        strategy: "full" if all of the encoder's vectors are used, "default" without the first one.
    """
    vision: Any = model.vision
    with loading(model.language.name):
        tokenizer = AutoTokenizer.from_pretrained(resolve(model.language.name), trust_remote_code=False)
    own_template = tokenizer.chat_template
    token = image_token_of(tokenizer, model.language.model.get_input_embeddings().weight.shape[0])
    first = start_of(tokenizer, model.bos)
    side = {"height": vision.size, "width": vision.size}
    images = LlavaImageProcessor(
        size={"shortest_edge": vision.size, "longest_edge": vision.size},  # fits into the square
        crop_size=side,
        do_center_crop=True,  # pads with black
        do_pad=False,
        image_mean=vision.mean.flatten().tolist(),
        image_std=vision.std.flatten().tolist(),
    )
    template = model.template or Template()
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=vision.model.config.patch_size,
        vision_feature_select_strategy=strategy,
        image_token=token,
        num_additional_image_tokens=leading_vectors(vision),
        chat_template=chat(own_template, token)
        if template.chat
        else plain(template, token, first, str(tokenizer.eos_token)),
    )


@torch.no_grad()
def leading_vectors(vision: HFEncoder) -> int:
    """Returns the number of vectors, such as class tokens, before the patches."""
    pixels = vision.mean.new_zeros(1, 3, vision.size, vision.size)
    return int(vision.model(pixel_values=pixels).last_hidden_state.shape[1]) - vision.patches


def image_token_of(tokenizer: Any, rows: int) -> str:
    """Returns a token that stands for an image's position: a special token that nothing uses, or a new one.

    Args:
        tokenizer: tokeniser, which gets a new token.
        rows: number of rows of the language model's embeddings. There may be more than tokens.
    """
    if IMAGE in tokenizer.get_vocab():
        return IMAGE
    named = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token}
    if len(tokenizer) >= rows:  # a new token would need a row of its own
        for _, token in sorted(tokenizer.added_tokens_decoder.items(), reverse=True):
            used = token.content in named or token.content in (tokenizer.chat_template or "")
            if token.special and not used:
                return str(token.content)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]}, replace_extra_special_tokens=False)
    return IMAGE


def start_of(tokenizer: Any, bos: bool) -> str:
    """Makes the tokeniser begin texts with its BOS token if `bos`. Returns the text that prompts begin with.

    Raises:
        UserError: if `bos` is set and the tokeniser has no BOS token.
    """
    if bos and tokenizer.bos_token is None:
        raise UserError("the model's prompts begin with the start token, and its tokeniser has none")
    begins = tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id] and tokenizer.bos_token is not None
    if bos and not begins:
        token = str(tokenizer.bos_token)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{token} $A", pair=f"{token} $A $B", special_tokens=[(token, tokenizer.bos_token_id)]
        )
    return str(tokenizer.bos_token) if bos or begins else ""


def content(token: str) -> str:
    """Returns the part of a Jinja template that splits a message's content into `images` and `text`."""
    return (
        "{%- set ns.images = '' -%}{%- set ns.text = '' -%}"
        "{%- if message['content'] is string -%}{%- set ns.text = message['content'] -%}{%- else -%}"
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'image' -%}{%- set ns.images = ns.images + " + quoted(token) + " -%}"
        "{%- elif part['type'] == 'text' -%}{%- set ns.text = ns.text + part['text'] -%}{%- endif -%}"
        "{%- endfor -%}{%- endif -%}"
    )  # fmt: skip


def plain(template: Template, token: str, start: str, end: str) -> str:
    """Returns the Jinja template of a wording without a chat template: images go where `{image}` is.

    Args:
        template: the wording.
        token: image token.
        start: text that prompts begin with.
        end: token behind a reply in a conversation.
    """
    query: list[str] = []
    for text, key, _, _ in Formatter().parse(template.query):
        query += [quoted(text)] if text else []
        if key is not None:
            query.append("ns.images" if key == "image" else "ns.text")
    if "ns.text" not in query:
        query.append("ns.text")
    before, _, after = template.target.partition("{target}")
    reply = " + ".join([quoted(before), "ns.text", quoted(after), quoted(end), quoted(template.separator)])
    return (
        "{%- set ns = namespace(images='', text='') -%}{{- " + quoted(start) + " -}}"
        "{{- " + quoted(template.induction) + " -}}"
        "{%- for message in messages -%}" + content(token) +
        "{%- if message['role'] == 'system' -%}{{- ns.text + " + quoted(template.separator) + " -}}"
        "{%- elif message['role'] == 'user' -%}{{- " + " + ".join(query) + " -}}"
        "{%- else -%}{{- " + reply + " -}}{%- endif -%}{%- endfor -%}"
    )  # fmt: skip


def chat(template: str, token: str) -> str:
    """Returns the language model's own chat template, which gets messages as texts with image tokens in front."""
    return (
        "{%- set ns = namespace(images='', text='', messages=[]) -%}{%- for message in messages -%}" + content(token) +
        "{%- set ns.messages = ns.messages + [{'role': message['role'], 'content': ns.images + ns.text}] -%}"
        "{%- endfor -%}{%- set messages = ns.messages -%}" + template
    )  # fmt: skip


def quoted(text: str) -> str:
    """Returns a text as a Jinja literal."""
    return json.dumps(text, ensure_ascii=False)
