"""The LightningModule: training and validation steps, the optimiser, and what a checkpoint holds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from frozenvl import __version__
from frozenvl.model.batch import Batch
from frozenvl.model.fingerprint import refuse_misfit
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.fsdp import ShardedLayers
from frozenvl.model.language.quantization import Quantization
from frozenvl.model.mappers import MLP, Mapper
from frozenvl.model.precision import Precision, faster_precision
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.model.vision.feature_cache import FeatureCache
from frozenvl.training.callbacks.throughput import Work
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.optim import Schedule, parameter_groups, scheduled
from frozenvl.training.steps import recount, seed_step
from frozenvl.util.distributed import gather
from frozenvl.util.errors import RunError, UserError
from frozenvl.util.progress import progress_line

ADVICE = "lower the learning rate or look at these samples"


def keeps_features(vision: VisionEncoder, wanted: bool, augmentation: Any, views: int | None) -> bool:
    """Whether an encoder looks at each image, or each view of it, once, and training goes on from what is kept."""
    return wanted and not vision.trainable and (augmentation is None or views is not None)


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
        rates: learning rates of parts (`vision`, `mapper`, `tuning`, `language`) that have one of their own.
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
    ) -> None:
        super().__init__()
        frozen = FrozenLanguageModel(language, language_pretrained, quantization)
        self.model = FrozenVL(frozen, vision, mapper, k, tuning, bos)
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
        self._sums = torch.zeros(5, dtype=torch.float64)
        self._ids: list[str] = []
        self.unreadable = 0
        """Samples of the last optimiser step that were replaced, on all ranks."""
        self.work = Work()
        """Of the last optimiser step, on all ranks."""
        if init_from is not None:
            self.load_trained(init_from)

    # Getting ready

    def setup(self, stage: str) -> None:
        self.__dict__.pop("processor", None)  # another stage may bring other images
        if stage == "fit" and self.compile_layers:
            self.model.language.compile_layers()

    def configure_model(self) -> None:
        """Before the model moves to its device: so none ever holds all layers of a sharded language model."""
        if self.shard and self.trainer.world_size > 1 and self.sharded is None:
            if self.precision == "bf16":
                self.model.hold_frozen_in_bf16()
            self.sharded = ShardedLayers(self.model.language, self.trainer.strategy.root_device)
        # What is trained starts, and stays, alike on all ranks; the rest each has read for itself.
        kept = {f"model.{name}" for name in self.model.trained_weights()}
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
            self, [name for name, _ in (*self.named_parameters(), *self.named_buffers()) if name not in kept]
        )

    @cached_property
    def processor(self) -> Processor:
        """Makes batches: of pixels, or of rows of the feature cache. Chooses the precision first.

        Made when a data loader asks for it: only then has Lightning read the checkpoint.
        """
        strategy = self.trainer.strategy
        if self.precision == "auto":
            self.precision = strategy.broadcast(faster_precision(strategy.root_device))
        if self.precision == "bf16" and not self.model.low_precision:
            self.model.hold_frozen_in_bf16()
        vision = self.model.vision
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.model.scaled_decoding = data.scaled_decoding
        reader: Any = vision.reader(data.scaled_decoding)
        if reader.stage != "pixels":
            if data.augmentation is not None:
                raise UserError(
                    f"data.augmentation changes pixels, but {vision.name} has features alone; leave it out"
                )
        elif keeps_features(vision, data.cache_features, data.augmentation, data.views):
            reader = self._cached(data, reader)
        return self.model.processor(self.max_target_tokens, reader)

    def _cached(self, data: Any, pixels: Pixels) -> Any:
        vision, device = self.model.vision, self.trainer.strategy.root_device
        vision.to(device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        cache = FeatureCache(f"{vision.identity} {pixels.version}", (vision.tokens, vision.channels), dtype)
        encode = torch.no_grad()(lambda images: self.model.encode(images.to(device)))
        with progress_line("features", self.trainer.is_global_zero) as progress:
            return cache.fill(
                data.images(),
                pixels,
                encode,
                self.trainer.global_rank,
                self.trainer.world_size,
                self.trainer.strategy.barrier,
                progress,
            )

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(parameter_groups(self.model, self.rates))
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = scheduled(optimizer, self.schedule, self.warmup_steps, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # Training

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Sum of NLL; `on_before_optimizer_step` divides by the tokens of the whole global batch."""
        accumulate = self.trainer.accumulate_grad_batches
        seed_step(self.seed, self.global_step, index % accumulate, self.global_rank)
        nll, tokens, positions, padding = self.model.loss(batch)
        if not torch.isfinite(nll):
            raise RunError(
                f"loss is {nll.item()} at step {self.global_step}, samples {', '.join(batch.ids)}; {ADVICE}"
            )
        self._ids += batch.ids
        counts = [nll.item(), tokens, positions, padding, len(batch.unreadable)]
        self._sums += torch.tensor(counts, dtype=torch.float64)
        # Lightning divides by the accumulation, DDP by the ranks: both are means where a sum is due.
        return nll * (accumulate * self.trainer.world_size)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nll, tokens, positions, padding, unreadable = self._all_sum(self._sums).tolist()
        self._sums.zero_()
        self.work, self.unreadable = Work(int(tokens), int(positions), int(padding)), int(unreadable)
        ids, self._ids = self._ids, []
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for gradient in gradients:
            gradient.div_(max(tokens, 1))
        # Before weights and checkpoint are lost to it; summed over ranks, it is the same on all of them.
        if not torch.isfinite(nn.utils.get_total_norm(gradients)):
            ids = sorted(key for part in gather(ids) for key in part)
            raise RunError(
                f"gradients are no numbers at step {self.global_step}, samples {', '.join(ids)}; {ADVICE}",
                quiet=self.global_rank > 0,
            )
        self.log("train/loss", nll / max(tokens, 1), prog_bar=True)
        self.log("train/lr", optimizer.param_groups[0]["lr"])

    def _all_sum(self, values: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(values.to(self.device, torch.float64), reduce_op="sum").cpu()

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
        self._nll = torch.zeros(3, dtype=torch.float64)

    def validation_step(self, batch: Batch, _index: int) -> None:
        nll, tokens, *_ = self.model.loss(batch)
        self._nll += torch.tensor([nll.item(), tokens, batch.target_bytes], dtype=torch.float64)

    def on_validation_epoch_end(self) -> None:
        """Perplexity = exp(Σ NLL ÷ Σ target tokens), the end token included, over all ranks.

        Bits per byte = Σ NLL ÷ ln 2 ÷ Σ UTF-8 bytes of the targets: the end token adds bits and no bytes.
        """
        nll, tokens, size = self._all_sum(self._nll).tolist()
        loss = nll / max(tokens, 1)
        self.log("val/loss", loss, prog_bar=True)
        self.log("val/perplexity", math.exp(min(loss, 700)))
        self.log("val/bits_per_byte", nll / math.log(2) / max(size, 1))

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
        if self.trainer.training and self.precision not in ("auto", recorded):
            raise UserError(
                f"the checkpoint was trained in {recorded}, and a resumed run goes on in it; drop model.precision"
            )
        if self.precision == "auto":
            self.precision = recorded
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
