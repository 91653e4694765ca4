"""Gated cross-attention: blocks before some of the frozen layers, by which text attends to images (Flamingo)."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import gelu

from frozenvl.model.fusion.fusion import Gate, LayerFusion
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioner, Conditioning, Rule
from frozenvl.util.errors import UserError


class CrossAttention(LayerFusion):
    """Fusion by gated cross-attention before every n-th frozen layer (Flamingo, section 2.2).

    A block adds tanh(s·α) · attention(x, image vectors), then tanh(s·β) · feed-forward(x). α and β start at 0. The
    feed-forward part leaves text before the first image as it is, too, unlike in Flamingo.

    Args:
        every: number of layers from one block to the next. The first block stands before the first layer.
        heads: number of attention heads.
        width: dimension of a head.
        ratio: width of the feed-forward part ÷ dimension of the hidden states; 0 for none.
        images: images that a position attends to: the last one before it, or all of them.
        gate_scale: factor of α and β (`LayerFusion`).
    """

    def __init__(
        self,
        every: int = 4,
        heads: int = 8,
        width: int = 64,
        ratio: float = 4.0,
        images: Rule = "last",
        gate_scale: float = 30.0,
    ) -> None:
        super().__init__(gate_scale)
        for name, value in (("every", every), ("heads", heads), ("width", width)):
            if value < 1:
                raise UserError(f"model.fusion: {name} is {value}; give 1 or more")
        if ratio < 0:
            raise UserError(
                f"model.fusion: ratio is {ratio}; give a positive number, or 0 for no feed-forward part"
            )
        if images not in ("last", "all"):
            raise UserError(f"model.fusion: images is {images!r}; give last or all")
        self.every, self.heads, self.width, self.ratio, self.images = every, heads, width, ratio, images
        self.sees_last = images == "last"

    def attach(self, language: FrozenLanguageModel) -> None:
        super().attach(language)
        numbers = range(0, len(language.layers), self.every)
        hidden = math.ceil(language.width * self.ratio)
        sizes = language.dim, language.width, self.heads, self.width, hidden
        self.blocks = nn.ModuleDict({str(number): Block(*sizes, self.gate_scale) for number in numbers})
        language.condition(numbers)

    def conditioner(self, prefix: Tensor) -> Conditioner:
        return KeysAndValues(self, prefix)

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"fusion_heads": self.heads, "fusion_images": self.images}


class Block(nn.Module):
    """Gated cross-attention and feed-forward part.

    Args:
        dim: dimension of the image vectors.
        out: dimension of the hidden states.
        heads: number of heads.
        width: dimension of a head.
        hidden: width of the feed-forward part; 0 for none.
        gate_scale: factor of the gates.
    """

    def __init__(self, dim: int, out: int, heads: int, width: int, hidden: int, gate_scale: float) -> None:
        super().__init__()
        self.shape = heads, width
        self.image_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(out)
        self.key_value = nn.Linear(dim, 2 * heads * width, bias=False)
        self.query = nn.Linear(out, heads * width, bias=False)
        self.out = nn.Linear(heads * width, out, bias=False)
        self.gate = Gate(gate_scale)
        self.feed_forward = FeedForward(out, hidden, gate_scale) if hidden else None

    def keys_values(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the keys and values, (N, k, heads, width) each, of image vectors (N, k, dim)."""
        keys, values = self.key_value(self.image_norm(images)).chunk(2, dim=-1)
        return keys.unflatten(-1, self.shape), values.unflatten(-1, self.shape)

    def forward(self, hidden: Tensor, keys: Tensor, values: Tensor, conditioning: Conditioning) -> Tensor:
        """Returns what is added to the hidden states (S, dim) of positions that see an image."""
        query = self.query(self.norm(hidden)).unflatten(-1, self.shape)
        attended = conditioning.attend(query, keys, values, self.shape[1] ** -0.5)
        update = self.gate(self.out(attended.flatten(1)))
        return update if self.feed_forward is None else update + self.feed_forward(hidden + update)


class FeedForward(nn.Module):
    """Gated feed-forward part."""

    def __init__(self, dim: int, hidden: int, gate_scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, hidden, bias=False), nn.Linear(hidden, dim, bias=False)
        self.gate = Gate(gate_scale)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.gate(self.down(gelu(self.up(self.norm(hidden)))))


class KeysAndValues(Conditioner):
    """Images of a pass, as keys and values of each block."""

    def __init__(self, fusion: CrossAttention, images: Tensor) -> None:
        super().__init__(images, fusion)
        self.fusion, self.rule = fusion, fusion.images
        self._keys_values: dict[int, tuple[Tensor, Tensor]] = {}

    def before_layer(self, number: int, hidden: Tensor, conditioning: Conditioning) -> Tensor:
        if str(number) not in self.fusion.blocks:
            return hidden
        block: Block = self.fusion.blocks[str(number)]  # type: ignore[assignment]
        if number not in self._keys_values:
            self._keys_values[number] = block.keys_values(self.images)
        keys, values = self._keys_values[number]
        seeing = conditioning.select(hidden)
        return conditioning.add(hidden, conditioning.run(block, seeing, keys, values, conditioning))
