"""Fixtures for tests of the model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial

import pytest
import torch
from architectures import causal_lm

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Fusion
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import TimmEncoder


@pytest.fixture(scope="session")
def language(tmp_path_factory) -> Callable[[str], FrozenLanguageModel]:
    """Function that returns the shared language model of an architecture; tests do not change it."""
    return cache(lambda kind: FrozenLanguageModel(str(causal_lm(tmp_path_factory.mktemp(kind), kind))))


@pytest.fixture(scope="session")
def build(language, tiny_vision) -> Callable[..., FrozenVL]:
    """Function that builds a separate model; equal arguments give equal weights."""

    def make(
        kind: str = "llama",
        k: int = 2,
        grid: int = 1,
        trainable: bool = False,
        tuning: Tuning | None = None,
        fusion: Fusion | None = None,
    ) -> FrozenVL:
        shared = language(kind)  # before the seed, since the first call makes it
        torch.manual_seed(1)
        vision = TimmEncoder(str(tiny_vision), grid=grid, trainable=trainable)
        return FrozenVL(copy.deepcopy(shared), vision, partial(MLP, hidden=16), k, tuning, fusion=fusion)

    return make


@pytest.fixture(scope="session")
def processor_of() -> Callable[[FrozenVL], Processor]:
    return lambda model: Processor(
        model.language.name, model.fusion.places(model.k), Pixels(model.vision.size)
    )
