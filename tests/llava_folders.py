"""Tiny models in LLaVA's layout that transformers makes, without frozenvl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny
import torch
import transformers as hf

LLAVA_1_5 = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""Chat template with the wording of LLaVA-1.5's: "USER: <image>\\nWhat? ASSISTANT: A cat "."""
SIDE = 32
"""Side of the images, in pixels; 4 × 4 patches."""
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
TOWERS = {"clip": hf.CLIPVisionConfig, "siglip": hf.SiglipVisionConfig}


def llava_folder(
    folder: Path,
    tower: str = "clip",
    chat_template: str | None = LLAVA_1_5,
    tokenizer_template: str | None = None,
    **settings: Any,
) -> Path:
    """Writes a model with random weights; returns its folder.

    Args:
        settings: settings of `LlavaConfig` other than the usual ones.
    """
    words = tiny.tokenizer(folder)
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
    words.chat_template = tokenizer_template
    text = hf.LlamaConfig(
        vocab_size=len(words) + 3,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.eos_token_id,
        initializer_range=0.2,
    )
    config = hf.LlavaConfig(
        vision_config=TOWERS[tower](**SIZES, image_size=SIDE, patch_size=8),
        text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        **{"vision_feature_select_strategy": "default" if tower == "clip" else "full"} | settings,
    )
    torch.manual_seed(0)
    model: Any = hf.LlavaForConditionalGeneration(config)
    for weight in model.model.multi_modal_projector.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    model.generation_config = hf.GenerationConfig(
        eos_token_id=words.eos_token_id, pad_token_id=words.eos_token_id
    )
    model.save_pretrained(folder)
    side = {"height": SIDE, "width": SIDE}
    images = hf.CLIPImageProcessor(
        size=side, do_center_crop=False, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]
    )
    hf.LlavaProcessor(
        images,
        words,
        patch_size=8,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=int(tower == "clip"),
        chat_template=chat_template,
    ).save_pretrained(folder)
    return folder
