"""Packing: sequences run end to end without padding, and each attends only to itself.

Everything except attention treats positions independently, so the language model runs a batch of short sequences as
one long sequence. Attention copies them to padded rows and back. For short sequences on a CPU, plain matrix products
are also faster than the fused kernel's backward pass.

Rows that begin alike share their beginning (`PrefixTree`): it is computed once, as one stretch of the long sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedConfig
from transformers.masking_utils import AttentionMaskInterface

from frozenvl.model.prefix_tree import PrefixTree

NAME = "frozenvl_packed"
"""Name of the attention in transformers' registry."""


class Copies(NamedTuple):
    """Index maps between packed vectors and copies of them. A vector may be copied several times."""

    source: Tensor
    """(copies,) packed vector of each copy; arbitrary at padding."""
    first: Tensor
    """(vectors,) place of each vector's first copy."""
    again: Tensor
    """Places of further copies."""
    of: Tensor
    """Packed vector of each of these."""


@dataclass(frozen=True)
class Layout:
    """Index maps between packed sequences and padded rows.

    With a prefix tree, the common beginning of several rows is packed once. Each of their rows gets a copy of its keys
    and values, and the first row's copy of a position is the one that computes it.

    Shapes, for B sequences of up to W positions, T packed positions in all:
        deal: (B, W) packed position at each place of the rows; arbitrary at padding.
        real: (B, W) mask of the places that are no padding.
        new: (B, W) mask of the places whose position is computed there, in the order of the packed positions.
        positions: (T,) position of each packed position within its sequence.
    """

    rows: int
    width: int
    deal: Tensor
    real: Tensor
    new: Tensor
    positions: Tensor
    _by_heads: dict[int, Copies] = field(default_factory=dict)

    @classmethod
    def of(cls, lengths: Tensor, tree: PrefixTree | None = None) -> Layout:
        """Builds the layout of sequences of these lengths (B,), with the common beginnings of a tree."""
        width = int(lengths.max())
        columns = torch.arange(width, device=lengths.device)
        real = columns[None] < lengths[:, None]
        if tree is None or not tree.saved:
            starts = lengths.cumsum(0) - lengths
            deal = torch.where(real, starts[:, None] + columns[None], 0)
            return cls(len(lengths), width, deal, real, real, columns.expand_as(real)[real])
        shared = torch.tensor(tree.shared, device=lengths.device)
        new = real & (columns[None] >= shared[:, None])
        # On the CPU: one small copy for each row.
        places = (new.flatten().cumsum(0) - 1).view(new.shape).cpu()
        for before, row in pairwise(tree.order):
            places[row, : tree.shared[row]] = places[before, : tree.shared[row]]
        deal = torch.where(real, places.to(lengths.device), 0)
        return cls(len(lengths), width, deal, real, new, columns.expand_as(real)[new])

    def by_heads(self, heads: int) -> Copies:
        """Returns the maps to rows (B·heads·W,) for tensors with one vector per position and head, (T·heads,)."""
        if heads not in self._by_heads:
            head = torch.arange(heads, device=self.deal.device)
            source = (self.deal[:, None] * heads + head[None, :, None]).flatten()

            def places(mask: Tensor) -> Tensor:
                row, column = mask.nonzero(as_tuple=True)
                return ((row[:, None] * heads + head[None]) * self.width + column[:, None]).flatten()

            again = places(self.real & ~self.new)
            self._by_heads[heads] = Copies(source, places(self.new), again, source[again])
        return self._by_heads[heads]


class _Deal(torch.autograd.Function):
    """Copies packed vectors (T·heads, width) to rows (B·heads·W, width). The gradients of copies are added in fp32."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, *copies: Tensor) -> Tensor:
        ctx.copies = Copies(*copies)
        return packed.index_select(0, ctx.copies.source)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Padding needs no gradient: the causal mask hides it, and its output is dropped.
        copies = ctx.copies
        once = grad.index_select(0, copies.first)
        if copies.again.numel():
            wide = once.to(torch.promote_types(grad.dtype, torch.float32))
            wide.index_add_(0, copies.of, grad.index_select(0, copies.again).to(wide.dtype))
            once = wide.to(grad.dtype)
        return once, *(None for _ in copies)


class _Collect(torch.autograd.Function):
    """Copies rows back to packed vectors. No row is read twice, so its gradient is copied, not accumulated."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, first: Tensor) -> Tensor:
        ctx.first, ctx.places = first, len(rows)
        return rows.index_select(0, first)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.new_zeros(ctx.places, grad.shape[1]).index_copy_(0, ctx.first, grad), None


def unpacked(packed: Tensor, layout: Layout) -> Tensor:
    """Returns packed vectors (T, …) row by row, (sum of lengths, …); a common beginning stands in each of its rows."""
    source, computed = layout.deal[layout.real], layout.new[layout.real]
    again = (~computed).nonzero()[:, 0]
    copies = Copies(source, computed.nonzero()[:, 0], again, source[again])
    return _Deal.apply(packed.flatten(1), *copies).view(-1, *packed.shape[1:])


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
        first = layout.by_heads(query.shape[1]).first
        return _Collect.apply(x.reshape(-1, x.shape[-1]), first).view(1, -1, query.shape[1], x.shape[-1])

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
