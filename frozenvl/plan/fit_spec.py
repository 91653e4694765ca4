"""The fit that a configuration describes: its model, whole or with fewer layers, and batches of real lengths."""

from __future__ import annotations

import inspect
import pkgutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jsonargparse import Namespace
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig

from frozenvl.data.stream import TrainingStream
from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.precision import faster_precision
from frozenvl.model.processor import ImageReader, Processor
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.pretrained.names import loading
from frozenvl.pretrained.zoo import home
from frozenvl.training.configuration import module_spec
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.feature_budget import FeatureBudget, size_limit
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
        UserError: if the configuration describes no fit, or the language model's configuration is missing.
    """

    def __init__(
        self,
        configuration: dict[str, Any],
        tokens: int | None = None,
        pairs: int | None = None,
        precision: str | None = None,
    ) -> None:
        self.kind, self.settings = module_spec(configuration["model"])
        self.data, self.name, self.tokens = configuration["data"], configuration["name"], tokens
        self.batch_size = int(self.data["batch_size"])
        """Number of pairs per optimiser step."""
        self.accumulated = int(configuration["trainer"]["accumulate_grad_batches"])
        """Number of micro-batches per optimiser step."""
        limit = configuration["trainer"]["max_steps"] if pairs is None else -(-pairs // self.batch_size)
        self.steps: int | None = limit if limit > 0 else None
        """Number of optimiser steps of the fit, or None if the configuration sets no limit."""
        wanted = self.settings["precision"]
        self.precision = precision or faster_precision(torch.device("cpu")) if wanted == "auto" else wanted
        try:
            with loading(self.settings["language"]) as where:
                config = AutoConfig.from_pretrained(where, trust_remote_code=False)
                self.language: PreTrainedConfig = config.get_text_config(decoder=True)
                """transformers configuration of the language model."""
        except UserError as error:
            raise UserError(
                f"{error}; to plan, a folder that holds nothing but the model's config.json will do"
            ) from None
        self.assumed: list[str] = []
        """Assumptions made because data is missing, as sentences for the user."""
        self.images: int | None = None
        """Number of distinct images of the fit, if its data was opened (`stream`)."""

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
            if layers is not None and self.settings.get("heads"):
                settings["heads"] = with_layers(self.settings["heads"], layers)
            if layers is not None and self.settings.get("fusion"):
                settings["fusion"] = fusion_with_layers(self.settings["fusion"], layers)
            module: FrozenModule = made(self.kind, self.settings | settings, "model")
        if self.precision == "bf16":
            module.model.hold_frozen_in_bf16()
        for head in module.model.heads.values() if self.data["cache_features"] else ():
            if (states := head.states(module.model)) is not None:  # a fit computes them before its first step
                head.text_states = CachedShapes(states.shape)
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

    @cached_property
    def caches(self) -> bool:
        """True if training reads features from a feature cache."""
        vision, data = self.outlined.model.vision, self.data
        return keeps_features(vision, data["cache_features"], data["augmentation"], data["views"])

    @cached_property
    def stage(self) -> Stage:
        """Stage at which images enter training: pixels, or features if they are cached."""
        return "features" if self.caches else self.outlined.model.vision.reader().stage

    @cached_property
    def feature_budget(self) -> FeatureBudget | None:
        """Size of the feature cache; None if there is none, or the images are not known.

        Raises:
            UserError: if `model.feature_cache_gb` is not valid, or too small for a head that reads all features.
        """
        if not self.caches or self.stream is None or self.images is None:
            return None
        (row,) = self.unread([None])
        limit = size_limit(self.settings.get("feature_cache_gb"), home() / "features")
        budget = FeatureBudget(self.images, row.nbytes, limit)
        for name, head in self.outlined.model.heads.items():
            if head.measures:
                budget.check_all_fit(f"model.heads.{name}")
        return budget

    def batches(self, size: int) -> Sequence[Batch]:
        """Returns micro-batches of `size` pairs with the lengths of the fit's data, and images on the meta device."""
        if (stream := self.stream) is None:
            for name, objective in self.outlined.objectives.items():
                if objective.separate:
                    raise UserError(
                        f"model.objectives.{name} words prompts of its own; a plan needs the data and the tokeniser: "
                        f"{self.assumed[-1] if self.assumed else 'leave out --tokens'}"
                    )
            return [self._uniform(size)]
        process = ObjectiveRows(self.processor(self.unread), self.outlined.objectives)
        starts = range(0, SEEN * size, size)
        return [process([stream[start + number] for number in range(size)]) for start in starts]

    @cached_property
    def stream(self) -> TrainingStream | None:
        """Stream of training samples, or None if `tokens` is given or the data cannot be opened."""
        if self.tokens is None:
            try:
                data: FrozenData = made(FrozenData, self.data, "data")
                self.images = data.image_count()
                stream = TrainingStream(
                    data.train, data.seed, by_image=data.group == "image", lanes=data.lanes
                )
                processor = self.processor(self.unread)
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
        return self.outlined.model.processor(
            self.settings["max_target_tokens"], reader, self.settings.get("max_positions")
        )

    @cached_property
    def unread(self) -> Unread:
        """Image reader of the fit's images that reads none."""
        vision: Any = self.outlined.model.vision
        if self.stage == "pixels":
            return Unread("pixels", (3, vision.size, vision.size), torch.uint8)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        return Unread(self.stage, (vision.tokens, vision.channels), dtype)

    def _uniform(self, size: int) -> Batch:
        """Returns a batch of pairs with one image and the same number of target tokens each."""
        k, tokens = self.outlined.model.fusion.places(self.settings["k"]), self.tokens or TOKENS
        image_start = int(self.settings["bos"])
        length = image_start + k + tokens - 1
        ids = torch.zeros(size, length, dtype=torch.long)
        slots, labels = torch.full_like(ids, -1), torch.full_like(ids, IGNORE)
        slots[:, image_start : image_start + k] = torch.arange(size * k).view(size, k)
        labels[:, image_start + k - 1 :] = 0
        lengths, names = torch.full((size,), length), tuple(map(str, range(size)))
        image_of = torch.arange(size)[:, None].repeat(1, length)
        image_of[:, :image_start] = -1
        images = self.unread(names)
        return Batch(names, ids, slots, labels, lengths, images, self.stage, image_of=image_of)


def with_layers(heads: dict[str, Any], layers: int) -> dict[str, Any]:
    """Returns heads whose settings name no layer beyond the first `layers` of a language model."""
    shortened = {}
    for name, head in heads.items():
        described, init_args = class_and_arguments(head)
        if "layers" in init_args:
            init_args["layers"] = [min(layer, layers) for layer in init_args["layers"]]
        shortened[name] = described | {"init_args": init_args}
    return shortened


def fusion_with_layers(fusion: Any, layers: int) -> dict[str, Any]:
    """Returns a fusion whose settings name only the first `layers` of a language model, each once."""
    described, init_args = class_and_arguments(fusion)
    if "layers" in init_args:
        init_args["layers"] = sorted({min(layer, layers - 1) for layer in init_args["layers"]})
    return described | {"init_args": init_args}


def class_and_arguments(part: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns copies of the settings of a part, which is given by class path, and of its arguments."""
    described = part.as_dict() if isinstance(part, Namespace) else dict(part)
    return described, dict(described.get("init_args") or {})


@dataclass
class CachedShapes:
    """Text representations of a shape, whose values do not matter."""

    shape: tuple[int, ...]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.zeros(len(texts), *self.shape)


@dataclass
class Unread:
    """Image reader that returns tensors on the meta device, and reads no file."""

    stage: Stage
    shape: tuple[int, ...]
    """Shape of an image, or of its features."""
    dtype: torch.dtype

    def __call__(self, images: Sequence[Any]) -> Tensor:
        return torch.empty(len(images), *self.shape, dtype=self.dtype, device="meta")


def unloaded(part: dict[str, Any]) -> dict[str, Any]:
    """Returns an encoder's settings with pretrained weights switched off, if its class has such an argument."""
    parameters = inspect.signature(pkgutil.resolve_name(part["class_path"])).parameters
    init_args = dict(part.get("init_args") or {})
    if "moving_statistics" in parameters and init_args.get("moving_statistics") is None:
        # The default follows `pretrained`, which is switched off below.
        pretrained = init_args.get("pretrained", True) and init_args.get("weights", True)
        init_args["moving_statistics"] = not pretrained
    unloaded_args = {"pretrained": False, "weights": None}
    init_args |= {key: value for key, value in unloaded_args.items() if key in parameters}
    return part | {"init_args": init_args}
