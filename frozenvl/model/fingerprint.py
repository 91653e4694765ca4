"""What tells weights apart, and makes random ones the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError


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
    theirs: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    ours: Mapping[str, Any],
    mine: Mapping[str, Tensor],
    what: str,
) -> None:
    """Whether weights that were trained belong to a model.

    Args:
        theirs: identity of the model that they are of.
        ours: the model's identity.
        mine: what it trains.
        what: holds the weights, in words.

    Raises:
        UserError: where they were trained with other frozen parts, or are others.
    """
    theirs = {"bos": False, **theirs}  # which older ones do not say
    for key in ("language_weights", "k", "bos", "vision_weights"):
        if key in ours and theirs.get(key) != ours[key]:
            name = key.removesuffix("_weights")
            told = [
                " ".join(dict.fromkeys([str(who.get(name)), str(who.get(key))])) for who in (theirs, ours)
            ]
            raise UserError(
                f"{what} was trained with {name} = {told[0]}, this model has {told[1]}; "
                "use the configuration that it was trained with"
            )
    differing = [key for key in mine.keys() | weights.keys() if shape(mine, key) != shape(weights, key)]
    if differing:
        key = min(differing)
        raise UserError(
            f"{what}: {key} is {shape(weights, key)} there, {shape(mine, key)} in this model; "
            "use the configuration that it was trained with"
        )


def shape(weights: Mapping[str, Tensor], key: str) -> str:
    """A tensor's size in words."""
    return " × ".join(map(str, weights[key].shape)) or "a number" if key in weights else "absent"
