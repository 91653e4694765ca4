"""Time that the matrix products of a step take alone: the least time that a step of these shapes could take."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.bmm.default, torch.ops.aten.addmm.default)


class Laid(NamedTuple):
    """Shape, strides and data type of a matrix."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def made(self) -> Tensor:
        """Returns a random matrix like it."""
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype).normal_()


class Products(TorchDispatchMode):
    """Context manager that counts matrix products, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[Any, tuple[Laid, ...]]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.counts[func, tuple(Laid(tuple(x.shape), x.stride(), x.dtype) for x in args)] += 1
        return func(*args, **(kwargs or {}))


def seconds_alone(step: Callable[[], object]) -> float:
    """Returns the seconds that all matrix products of a step take, each shape timed alone (median of 5)."""
    with Products() as products:
        step()
    total = 0.0
    for (product, matrices), count in products.counts.items():
        made, took = [matrix.made() for matrix in matrices], []
        for _ in range(6):
            start = time.perf_counter()
            product(*made)
            took.append(time.perf_counter() - start)
        total += count * statistics.median(took[1:])
    return total
