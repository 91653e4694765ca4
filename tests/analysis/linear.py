"""Target functions with known attributions, in place of a model's."""

from __future__ import annotations

import torch
from torch import Tensor

from frozenvl.analysis.target import TargetFunction


def linear_in_prefix(function: TargetFunction, weights: Tensor) -> TargetFunction:
    """Replaces the language model: values are linear in the prefix vectors, with weights (k, dim, targets)."""
    function._values = lambda prefix: torch.einsum("nkd,kdt->nt", prefix, weights)
    return function


def linear_in_pixels(function: TargetFunction, weights: Tensor) -> TargetFunction:
    """Replaces the model: values are linear in the pixels, with weights (3, size, size, targets)."""
    function.raised = lambda inputs, level, to: inputs
    function._values = lambda pixels: torch.einsum("ncxy,cxyt->nt", pixels, weights)
    return function
