"""What may be trained of, or beside, the language model: the baselines that a visual prefix is compared with.

None of them is told apart by name elsewhere. They make weights trainable, put small modules into the language model,
or give every sequence a learned start.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.soft_prompt import Start
from frozenvl.model.part import Described
from frozenvl.util.errors import UserError


def at_least_one(name: str, number: int) -> int:
    """The number, where that is one.

    Raises:
        UserError: where it is less.
    """
    if number < 1:
        raise UserError(f"model.tuning: {name} is {number}; give 1 or more")
    return number


class Tuning(Described, nn.Module, ABC):
    """What is trained of, or beside, a language model."""

    @abstractmethod
    def attach(self, language: FrozenLanguageModel) -> None:
        """Takes its place in a language model, once.

        Raises:
            UserError: where it cannot.
        """


class Finetuned(Tuning):
    """All weights of the language model are trained ("Frozen finetuned", at a rate of 1e-5; with random weights to
    start from, "Frozen scratch").
    """

    def attach(self, language: FrozenLanguageModel) -> None:
        if language.quantization:
            raise UserError("quantised weights cannot be trained; use LoRA, or leave out model.quantization")
        language.model.requires_grad_(True)


class LoRA(Tuning):
    """Low-rank changes to some of its products (PEFT).

    Args:
        rank: of each change.
        alpha: a change is scaled by alpha / rank.
        targets: names of the modules; by default those that PEFT knows for the architecture.
        dropout: on what goes into a change.
    """

    def __init__(
        self, rank: int = 8, alpha: float = 16, targets: list[str] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "r": at_least_one("rank", rank),
            "lora_alpha": alpha,
            "target_modules": targets,
            "lora_dropout": dropout,
        }

    def attach(self, language: FrozenLanguageModel) -> None:
        from peft import LoraConfig, TaskType, inject_adapter_in_model  # late: takes seconds

        try:
            inject_adapter_in_model(LoraConfig(task_type=TaskType.CAUSAL_LM, **self.settings), language.model)
        except ValueError as error:
            raise UserError(f"LoRA on {language.name}: {' '.join(str(error).split())[:200]}") from error


class Adapters(Tuning):
    """A bottleneck after each layer's feed-forward part, added to what comes out of it (MAGMA).

    Args:
        reduction: width of the model over that of the bottleneck.
    """

    NAMES = ("mlp", "ffn", "feed_forward", "block_sparse_moe")

    def __init__(self, reduction: int = 4) -> None:
        super().__init__()
        self.reduction = at_least_one("reduction", reduction)
        self.adapters = nn.ModuleList()

    def attach(self, language: FrozenLanguageModel) -> None:
        for layer in language.layers:
            part = next((getattr(layer, name) for name in self.NAMES if hasattr(layer, name)), None)
            if part is None:
                raise UserError(
                    f"adapters on {language.name}: its layers have no part of their own to feed forward "
                    f"({', '.join(self.NAMES)}); use LoRA"
                )
            adapter = Bottleneck(language.dim, max(1, language.dim // self.reduction))
            self.adapters.append(adapter)
            part.register_forward_hook(adapter.after)


class Bottleneck(nn.Module):
    """x + up(gelu(down(x))), at first x."""

    def __init__(self, dim: int, narrow: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, narrow), nn.Linear(narrow, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(self.down.weight.dtype)
        return x + self.up(nn.functional.gelu(self.down(wide))).to(x.dtype)

    def after(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """As a hook on what it stands behind; a mixture of experts gives more than one thing."""
        if isinstance(output, tuple):
            return self(output[0]), *output[1:]
        return self(output)


class PromptTuning(Tuning, Start):
    """Learned vectors at the input, in front of every sequence (PEFT): a prefix that looks at no image.

    Args:
        length: vectors.
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
        with torch.no_grad():  # of the embeddings' size, not PEFT's unit normal
            self.prompt.embedding.weight.mul_(language.some_embeddings().float().pow(2).mean().sqrt())
        language.begin_with(self)

    def vectors(self) -> Tensor:
        return self.prompt.embedding.weight


class PrefixTuning(Tuning, Start):
    """Learned keys and values in front of every sequence, in every layer (PEFT).

    They start as those of real tokens, far apart in the vocabulary: with random ones, PEFT's start, a model first has
    to find its way back to text (Li and Liang 2021, section 7.4).

    Args:
        length: positions.
    """

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
                # What PEFT asks of transformers is to be renamed.
                warnings.simplefilter("ignore", FutureWarning)
                peft: Any = get_peft_model(language.model, config)
            layers = peft.get_prompt(1).layers
        except ValueError:  # it has no attention heads
            layers = [None]
        if any(type(layer) is not DynamicLayer for layer in layers):
            raise UserError(
                f"prefix tuning on {language.name}: not all its layers keep keys and values of all positions"
            )
        tokens = language.some_embeddings(self.length)[None]
        if not tokens.is_meta:  # a plan's have no content
            read = language.read(tokens, torch.tensor([self.length], device=tokens.device))
            initialize_kv_prefix_from_past_key_values(peft, past_key_values=read.cache)
        peft.prompt_tokens[peft.active_adapter] = torch.arange(
            self.length, device="cpu"
        )  # numbers, in a plan too
        self.encoder = peft.prompt_encoder
        self._peft = [peft]  # which holds the language model: not a part of this one
        language.begin_with(self)

    def cache(self, rows: int) -> Cache:
        prompt: Any = self._peft[0].get_prompt(rows)
        return prompt
