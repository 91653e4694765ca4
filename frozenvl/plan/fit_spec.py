"""The fit that a configuration describes: its model without weights, or a shorter one, and batches of its lengths."""

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
"""Target tokens of a pair where the data is not at hand: about those of a caption, its end token included."""
SEEN = 16
"""Batches that are tokenised to learn how long they are."""


class Planned:
    """The fit that a configuration describes.

    Args:
        configuration: of `fit`.
        tokens: target tokens of a pair; by default those of the data, where it can be opened.
        pairs: that it trains on in all; by default what the configuration says.
        precision: what `auto` stands for; by default what is faster on this machine.

    Raises:
        UserError: where it describes none.
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
        """Configuration of the language model."""
        self.assumed: list[str] = []
        """What was not found but taken for granted, in words."""

    # The model

    def module(self, layers: int | None = None) -> FrozenModule:
        """The module, with random weights, as training holds it. Under `torch.device("meta")` it has none.

        Args:
            layers: of the language model, the first ones; by default all.
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
        """The name of a language model with so many layers: a folder with its configuration alone."""
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
        """Without weights."""
        with torch.device("meta"):
            return self.module()

    # The batches

    @property
    def batch_size(self) -> int:
        """Pairs of an optimiser step."""
        return int(self.data["batch_size"])

    @property
    def accumulated(self) -> int:
        """Micro-batches of an optimiser step."""
        return int(self.trainer["accumulate_grad_batches"])

    @property
    def steps(self) -> int | None:
        """Of the whole fit, where the configuration says so."""
        if self.pairs is not None:
            return -(-self.pairs // self.batch_size)
        return self.trainer["max_steps"] if self.trainer["max_steps"] > 0 else None

    @cached_property
    def stage(self) -> Stage:
        """What training is given of images."""
        vision = self.outlined.model.vision
        stage = vision.reader().stage
        kept = keeps_features(
            vision, *(self.data[key] for key in ("cache_features", "augmentation", "views"))
        )
        return "features" if stage == "pixels" and kept else stage

    def batches(self, size: int) -> Sequence[Batch]:
        """Micro-batches of so many pairs, as long as the fit's own, with images on the meta device."""
        if self.stream is None:
            return [self._uniform(size)]
        process = ObjectiveRows(self.processor(Unread(self)), self.outlined.objectives)
        return [process(self.samples(start, size)) for start in range(0, SEEN * size, size)]

    def samples(self, start: int, count: int) -> list[Sample]:
        """So many of the stream from a position on."""
        assert self.stream is not None
        return [self.stream[position] for position in range(start, start + count)]

    @cached_property
    def stream(self) -> TrainingStream | None:
        """The training samples, where the data can be opened."""
        if self.tokens is None:
            try:
                data: FrozenData = made(FrozenData, self.data, "data")
                stream = TrainingStream(data.train, data.seed)
                processor = self.processor(Unread(self))
                processor([stream[0]])
                if not processor.encode("words"):  # transformers makes one of a configuration alone
                    raise UserError(f"{self.settings['language']}: has no tokeniser's files")
                return stream
            except (UserError, OSError) as error:
                self.assumed.append(f"{TOKENS} target tokens a pair, since the data is not at hand ({error})")
        return None

    def processor(self, reader: ImageReader) -> Processor:
        return self.outlined.model.processor(self.settings["max_target_tokens"], reader)

    def unread(self, count: int) -> Tensor:
        """So many images without content."""
        vision: Any = self.outlined.model.vision
        if self.stage == "pixels":
            return torch.empty(count, 3, vision.size, vision.size, dtype=torch.uint8, device="meta")
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        return torch.empty(count, vision.tokens, vision.channels, dtype=dtype, device="meta")

    def _uniform(self, size: int) -> Batch:
        """Pairs of one image and as many target tokens, each."""
        k, tokens = self.settings["k"], self.tokens or TOKENS
        before = int(self.settings["bos"])
        length = before + k + tokens - 1
        ids = torch.zeros(size, length, dtype=torch.long)
        slots, labels = torch.full_like(ids, -1), torch.full_like(ids, IGNORE)
        slots[:, before : before + k] = torch.arange(size * k).view(size, k)
        labels[:, before + k - 1 :] = 0
        lengths = torch.full((size,), length)
        return Batch(tuple(map(str, range(size))), ids, slots, labels, lengths, self.unread(size), self.stage)


class Unread:
    """An image reader that reads nothing."""

    def __init__(self, planned: Planned) -> None:
        self.planned, self.stage = planned, planned.stage

    def __call__(self, images: Sequence[Image]) -> Tensor:
        return self.planned.unread(len(images))


def configuration_of(language: str) -> PreTrainedConfig:
    """Configuration of a language model by name."""
    try:
        with loading(language) as where:
            return AutoConfig.from_pretrained(where)
    except UserError as error:
        raise UserError(
            f"{error}; to plan, a folder that holds nothing but the model's config.json will do"
        ) from None


def unloaded(part: dict[str, Any]) -> dict[str, Any]:
    """An encoder's settings, but with random weights, where its class knows how."""
    module, _, name = part["class_path"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    takes, given = inspect.signature(kind).parameters, dict(part.get("init_args") or {})
    pretrained = bool(given.get("pretrained", True) and given.get("weights", True))
    if "moving_statistics" in takes and given.get("moving_statistics") is None:
        given["moving_statistics"] = not pretrained  # as before
    given |= {key: value for key, value in {"pretrained": False, "weights": None}.items() if key in takes}
    return part | {"init_args": given}
