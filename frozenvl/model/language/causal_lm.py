"""A frozen Hugging Face causal language model. Every call into transformers' internals is in this file."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AutoConfig, AutoModelForCausalLM, Cache, DynamicCache, GenerationConfig

from frozenvl.model.fingerprint import fingerprint, same_random_weights
from frozenvl.model.language.capabilities import can_pack, check_cache, check_head
from frozenvl.model.language.conditioning import Conditioning, before_layer, conditioned
from frozenvl.model.language.continuing import Continues
from frozenvl.model.language.kv_cache import KEYS_AND_VALUES, KVCache
from frozenvl.model.language.loading import end_tokens, load_causal_lm
from frozenvl.model.language.packed_layout import Layout, unpacked
from frozenvl.model.language.packing import leave_attention_as_it_is, packed
from frozenvl.model.language.quantization import Quantization, quantized
from frozenvl.model.language.soft_prompt import SoftPrompt
from frozenvl.model.part import Part
from frozenvl.model.prefix_tree import PrefixTree
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError

CACHES = ("cache", "past_key_values", "cache_params")
"""Names of the cache argument in transformers' models, the newest first."""
MULTIPLE = 32
"""Multiple that the number of packed positions is padded to in bf16 on a CPU."""


def real_positions(embeddings: Tensor, lengths: Tensor) -> Tensor:
    """Returns the mask (B, L), bool, of real positions in sequences padded on the right."""
    return torch.arange(embeddings.shape[1], device=lengths.device)[None] < lengths[:, None]


class FrozenLanguageModel(Part, Continues):
    """A frozen causal language model. Gradients flow through it to its inputs.

    Its weights change only if a `Tuning` is attached.

    Args:
        name: Hugging Face name, local folder, or name of a model from `frozenvl fetch`.
        pretrained: whether to load pretrained weights. False uses random weights ("Frozen scratch"), the same each
            time.
        quantization: precision of quantised weights, int8 or nf4 (4 bits). It needs CUDA and bitsandbytes.

    Raises:
        UserError: if there is no such model, its logits or cache are not supported, or it cannot be quantised.
    """

    def __init__(self, name: str, pretrained: bool = True, quantization: Quantization | None = None) -> None:
        super().__init__()
        self.name, self.quantization = name, quantization
        if quantization and not pretrained:
            raise UserError("random weights are not quantised; leave out model.quantization")
        options = quantized(quantization) if quantization else {}
        self.tolerance = 0.05 if quantization else 1e-3
        """Absolute and relative tolerance of capability tests. Quantised models compute in 16 bits."""
        with loading(name) as where:
            if pretrained:
                self.model: Any = load_causal_lm(where, name, **options)
            else:
                with same_random_weights():
                    config = AutoConfig.from_pretrained(where, trust_remote_code=False).get_text_config(
                        decoder=True
                    )
                    self.model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        self.end_tokens = end_tokens(self.model)
        """Ids of the tokens that end a text or a turn; chat models have several."""
        # Decoding is what a run asks for: the file's temperature, penalties and lengths would apply silently.
        self.model.generation_config = GenerationConfig()
        if getattr(self.model.config, "attn_logit_softcapping", None):
            self.model.set_attn_implementation("eager")  # the fused kernel has no soft cap
        self.model.requires_grad_(False)
        self.eval()
        self.fingerprint = fingerprint(self.model)
        self.has_positions = "position_ids" in inspect.signature(self.model.forward).parameters
        inputs = inspect.signature(self.model.base_model.forward).parameters
        self.cache_name = next((name for name in CACHES if name in inputs), "past_key_values")
        layers = DynamicCache(config=self.model.config).layers
        self.is_recurrent = bool(layers) and all(type(layer) not in KEYS_AND_VALUES for layer in layers)
        """True for recurrent models (Mamba): the state after prefill does not depend on padding."""
        self.goes_on_singly = False
        """True if the model continues correctly from its cache only one position at a time."""
        self.compiled = False
        self.mixed = False
        """True if the model has trained fp32 weights and frozen bf16 weights; it then runs under autocast."""
        self.soft_prompt: SoftPrompt | None = None
        self.checkpoints = False
        """True if the backward pass recomputes layers (activation checkpointing)."""
        self.conditioned_layers: set[int] = set()
        """Numbers of the layers whose input a fusion may change."""
        self.packs = False
        # `frozenvl plan` builds models on the meta device; without values nothing can be tested.
        if next(self.model.parameters()).is_meta:
            self.packs = self.has_positions
            return
        check_head(self)
        check_cache(self)
        self.packs = can_pack(self)

    @property
    def runs_packed(self) -> bool:
        """True if whole sequences are run packed. Behind learned keys and values they are padded."""
        return self.packs and not (self.soft_prompt is not None and self.soft_prompt.in_cache)

    def prepend(self, soft_prompt: SoftPrompt) -> None:
        """Prepends a learned soft prompt to every sequence. The tuning module owns its parameters."""
        object.__setattr__(self, "soft_prompt", soft_prompt)

    def condition(self, layers: Sequence[int]) -> None:
        """Lets fusions change the input of layers, in passes with a `Conditioning`. Other passes stay as they are."""
        for number in set(layers) - self.conditioned_layers:
            self.layers[number].register_forward_pre_hook(partial(before_layer, number), with_kwargs=True)
            self.conditioned_layers.add(number)

    def trained(self) -> dict[str, Tensor]:
        """Returns the trained weights by name (LoRA's, or all of a finetuned model), without the frozen ones."""
        names = {name for name, weight in self.named_parameters() if weight.requires_grad}
        return {name: value for name, value in self.state_dict().items() if name in names} if names else {}

    def identity(self) -> dict[str, Any]:
        return {"language": self.name, "language_weights": self.fingerprint}

    def train(self, mode: bool = True) -> FrozenLanguageModel:
        """Keeps eval mode, whatever the mode: dropout inside a frozen model would only add noise."""
        return super().train(False)

    @property
    def dim(self) -> int:
        """Dimension of the input embeddings."""
        return self.model.get_input_embeddings().embedding_dim

    @property
    def width(self) -> int:
        """Dimension of the hidden states. A few architectures have input embeddings of another dimension (`dim`)."""
        return self.model.config.hidden_size

    @property
    def max_positions(self) -> int | None:
        """Context length in positions; None if the model's configuration has no `max_position_embeddings`."""
        return getattr(self.model.config, "max_position_embeddings", None)

    @cached_property
    def weights(self) -> tuple[int, int]:
        """Numbers of weights of the body, which all positions use, and of the head, which target positions use."""
        body = sum(
            weight.numel()
            for module in self.model.base_model.modules()
            if not isinstance(module, nn.Embedding)
            for weight in module.parameters(recurse=False)
            if weight.ndim > 1
        )
        return body, self.model.get_output_embeddings().weight.numel()

    def some_embeddings(self, count: int = 1024) -> Tensor:
        """Returns embeddings (≤ count, dim) of evenly spaced tokens, as the layers get them (Gemma scales them)."""
        table = self.model.get_input_embeddings().weight
        tokens = torch.arange(0, len(table), max(1, len(table) // count), device=table.device)
        return self.embed(tokens[:count]).detach()

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeds token ids (…,) as input embeddings (…, dim)."""
        return self.model.get_input_embeddings()(tokens)

    def hidden(
        self,
        embeddings: Tensor,
        lengths: Tensor,
        past: KVCache | None = None,
        layers: Sequence[int] = (),
        tree: PrefixTree | None = None,
        conditioning: Conditioning | None = None,
    ) -> Tensor:
        """Returns the last hidden states, or those of several layers, of all real (non-padding) positions.

        Args:
            embeddings: (B, L, dim) input embeddings, padded on the right, so that no real position attends to padding.
            lengths: (B,) number of real positions.
            past: KV cache that the sequences continue; it is changed, so it cannot be used again.
            layers: 0 for the input embeddings, i for the output of layer i, -1 for the last hidden states.
            tree: common beginnings of the sequences, which are computed once if the architecture can be packed. It is
                not used with `past`, nor behind a soft prompt of keys and values.
            conditioning: images that the positions see, if the fusion is not in the embeddings; by default those that
                the last position of `past` sees.

        Returns:
            (sum of lengths, dim), row by row; with `layers`, (sum of lengths, layers, dim).
        """
        real = real_positions(embeddings, lengths)
        if past is not None:
            mask = torch.cat([past.mask, past.mask.new_ones(embeddings.shape[:2])], dim=1)
            seen = conditioning or past.conditioning
            return self.extend(embeddings, mask, past.cache, layers, seen)[real]
        if (cache := self.soft_prompt_cache(len(lengths))) is not None:
            mask = lengths.new_ones(len(lengths), self.soft_prompt_length + embeddings.shape[1])
            return self.extend(embeddings, mask, cache, layers, conditioning)[real]
        whole, longer = self.with_soft_prompt(embeddings, lengths)
        columns = real_positions(whole, longer).nonzero(as_tuple=True)[1]
        before = whole.shape[1] - embeddings.shape[1]
        tree = tree.behind(before) if tree else None
        conditioning = conditioning.behind(before) if conditioning else None
        hidden = self._hidden_without_cache(whole, longer, layers, tree, conditioning)
        return hidden[columns >= before]

    @property
    def soft_prompt_length(self) -> int:
        """Number of positions of the soft prompt; 0 without one."""
        return 0 if self.soft_prompt is None else self.soft_prompt.length

    def soft_prompt_cache(self, rows: int) -> Cache | None:
        """Returns a new cache of the soft prompt's keys and values for `rows` sequences; None if it has none."""
        return None if self.soft_prompt is None else self.soft_prompt.cache(rows)

    def with_soft_prompt(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns embeddings and lengths with the soft prompt's vectors, if it has any, in front of each sequence."""
        vectors = None if self.soft_prompt is None else self.soft_prompt.vectors()
        if vectors is None:
            return embeddings, lengths
        first = vectors.to(embeddings.dtype).expand(len(embeddings), -1, -1)
        return torch.cat([first, embeddings], dim=1), lengths + len(vectors)

    def _hidden_without_cache(
        self,
        embeddings: Tensor,
        lengths: Tensor,
        layers: Sequence[int],
        tree: PrefixTree | None,
        conditioning: Conditioning | None,
    ) -> Tensor:
        """Returns the hidden states of whole sequences, packed if the architecture can."""
        if not self.packs:
            hidden = self._body(layers=layers, conditioning=conditioning, inputs_embeds=embeddings)
            return hidden[real_positions(embeddings, lengths)]
        # oneDNN, which computes a CPU's bf16 products, makes and keeps a kernel for each new length.
        bf16 = self.mixed or embeddings.dtype == torch.bfloat16
        few_lengths = bf16 and embeddings.device.type == "cpu"
        layout = Layout.of(lengths, tree, MULTIPLE if few_lengths else 1)
        once = embeddings[:, : layout.width][layout.new]
        padding = len(layout.positions) - len(once)
        once = pad(once, (0, 0, 0, padding))
        inputs: Any = {"inputs_embeds": once[None], "position_ids": layout.positions[None]}
        if conditioning is not None:
            view_of = conditioning.view_of[:, : layout.width][layout.new]
            conditioning = conditioning.seen_by(pad(view_of, (0, padding), value=-1)[None])
        with packed(self.model.config, layout):
            hidden = self._body(layers=layers, conditioning=conditioning, **inputs)[0]
        return unpacked(hidden, layout)

    @property
    def layers(self) -> nn.ModuleList:
        """Transformer (or recurrent) layers: the longest `ModuleList` of the model."""
        lists = [module for module in self.model.base_model.modules() if isinstance(module, nn.ModuleList)]
        return max(lists, key=len)

    def compile_layers(self) -> None:
        """Compiles the layers with torch for training. All layers share one compiled graph.

        Generation and scoring are not compiled, because each of their many shapes would be compiled anew.

        Raises:
            UserError: if the model is on a CPU and there is no C++ compiler.
        """
        on_cpu = next(self.parameters()).device.type == "cpu"
        if on_cpu and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            raise UserError("model.compile needs a C++ compiler (g++); install one, or leave it out")
        for layer in self.layers:
            if self.conditioned_layers:
                # Without the hooks before it: what fusions compute depends on the layer and on the images of the batch,
                # so it would be compiled anew for each layer.
                layer.forward = torch.compile(layer.forward, dynamic=True)
            else:
                layer.compile(dynamic=True)
        leave_attention_as_it_is()
        self.compiled = True

    def autocast(self) -> torch.autocast:
        """Returns bf16 autocast; it is disabled unless the model has both fp32 and bf16 weights."""
        device = next(self.parameters()).device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.mixed)

    def eagerly(self) -> AbstractContextManager:
        """Returns a context manager in which compiled layers run uncompiled."""
        return torch.compiler.set_stance("force_eager") if self.compiled else nullcontext()

    def seeing(self, conditioning: Conditioning | None) -> AbstractContextManager:
        """Returns a context manager in which passes are conditioned on images."""
        if conditioning is None:
            return nullcontext()
        in_attention = conditioning.conditioner.in_attention and packed.now is None
        config = self.model.config if in_attention else None
        return conditioned(conditioning.recomputed(self.checkpoints), config)

    def _body(
        self,
        cache: Cache | None = None,
        layers: Sequence[int] = (),
        conditioning: Conditioning | None = None,
        **inputs: Any,
    ) -> Tensor:
        """Returns last hidden states (…, dim), or with `layers` those of several layers (…, layers, dim)."""
        compiled = torch.is_grad_enabled() and cache is None and not layers
        if cache is not None:
            inputs[self.cache_name] = cache
        inputs |= {"output_hidden_states": True} if layers else {}
        with nullcontext() if compiled else self.eagerly(), self.autocast(), self.seeing(conditioning):
            out = self.model.base_model(**inputs, use_cache=cache is not None)
        if not layers:
            return out.last_hidden_state
        return torch.stack([out.hidden_states[layer] for layer in layers], dim=-2)

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.model.config.num_hidden_layers

    def head(self, hidden: Tensor) -> Tensor:
        """Computes logits (n, vocabulary) of last hidden states (n, dim)."""
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
        """True if the weights of the output head are trained."""
        return any(weight.requires_grad for weight in self.model.get_output_embeddings().parameters())
