"""Tiny mappers of every kind."""

import torch

from frozenvl.model.mappers import MLP, Linear, Mapper, PatchLinear, PixelShuffle, Resampler, Transformer

KINDS = {
    "linear": (Linear, {}),
    "mlp": (MLP, {"hidden": 5}),
    "patches": (PatchLinear, {}),
    "shuffle": (PixelShuffle, {}),
    "transformer": (Transformer, {"layers": 2, "heads": 4}),
    "long transformer": (Transformer, {"layers": 2, "heads": 4, "length": 3}),
    "resampler": (Resampler, {"heads": 4}),
}
SIZES = {"patches": [(1, 1), (4, 4)], "shuffle": [(1, 1), (16, 4), (4, 4)]}


def kinds_and_sizes() -> list:
    return [(kind, *sizes) for kind in KINDS for sizes in SIZES.get(kind, [(1, 1), (4, 3)])]


def make(kind: str, tokens: int, k: int, **options: object) -> Mapper:
    torch.manual_seed(0)
    of, own = KINDS[kind]
    return of(8, tokens, 16, k, **own, **options)
