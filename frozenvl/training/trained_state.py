"""What a checkpoint holds of a module: trained weights, identity and place in the data; no frozen weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch

from frozenvl import __version__
from frozenvl.model.fingerprint import refuse_misfit, trained_fingerprint
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.hub import is_export, read_export
from frozenvl.model.precision import Precision
from frozenvl.training.callbacks.averaging import AverageTrained
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.optim import switch
from frozenvl.training.run_folder import last_checkpoint
from frozenvl.training.steps import resume
from frozenvl.util.errors import UserError

ADDED = ("model.language.", "model.tuning.")
"""Beginnings of the names of weights that a tuning trains. A checkpoint of a run without a tuning has none of them."""
PRECISION = "set model.precision to that, or leave it out"


class TrainedState(L.LightningModule):
    """LightningModule whose checkpoints hold trained weights alone. `FrozenModule` derives from it."""

    model: FrozenVL
    precision: Precision

    def __init__(self) -> None:
        super().__init__()
        self.strict_loading = False  # a checkpoint holds the trained parts only
        self.trained_steps = 0
        """Number of optimiser steps of the loaded checkpoint; 0 if none was loaded."""

    def state_dict(  # type: ignore[override]
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Returns the trained weights, and the buffers of trained parts, which training may change."""
        before = set(destination or ())
        state = super().state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)
        kept = {f"{prefix}model.{name}" for name in self.model.trained_weights()}
        for key in state.keys() - kept - before:
            del state[key]
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Loads trained weights. Frozen ones are neither missed nor replaced.

        Raises:
            RuntimeError: if every weight has to match, and trained weights are missing, or weights are unknown.
        """
        own = self.state_dict().keys()
        found = super().load_state_dict(self._without_frozen(state_dict), strict=False, assign=assign)
        found.missing_keys[:] = [key for key in found.missing_keys if key in own]
        if strict and (found.missing_keys or found.unexpected_keys):
            raise RuntimeError(
                f"missing weights {found.missing_keys}, unknown weights {found.unexpected_keys}"
            )
        return found

    def _without_frozen(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what a checkpoint holds beside frozen weights, which averaging callbacks once put into it."""
        frozen = self._names() - self.state_dict().keys()
        return {key: value for key, value in state_dict.items() if key not in frozen}

    def _names(self) -> set[str]:
        """Returns the names of all weights and buffers, frozen ones included."""
        return set(super().state_dict())

    def trained_fingerprint(self) -> str:
        """Returns the fingerprint of the trained weights. All ranks call it, because they gather sharded weights."""
        return trained_fingerprint(self.state_dict())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        trainer: Any = self.trainer
        checkpoint["frozenvl"] = self._record() | {"data": trainer.datamodule.step_batches.record()}
        # The weights of `state_dict` are those of the model, so they switch, too; the next step switches back.
        if switch(trainer.optimizers, "eval") and "optimizer_states" in checkpoint:
            states = [trainer.strategy.optimizer_state(optimizer) for optimizer in trainer.optimizers]
            checkpoint["optimizer_states"] = states
        checkpoint["run"] = str(Path(self.trainer.default_root_dir).absolute())
        if "optimizer_states" not in checkpoint:  # weights alone, of which Lightning tells no callback
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, AverageTrained):
                    callback.replace_weights(checkpoint)

    def write_weights(self, file: Path, run: Path) -> None:
        """Writes the trained weights as the checkpoint of a run that made no step, for models trained elsewhere.

        Args:
            file: the checkpoint.
            run: folder of the run.
        """
        content = {"state_dict": self.state_dict(), "frozenvl": self._record(), "run": str(run)}
        lightning = {"pytorch-lightning_version": L.__version__, "epoch": 0, "global_step": 0, "loops": None}
        torch.save(content | lightning, file)

    def _record(self) -> dict[str, Any]:
        """Returns what a checkpoint says about the model of its weights."""
        return {
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
        checkpoint["state_dict"] = self._without_frozen(checkpoint["state_dict"])
        if self.trainer.training:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            data.start = resume(checkpoint, data.step_batches)

    def load_trained(self, path: Path) -> None:
        """Loads trained weights, without optimiser state or counters.

        They may lack those of a tuning, which a second stage of training adds and which start as in a new run.

        Args:
            path: a checkpoint, a run's folder, whose last checkpoint is then read, or an export's folder.

        Raises:
            UserError: if it cannot be read or belongs to another model.
        """
        if is_export(path):
            identity, weights = read_export(path)
            named = {f"model.{name}": value for name, value in weights.items()}
            checkpoint: dict[str, Any] = {"frozenvl": {"identity": identity}, "state_dict": named}
        else:
            file = last_checkpoint(path) if path.is_dir() else path
            if file is None:
                raise UserError(
                    f"{path}: a folder without checkpoints, and no export; name a .ckpt file, a run or an export"
                )
            checkpoint = read_checkpoint(file)
        self._check_fit(checkpoint, str(path), added=ADDED)
        self.load_state_dict(checkpoint["state_dict"], strict=False)

    def _check_fit(self, checkpoint: dict[str, Any], what: str, added: tuple[str, ...] = ()) -> None:
        identity, weights = checkpoint["frozenvl"]["identity"], checkpoint["state_dict"]
        own = self.state_dict()
        if not any(key.startswith(added) for key in weights):
            own = {key: value for key, value in own.items() if not key.startswith(added)}
        refuse_misfit(identity, weights, self.model.identity(), own, what, self._names())
