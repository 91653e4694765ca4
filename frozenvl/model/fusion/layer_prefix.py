"""Layer prefix: an image as keys and values of the frozen layers' own attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.fusion.fusion import Gate, LayerFusion
from frozenvl.model.language.capabilities import two_sequences
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioned_attention import TEXT
from frozenvl.model.language.conditioning import Conditioner, Conditioning
from frozenvl.util.errors import UserError


class LayerPrefix(LayerFusion):
    """Fusion by keys and values in every frozen layer, made of the image: prefix tuning that depends on the image.

    The layer's own queries attend to them. That attention has a softmax of its own, and is added to the attention to
    the text by tanh(s·gate), with a gate of 0 for each head at the start (LLaMA-Adapter, section 3.2). Keys have no
    rotary positions. All layers share a bottleneck, as in prefix tuning (Li and Liang 2021, section 4.3).

    Args:
        width: dimension of the bottleneck.
        gate_scale: factor of the gates (`LayerFusion`).

    Raises:
        UserError: if the language model's attention cannot be extended.
    """

    def __init__(self, width: int = 128, gate_scale: float = 30.0) -> None:
        super().__init__(gate_scale)
        if width < 1:
            raise UserError(f"model.fusion: width is {width}; give 1 or more")
        self.width = width

    def attach(self, language: FrozenLanguageModel) -> None:
        super().attach(language)
        config, depth = language.model.config, len(language.layers)
        heads = getattr(config, "num_attention_heads", None)
        if not heads:
            raise UserError(f"LayerPrefix on {language.name}: it has no attention heads; use CrossAttention")
        width = getattr(config, "head_dim", None) or language.width // heads
        self.shape = getattr(config, "num_key_value_heads", None) or heads, width
        check_attention(language, (heads, width))
        self.bottleneck = nn.Sequential(
            nn.LayerNorm(language.dim), nn.Linear(language.dim, self.width), nn.Tanh()
        )
        size = 2 * self.shape[0] * width
        self.layers = nn.ModuleList(nn.Linear(self.width, size) for _ in range(depth))
        self.gates = nn.ModuleList(Gate(self.gate_scale, heads, 1) for _ in range(depth))
        language.condition(range(depth))

    def conditioner(self, prefix: Tensor) -> Conditioner:
        return LayerKeysAndValues(self, prefix)


class LayerKeysAndValues(Conditioner):
    """Images of a pass, as keys and values of each layer."""

    in_attention = True

    def __init__(self, fusion: LayerPrefix, images: Tensor) -> None:
        super().__init__(images, fusion)
        self.fusion = fusion
        self._narrow: Tensor | None = None
        self._keys_values: dict[int, tuple[Tensor, Tensor]] = {}

    def before_layer(self, number: int, hidden: Tensor, conditioning: Conditioning) -> Tensor:
        # Here, not in `attention`: a layer that is computed again must find the same keys and values.
        if number not in self._keys_values:
            if self._narrow is None:
                self._narrow = self.fusion.bottleneck(self.images)
            keys, values = self.fusion.layers[number](self._narrow).chunk(2, dim=-1)
            shape = self.fusion.shape
            self._keys_values[number] = keys.unflatten(-1, shape), values.unflatten(-1, shape)
        return hidden

    def attention(self, number: int, query: Tensor, scale: float, conditioning: Conditioning) -> Tensor:
        attended = conditioning.attend(query, *self._keys_values[number], scale)
        return self.fusion.gates[number](attended)


class Recorder(Conditioner):
    """Conditioner that records the layers whose attention asks for images, with the shape of their queries."""

    in_attention = True

    def __init__(self, images: Tensor) -> None:
        super().__init__(images)
        self.asked: dict[int, tuple[int, ...]] = {}

    def attention(self, number: int, query: Tensor, scale: float, conditioning: Conditioning) -> None:
        self.asked[number] = tuple(query.shape[1:])


@torch.no_grad()
def check_attention(language: FrozenLanguageModel, shape: tuple[int, int]) -> None:
    """Checks that the attention of all layers goes through transformers' interface, with queries of (heads, width).

    Raises:
        UserError: if it does not, or the model needs an attention of its own (a soft cap).
    """
    refusal = UserError(
        f"LayerPrefix on {language.name}: the attention of {type(language.model).__name__} cannot be extended; use "
        "CrossAttention"
    )
    if language.model.config._attn_implementation != TEXT:
        raise refusal
    if next(
        language.parameters()
    ).is_meta:  # `frozenvl plan` builds models without values, which can read nothing
        return
    embeddings, lengths = two_sequences(language)
    recorder = Recorder(embeddings[:1, :1])
    conditioning = Conditioning.of(recorder, torch.zeros_like(embeddings[..., 0], dtype=torch.long))
    expected: Any = dict.fromkeys(range(len(language.layers)), shape)
    try:
        language.read(embeddings, lengths, conditioning=conditioning)
    except Exception as error:  # architectures that do not expect this attention may raise anything
        raise refusal from error
    if recorder.asked != expected:
        raise refusal
