"""Soft prompts: prompt tuning (learned input vectors) and prefix tuning (learned keys and values)."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.soft_prompt import SoftPrompt
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError


class PromptTuning(Tuning, SoftPrompt):
    """Prompt tuning: learned input vectors in front of every sequence (PEFT). They do not depend on images.

    Args:
        length: number of vectors.
    """

    def __init__(self, length: int = 10) -> None:
        super().__init__()
        self.length = at_least_one("length", length)

    def attach(self, language: FrozenLanguageModel) -> None:
        from peft import PromptEmbedding, PromptTuningConfig, TaskType

        config = PromptTuningConfig(
            task_type=TaskType.CAUSAL_LM,
            num_virtual_tokens=self.length,
            token_dim=language.dim,
            num_transformer_submodules=1,
        )
        self.prompt = PromptEmbedding(config, language.model.get_input_embeddings())
        with torch.no_grad():  # scaled to the size of the embeddings; PEFT starts from a unit normal
            self.prompt.embedding.weight.mul_(language.some_embeddings().float().pow(2).mean().sqrt())
        language.prepend(self)

    def vectors(self) -> Tensor:
        return self.prompt.embedding.weight


class PrefixTuning(Tuning, SoftPrompt):
    """Prefix tuning: learned keys and values in front of every sequence, in every layer (PEFT).

    They start as keys and values of real tokens, evenly spaced in the vocabulary. PEFT's random start trains worse
    (Li and Liang 2021, section 7.4).

    Args:
        length: number of positions.
    """

    in_cache = True

    def __init__(self, length: int = 10) -> None:
        super().__init__()
        self.length = at_least_one("length", length)

    def attach(self, language: FrozenLanguageModel) -> None:
        from peft import (
            PrefixTuningConfig,
            TaskType,
            get_peft_model,
            initialize_kv_prefix_from_past_key_values,
        )

        config = PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=self.length)
        try:
            with warnings.catch_warnings():
                # PEFT uses names that transformers has deprecated.
                warnings.simplefilter("ignore", FutureWarning)
                peft: Any = get_peft_model(language.model, config)
            layers = peft.get_prompt(1).layers
        except ValueError:  # the model has no attention heads
            layers = [None]
        # Some models know their window from the mask alone. There padding would push the prefix out of the window.
        window = getattr(language.model.config, "sliding_window", None)
        if window or any(type(layer) is not DynamicLayer for layer in layers):
            raise UserError(
                f"prefix tuning on {language.name}: not all its layers keep keys and values of all positions; use "
                "prompt tuning or LoRA"
            )
        tokens = language.some_embeddings(self.length)[None]
        if not tokens.is_meta:  # `frozenvl plan` builds models without values
            past = language.read(tokens, torch.tensor([self.length], device=tokens.device))
            try:
                initialize_kv_prefix_from_past_key_values(peft, past_key_values=past.cache)
            except (
                ValueError
            ) as error:  # heads that share keys and values in a way that PEFT does not know (Falcon)
                raise UserError(
                    f"prefix tuning on {language.name}: PEFT's prefix does not fit its attention ({error}); use "
                    "prompt tuning or LoRA"
                ) from error
        # On the CPU, because they need values even if the model is on the meta device.
        peft.prompt_tokens[peft.active_adapter] = torch.arange(self.length, device="cpu")
        self.encoder = peft.prompt_encoder
        # In a list, because it holds the language model, which must not become a submodule.
        self._peft = [peft]
        language.prepend(self)

    def cache(self, rows: int) -> Cache:
        prompt: Any = self._peft[0].get_prompt(rows)
        return prompt
