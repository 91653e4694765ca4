"""Training steps that `train.py` compares: frozenvl's, a plain loop, and transformers' Trainer."""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.processor import Processor
from frozenvl.model.vision import VisionEncoder
from frozenvl.objectives import Captioning
from frozenvl.prompt import Image, Sample

LANGUAGE = "SmolLM2-135M-Instruct"
CHANNELS = 1280


class Drawn:
    """Image reader that returns random features, seeded by the name of the image: (N, 1, CHANNELS)."""

    stage: Stage = "features"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        seeds = [zlib.crc32(image.name.encode()) for image in images]
        rows = [torch.randn(1, CHANNELS, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(rows) if rows else torch.zeros(0, 1, CHANNELS)


class NoEncoder(VisionEncoder):
    """Encoder without weights, whose reader returns random features."""

    name = fingerprint = "drawn"
    tokens = 1
    channels = CHANNELS
    trainable, model = False, nn.Identity()

    def reader(self, scaled: bool = True) -> Drawn:
        return Drawn()


def build(k: int, half: bool, compiled: bool = False) -> FrozenVL:
    torch.manual_seed(0)
    model = FrozenVL(FrozenLanguageModel(LANGUAGE), NoEncoder(), partial(MLP, norm=True), k)
    if half:
        model.hold_frozen_in_bf16()
    if compiled:
        model.language.compile_layers()
    return model


def processor(k: int, longest: int = 64) -> Processor:
    return Processor(LANGUAGE, k, Drawn(), longest, bos=True)


def captions(data: Path | None, size: int, count: int, by_image: bool = False) -> list[list[Sample]]:
    """Returns `count` batches of `size` samples, always the same: Flickr8k's training captions, or rendered scenes.

    Args:
        data: folder with Flickr8k; None for scenes.
        size: number of samples of a batch.
        count: number of batches.
        by_image: whether the captions of an image stand together.
    """
    flickr = None if data is None else data / "flickr8k"
    source = (
        SceneCaptions("train")
        if flickr is None
        else CocoCaptions(f"{flickr}/annotations/captions_train.json", f"{flickr}/images")
    )
    stream = TrainingStream({"captions": Task(source)}, seed=0, by_image=by_image)
    return [[stream[step * size + row] for row in range(size)] for step in range(count)]


Way = Callable[[FrozenVL, Batch], Tensor]
"""Function that returns the mean NLL of a batch's target tokens."""


def here(model: FrozenVL, batch: Batch) -> Tensor:
    """Computes the loss as frozenvl does."""
    run, captioning = model.run(batch), Captioning()
    return captioning.total(run) / captioning.count(batch)


def plain(model: FrozenVL, batch: Batch) -> Tensor:
    """Computes the loss as most code does: sequences padded to the longest, all logits, one cross-entropy."""
    with torch.autocast("cpu", torch.bfloat16, enabled=model.low_precision):
        images = batch.images.to(next(model.mapper.parameters()).dtype)
        prefix = model.mapper(images).flatten(0, 1)
    embeddings = model.language.model.get_input_embeddings()(batch.tokens)
    is_prefix = batch.slots >= 0
    vectors = prefix[batch.slots[is_prefix]].to(embeddings.dtype)
    embeddings = embeddings.masked_scatter(is_prefix[..., None], vectors)
    mask = batch.real().long()
    logits = model.language.model(inputs_embeds=embeddings, attention_mask=mask, use_cache=False).logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, 1)
    return nn.functional.cross_entropy(logits, batch.labels.flatten(), ignore_index=IGNORE)


def train(model: FrozenVL, way: Way, batches: Iterable[Batch]) -> Iterator[float]:
    """Trains the mapper and yields the loss of each step.

    The warm-up avoids jumps of the first losses, after which two ways that differ in rounding would never meet again.
    """
    optimizer = torch.optim.AdamW(model.mapper.parameters(), lr=1e-3)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=50)
    for batch in batches:
        loss = way(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.mapper.parameters(), 1.0)
        optimizer.step()
        warmup.step()
        optimizer.zero_grad()
        yield loss.item()


class Wrapped(nn.Module):
    """Module for `transformers.Trainer`, whose forward pass returns the loss."""

    def __init__(self, model: FrozenVL) -> None:
        super().__init__()
        self.model = model

    def forward(self, num_items_in_batch: Tensor | None = None, **tensors: Tensor) -> dict[str, Tensor]:
        return {"loss": plain(self.model, Batch(ids=(), stage="features", **tensors))}


def under_trainer(model: FrozenVL, batches: Sequence[Sequence[Sample]], processor: Processor) -> list[float]:
    """Trains under transformers' Trainer; returns the seconds of each step."""
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__) -> None:
            ends.append(time.perf_counter())

    def collate(rows: list[Sample]) -> dict[str, Tensor]:
        batch = processor(rows)
        return {name: getattr(batch, name) for name in ("tokens", "slots", "labels", "lengths", "images")}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=len(batches[0]),
            max_steps=len(batches),
            learning_rate=1e-3,
            max_grad_norm=0,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            remove_unused_columns=False,
            disable_tqdm=True,
            use_cpu=True,
            train_sampling_strategy="sequential",
        )
        samples = [sample for batch in batches for sample in batch]
        trainer = Trainer(
            Wrapped(model), arguments, train_dataset=samples, data_collator=collate, callbacks=[Clock()]
        )
        start = time.perf_counter()
        trainer.train()
    return [end - begin for begin, end in zip([start, *ends], ends, strict=False)]
