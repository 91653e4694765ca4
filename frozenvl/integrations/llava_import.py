"""A folder in LLaVA's layout, as transformers writes it, taken apart into the parts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoProcessor, LlavaForConditionalGeneration

from frozenvl.pretrained.names import loading, without_bar
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template

QUESTION, REPLY = "QUESTION", "REPLY"
"""Texts that stand for a question and a reply while the wording of a chat template is read."""


@dataclass(frozen=True)
class Llava:
    """Model in LLaVA's layout, with its processor."""

    model: LlavaForConditionalGeneration
    processor: Any
    template: Template
    """Wording of the processor's chat template."""

    @property
    def bos(self) -> bool:
        """True if prompts begin with the start token."""
        tokenizer = self.processor.tokenizer
        start = tokenizer.bos_token_id
        return start is not None and tokenizer("")["input_ids"][:1] == [start]

    def settings(self, language: Path, vision: Path) -> dict[str, Any]:
        """Returns the `model` block of a configuration.

        Args:
            language: folder of the language model.
            vision: folder of the image encoder.
        """
        config: Any = self.model.config
        side = config.vision_config.image_size // config.vision_config.patch_size
        whole = config.vision_feature_select_strategy == "full" and self._leading() > 0
        linear = config.projector_hidden_act == "linear"
        return {
            "language": str(language),
            "vision": {
                "class_path": "frozenvl.model.vision.HFEncoder",
                "init_args": {
                    "name": str(vision),
                    "grid": "all" if whole else side,
                    "layer": config.vision_feature_layer,
                },
            },
            "mapper": {"class_path": "frozenvl.model.mappers.PatchLinear"}
            if linear
            else {
                "class_path": "frozenvl.model.mappers.PixelShuffle",
                "init_args": {"norm_features": False, "hidden": config.text_config.hidden_size},
            },
            "k": side * side + (self._leading() if whole else 0),
            "bos": self.bos,
        }

    @torch.no_grad()
    def mapper_weights(self) -> Mapping[str, Tensor]:
        """Returns the weights of the projector under the names of the mapper."""
        projector: Any = self.model.model.multi_modal_projector
        first, second = projector.linear_1, projector.linear_2
        biases = [
            layer.bias if layer.bias is not None else layer.weight.new_zeros(len(layer.weight))
            for layer in (first, second)
        ]
        if self.model.config.projector_hidden_act == "linear":  # two linear maps are one
            weight = second.weight.double() @ first.weight.double()
            bias = second.weight.double() @ biases[0].double() + biases[1].double()
            return {"out.weight": weight.float(), "out.bias": bias.float()}
        return {
            "net.1.weight": first.weight.float(),
            "net.1.bias": biases[0].float(),
            "net.3.weight": second.weight.float(),
            "net.3.bias": biases[1].float(),
        }

    def save_parts(self, language: Path, vision: Path) -> None:
        """Writes the language model with its tokeniser, and the image encoder with its image processor."""
        whole: Any = self.model
        with torch.device("meta"):
            causal: Any = AutoModelForCausalLM.from_config(whole.config.text_config)
        setattr(causal, causal.base_model_prefix, whole.model.language_model)
        causal.set_output_embeddings(whole.lm_head)
        causal.generation_config = whole.generation_config
        with without_bar():
            causal.save_pretrained(language)
            whole.model.vision_tower.save_pretrained(vision)
        self.processor.tokenizer.save_pretrained(language)
        self.processor.image_processor.save_pretrained(vision)

    @torch.no_grad()
    def _leading(self) -> int:
        """Returns the number of the encoder's vectors before its patches."""
        vision: Any = self.model.config.vision_config
        tower: Any = self.model.model.vision_tower
        weight = next(tower.parameters())
        pixels = weight.new_zeros(1, 3, vision.image_size, vision.image_size)
        vectors = tower(pixel_values=pixels).last_hidden_state.shape[1]
        return int(vectors) - (vision.image_size // vision.patch_size) ** 2


def read_llava(name: str) -> Llava:
    """Reads a model in LLaVA's layout, from a folder or the hub.

    Raises:
        UserError: if it is no such folder, or a setting of it has no place in a run.
    """
    with loading(name) as where:
        config: Any = AutoConfig.from_pretrained(where, trust_remote_code=False)
        if config.model_type != "llava":
            raise UserError(
                f"{name}: a model of the type {config.model_type}; only LLaVA's layout (llava) is imported"
            )
        refuse_unknown(config, name)
        processor = AutoProcessor.from_pretrained(where, trust_remote_code=False)
        loaded: Any = LlavaForConditionalGeneration.from_pretrained(
            where, dtype="auto", output_loading_info=True
        )
    model, found = loaded
    if missing := found["missing_keys"]:
        raise UserError(f"{name}: lacks weights (first: {min(missing)}); get the whole folder again")
    return Llava(model.eval().requires_grad_(False), processor, wording(processor))


def refuse_unknown(config: Any, name: str) -> None:
    """Raises a `UserError` if a setting of LLaVA's layout has no place in a run."""
    activation, layer = config.projector_hidden_act, config.vision_feature_layer
    if activation not in ("gelu", "linear"):
        raise UserError(
            f"{name}: its projector has the activation {activation}; gelu and linear are imported"
        )
    if not isinstance(layer, int):
        raise UserError(f"{name}: its projector reads several layers ({layer}); only one is imported")
    if activation == "gelu" and config.vision_feature_select_strategy == "full":
        tower = config.vision_config.model_type
        if not tower.startswith("siglip"):
            raise UserError(
                f"{name}: its projector reads the class token of {tower}, too (vision_feature_select_strategy: "
                "full); only patches are imported"
            )


def wording(processor: Any) -> Template:
    """Returns the wording of a processor's chat template: a plain one, or the language model's own chat template.

    Without a chat template, it is the default wording of questions.
    """
    if not processor.chat_template:
        return VQA
    ask = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}
    reply = {"role": "assistant", "content": [{"type": "text", "text": REPLY}]}
    before = processor.apply_chat_template([ask], add_generation_prompt=True)
    whole = processor.apply_chat_template([ask, reply])
    tokenizer, image = processor.tokenizer, processor.image_token
    start = tokenizer.bos_token or ""
    before, whole = before.removeprefix(start), whole.removeprefix(start)
    special = [text for text in tokenizer.all_special_tokens if text != image and text in whole]
    plain = (
        whole.startswith(before) and not special and before.count(image) == 1 and before.count(QUESTION) == 1
    )
    if not plain:
        return Template("{image}\n{question}", chat=True) if takes_texts(tokenizer) else VQA
    answer, _, separator = whole.removeprefix(before).partition(REPLY)
    query = literal(before).replace(image, "{image}").replace(QUESTION, "{question}")
    return Template(query, literal(answer) + "{target}", separator, stop=())


def takes_texts(tokenizer: Any) -> bool:
    """Returns whether a tokeniser has a chat template whose messages are texts. A processor's are lists of parts."""
    if not tokenizer.chat_template:
        return False
    try:
        text = tokenizer.apply_chat_template([{"role": "user", "content": QUESTION}], tokenize=False)
    except Exception:  # a template may raise anything
        return False
    return QUESTION in text


def literal(text: str) -> str:
    """Returns a text as a template that stands for it."""
    return text.replace("{", "{{").replace("}", "}}")
