"""What tells weights apart, and makes random ones the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def same_random_weights() -> Iterator[None]:
    """Within it, what is drawn does not depend on what was drawn before: no checkpoint holds what stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(2021)
        yield


def fingerprint(module: nn.Module) -> str:
    """Identity of a module's weights: names, shapes and 1,024 evenly spaced values of each tensor.

    The values are rounded to bfloat16 first, so that it does not depend on the precision they are held in.
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict(keep_vars=True).items()):
        flat = value.detach().reshape(-1)
        picked = flat[:: max(1, flat.numel() // 1024)][:1024]
        exact = picked.to(torch.bfloat16).view(torch.int16) if picked.is_floating_point() else picked
        digest.update(f"{name}{tuple(value.shape)}".encode() + exact.cpu().numpy().tobytes())
    return digest.hexdigest()[:32]
