"""Packing: sequences run end to end without padding, and each attends only to itself.

Everything except attention treats positions independently, so the language model runs a batch of short sequences as
one long sequence. Attention copies them to padded rows and back. For short sequences on a CPU, plain matrix products
are also faster than the fused kernel's backward pass.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedConfig
from transformers.masking_utils import AttentionMaskInterface

from frozenvl.model.language.conditioning import add_image_attention
from frozenvl.model.language.packed_layout import Layout, collect, deal

NAME = "frozenvl_packed"
"""Name of the attention in transformers' registry."""


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
        module: attention module.
        query: (1, heads, T, width) queries.
        key: (1, groups, T, width) keys; fewer heads than queries in grouped-query attention.
        value: (1, groups, T, width) values.
        attention_mask: result of `packed_mask`.
        options: `scaling` and `softcap`; others are ignored.

    Returns:
        (1, T, heads, width)
    """
    assert packed.now is not None
    layout, heads, groups = packed.now.layout, query.shape[1], key.shape[1]
    scaling, softcap = options.get("scaling"), options.get("softcap")
    kernel = fused(query.device) and attention_mask is None and softcap is None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling

    def rows(x: Tensor) -> Tensor:
        """Copies packed vectors (1, groups, T, width) to rows (B, groups, W, width)."""
        return deal(x, layout.keys(groups)).view(layout.rows, groups, layout.width, -1)

    def attend(number: int, q: Tensor) -> Tensor:
        """Computes attention of the queries (rows·heads·queries, width) of one part."""
        part = layout.parts[number]
        k, v = (x[part.start : part.end, :, : part.keys] for x in (keys, values))
        count = part.end - part.start
        if kernel:
            q = q.view(count, heads, part.queries, -1)
            seen = None if part.shared is None else ~layout.hidden(number)[:, 0]
            out = scaled_dot_product_attention(
                q, k, v, attn_mask=seen, is_causal=seen is None, scale=scaling, enable_gqa=True
            )
            return out.reshape(-1, v.shape[-1])
        scores = (q.view(count, groups, -1, q.shape[-1]) * scale) @ k.transpose(2, 3)
        wide = torch.promote_types(scores.dtype, torch.float32)
        if softcap is not None:
            scores = softcap * torch.tanh(scores.to(wide) / softcap)
        hidden = layout.hidden(number, None if attention_mask is None else int(attention_mask))
        scores = scores.view(count, groups, -1, part.queries, part.keys).masked_fill(hidden, float("-inf"))
        weights = scores.softmax(-1, dtype=wide).to(v.dtype)
        return (weights.view(count, groups, -1, part.keys) @ v).view(-1, v.shape[-1])

    keys, values, copies = rows(key), rows(value), layout.queries(heads)
    queries = deal(query, copies).split(
        [(part.end - part.start) * heads * part.queries for part in layout.parts]
    )
    parts = [attend(number, part) for number, part in enumerate(queries)]
    vectors = query.shape[2] * heads
    out = collect(parts[0] if len(parts) == 1 else torch.cat(parts), copies, vectors)
    return add_image_attention(module, query, out.view(1, -1, heads, out.shape[-1]), scale), None


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
