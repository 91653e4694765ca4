"""Packing: sequences run end to end without padding, and each attends only to itself.

Everything except attention treats positions independently, so the language model runs a batch of short sequences as
one long sequence. Attention copies them to padded rows and back. For short sequences on a CPU, plain matrix products
are also faster than the fused kernel's backward pass.
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
"""Name of the attention in transformers' registry."""


@dataclass(frozen=True)
class Layout:
    """Index maps between packed sequences and padded rows.

    Shapes, for B sequences of up to W positions, T positions in all:
        deal: (B, W) packed position at each place of the rows; arbitrary at padding.
        collect: (T,) index of each packed position in the flattened rows (B·W).
        positions: (T,) position of each packed position within its sequence.
    """

    rows: int
    width: int
    deal: Tensor
    collect: Tensor
    positions: Tensor
    _by_heads: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, lengths: Tensor) -> Layout:
        """Builds the layout of sequences of these lengths (B,)."""
        width = int(lengths.max())
        columns = torch.arange(width, device=lengths.device)
        real = columns[None] < lengths[:, None]
        starts = lengths.cumsum(0) - lengths
        deal = torch.where(real, starts[:, None] + columns[None], 0)
        collect = real.flatten().nonzero(as_tuple=True)[0]
        return cls(len(lengths), width, deal, collect, collect % width)

    def by_heads(self, heads: int) -> tuple[Tensor, Tensor]:
        """Returns `deal` (B·heads·W,) and `collect` (T·heads,) for tensors with one vector per position and head."""
        if heads not in self._by_heads:
            head = torch.arange(heads, device=self.deal.device)
            row, column = self.collect // self.width, self.collect % self.width
            deal = self.deal[:, None] * heads + head[None, :, None]
            collect = (row[:, None] * heads + head[None]) * self.width + column[:, None]
            self._by_heads[heads] = deal.flatten(), collect.flatten()
        return self._by_heads[heads]


class _Deal(torch.autograd.Function):
    """Copies packed vectors (T·heads, width) to rows (B·heads·W, width). Its gradient is a plain selection."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, deal: Tensor, collect: Tensor) -> Tensor:
        ctx.collect = collect
        return packed.index_select(0, deal)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # Padding needs no gradient: the causal mask hides it, and its output is dropped.
        return grad.index_select(0, ctx.collect), None, None


class _Collect(torch.autograd.Function):
    """Copies rows back to packed vectors. No row is read twice, so its gradient is copied, not accumulated."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, collect: Tensor) -> Tensor:
        ctx.collect, ctx.places = collect, len(rows)
        return rows.index_select(0, collect)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.new_zeros(ctx.places, grad.shape[1]).index_copy_(0, ctx.collect, grad), None


def fused(device: torch.device) -> bool:
    """Returns whether to use torch's fused attention: not on a CPU, where plain matrix products are faster.

    On a CPU the backward pass of the fused kernel alone took twice the time of plain products. On other devices torch
    chooses the kernel; none was timed.
    """
    return device.type != "cpu"


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Computes attention within each packed sequence, as an attention function of transformers.

    Args:
        module: attention module (unused).
        query: (1, heads, T, width) queries.
        key: (1, groups, T, width) keys; fewer heads than queries in grouped-query attention.
        value: (1, groups, T, width) values.
        attention_mask: result of `packed_mask`.
        options: `scaling` and `softcap`; others are ignored.

    Returns:
        (1, T, heads, width)
    """
    assert packed.now is not None
    layout = packed.now.layout
    b, w, shared = layout.rows, layout.width, key.shape[1]

    def rows(x: Tensor) -> Tensor:
        """Copies packed vectors (1, heads, T, width) to rows (B, heads, W, width)."""
        vectors = x[0].transpose(0, 1).reshape(-1, x.shape[-1])
        return _Deal.apply(vectors, *layout.by_heads(x.shape[1])).view(b, -1, w, x.shape[-1])

    def packed_again(x: Tensor) -> Tensor:
        """Copies rows (B, heads, W, width) to packed vectors (1, T, heads, width)."""
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
    """Returns the width of the sliding window, or None, in place of a mask: `packed_attention` needs no more."""
    return None if local_size is None else torch.tensor(local_size)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, packed_mask)


def leave_attention_as_it_is() -> None:
    """Excludes packed attention from torch.compile: its layout changes with each batch, so it would recompile."""
    AttentionInterface.register(NAME, torch.compiler.disable(packed_attention))


class packed:
    """Context manager in which a model takes packed sequences (1, T, dim). It can be entered again after exit.

    Args:
        config: configuration of the model.
        layout: layout of the packed sequences.
    """

    now: ClassVar[packed | None] = None
    """Packing of the current forward pass; None outside one."""

    def __init__(self, config: PreTrainedConfig, layout: Layout) -> None:
        self.config, self.layout = config, layout

    def __enter__(self) -> None:
        packed.now, self.previous = self, self.config._attn_implementation
        self.config._attn_implementation = NAME

    def __exit__(self, *_: object) -> None:
        packed.now, self.config._attn_implementation = None, self.previous
