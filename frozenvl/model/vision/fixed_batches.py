"""Batches of a fixed size, because in bf16 the result of a row depends on the batch size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BATCH = 8
"""Number of images per pass through the encoder. Batches of 32 take the same time per image, and pad more."""


def in_fixed_batches(function: Callable[[Tensor], Tensor], rows: Tensor, size: int = BATCH) -> Tensor:
    """Applies a function to batches of a fixed size. The last batch is padded with zero rows, which are dropped after.

    Args:
        function: function from (size, …) to (size, …) that treats rows independently.
        rows: (N, …) input.
        size: batch size.

    Returns:
        (N, …)
    """
    if not len(rows):
        return function(rows)
    missing = -len(rows) % size
    padded = torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows
    return torch.cat([function(batch) for batch in padded.split(size)])[: len(rows)]
