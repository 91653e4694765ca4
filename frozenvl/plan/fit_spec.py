"""The fit that a configuration describes: its model, whole or with fewer layers, and batches of real lengths."""

from __future__ import annotations

import importlib
import inspect
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig

from frozenvl.data.stream import TrainingStream
from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.precision import faster_precision
from frozenvl.model.processor import ImageReader, Processor
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.pretrained.names import loading
from frozenvl.prompt import Image, Sample
from frozenvl.training.configuration import module_spec
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.inputs import keeps_features
from frozenvl.training.module import FrozenModule
from frozenvl.training.trained_run import made
from frozenvl.util.errors import UserError

TOKENS = 13
"""Target tokens per pair if the data is missing: about a caption's, end token included."""
SEEN = 16
"""Number of batches that are tokenised to get their lengths."""


class Planned:
    """Fit that a configuration describes.

    Args:
        configuration: nested configuration of `fit`.
        tokens: target tokens per pair (default: those of the data if it can be opened, else `TOKENS`).
        pairs: total number of training pairs (default: from the configuration).
        precision: precision that `auto` stands for (default: the faster one on this machine).

    Raises:
        UserError: if the configuration describes no fit.
    """

    def __init__(
        self,
        configuration: dict[str, Any],
        tokens: int | None = None,
        pairs: int | None = None,
        precision: str | None = None,
    ) -> None:
        self.kind, self.settings = module_spec(configuration["model"])
        self.data = configuration["data"]
        self.trainer, self.name = configuration["trainer"], configuration["name"]
        self.tokens, self.pairs = tokens, pairs
        wanted = self.settings["precision"]
        self.precision = precision or faster_precision(torch.device("cpu")) if wanted == "auto" else wanted
        self.language = configuration_of(self.settings["language"])
        """transformers configuration of the language model."""
        self.assumed: list[str] = []
        """Assumptions made because data is missing, as sentences for the user."""

    # Model

    def module(self, layers: int | None = None) -> FrozenModule:
        """Makes the module with random weights, in the precision of training. On the meta device it has no weights.

        Args:
            layers: number of language model layers (default: all).
        """
        with self._shortened(layers) as name:
            settings = {
                "language": name,
                "language_pretrained": False,
                "quantization": None,
                "vision": unloaded(self.settings["vision"]),
                "init_from": None,
            }
            module: FrozenModule = made(self.kind, self.settings | settings, "model")
        if self.precision == "bf16":
            module.model.hold_frozen_in_bf16()
        return module

    @contextmanager
    def _shortened(self, layers: int | None) -> Iterator[str]:
        """Yields the name of the language model, or a folder with a configuration of fewer layers."""
        if layers is None:
            yield self.settings["language"]
            return
        shorter: Any = AutoConfig.for_model(**self.language.to_dict())
        shorter.num_hidden_layers = layers
        if getattr(shorter, "layer_types", None):
            shorter.layer_types = shorter.layer_types[:layers]
        with tempfile.TemporaryDirectory() as folder:
            shorter.save_pretrained(folder)
            yield folder

    @cached_property
    def outlined(self) -> FrozenModule:
        """Module on the meta device, without weights."""
        with torch.device("meta"):
            return self.module()

    # Batches

    @property
    def batch_size(self) -> int:
        """Number of pairs per optimiser step."""
        return int(self.data["batch_size"])

    @property
    def accumulated(self) -> int:
        """Number of micro-batches per optimiser step."""
        return int(self.trainer["accumulate_grad_batches"])

    @property
    def steps(self) -> int | None:
        """Number of optimiser steps of the fit, or None if the configuration sets no limit."""
        if self.pairs is not None:
            return -(-self.pairs // self.batch_size)
        return self.trainer["max_steps"] if self.trainer["max_steps"] > 0 else None

    @cached_property
    def stage(self) -> Stage:
        """Stage at which images enter training: pixels, or features if they are cached."""
        vision = self.outlined.model.vision
        stage = vision.reader().stage
        kept = keeps_features(
            vision, *(self.data[key] for key in ("cache_features", "augmentation", "views"))
        )
        return "features" if stage == "pixels" and kept else stage

    def batches(self, size: int) -> Sequence[Batch]:
        """Returns micro-batches of `size` pairs with the lengths of the fit's data, and images on the meta device."""
        if self.stream is None:
            return [self._uniform(size)]
        process = ObjectiveRows(self.processor(Unread(self)), self.outlined.objectives)
        return [process(self.samples(start, size)) for start in range(0, SEEN * size, size)]

    def samples(self, start: int, count: int) -> list[Sample]:
        """Returns `count` training samples from position `start` on."""
        assert self.stream is not None
        return [self.stream[position] for position in range(start, start + count)]

    @cached_property
    def stream(self) -> TrainingStream | None:
        """Stream of training samples, or None if `tokens` is given or the data cannot be opened."""
        if self.tokens is None:
            try:
                data: FrozenData = made(FrozenData, self.data, "data")
                stream = TrainingStream(data.train, data.seed)
                processor = self.processor(Unread(self))
                processor([stream[0]])
                # Without tokeniser files transformers makes an empty tokeniser from the configuration.
                if not processor.encode("words"):
                    raise UserError(f"{self.settings['language']}: has no tokeniser's files")
                return stream
            except (UserError, OSError) as error:
                self.assumed.append(
                    f"{TOKENS} target tokens a pair, because the data or the tokeniser is missing ({error})"
                )
        return None

    def processor(self, reader: ImageReader) -> Processor:
        """Makes the processor of training with an image reader."""
        return self.outlined.model.processor(self.settings["max_target_tokens"], reader)

    def unread(self, count: int) -> Tensor:
        """Returns a tensor for `count` images, or their features, on the meta device."""
        vision: Any = self.outlined.model.vision
        if self.stage == "pixels":
            return torch.empty(count, 3, vision.size, vision.size, dtype=torch.uint8, device="meta")
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        return torch.empty(count, vision.tokens, vision.channels, dtype=dtype, device="meta")

    def _uniform(self, size: int) -> Batch:
        """Returns a batch of pairs with one image and the same number of target tokens each."""
        k, tokens = self.settings["k"], self.tokens or TOKENS
        image_start = int(self.settings["bos"])
        length = image_start + k + tokens - 1
        ids = torch.zeros(size, length, dtype=torch.long)
        slots, labels = torch.full_like(ids, -1), torch.full_like(ids, IGNORE)
        slots[:, image_start : image_start + k] = torch.arange(size * k).view(size, k)
        labels[:, image_start + k - 1 :] = 0
        lengths = torch.full((size,), length)
        return Batch(tuple(map(str, range(size))), ids, slots, labels, lengths, self.unread(size), self.stage)


class Unread:
    """Image reader that returns tensors on the meta device, and reads no file."""

    def __init__(self, planned: Planned) -> None:
        self.planned, self.stage = planned, planned.stage

    def __call__(self, images: Sequence[Image]) -> Tensor:
        return self.planned.unread(len(images))


def configuration_of(language: str) -> PreTrainedConfig:
    """Loads the transformers configuration of a language model by name.

    Raises:
        UserError: if it cannot be found.
    """
    try:
        with loading(language) as where:
            return AutoConfig.from_pretrained(where)
    except UserError as error:
        raise UserError(
            f"{error}; to plan, a folder that holds nothing but the model's config.json will do"
        ) from None


def unloaded(part: dict[str, Any]) -> dict[str, Any]:
    """Returns an encoder's settings with pretrained weights switched off, if its class has such an argument."""
    module, _, name = part["class_path"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    parameters, init_args = inspect.signature(kind).parameters, dict(part.get("init_args") or {})
    pretrained = bool(init_args.get("pretrained", True) and init_args.get("weights", True))
    if "moving_statistics" in parameters and init_args.get("moving_statistics") is None:
        init_args[
            "moving_statistics"
        ] = not pretrained  # the default follows `pretrained`, switched off below
    init_args |= {
        key: value for key, value in {"pretrained": False, "weights": None}.items() if key in parameters
    }
    return part | {"init_args": init_args}
