"""Sequences end to end, each attending to itself alone: no position of a forward pass is padding.

Everything but attention treats positions apart, so a batch of short sequences goes through the language model as
one long one. Attention then deals them out to rows, multiplies, and puts them back; for short sequences on a CPU
the plain product is also faster than the fused kernel's backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedConfig
from transformers.masking_utils import AttentionMaskInterface

NAME = "frozenvl_packed"
"""The attention's name among transformers' own."""


@dataclass(frozen=True)
class Layout:
    """Where packed sequences stand.

    Shapes, for B sequences of up to W positions, T in all:
        deal: (B, W) the packed position that stands at a place of the rows; any where there is none.
        collect: (T,) the place of each packed position.
        positions: (T,) position within its own sequence.
    """

    rows: int
    width: int
    deal: Tensor
    collect: Tensor
    positions: Tensor
    _by_heads: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, lengths: Tensor) -> Layout:
        width = int(lengths.max())
        columns = torch.arange(width, device=lengths.device)
        real = columns[None] < lengths[:, None]
        starts = lengths.cumsum(0) - lengths
        deal = torch.where(real, starts[:, None] + columns[None], 0)
        collect = real.flatten().nonzero(as_tuple=True)[0]
        return cls(len(lengths), width, deal, collect, collect % width)

    def by_heads(self, heads: int) -> tuple[Tensor, Tensor]:
        """(B·heads·W,) `deal` and (T·heads,) `collect` where each position has a vector for each head."""
        if heads not in self._by_heads:
            head = torch.arange(heads, device=self.deal.device)
            row, column = self.collect // self.width, self.collect % self.width
            deal = self.deal[:, None] * heads + head[None, :, None]
            collect = (row[:, None] * heads + head[None]) * self.width + column[:, None]
            self._by_heads[heads] = deal.flatten(), collect.flatten()
        return self._by_heads[heads]


class _Deal(torch.autograd.Function):
    """(T·heads, width) packed → (B·heads·W, width) rows, in one copy. Its gradient is a plain selection."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, deal: Tensor, collect: Tensor) -> Tensor:
        ctx.collect = collect
        return packed.index_select(0, deal)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # Places that hold no position get no gradient: a causal mask hides them, and their output is dropped.
        return grad.index_select(0, ctx.collect), None, None


class _Collect(torch.autograd.Function):
    """Back from rows. No place is taken twice, so its gradient is put, not added, there."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, collect: Tensor) -> Tensor:
        ctx.collect, ctx.places = collect, len(rows)
        return rows.index_select(0, collect)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.new_zeros(ctx.places, grad.shape[1]).index_copy_(0, ctx.collect, grad), None


def fused(device: torch.device) -> bool:
    """Whether torch's own attention is faster. On a CPU it is not: its backward pass alone took twice a plain product's
    time. Elsewhere it chooses a kernel by what the device can do; none of these was timed.
    """
    return device.type != "cpu"


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention within each packed sequence.

    Args:
        query: (1, heads, T, width); key and value may have fewer heads, shared by groups.
        attention_mask: what `packed_mask` made.

    Returns:
        (1, T, heads, width)
    """
    assert packed.now is not None
    layout = packed.now.layout
    b, w, shared = layout.rows, layout.width, key.shape[1]

    def rows(x: Tensor) -> Tensor:
        """(1, heads, T, width) → (B, heads, W, width)"""
        vectors = x[0].transpose(0, 1).reshape(-1, x.shape[-1])
        return _Deal.apply(vectors, *layout.by_heads(x.shape[1])).view(b, -1, w, x.shape[-1])

    def packed_again(x: Tensor) -> Tensor:
        _, collect = layout.by_heads(query.shape[1])
        return _Collect.apply(x.reshape(-1, x.shape[-1]), collect).view(1, -1, query.shape[1], x.shape[-1])

    q, k, v = rows(query), rows(key), rows(value)
    scaling, softcap = options.get("scaling"), options.get("softcap")
    if fused(query.device) and attention_mask is None and softcap is None:
        return packed_again(
            scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        ), None
    q = q.view(b, shared, -1, q.shape[-1]) * (q.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = (q @ k.transpose(2, 3)).view(b, -1, w, w)
    wide = torch.promote_types(scores.dtype, torch.float32)
    if softcap is not None:
        scores = softcap * torch.tanh(scores.to(wide) / softcap)
    distance = torch.arange(w, device=scores.device)[:, None] - torch.arange(w, device=scores.device)[None]
    hidden = distance < 0
    if attention_mask is not None:
        hidden = hidden | (distance >= attention_mask)
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1, dtype=wide).to(v.dtype)
    return packed_again(weights.view(b, shared, -1, w) @ v), None


def packed_mask(*args: Any, local_size: int | None = None, **options: Any) -> Tensor | None:
    """Stands where a mask would: the width of a sliding window is all that the attention has to be told."""
    return None if local_size is None else torch.tensor(local_size)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, packed_mask)


def leave_attention_as_it_is() -> None:
    """Where layers are compiled: the layout changes with each batch, and would have them compiled again and again."""
    AttentionInterface.register(NAME, torch.compiler.disable(packed_attention))


class packed:
    """Within it, the model of that configuration takes (1, T) packed sequences of a layout. It can be entered again."""

    now: ClassVar[packed | None] = None
    """That of the forward pass under way."""

    def __init__(self, config: PreTrainedConfig, layout: Layout) -> None:
        self.config, self.layout = config, layout

    def __enter__(self) -> None:
        packed.now, self.own = self, self.config._attn_implementation
        self.config._attn_implementation = NAME

    def __exit__(self, *_: object) -> None:
        packed.now, self.config._attn_implementation = None, self.own
