"""Options and callbacks of Lightning's Trainer that do not fit a run: each is refused in one line, before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import callbacks
from lightning.pytorch.plugins import Precision
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from frozenvl.util.errors import UserError

FP32 = (None, 32, "32", "32-true")
"""Values of `trainer.precision` that leave the precision to `model.precision`."""
SHARDING = ("fsdp", "deepspeed", "modelparallel")
"""Parts of the names of strategies that shard the whole model."""
CALLBACKS: dict[type[callbacks.Callback], str] = {
    callbacks.GradientAccumulationScheduler: "an optimiser step has data.batch_size pairs however it is divided, so a "
    "schedule changes nothing but memory; set trainer.accumulate_grad_batches",
    callbacks.BatchSizeFinder: "data.batch_size is the pairs of an optimiser step, part of the experiment; set it, "
    "and raise trainer.accumulate_grad_batches where memory runs out (`frozenvl plan` forecasts it)",
    callbacks.LearningRateFinder: "its trial steps would count as steps of the run; compare learning rates with "
    "`frozenvl sweep`",
    callbacks.ModelPruning: "it prunes frozen weights, too, and checkpoints hold none of them; leave it out",
    callbacks.BaseFinetuning: "what is trained is fixed when a run starts (checkpoints and DDP hold it); choose it by "
    "model.tuning and the encoder's `trainable`, and its learning rate by model.rates",
}
"""Callbacks that are refused, subclasses included → reason and remedy."""


def check_options(options: Mapping[str, Any]) -> None:
    """Checks the Trainer's options for those that would compute, count or save otherwise than a run records.

    Args:
        options: arguments of the Trainer; classes are instantiated.

    Raises:
        UserError: for the first that does not fit.
    """
    strategy, given = options.get("strategy"), as_list(options.get("plugins"))
    plugins = [*given, getattr(strategy, "_precision_plugin", None)]
    precisions = [type(x).__name__ for x in plugins if isinstance(x, Precision) and type(x) is not Precision]
    if options.get("precision") not in FP32:
        precisions.insert(0, str(options["precision"]))
    if precisions:
        raise UserError(
            f"trainer.precision is {precisions[0]}, but one setting decides the precision of a run: leave it out, and "
            "set model.precision to bf16 or fp32"
        )
    name = strategy if isinstance(strategy, str) else type(strategy).__name__
    if any(word in name.lower().replace("_", "") for word in SHARDING):
        raise UserError(
            f"trainer.strategy is {name}, which would shard and save the frozen language model with what is trained; "
            "use ddp, with model.shard: true if the frozen layers do not fit a device"
        )
    if "spawn" in name or getattr(strategy, "_start_method", None) in ("spawn", "forkserver"):
        raise UserError(
            f"trainer.strategy is {name}, whose new processes cannot get the configuration of this one; use ddp"
        )
    for callback in as_list(options.get("callbacks")):
        for kind, reason in CALLBACKS.items():
            if isinstance(callback, kind):
                raise UserError(f"trainer.callbacks: no {type(callback).__name__} here: {reason}")


def as_list(value: Any) -> list:
    """Returns the values of an option that takes one or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


@contextmanager
def one_line() -> Iterator[None]:
    """Turns Lightning's errors about the Trainer's options into user errors of one line."""
    try:
        yield
    except (MisconfigurationException, ImportError, TypeError, ValueError) as error:
        raise UserError(f"trainer: {' '.join(str(error).split())[:400]}") from error
