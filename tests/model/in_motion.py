"""Models with temporal parts, and videos of painted frames, for tests."""

from __future__ import annotations

import copy
from functools import partial

import torch
from painted import Painted

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Fusion
from frozenvl.model.mappers import Resampler
from frozenvl.model.temporal import FrameEmbedding, FrameResampler, FrameTransformer, MeanOverFrames, Temporal
from frozenvl.model.vision import TimmEncoder
from frozenvl.video import Video

MAKE = {
    "embedding": partial(FrameEmbedding, 4),
    "mean": MeanOverFrames,
    "resampler": partial(FrameResampler, 4),
    "transformer": partial(FrameTransformer, 4, layers=1, heads=4),
}
RED, GREEN, BLUE, GOLD = (Painted(colour) for colour in ("red", "green", "blue", "gold"))
FORTH, BACK, LONG = Video([RED, GREEN, BLUE]), Video([BLUE, GREEN, RED]), Video([GOLD, RED, GREEN, BLUE])


def build(
    language, tiny_vision, temporal: Temporal | None, fusion: Fusion | None = None, trained: bool = False
) -> FrozenVL:
    """Returns a model; equal arguments give equal weights, and the others are those of a model without the part.

    Args:
        language: fixture of the tests of the model.
        tiny_vision: folder of the encoder.
        temporal: temporal part.
        fusion: fusion.
        trained: whether the weights of the temporal part are random, as if it were trained.
    """
    shared = language("llama")
    torch.manual_seed(1)
    vision = TimmEncoder(str(tiny_vision), grid=2)
    mapper = partial(Resampler, layers=1, heads=4)
    model = FrozenVL(copy.deepcopy(shared), vision, mapper, 2, fusion=fusion, temporal=temporal).eval()
    if trained:
        for weight in model.temporal.parameters():
            torch.nn.init.normal_(weight)
    return model
