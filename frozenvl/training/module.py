"""The LightningModule: training and validation steps, the optimiser, and what a checkpoint holds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from frozenvl import __version__
from frozenvl.model.batch import Batch
from frozenvl.model.fingerprint import refuse_misfit
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Fusion
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.fsdp import ShardedLayers
from frozenvl.model.language.quantization import Quantization
from frozenvl.model.mappers import MLP, Mapper
from frozenvl.model.precision import Precision
from frozenvl.model.processor import Processor
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.objectives import Captioning, Objective
from frozenvl.objectives.objective import check_objectives, micro_loss, total_of
from frozenvl.training.callbacks.throughput import Work
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.inputs import Inputs
from frozenvl.training.optim import Schedule, parameter_groups, scheduled
from frozenvl.training.steps import recount, seed_step
from frozenvl.util.distributed import gather
from frozenvl.util.errors import RunError, UserError

ADVICE = "lower the learning rate or look at these samples"
PRECISION = "set model.precision to that, or leave it out"
WORK = ("targets", "positions", "padding", "unreadable")
"""What is counted of the batches of an optimiser step, beside the objectives."""


class FrozenModule(L.LightningModule):
    """A frozen language model and its trainable visual prefix.

    Args:
        language: Hugging Face name, local folder, or a model brought by `frozenvl fetch`.
        vision: the image encoder, by class path.
        mapper: the mapper, by class path.
        k: prefix vectors per image.
        bos: whether prompts begin with the tokeniser's start token where it does not put it there itself; an image
            that stands first is hard to train.
        tuning: what is trained of, or beside, the language model, by class path: prompt tuning, LoRA …; nothing, by
            default.
        language_pretrained: False starts from a language model of random weights.
        quantization: holds the frozen language model in 8 (`int8`) or 4 bits (`nf4`) a weight. It takes CUDA and the
            package bitsandbytes, and was not run: there was no CUDA to try it on.
        optimizer: a torch optimiser, by class path.
        rates: learning rates of parts (`vision`, `mapper`, `tuning`, `language`, `fusion`, `objectives.NAME`) that have
            one of their own.
        warmup_steps: optimiser steps over which the learning rate rises from 0.
        schedule: what follows the warm-up: the same rate to the end, a straight line or a cosine to 0 at the last step.
        max_target_tokens: longer targets are cut, and then not followed by the end token.
        precision: of the frozen weights and of arithmetic; trained weights are fp32 always. `auto` measures
            which is faster on this machine; a checkpoint records the choice and a resumed run obeys it.
        compile: whether torch compiles the language model's layers for training. It takes a C++ compiler and a
            minute (some seconds, where it was done before) and makes each step faster by a sixth or so.
        checkpointing: whether training keeps of each layer of the language model its input alone, and computes the
            rest again on the way back: less memory, more time (docs/performance.md), the same numbers.
        shard: whether each rank holds a share of the language model's frozen layers, and fetches each layer where it
            comes to it (FSDP): less memory, more traffic. `precision` has to be said then.
        seed: of dropout; by default the run's `seed_everything`.
        init_from: a checkpoint whose trained weights a new run starts from.
        fusion: how image vectors meet the text, by class path; by default they stand among it, as in Frozen.
        objectives: what is trained for, by name and class path; by default captions and answers (`Captioning`).
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
        precision: Literal["auto", "bf16", "fp32"] = "auto",
        compile: bool = False,
        checkpointing: bool = False,
        shard: bool = False,
        seed: int = 0,
        init_from: Path | None = None,
        fusion: Fusion | None = None,
        objectives: dict[str, Objective] | None = None,
    ) -> None:
        super().__init__()
        objectives = {"captions": Captioning()} if objectives is None else objectives
        check_objectives(objectives)
        frozen = FrozenLanguageModel(language, language_pretrained, quantization)
        self.model = FrozenVL(frozen, vision, mapper, k, tuning, bos, fusion, objectives)
        self.make_optimizer, self.rates = optimizer, rates or {}
        self.warmup_steps = warmup_steps
        self.schedule: Schedule = schedule
        self.max_target_tokens = max_target_tokens
        self.precision: Precision = precision
        self.compile_layers = compile
        if checkpointing:
            if compile:
                raise UserError("model.compile and model.checkpointing do not go together; choose one")
            checkpoint_layers(self.model.language)
        if shard and precision == "auto":
            raise UserError("model.shard: set model.precision to bf16 or fp32, which is what is shared out")
        if shard and compile:
            raise UserError("model.compile and model.shard do not go together; choose one")
        self.shard, self.sharded = shard, None  # type: bool, ShardedLayers | None
        self.seed = seed
        self.strict_loading = False  # a checkpoint holds the trained parts only
        self.trained_steps = 0
        """Optimiser steps behind the weights."""
        self.inputs: Inputs | None = None
        """What makes the run's batches; `PrepareInputs` prepares it at the start of each stage."""
        self._counts: dict[str, float] = {}
        self._totals = dict.fromkeys([*objectives, *WORK], 0.0)
        self._ids: list[str] = []
        self.unreadable = 0
        """Samples of the last optimiser step that were replaced, on all ranks."""
        self.work = Work()
        """Target tokens and positions of the last optimiser step, on all ranks."""
        if init_from is not None:
            self.load_trained(init_from)

    # Getting ready

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
        """Makes batches of prompts: of pixels, or of features from the cache."""
        assert self.inputs is not None
        return self.inputs.processor

    @property
    def objectives(self) -> dict[str, Any]:
        """What is trained for, by name."""
        return dict(self.model.objectives.items())

    def configure_model(self) -> None:
        """Before the model moves to its device: so none ever holds all layers of a sharded language model."""
        if self.shard and self.trainer.world_size > 1 and self.sharded is None:
            self.sharded = ShardedLayers(self.model.language, self.trainer.strategy.root_device)
        # What is trained starts, and stays, alike on all ranks; the rest each has read for itself.
        kept = {f"model.{name}" for name in self.model.trained_weights()}
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
            self, [name for name, _ in (*self.named_parameters(), *self.named_buffers()) if name not in kept]
        )

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(parameter_groups(self.model.parts, self.rates))
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = scheduled(optimizer, self.schedule, self.warmup_steps, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # Training

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of a micro-batch, as its share of the whole optimiser step's."""
        accumulate = self.trainer.accumulate_grad_batches
        seed_step(self.seed, self.global_step, index % accumulate, self.global_rank)
        if index % accumulate == 0:
            self._counts = self._all_sum(batch.counts)
        run = self.model.run(batch)
        loss = micro_loss(self.objectives, run, self._counts)
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
        # Lightning divides by the accumulation, DDP by the ranks: both are means where a sum is due.
        return loss.value * (accumulate * self.trainer.world_size)

    def _named(self, what: str, objective: str) -> str:
        """An objective's loss in words; of a single objective, just the loss."""
        return what if len(self.objectives) == 1 else f"{what} of {objective}"

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
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
        # Before weights and checkpoint are lost to it; summed over ranks, it is the same on all of them.
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
        self.log("train/lr", optimizer.param_groups[0]["lr"])

    def _weighted(self, losses: Mapping[str, float]) -> float:
        """The loss of the objectives' losses."""
        return sum(self.objectives[name].weight * loss for name, loss in losses.items())

    def _all_sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums of numbers over all ranks, which have the same names in the same order."""
        summed = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        return dict(zip(values, self.trainer.strategy.reduce(summed, reduce_op="sum").tolist(), strict=True))

    # Validation

    def on_validation_start(self) -> None:
        """Ranks ask and answer at their own pace, so each holds the whole language model meanwhile."""
        if self.sharded:
            self.sharded.gather()

    def on_validation_end(self) -> None:
        if self.sharded:
            self.sharded.release()

    on_test_start = on_predict_start = on_validation_start
    on_test_end = on_predict_end = on_validation_end

    def on_validation_epoch_start(self) -> None:
        self._sums: dict[str, float] = {}

    def validation_step(self, batch: Batch, _index: int) -> None:
        run = self.model.run(batch)
        for name, objective in self.objectives.items():
            own = run.of(name)
            sums = {"total": float(total_of(objective, own)), "count": objective.count(own.batch)}
            for key, value in (sums | objective.sums(own.batch)).items():
                self._sums[f"{name}/{key}"] = self._sums.get(f"{name}/{key}", 0.0) + value

    def on_validation_epoch_end(self) -> None:
        """Each objective's total ÷ count over all ranks, and what else it says of a validation."""
        summed, losses = self._all_sum(self._sums), {}
        for name, objective in self.objectives.items():
            sums = {
                key.removeprefix(f"{name}/"): value
                for key, value in summed.items()
                if key.startswith(f"{name}/")
            }
            losses[name] = sums["total"] / max(sums["count"], 1)
            self.log(f"val/{name}", losses[name])
            for key, value in objective.summary(losses[name], sums).items():
                self.log(f"val/{key}", value)
        self.log("val/loss", self._weighted(losses), prog_bar=True)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def predict_step(self, batch: Batch, _index: int, dataloader_idx: int = 0) -> list[dict[str, str]]:
        """Greedy continuations: one {task, id, text} a prompt, in each batch those with an unreadable image last.

        Each task of `data.val` has its own loader.
        """
        name, task = list(self.trainer.datamodule.val.items())[dataloader_idx]  # type: ignore[attr-defined]
        texts = self.model.generate(batch, self.processor, self.max_target_tokens, task.template.stop)
        said = [
            {"task": name, "id": key, "text": task.template.answer(text)}
            for key, text in zip(batch.ids, texts, strict=True)
        ]
        return said + [
            {"task": name, "id": key, "text": "", "unreadable": reason} for key, reason in batch.unreadable
        ]

    # Checkpoints

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """What is trained only: weights, and buffers of trained parts, which may have moved."""
        kept = {f"model.{name}" for name in self.model.trained_weights()}
        return {key: value for key, value in super().state_dict(*args, **kwargs).items() if key in kept}

    def trained_fingerprint(self) -> str:
        """Identity of the trained weights."""
        digest = hashlib.sha256()
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["frozenvl"] = {
            "version": __version__,
            "identity": self.model.identity(),
            "precision": self.precision,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._check_fit(checkpoint, "the checkpoint")
        recorded: Precision = checkpoint["frozenvl"]["precision"]
        if self.trainer.training and self.precision != recorded:
            raise UserError(
                f"the checkpoint was trained in {recorded}, and a resumed run goes on in it; {PRECISION}"
            )
        self.trained_steps = checkpoint["global_step"]
        recount(checkpoint, self.trainer.accumulate_grad_batches)

    def load_trained(self, path: Path) -> None:
        """Loads a checkpoint's trained weights, and nothing else of it."""
        checkpoint = read_checkpoint(path)
        self._check_fit(checkpoint, str(path))
        self.load_state_dict(checkpoint["state_dict"], strict=False)

    def _check_fit(self, checkpoint: dict[str, Any], what: str) -> None:
        theirs, weights = checkpoint["frozenvl"]["identity"], checkpoint["state_dict"]
        refuse_misfit(theirs, weights, self.model.identity(), self.state_dict(), what)


def work_of(run: Forward, batch: Batch) -> tuple[int, int, int, int]:
    """What `WORK` names, of a micro-batch."""
    return run.targets, run.positions, run.padding, len(batch.unreadable)
