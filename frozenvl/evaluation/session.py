"""A model, and where and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import lightning as L
import torch
from torch import Tensor

from frozenvl.evaluation.provenance import of_run
from frozenvl.model.batch import Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision.feature_cache import CachedFeatures
from frozenvl.prompt import Image

View = Literal["seeing", "test-blind", "text-only"]
"""What is shown of an image: itself; black in its place (blind at test only); nothing, not even a prefix."""


@dataclass(frozen=True)
class Context:
    """A model, and where and how it is evaluated."""

    model: FrozenVL
    plain: Processor
    """Reads images one by one."""
    folder: Path
    """Of the evaluations."""
    facts: dict[str, Any]
    """Circumstances: the model's, the data's."""
    step: int
    batch_size: int
    see: Callable[[Image], Image] = lambda image: image
    """What a run shows of an image."""
    views: Sequence[View] = get_args(View)[:1]
    limit: int | float | None = None
    """How many batches, or which share of them."""
    rank: int = 0
    world_size: int = 1
    log: Callable[[str, float], None] = lambda key, value: None
    loggers: Sequence[Any] = ()
    resumable: bool = False
    """Whether finished predictions are kept as they come, and used again."""
    prefilled: dict[Any, Any] = field(default_factory=dict)
    """What prompts share, read once."""

    @cached_property
    def processor(self) -> Processor:
        """Reads an image's prefix vectors, which are computed once."""
        processor = copy(self.plain)
        processor.reader = PrefixCache(self.model, self.plain.reader)
        return processor


def in_loop(trainer: Any, module: Any) -> Context:
    """The context of a validation or test of Lightning's."""
    data, plain = trainer.datamodule, copy(module.processor)
    if isinstance(plain.reader, CachedFeatures):
        pixels = module.model.vision.reader(data.scaled_decoding)
        plain.reader = FeaturesOfAll(plain.reader, pixels, module.model)
    return Context(
        model=module.model,
        plain=plain,
        folder=Path(trainer.default_root_dir) / "evaluation",
        facts=of_run(module, data.blind, data.scaled_decoding, data.eval_batch_size),
        step=trainer.global_step or module.trained_steps,
        batch_size=data.eval_batch_size,
        see=data.see,
        limit=trainer.limit_test_batches if trainer.testing else trainer.limit_val_batches,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        log=module.log,
        loggers=[x for x in trainer.loggers if isinstance(x, L.pytorch.loggers.TensorBoardLogger)],
    )


class FeaturesOfAll:
    """Features of a run's cache, and of images that are in none of its tasks: a benchmark's own, black ones."""

    stage: Stage = "features"

    def __init__(self, cached: CachedFeatures, pixels: Pixels, model: FrozenVL) -> None:
        self.cached, self.pixels, self.model = cached, pixels, model

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """(N, tokens, channels). Raises `UnreadableImage` with its image."""
        others = [image for image in dict.fromkeys(images) if image not in self.cached.digest_of]
        if not others:
            return self.cached(images)
        with torch.no_grad():
            rows = self.model.encode(self.pixels(others).to(self.model.device))
        computed = dict(zip(others, rows.to("cpu", self.cached.cache.dtype), strict=True))
        return torch.stack([computed[x] if x in computed else self.cached([x])[0] for x in images])
