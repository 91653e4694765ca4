"""The LightningModule: training and validation steps, the optimiser, and what a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Fusion
from frozenvl.model.heads import Head
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.fsdp import ShardedLayers
from frozenvl.model.language.quantization import Quantization
from frozenvl.model.mappers import MLP, Mapper
from frozenvl.model.precision import Precision
from frozenvl.model.processor import Processor
from frozenvl.model.temporal import Temporal
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.objectives import Captioning, Objective
from frozenvl.objectives.objective import check_objectives, in_use, micro_loss
from frozenvl.objectives.step import Prepared, pass_seed, prepare_step
from frozenvl.training.callbacks.throughput import Work
from frozenvl.training.inputs import Inputs
from frozenvl.training.optim import (
    OTHER_OPTIMIZER,
    Schedule,
    made_optimizer,
    parameter_groups,
    scheduled,
    set_rates,
    switch,
)
from frozenvl.training.steps import seed_step
from frozenvl.training.trained_state import TrainedState
from frozenvl.training.validation import Validates
from frozenvl.util.distributed import gather
from frozenvl.util.errors import RunError, UserError

ADVICE = "lower the learning rate or look at these samples"
PRECISION = "set model.precision to that, or leave it out"
WORK = ("targets", "positions", "padding", "unreadable")
"""Counters of an optimiser step, kept beside the totals of the objectives."""


class FrozenModule(Validates, TrainedState):
    """LightningModule of a frozen language model with a trainable visual prefix.

    Args:
        language: language model: Hugging Face name, local folder, or a model of `frozenvl fetch`.
        vision: image encoder, by class path.
        mapper: mapper from image features to prefix vectors, by class path.
        k: number of prefix vectors per image.
        bos: whether to prepend the start token to prompts if the tokeniser does not. Training is unstable when an
            image is at position 0, because the model uses the first position as an attention sink.
        tuning: trained weights in or beside the language model, by class path: prompt tuning, LoRA, adapters, …
            (default: none).
        language_pretrained: whether to load pretrained weights; False starts from random ones.
        quantization: weight format of the frozen language model, 8-bit (`int8`) or 4-bit (`nf4`). Needs CUDA and
            bitsandbytes. Untested: no CUDA device was available.
        optimizer: torch optimiser, by class path.
        rates: learning rates of single parts (`vision`, `mapper`, `tuning`, `language`, `fusion`, `temporal`,
            `objectives.NAME`).
            Other parts use the optimiser's.
        warmup_steps: optimiser steps over which the learning rate rises linearly from 0.
        schedule: learning rate after the warm-up: constant, or a linear or cosine decay to 0 at the last step.
        max_target_tokens: maximum number of target tokens. A truncated target gets no end token.
        max_positions: maximum number of positions of a conversation in training (default: the language model's
            context). A longer one is cut after its last whole turn that fits.
        precision: dtype of the frozen weights and of arithmetic. Trained weights are always fp32. `auto` takes the
            one that measures faster on this machine; a checkpoint records it, and a resumed run uses it again.
        compile: whether to compile the language model's layers for training. Needs a C++ compiler and about a
            minute (seconds if cached); a step then takes about three quarters of the time (docs/performance.md).
        checkpointing: whether to use activation checkpointing: keep only the input of each language model layer and
            recompute the rest in the backward pass. Less memory, more time (docs/performance.md), the same numbers.
        shard: whether to use FSDP: each rank holds a share of the language model's frozen layers and gathers a layer
            when it is needed. Less memory, more traffic. Requires an explicit `precision`.
        seed: seed of dropout (default: the run's `seed_everything`).
        init_from: checkpoint, run's folder or export's folder whose trained weights a new run starts from.
        fusion: how image vectors are combined with the text, by class path (default: concatenation, as in Frozen).
        objectives: training objectives by name, each by class path (default: `Captioning`, for captions and answers).
        heads: heads for retrieval and matching by name, each by class path (default: none).
        temporal: how the frames of a video become prefix vectors, by class path (default: images in a row).
        feature_cache_gb: maximal size on disk, in GB, of the cache of a frozen encoder's features (default: what is
            stored and a fifth of the free disk). Images whose features do not fit are encoded each time they are read.
    """

    def __init__(
        self,
        language: str,
        vision: VisionEncoder,
        mapper: Callable[[int, int, int, int], Mapper] = MLP,
        k: int = 4,
        bos: bool = False,
        tuning: Tuning | None = None,
        language_pretrained: bool = True,
        quantization: Quantization | None = None,
        optimizer: Callable[[Any], torch.optim.Optimizer] = torch.optim.AdamW,
        rates: dict[str, float] | None = None,
        warmup_steps: int = 0,
        schedule: Schedule = "constant",
        max_target_tokens: int = 64,
        max_positions: int | None = None,
        precision: Literal["auto", "bf16", "fp32"] = "auto",
        compile: bool = False,
        checkpointing: bool = False,
        shard: bool = False,
        seed: int = 0,
        init_from: Path | None = None,
        fusion: Fusion | None = None,
        objectives: dict[str, Objective] | None = None,
        heads: dict[str, Head] | None = None,
        temporal: Temporal | None = None,
        feature_cache_gb: float | None = None,
    ) -> None:
        super().__init__()
        objectives = {"captions": Captioning()} if objectives is None else objectives
        check_objectives(objectives)
        frozen = FrozenLanguageModel(language, language_pretrained, quantization)
        self.model = FrozenVL(frozen, vision, mapper, k, tuning, bos, fusion, objectives, heads, temporal)
        self.make_optimizer, self.rates = optimizer, rates or {}
        self.warmup_steps = warmup_steps
        self.schedule: Schedule = schedule
        self.max_target_tokens, self.max_positions = max_target_tokens, max_positions
        self.precision: Precision = precision
        self.compile_layers = compile
        if checkpointing:
            if compile:
                raise UserError("model.compile and model.checkpointing do not go together; choose one")
            checkpoint_layers(self.model.language)
        if shard and precision == "auto":
            raise UserError("model.shard: set model.precision to bf16 or fp32, which is what is shared out")
        if shard and any(objective.prepares for objective in self.objectives.values()):
            raise UserError(
                "model.shard: ranks do different numbers of forward passes when an objective prepares a step; leave it "
                "out"
            )
        if shard and compile:
            raise UserError("model.compile and model.shard do not go together; choose one")
        self.shard, self.sharded = shard, None  # type: bool, ShardedLayers | None
        self.seed, self.feature_cache_gb = seed, feature_cache_gb
        self.inputs: Inputs | None = None
        """Turns samples into batches. The callback `PrepareInputs` sets it at the start of each stage."""
        self._counts: dict[str, float] = {}
        self._prepared: dict[str, Prepared] = {}
        self._totals = dict.fromkeys([*self.objectives, *WORK], 0.0)
        self._ids: list[str] = []
        self._now = (-1, -1)
        """Optimiser step and index of the last micro-batch."""
        self.unreadable = 0
        """Number of unreadable samples replaced in the last optimiser step, over all ranks."""
        self.work = Work()
        """Target tokens, positions and padding of the last optimiser step, over all ranks."""
        if init_from is not None:
            self.load_trained(init_from)

    # Setup

    def setup(self, stage: str) -> None:
        if self.inputs is None:
            raise UserError(
                "FrozenModule has no inputs; add frozenvl.training.inputs.PrepareInputs to the Trainer's callbacks, or "
                "use `frozenvl fit`"
            )
        if stage == "fit" and self.compile_layers:
            self.model.language.compile_layers()

    @property
    def processor(self) -> Processor:
        """Processor of the current stage, which makes batches with pixels or with cached features."""
        assert self.inputs is not None
        return self.inputs.processor

    @property
    def objectives(self) -> dict[str, Any]:
        """Training objectives with a weight above 0, by name."""
        return in_use(dict(self.model.objectives.items()))

    def configure_model(self) -> None:
        """Shards the language model before it moves to the device, so that no device holds all of its layers."""
        if self.shard and self.trainer.world_size > 1 and self.sharded is None:
            self.sharded = ShardedLayers(self.model.language, self.trainer.strategy.root_device)
        # DDP synchronises only trained weights; each rank has read the frozen ones itself.
        kept = {f"model.{name}" for name in self.model.trained_weights()}
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
            self, [name for name, _ in (*self.named_parameters(), *self.named_buffers()) if name not in kept]
        )

    def configure_optimizers(self) -> Any:
        """Returns the optimiser with a group per part, and the schedule per step."""
        optimizer = made_optimizer(self.make_optimizer, parameter_groups(self.model.parts, self.rates))
        # Lightning's own estimate assumes that a resumed run always had today's steps per epoch.
        last: float = self.trainer.datamodule.step_batches.last  # type: ignore[attr-defined]
        scheduler = scheduled(optimizer, self.schedule, self.warmup_steps, last)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # Training

    def on_train_start(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, LambdaLR):
                set_rates(config.scheduler)

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        switch(self.trainer.optimizers, "train")

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Returns the micro-batch's contribution to the loss of its optimiser step.

        Raises:
            RunError: if the loss is not finite, or a callback or the optimiser changes what a step is.
        """
        accumulate = self.trainer.accumulate_grad_batches
        self._check_step(accumulate, index)
        micro = index % accumulate
        if micro == 0:
            self._prepared = self._prepare(batch)
            counts = {name: prepared.count for name, prepared in self._prepared.items()}
            self._counts = self._all_sum({**batch.counts, **counts})
        seed_step(self.seed, self.global_step, micro, self.global_rank)
        # Dropout has to equal the preparation's, stage by stage.
        seed = pass_seed(self.seed, self.global_step, micro, self.global_rank) if self._prepared else None
        prepared = {name: each.micro[micro] for name, each in self._prepared.items()}
        run = self.model.run(batch, seed=seed, prepared=prepared)
        loss = micro_loss(self.objectives, run, self._counts)
        run.check_features()  # here, because the loss is waited for anyway
        self._ids += batch.samples
        totals = {name: total.item() for name, total in loss.totals.items()}
        for name, total in totals.items():
            if not math.isfinite(total):
                raise RunError(
                    f"{self._named('loss', name)} is {total} at step {self.global_step}, samples "
                    f"{', '.join(batch.samples)}; {ADVICE}"
                )
        for name, value in (totals | dict(zip(WORK, work_of(run, batch), strict=True))).items():
            self._totals[name] += value
        # Lightning divides by the accumulation and DDP by the ranks; the loss needs sums, so multiply both back.
        return loss.value * (accumulate * self.trainer.world_size)

    def _prepare(self, first: Batch) -> dict[str, Prepared]:
        """Lets the objectives prepare the optimiser step that begins with a micro-batch."""
        if not any(objective.prepares for objective in self.objectives.values()):
            return {}
        return prepare_step(
            self.objectives,
            self.model,
            self.processor,
            (first, *first.rest),
            number=self.global_step,
            seed=self.seed,
            rank=self.global_rank,
            world_size=self.trainer.world_size,
        )

    def _check_step(self, accumulate: int, index: int) -> None:
        """Checks that the loader has made the step's micro-batches as they are counted, and that each comes once."""
        made = self.trainer.train_dataloader.accumulated  # type: ignore[union-attr]
        if accumulate != made:
            raise RunError(
                f"trainer.accumulate_grad_batches changed from {made} to {accumulate} during the run, which would end "
                "in half steps; drop the callback that changes it"
            )
        now = self.global_step, index
        if now == self._now:
            raise RunError(
                f"model.optimizer: {type(self.trainer.optimizers[0]).__name__} evaluates a batch several times a "
                f"step, which would count it several times; {OTHER_OPTIMIZER}"
            )
        self._now = now

    def _named(self, what: str, objective: str) -> str:
        """Returns `what of OBJECTIVE` for messages, or `what` if there is only one objective."""
        return what if len(self.objectives) == 1 else f"{what} of {objective}"

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Logs the losses of the step.

        Raises:
            RunError: if the gradients are not finite.
        """
        totals = self._all_sum(self._totals)
        self._totals = dict.fromkeys(self._totals, 0.0)
        self.work = Work(*(int(totals[name]) for name in WORK[:3]))
        self.unreadable = int(totals["unreadable"])
        ids, self._ids = self._ids, []
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        # Stop before the weights are spoilt. Gradients are summed over ranks, so all ranks stop together.
        if not torch.isfinite(nn.utils.get_total_norm(gradients)):
            ids = sorted(key for part in gather(ids) for key in part)
            raise RunError(
                f"gradients are no numbers at step {self.global_step}, samples {', '.join(ids)}; {ADVICE}",
                quiet=self.global_rank > 0,
            )
        losses = {name: totals[name] / max(self._counts[name], 1) for name in self.objectives}
        self.log("train/loss", self._weighted(losses), prog_bar=True)
        for name, loss in losses.items():
            self.log(f"train/{name}", loss)
        for name, prepared in self._prepared.items():
            sums = self._all_sum(prepared.sums)
            for key in sums.keys() - {"n"}:
                self.log(f"train/{name}_{key}", sums[key] / max(sums["n"], 1))
        self.log("train/lr", optimizer.param_groups[0]["lr"])

    def on_train_end(self) -> None:
        switch(self.trainer.optimizers, "eval")


def work_of(run: Forward, batch: Batch) -> tuple[int, int, int, int]:
    """Returns the counters named by `WORK` for a micro-batch."""
    return run.targets, run.positions, run.padding, len(batch.unreadable)
