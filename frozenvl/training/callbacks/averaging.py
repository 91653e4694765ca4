"""Lightning's weight averaging, of the trained weights only."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging
from torch import Tensor, nn

from frozenvl.util.errors import UserError


class TrainedWeights(L.LightningModule):
    """The trained weights of a `FrozenModule`, shared with it and under the same names. It computes nothing.

    Args:
        module: the module, whose `state_dict` names what is trained.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        for name, value in module.state_dict(keep_vars=True).items():
            *path, leaf = name.split(".")
            owner: nn.Module = self
            for part in path:
                owner = owner._modules.setdefault(part, nn.Module())  # type: ignore[assignment]
            if isinstance(value, nn.Parameter):
                owner.register_parameter(leaf, value)
            else:
                owner.register_buffer(leaf, value)


class AverageTrained(WeightAveraging):
    """Mixin for Lightning's `WeightAveraging` callbacks that averages, saves and swaps the trained weights only.

    Averaging frozen weights would cost their memory again, change them by rounding, and put them into each checkpoint.
    The average is in the model during a whole validation, benchmarks and scores included, and after the fit. Before the
    first update there is none: Lightning would evaluate and save the weights that the fit began with.
    """

    _swapped = False

    @property
    def _begun(self) -> bool:
        return self._average_model is not None and bool(self._average_model.n_averaged > 0)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, TrainedWeights(pl_module), stage)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, TrainedWeights(pl_module), outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, TrainedWeights(pl_module))

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._begun:
            super().on_validation_epoch_start(trainer, TrainedWeights(pl_module))
            self._swapped = True

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Does nothing: callbacks that come later in this hook, or in the next, still need the average."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._swap_back(trainer, pl_module)
        super().on_validation_end(trainer, pl_module)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        self._swap_back(trainer, pl_module)  # `ModelCheckpoint.save_on_exception` comes next
        super().on_exception(trainer, pl_module, exception)

    def _swap_back(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._swapped:
            self._swapped = False
            super().on_validation_epoch_end(trainer, TrainedWeights(pl_module))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Does nothing: the last checkpoint, which is written in this hook, holds the weights beside their average."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._begun:
            super().on_train_end(trainer, TrainedWeights(pl_module))
        super().on_fit_end(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        super().on_save_checkpoint(trainer, TrainedWeights(pl_module), checkpoint)
        if "current_model_state" in checkpoint and not self._begun:
            checkpoint["state_dict"] = checkpoint["current_model_state"]

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # Where a checkpoint is scored, its weights are the average, and are loaded already.
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, TrainedWeights(pl_module), checkpoint)

    def replace_weights(self, checkpoint: dict[str, Any]) -> None:
        """Replaces the weights in a checkpoint by their average, if there is one yet."""
        if self._begun and not self._swapped:
            assert self._average_model is not None
            checkpoint["state_dict"] = self._average_model.module.state_dict()


class StochasticAverageTrained(StochasticWeightAveraging):
    """Mixin for Lightning's `StochasticWeightAveraging` that averages the trained weights only."""

    put_average = False
    """True once the average is in the model, at the end of the fit."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, TrainedWeights(pl_module), stage)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Puts the average into the model, if it has begun. Lightning would put in the weights the fit began with."""
        if self.n_averaged is not None and self.n_averaged > 0:
            super().on_train_end(trainer, pl_module)
            self.put_average = self._max_epochs == -1 or trainer.current_epoch - 1 == self.swa_end

    @staticmethod
    def pl_module_contains_batch_norm(pl_module: L.LightningModule) -> bool:
        """Returns False: a frozen encoder's statistics are those of its pretraining.

        Raises:
            UserError: if batch norm is trained. Lightning would pass over the data with one step as long as the epoch.
        """
        for module in pl_module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and any(
                weight.requires_grad for weight in module.parameters()
            ):
                raise UserError(
                    "StochasticWeightAveraging cannot average a trained encoder with batch norm; use "
                    "lightning.pytorch.callbacks.EMAWeightAveraging, which averages its statistics too"
                )
        return False

    @staticmethod
    def update_parameters(
        average_model: L.LightningModule, model: L.LightningModule, n_averaged: Tensor, avg_fn: Any
    ) -> None:
        average, trained = TrainedWeights(average_model), TrainedWeights(model)
        StochasticWeightAveraging.update_parameters(average, trained, n_averaged, avg_fn)

    @staticmethod
    def transfer_weights(src_pl_module: L.LightningModule, dst_pl_module: L.LightningModule) -> None:
        StochasticWeightAveraging.transfer_weights(
            TrainedWeights(src_pl_module), TrainedWeights(dst_pl_module)
        )


def average_trained_weights(callbacks: list[L.Callback]) -> None:
    """Makes the averaging callbacks of a list average trained weights only, and moves `WeightAveraging` to its end.

    It must follow the callbacks that evaluate, and precede `ModelCheckpoint`.
    """
    for callback in callbacks:
        kind = type(callback)
        for base, mixin in (
            (WeightAveraging, AverageTrained),
            (StochasticWeightAveraging, StochasticAverageTrained),
        ):
            if isinstance(callback, base):
                # The name of the user's class stays: the callback's state is stored in checkpoints by it.
                names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
                callback.__class__ = type(kind.__name__, (mixin, kind), names)
    callbacks.sort(key=lambda callback: isinstance(callback, WeightAveraging))
