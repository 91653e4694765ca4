"""Turns samples into batches: precision, image reader and feature cache of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from frozenvl.data.stream import Task
from frozenvl.model.heads import Head
from frozenvl.model.heads.text_cache import cached_texts
from frozenvl.model.precision import faster_precision
from frozenvl.model.processor import ImageReader, Pixels, Processor
from frozenvl.model.vision import VisionEncoder
from frozenvl.model.vision.feature_cache import CachedFeatures, FeatureCache, readable_part
from frozenvl.model.vision.feature_store import pieces
from frozenvl.objectives import Objective
from frozenvl.objectives.objective import in_use
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.feature_budget import FeatureBudget, size_limit
from frozenvl.util.errors import UserError
from frozenvl.util.progress import progress_line

MEASURED_TOGETHER = 512
"""Number of images or texts whose statistics are measured at a time."""


@dataclass(frozen=True)
class Inputs:
    """Makes the batches of a run. The module decodes with it; the data module collates with it."""

    processor: Processor
    """Processor that tokenises prompts and reads images or cached features."""
    objectives: Mapping[str, Objective]

    @cached_property
    def rows(self) -> ObjectiveRows:
        """Collate function of training and validation: makes the rows that the objectives want of samples."""
        return ObjectiveRows(self.processor, self.objectives)


class PrepareInputs(L.Callback):
    """Prepares a run's inputs at the start of each stage, before any data loader. Must be the first callback."""

    def __init__(self) -> None:
        self.checkpoint: Path | None = None
        """Checkpoint to resume or score; its recorded precision is what `auto` stands for."""

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        adopt_precision(pl_module, self.checkpoint, stage == "fit")
        pl_module.inputs = prepare_inputs(trainer, pl_module, data)

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Saves what the run has learned about its images."""
        reader = pl_module.inputs and pl_module.inputs.processor.reader
        if isinstance(reader, CachedFeatures):
            reader.save()

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        with suppress(UserError):  # the exception at hand matters more
            self.teardown(trainer, pl_module, "")


def adopt_precision(module: Any, checkpoint: Path | None, resumes: bool) -> None:
    """Sets the module's precision to the checkpoint's if the configuration says `auto`.

    Raises:
        UserError: if a resumed run asks for another precision than the checkpoint's.
    """
    if checkpoint is None:
        return
    recorded = read_checkpoint(checkpoint, mmap=True)["frozenvl"]["precision"]
    if module.precision == "auto":
        module.precision = recorded
    elif resumes and module.precision != recorded:
        raise UserError(
            f"the checkpoint was trained in {recorded}, and a resumed run goes on in it; drop model.precision"
        )


def prepare_inputs(trainer: L.Trainer, module: Any, data: Any) -> Inputs:
    """Chooses the precision, casts frozen weights to it, and opens the cache of a frozen encoder's features.

    Raises:
        UserError: if the data settings do not fit the encoder or an objective.
    """
    strategy, model = trainer.strategy, module.model
    if module.precision == "auto":
        module.precision = strategy.broadcast(faster_precision(strategy.root_device))
    if module.precision == "bf16" and not model.low_precision:
        model.hold_frozen_in_bf16()
    model.scaled_decoding = data.scaled_decoding
    vision = model.vision
    reader: ImageReader = vision.reader(data.scaled_decoding)
    if reader.stage != "pixels" and data.augmentation is not None:
        raise UserError(
            f"data.augmentation changes pixels, but {vision.name} has features alone; leave it out"
        )
    if keeps_features(vision, data.cache_features, data.augmentation, data.views):
        check_needs(model.objectives, "data.cache_features keeps features alone; set it to false")
        assert isinstance(reader, Pixels)
        reader = cached_features(trainer, module, data, reader)
    elif reader.stage != "pixels":
        check_needs(
            model.objectives, f"{vision.name} has features alone; use an encoder that looks at pixels"
        )
    processor = model.processor(module.max_target_tokens, reader, module.max_positions)
    for task in (*data.train.values(), *data.val.values()):
        processor.check_template(task.template)
    objectives = in_use(dict(model.objectives.items()))
    for name, tasks in tasks_by_objective(objectives, model.objectives.keys(), data).items():
        objectives[name].bind(tasks)
    if data.cache_features:
        more = [text for objective in objectives.values() for text in objective.texts()]
        cache_texts(trainer, model, data, processor, more)
    for head in model.heads.values():
        if trainer.state.fn == "fit":
            head.measure(training_features(data, reader), training_states(data, head))
    return Inputs(processor, objectives)


def tasks_by_objective(
    objectives: Iterable[str], named: Iterable[str], data: Any
) -> dict[str, dict[str, Task]]:
    """Returns the training tasks that each objective trains on, by the names of both.

    Args:
        objectives: names of the objectives in use.
        named: names of all objectives, of which tasks may name some.
        data: data module.

    Raises:
        UserError: if a task names an objective that there is not, or an objective in use has no task.
    """
    known = list(named)
    for part, tasks in {"train": data.train, "val": data.val}.items():
        for name, task in tasks.items():
            if unknown := [objective for objective in task.objectives or () if objective not in known]:
                raise UserError(
                    f"data.{part}.{name}.objectives: no objective {unknown[0]!r} in model.objectives "
                    f"(there are: {', '.join(known)})"
                )
    found = {
        objective: {
            name: task
            for name, task in data.train.items()
            if task.objectives is None or objective in task.objectives
        }
        for objective in objectives
    }
    # Without any task, `TrainingStream` says so.
    if data.train and (idle := [objective for objective, tasks in found.items() if not tasks]):
        raise UserError(
            f"model.objectives.{idle[0]}: no task of data.train is for it; name it in a task's objectives, or give it "
            "weight 0"
        )
    return found


def check_needs(objectives: Mapping[str, Objective], remedy: str) -> None:
    """Checks that no objective needs pixels, for runs that train on features.

    Raises:
        UserError: if one does; `remedy` ends the line.
    """
    for name, objective in objectives.items():
        if objective.needs == "pixels":
            raise UserError(f"model.objectives.{name} needs pixels, but {remedy}")


def keeps_features(vision: VisionEncoder, wanted: bool, augmentation: Any, views: int | None) -> bool:
    """Returns whether training reads cached features: the encoder is frozen, and there are finitely many views."""
    looks = vision.reader().stage == "pixels"
    return wanted and looks and not vision.trainable and (augmentation is None or views is not None)


def cached_features(trainer: L.Trainer, module: Any, data: Any, pixels: Pixels) -> CachedFeatures:
    """Returns a reader of cached features, which computes missing ones when they are first read.

    A head that measures its training data needs all of them now: each rank computes a share.

    Raises:
        UserError: if the size limit of the cache is not valid, or too small for what such a head needs.
    """
    vision, device = module.model.vision, trainer.strategy.root_device
    vision.to(device)
    dtype = torch.bfloat16 if module.precision == "bf16" else torch.float32
    cache = FeatureCache(f"{vision.fingerprint} {pixels.version}", (vision.tokens, vision.channels), dtype)
    cache.limit = size_limit(module.feature_cache_gb, cache.folder)
    reader = CachedFeatures(cache, pixels, lambda images: module.model.encode(images.to(device)))
    if trainer.state.fn != "fit":
        return reader
    budget = FeatureBudget(data.image_count(), cache.row_bytes, cache.limit)
    say = lambda line: print(f"frozenvl: {line}", file=sys.stderr) if trainer.is_global_zero else None
    say(f"{budget}; {cache.folder}")
    for name, head in module.model.heads.items():
        if not head.measures:
            continue
        budget.check_all_fit(f"model.heads.{name}")
        say(f"model.heads.{name} needs the features of all training images before the first step")
        with progress_line("features", "images", trainer.is_global_zero) as progress:
            ranks = trainer.global_rank, trainer.world_size
            reader.fill(data.images(), *ranks, trainer.strategy.barrier, progress)
    return reader


def cache_texts(
    trainer: L.Trainer, model: Any, data: Any, processor: Processor, more: Sequence[str] = ()
) -> None:
    """Computes the text representations of heads that read frozen states, once for all texts of a run and `more`."""
    for name, head in model.heads.items():
        if head.states(model) is None:
            continue
        for part in (model.language, head):  # Lightning moves the model after this
            part.to(trainer.strategy.root_device)
        with progress_line(f"texts of {name}", "texts", trainer.is_global_zero) as progress:
            head.text_states = cached_texts(
                model,
                head,
                processor,
                chain((text.strip() for text in data.texts()), more),
                rank=trainer.global_rank,
                world_size=trainer.world_size,
                barrier=trainer.strategy.barrier,
                progress=progress,
            )


def training_features(data: Any, reader: ImageReader) -> Iterator[Tensor]:
    """Yields batches of the cached features (n, tokens, channels) of the training images; none without a cache."""
    if not isinstance(reader, CachedFeatures):
        return
    images = dict.fromkeys(image for task in data.train.values() for image in data.seen(task))
    for batch in pieces([("", image) for image in images if image in reader.digest_of], MEASURED_TOGETHER):
        yield readable_part(batch, reader)[1]


def training_states(data: Any, head: Head) -> Iterator[Tensor]:
    """Yields batches of the cached representations (n, vectors, dim) of the training texts; none without a cache."""
    if head.text_states is None:
        return
    sources = [task.source for task in data.train.values()]
    texts = dict.fromkeys(
        head.prompts.text.replace("{text}", text.strip())
        for source in sources
        for index in range(len(source))
        for text in source[index].targets
    )
    for batch in pieces(list(texts), MEASURED_TOGETHER):
        states = head.text_states(batch)
        assert states is not None  # all texts of a run are in the cache
        yield states
