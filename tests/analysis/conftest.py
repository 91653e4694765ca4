"""Fixtures for tests of explanations: a photograph, and models whose prefix has a grid."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import PIL.Image
import pytest
import torch
from architectures import causal_lm

from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP, PatchLinear
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import ImageFile

QUESTION = "Question: what color is the circle? Answer:"


@pytest.fixture(scope="session")
def noise(tmp_path_factory) -> ImageFile:
    """A photograph of noise, wider than high, so that its square has padding."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 255, (32, 64, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return ImageFile(path)


@pytest.fixture(scope="session")
def language(tmp_path_factory) -> Callable[[str], FrozenLanguageModel]:
    """Function that returns the shared language model of an architecture; tests do not change it."""
    return cache(lambda kind: FrozenLanguageModel(str(causal_lm(tmp_path_factory.mktemp(kind), kind))))


@pytest.fixture(scope="session")
def model_of(tiny_language, tiny_vision) -> Callable[..., FrozenVL]:
    """Function that builds a model; by default each of its 4 × 4 prefix vectors stands for a cell."""
    shared = FrozenLanguageModel(str(tiny_language))

    def make(mapper=PatchLinear, k: int = 16, grid=4, language=shared, **options) -> FrozenVL:
        torch.manual_seed(1)
        vision = TimmEncoder(str(tiny_vision), grid=grid)
        return FrozenVL(copy.deepcopy(language), vision, mapper, k, **options).eval()

    return make


@pytest.fixture(scope="session")
def function_of(noise) -> Callable[..., TargetFunction]:
    """Function that makes the target function of a model: of the words of an answer to a question."""

    def make(
        model: FrozenVL, text: str = " red circle", each_word: bool = True, against: str = "", **options
    ):
        target = Target(text, each_word, against)
        return TargetFunction(model, model.processor(), (noise, QUESTION), target, **options)

    return make


@pytest.fixture(scope="session")
def pooled(model_of) -> FrozenVL:
    """A model whose mapper mixes a pooled feature vector."""
    return model_of(partial(MLP, hidden=16), 4, 1)
