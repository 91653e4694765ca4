"""Any Hugging Face causal language model, frozen. Every call into transformers' internals stands here."""

from __future__ import annotations

import inspect
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, Cache, DynamicCache

from frozenvl.model.fingerprint import fingerprint, same_random_weights
from frozenvl.model.language.capabilities import can_pack, check_cache, check_head
from frozenvl.model.language.kv_cache import KEYS_AND_VALUES, KVCache, left_padded
from frozenvl.model.language.packing import Layout, leave_attention_as_it_is, packed
from frozenvl.model.language.quantization import Quantization, quantized
from frozenvl.model.language.soft_prompt import SoftPrompt
from frozenvl.model.part import Part
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError

CACHES = ("cache", "past_key_values", "cache_params")
"""What models call what they have read, the newest name first."""


def real_positions(embeddings: Tensor, lengths: Tensor) -> Tensor:
    """(B, L) bool: positions that are not padding on the right."""
    return torch.arange(embeddings.shape[1], device=lengths.device)[None] < lengths[:, None]


class FrozenLanguageModel(Part):
    """A causal language model whose weights never change, unless a `Tuning` is attached; gradients flow through it to
    its inputs.

    Args:
        name: Hugging Face name, local folder, or a model brought by `frozenvl fetch`.
        pretrained: False starts from random weights ("Frozen scratch"), the same each time.
        quantization: its weights are held in 8 or 4 bits; with CUDA and bitsandbytes only.

    Raises:
        UserError: where there is no such model, its head does more than is known here, or it cannot be quantised.
    """

    def __init__(self, name: str, pretrained: bool = True, quantization: Quantization | None = None) -> None:
        super().__init__()
        self.name, self.quantization = name, quantization
        if quantization and not pretrained:
            raise UserError("random weights are not quantised; leave out model.quantization")
        options = quantized(quantization) if quantization else {}
        self.tolerance = 0.05 if quantization else 1e-3
        """How far numbers that should be equal may be apart: what is quantised multiplies in 16 bits."""
        with loading(name) as where:
            if pretrained:
                self.model: Any = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options)
            else:
                with same_random_weights():
                    config = AutoConfig.from_pretrained(where)
                    self.model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        if getattr(self.model.config, "attn_logit_softcapping", None):
            self.model.set_attn_implementation("eager")  # the fused kernel knows no soft cap
        self.model.requires_grad_(False)
        self.eval()
        self.fingerprint = fingerprint(self.model)
        self.has_positions = "position_ids" in inspect.signature(self.model.forward).parameters
        takes = inspect.signature(self.model.base_model.forward).parameters
        self.cache_name = next((name for name in CACHES if name in takes), "past_key_values")
        remembered = DynamicCache(config=self.model.config).layers
        self.is_recurrent = bool(remembered) and all(type(it) not in KEYS_AND_VALUES for it in remembered)
        """Whether all that it remembers is a state, which knows nothing of padding once it was read."""
        self.goes_on_singly = False
        """Whether it goes on from what it has read by one position at a time only."""
        self.compiled = False
        self.mixed = False
        """Whether weights of its own are trained in fp32 beside others in bf16."""
        self.soft_prompt: SoftPrompt | None = None
        self.packs = False
        if next(self.model.parameters()).is_meta:  # a plan's: without numbers nothing can be tried
            self.packs = self.has_positions
            return
        check_head(self)
        check_cache(self)
        self.packs = can_pack(self)

    def prepend(self, soft_prompt: SoftPrompt) -> None:
        """Has every sequence begin with something that is learned; which stays a part of somebody else."""
        object.__setattr__(self, "soft_prompt", soft_prompt)

    def trained(self) -> dict[str, Tensor]:
        """Trained weights alone, not the frozen ones beside them: LoRA's, or all of a finetuned model."""
        names = {name for name, weight in self.named_parameters() if weight.requires_grad}
        return {name: value for name, value in self.state_dict().items() if name in names} if names else {}

    def identity(self) -> dict[str, Any]:
        return {"language": self.name, "language_weights": self.fingerprint}

    def train(self, mode: bool = True) -> FrozenLanguageModel:
        """Stays in eval mode: dropout inside a frozen model would only add noise."""
        return super().train(False)

    @property
    def dim(self) -> int:
        """Width of the input embeddings."""
        return self.model.get_input_embeddings().embedding_dim

    @property
    def max_positions(self) -> int | None:
        """Longest sequence that the model was made for, where it says so."""
        return getattr(self.model.config, "max_position_embeddings", None)

    @cached_property
    def weights(self) -> tuple[int, int]:
        """How many weights multiply each position, and how many of the head each predicting one."""
        body = sum(
            weight.numel()
            for module in self.model.base_model.modules()
            if not isinstance(module, nn.Embedding)
            for weight in module.parameters(recurse=False)
            if weight.ndim > 1
        )
        return body, self.model.get_output_embeddings().weight.numel()

    def some_embeddings(self, count: int = 1024) -> Tensor:
        """(count or fewer, dim): every so many tokens' embeddings, as the layers are given them (Gemma scales)."""
        table = self.model.get_input_embeddings().weight
        some = torch.arange(0, len(table), max(1, len(table) // count), device=table.device)
        return self.embed(some[:count]).detach()

    def embed(self, tokens: Tensor) -> Tensor:
        """(…,) token ids → (…, dim) input embeddings."""
        return self.model.get_input_embeddings()(tokens)

    def hidden(self, embeddings: Tensor, lengths: Tensor, past: KVCache | None = None) -> Tensor:
        """Last hidden states of all real positions.

        Args:
            embeddings: (B, L, dim), padded on the right, where a causal model never looks back at it.
            lengths: (B,) positions that are not padding.
            past: what the sequences go on from; it is used up.

        Returns:
            (sum of lengths, dim), row by row.
        """
        real = real_positions(embeddings, lengths)
        if past is not None:
            mask = torch.cat([past.mask, past.mask.new_ones(embeddings.shape[:2])], dim=1)
            return self.extend(embeddings, mask, past.cache)[real]
        if (cache := self.soft_prompt_cache(len(lengths))) is not None:
            mask = lengths.new_ones(len(lengths), self.soft_prompt_length + embeddings.shape[1])
            return self.extend(embeddings, mask, cache)[real]
        whole, longer = self.with_soft_prompt(embeddings, lengths)
        own = real_positions(whole, longer).nonzero(as_tuple=True)[1] >= whole.shape[1] - embeddings.shape[1]
        return self._from_the_start(whole, longer)[own]

    @property
    def soft_prompt_length(self) -> int:
        """Positions that are learned to stand in front of every sequence."""
        return 0 if self.soft_prompt is None else self.soft_prompt.length

    def soft_prompt_cache(self, rows: int) -> Cache | None:
        """Learned keys and values in front of so many sequences, where there are any."""
        return None if self.soft_prompt is None else self.soft_prompt.cache(rows)

    def with_soft_prompt(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Sequences behind the learned vectors, where there are any."""
        vectors = None if self.soft_prompt is None else self.soft_prompt.vectors()
        if vectors is None:
            return embeddings, lengths
        first = vectors.to(embeddings.dtype).expand(len(embeddings), -1, -1)
        return torch.cat([first, embeddings], dim=1), lengths + len(vectors)

    def _from_the_start(self, embeddings: Tensor, lengths: Tensor) -> Tensor:
        """`hidden` of sequences before which nothing stands."""
        real = real_positions(embeddings, lengths)
        if not self.packs:
            return self._body(inputs_embeds=embeddings)[real]
        layout = Layout.of(lengths)
        with packed(self.model.config, layout):
            return self._body(inputs_embeds=embeddings[real][None], position_ids=layout.positions[None])[0]

    @property
    def layers(self) -> nn.ModuleList:
        """Its layers, which are alike."""
        lists = [module for module in self.model.base_model.modules() if isinstance(module, nn.ModuleList)]
        return max(lists, key=len)

    def compile_layers(self) -> None:
        """Has torch compile the layers (which are alike, so one serves for all) where training goes through them.

        Generation and scoring stay as they are: each of their many shapes would be compiled anew.

        Raises:
            UserError: on a CPU without a C++ compiler.
        """
        on_cpu = next(self.parameters()).device.type == "cpu"
        if on_cpu and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            raise UserError("model.compile needs a C++ compiler (g++); install one, or leave it out")
        for layer in self.layers:
            layer.compile(dynamic=True)
        leave_attention_as_it_is()
        self.compiled = True

    def autocast(self) -> torch.autocast:
        device = next(self.parameters()).device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.mixed)

    def eagerly(self) -> AbstractContextManager:
        return torch.compiler.set_stance("force_eager") if self.compiled else nullcontext()

    def _body(self, cache: Cache | None = None, **inputs: Any) -> Tensor:
        trains = torch.is_grad_enabled() and cache is None
        if cache is not None:
            inputs[self.cache_name] = cache
        with nullcontext() if trains else self.eagerly(), self.autocast():
            return self.model.base_model(**inputs, use_cache=cache is not None).last_hidden_state

    def extend(self, embeddings: Tensor, mask: Tensor, cache: Cache) -> Tensor:
        """(B, L, dim) last hidden states of the last L of T positions, of which the cache holds those before.

        Args:
            mask: (B, T) which positions are not padding.
        """
        new = embeddings.shape[1]
        known = mask.shape[1] - new
        if self.goes_on_singly and known and new > 1:
            steps = range(new)
            return torch.cat(
                [self.extend(embeddings[:, t : t + 1], mask[:, : known + t + 1], cache) for t in steps],
                dim=1,
            )
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -new:]
        extra = {"position_ids": positions} if self.has_positions else {}
        seen = None if self.is_recurrent and known else mask
        return self._body(cache, inputs_embeds=embeddings, attention_mask=seen, **extra)

    @torch.no_grad()
    def read(self, embeddings: Tensor, lengths: Tensor, lead: KVCache | None = None) -> KVCache:
        """Reads sequences that others are to go on from.

        Args:
            embeddings: (B, L, dim), padded on the right.
            lengths: (B,) positions that are not padding.
            lead: the single sequence that all of them begin with, where it was read before.
        """
        embeddings, lengths = self.with_soft_prompt(embeddings, lengths)
        known = before = 0
        cache: Cache | None
        if lead is not None:
            known, cache = lead.mask.shape[1], lead.lead(embeddings.shape[1] - lengths)
        elif (cache := self.soft_prompt_cache(len(lengths))) is not None:
            before = self.soft_prompt_length
        else:
            cache = DynamicCache(config=self.model.config)
        embeddings, mask = left_padded(embeddings, lengths)
        mask = torch.cat([mask.new_ones(len(mask), before), mask], dim=1)
        return KVCache(cache, mask, self.extend(embeddings[:, known:], mask, cache)[:, -1])

    @torch.no_grad()
    def read_lead(self, embeddings: Tensor) -> KVCache:
        """Reads one sequence that others are to begin with: (1, L, dim).

        Raises:
            UserError: where a layer remembers something else than keys and values, or these are learned.
        """
        if self.soft_prompt_cache(1) is not None:
            raise UserError(
                "with learned keys and values in front, prompts cannot share a leading part; "
                "draw demonstrations per question"
            )
        layers = DynamicCache(config=self.model.config).layers
        if any(type(layer) not in KEYS_AND_VALUES for layer in layers):
            raise UserError(
                f"{self.name}: not all its layers keep keys and values, so prompts cannot share a leading part; "
                "draw demonstrations per question"
            )
        # Without the configuration, whole: `KVCache.lead` needs what a sliding window would have dropped.
        cache = DynamicCache()
        length = torch.tensor([embeddings.shape[1]], device=embeddings.device)
        embeddings, _ = self.with_soft_prompt(embeddings, length)
        mask = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
        return KVCache(cache, mask, self.extend(embeddings, mask, cache)[:, -1])

    def head(self, hidden: Tensor) -> Tensor:
        """(n, dim) last hidden states → (n, vocabulary) logits."""
        config = self.model.config
        with self.autocast():
            logits = self.model.get_output_embeddings()(hidden)
        if scale := getattr(config, "logit_scale", None):
            logits = logits * scale
        if scale := getattr(config, "logits_scaling", None):
            logits = logits / scale
        cap = getattr(config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    @property
    def head_is_trained(self) -> bool:
        return any(weight.requires_grad for weight in self.model.get_output_embeddings().parameters())
