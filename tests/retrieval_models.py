"""Tiny models with an embedding head, and pairs to train them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import Retrieval
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import BlackImage, Sample

WORDS = (
    "red circle",
    "two blue stars",
    "a child",
    "squares here",
    "stairs in an entry way",
    "no",
    "a dress",
    "pink",
)


def retrieval_model(
    language: Path, vision: Path, objectives: Any = None, extra: Any = None, heads: Any = None, **head: Any
) -> FrozenVL:
    """Returns a model with the head `r` and extra heads, or with given heads; equal arguments give equal weights."""
    torch.manual_seed(2)
    made = {"r": Retrieval(**{"dim": 8} | head)} | (extra or {}) if heads is None else heads
    encoder = TimmEncoder(str(vision))
    language_model = FrozenLanguageModel(str(language))
    return FrozenVL(language_model, encoder, Linear, 2, bos=False, objectives=objectives, heads=made)


def pairs(start: int, size: int) -> list[Sample]:
    """Returns samples of different images and texts."""
    return [
        Sample(str(i), (BlackImage(64, name=f"image {i}"),), f" {WORDS[i % len(WORDS)]} {i}")
        for i in range(start, start + size)
    ]
