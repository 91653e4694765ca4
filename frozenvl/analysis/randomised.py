"""Randomised weights, to see whether an explanation depends on what a model has learned (Adebayo et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def randomised(part: nn.Module, seed: int = 0) -> Iterator[None]:
    """Shuffles the entries of each weight of a part while the context lasts; afterwards all weights are as before.

    So what the part has learned is lost, and the distribution of its weights stays: signals neither vanish nor explode,
    whatever the part is. Buffers, such as running statistics, stay.

    Args:
        part: part of a model, such as its mapper.
        seed: seed of the shuffle.
    """
    random = torch.Generator().manual_seed(seed)
    weights = [weight for weight in part.parameters() if weight.is_floating_point()]
    before = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                order = torch.randperm(weight.numel(), generator=random).to(weight.device)
                weight.copy_(weight.flatten()[order].view_as(weight))
        yield
    finally:
        with torch.no_grad():
            for weight, own in zip(weights, before, strict=True):
                weight.copy_(own)
