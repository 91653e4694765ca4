"""Batches of one size: in bf16 a row's result depends on the shape of the tensor that it is computed in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BATCH = 8
"""Images that meet the encoder together: it takes as long for each of 32, and fewer may be wanted at a time."""


def in_fixed_batches(function: Callable[[Tensor], Tensor], rows: Tensor, size: int = BATCH) -> Tensor:
    """Applies a function to batches of one size, the last filled up with zeros that are dropped again.

    Args:
        function: (size, …) → (size, …), each row apart.
        rows: (N, …)
    """
    if not len(rows):
        return function(rows)
    missing = -len(rows) % size
    full = torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows
    return torch.cat([function(batch) for batch in full.split(size)])[: len(rows)]
