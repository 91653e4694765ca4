"""Sequences end to end, each attending to itself alone: no position of a forward pass is padding.

Everything but attention treats positions apart, so a batch of short sequences goes through the language model as
one long one. Attention then deals them out to rows, multiplies, and puts them back; for short sequences on a CPU
the plain product is also faster than the fused kernel's backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        deal: (B·W,) the packed position that stands at a place of the rows; any where there is none.
        collect: (T,) the place of each packed position.
        positions: (T,) position within its own sequence.
    """

    rows: int
    width: int
    deal: Tensor
    collect: Tensor
    positions: Tensor

    @classmethod
    def of(cls, lengths: Tensor) -> Layout:
        width = int(lengths.max())
        columns = torch.arange(width, device=lengths.device)
        real = columns[None] < lengths[:, None]
        starts = lengths.cumsum(0) - lengths
        deal = torch.where(real, starts[:, None] + columns[None], 0).flatten()
        collect = real.flatten().nonzero(as_tuple=True)[0]
        return cls(len(lengths), width, deal, collect, collect % width)


class _Deal(torch.autograd.Function):
    """(T, …) packed → (B·W, …) rows. Its gradient is a plain selection, which indexing's own is not."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return packed[layout.deal]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # Places that hold no position get no gradient: a causal mask hides them, and their output is dropped.
        return grad[ctx.layout.collect], None


class _Packing:
    """The layout of the forward pass under way."""

    layout: Layout


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
    layout = _Packing.layout
    b, w, shared = layout.rows, layout.width, key.shape[1]

    def rows(x: Tensor) -> Tensor:
        return _Deal.apply(x[0].transpose(0, 1), layout).view(b, w, *x.shape[1::2]).transpose(1, 2)

    q, k, v = rows(query), rows(key), rows(value)
    scaling = options.get("scaling")
    if fused(query.device) and attention_mask is None and options.get("softcap") is None:
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).flatten(0, 1)[layout.collect][None], None
    q = q.reshape(b, shared, -1, q.shape[-1]) * (q.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = (q @ k.transpose(2, 3)).view(b, -1, w, w)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if options.get("softcap") is not None:
        scores = options["softcap"] * torch.tanh(scores / options["softcap"])
    distance = torch.arange(w, device=scores.device)[:, None] - torch.arange(w, device=scores.device)[None]
    hidden = distance < 0
    if attention_mask is not None:
        hidden = hidden | (distance >= attention_mask)
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1).to(v.dtype)
    out = (weights.view(b, shared, -1, w) @ v).view(b, -1, w, v.shape[-1])
    return out.transpose(1, 2).flatten(0, 1)[layout.collect][None], None


def packed_mask(*args: Any, local_size: int | None = None, **options: Any) -> Tensor | None:
    """Stands where a mask would: the width of a sliding window is all that the attention has to be told."""
    return None if local_size is None else torch.tensor(local_size)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, packed_mask)


def leave_attention_as_it_is() -> None:
    """Where layers are compiled: the layout changes with each batch, and would have them compiled again and again."""
    AttentionInterface.register(NAME, torch.compiler.disable(packed_attention))


class packed:
    """Within it, the model of that configuration takes (1, T) packed sequences of the given layout."""

    def __init__(self, config: PreTrainedConfig, layout: Layout) -> None:
        self.config, self.layout, self.own = config, layout, config._attn_implementation

    def __enter__(self) -> None:
        _Packing.layout = self.layout
        self.config._attn_implementation = NAME

    def __exit__(self, *_: object) -> None:
        self.config._attn_implementation = self.own
