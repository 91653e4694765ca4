"""Fingerprints of weights, and the check that a checkpoint fits a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError

DEFAULTS = {"bos": False, "fusion": "concat"}
"""What the identity of a model is where it does not say: of models from before there was a choice."""
NAMES = ("language", "vision")
"""Keys that only name what stands behind them: a folder may have moved. Its weights are compared."""


@contextmanager
def same_random_weights() -> Iterator[None]:
    """Within it, what is drawn does not depend on what was drawn before: no checkpoint holds what stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(2021)
        yield


def fingerprint(module: nn.Module) -> str:
    """Identity of a module's weights: names, shapes and 1,024 evenly spaced values of each tensor.

    The values are rounded to bfloat16 first, so that it does not depend on the precision they are held in. On the meta
    device there are none.
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict(keep_vars=True).items()):
        if value.is_meta:
            digest.update(f"{name}{tuple(value.shape)}".encode())
            continue
        flat = value.detach().reshape(-1)
        picked = flat[:: max(1, flat.numel() // 1024)][:1024]
        exact = picked.to(torch.bfloat16).view(torch.int16) if picked.is_floating_point() else picked
        digest.update(f"{name}{tuple(value.shape)}".encode() + exact.cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def refuse_misfit(
    kept: Mapping[str, Any],
    kept_weights: Mapping[str, Tensor],
    identity: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    what: str,
) -> None:
    """Checks that trained weights belong to a model.

    Args:
        kept: identity of the model that they were trained with.
        kept_weights: the trained weights.
        identity: identity of the model at hand.
        weights: what the model at hand trains.
        what: holds the trained weights, in words.

    Raises:
        UserError: they were trained with other frozen parts, or are weights of other parts.
    """
    kept = DEFAULTS | dict(kept)
    identity = DEFAULTS | dict(identity)
    for key in dict.fromkeys([*identity, *kept]):
        trained_now = key.endswith("_weights") and key not in identity  # its weights are compared below
        if key in NAMES or trained_now or identity.get(key) == kept.get(key):
            continue
        name = key.removesuffix("_weights")
        before, now = (
            " ".join(dict.fromkeys([str(of.get(name)), str(of.get(key))])) for of in (kept, identity)
        )
        raise UserError(
            f"{what} was trained with {name} = {before}, this model has {now}; "
            "use the configuration that it was trained with"
        )
    differing = [
        key for key in weights.keys() | kept_weights.keys() if size(weights, key) != size(kept_weights, key)
    ]
    if differing:
        key = min(differing)
        raise UserError(
            f"{what}: {key} is {size(kept_weights, key)} there, {size(weights, key)} in this model; "
            "use the configuration that it was trained with"
        )


def size(weights: Mapping[str, Tensor], key: str) -> str:
    """A tensor's size in words."""
    return " × ".join(map(str, weights[key].shape)) or "a number" if key in weights else "absent"
