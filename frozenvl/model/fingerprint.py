"""Fingerprints of weights, and the compatibility check between a checkpoint and a model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError

DEFAULTS = {"bos": False, "fusion": "concat"}
"""Identity values of checkpoints that lack a key, because their version had no such setting."""
NAMES = ("language", "vision")
"""Identity keys that are not compared, because a folder may have moved. The weights' fingerprints are compared."""


@contextmanager
def same_random_weights() -> Iterator[None]:
    """Context manager with a fixed torch seed, restored afterwards.

    Frozen random weights must be the same each time, because no checkpoint holds them.
    """
    with torch.random.fork_rng():
        torch.manual_seed(2021)
        yield


def fingerprint(module: nn.Module) -> str:
    """Returns a hash of a module's weights: names, shapes and 1,024 evenly spaced values of each tensor.

    Values are rounded to bfloat16 first, so the hash does not depend on the weights' precision. Tensors on the meta
    device have no values.
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict(keep_vars=True).items()):
        if value.is_meta:
            digest.update(f"{name}{tuple(value.shape)}".encode())
            continue
        flat = value.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // 1024)][:1024]
        exact = sample.to(torch.bfloat16).view(torch.int16) if sample.is_floating_point() else sample
        digest.update(f"{name}{tuple(value.shape)}".encode() + exact.cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def trained_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Returns a SHA-256 fingerprint of trained weights (16 hex digits): their names and all their values."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def add_weights(digest: Any, weights: Mapping[str, Tensor]) -> None:
    """Adds names, shapes and all values of weights to a hash of `hashlib`."""
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


def refuse_misfit(
    kept: Mapping[str, Any],
    kept_weights: Mapping[str, Tensor],
    identity: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    what: str,
    names: Collection[str] = (),
) -> None:
    """Checks that the trained weights of a checkpoint or export fit a model.

    Args:
        kept: identity of the model that the weights were trained with.
        kept_weights: trained weights, by name.
        identity: identity of the current model.
        weights: trained weights of the current model, by name.
        what: name of the checkpoint or export, for the message.
        names: names of all weights of the current model. Those that are frozen may be kept too; they are not needed.

    Raises:
        UserError: if the frozen parts differ, if trained weights are missing or have other shapes, or if the current
            model has no weights of a name.
    """
    kept = DEFAULTS | dict(kept)
    identity = DEFAULTS | dict(identity)
    for key in dict.fromkeys([*identity, *kept]):
        # Trained weights have no fingerprint; their shapes are compared below.
        trained_now = key.endswith("_weights") and key not in identity
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
    needless = set(names) - weights.keys()
    compared = weights.keys() | kept_weights.keys() - needless
    differing = [key for key in compared if size(weights, key) != size(kept_weights, key)]
    if differing:
        key = min(differing)
        raise UserError(
            f"{what}: {key} is {size(kept_weights, key)} there, {size(weights, key)} in this model; "
            "use the configuration that it was trained with"
        )


def size(weights: Mapping[str, Tensor], key: str) -> str:
    """Returns the shape of a weight as text, such as `4 × 8`, or `absent`."""
    return " × ".join(map(str, weights[key].shape)) or "a number" if key in weights else "absent"
