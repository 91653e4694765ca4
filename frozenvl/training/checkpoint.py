"""Checkpoint files: written atomically, and read without executing code from them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint, Timer

from frozenvl.training.run_folder import (
    CHECKPOINTS,
    checkpoints_elsewhere,
    in_folder,
    note_removed,
    note_saved,
)
from frozenvl.util.errors import RunError, UserError
from frozenvl.util.files import whole_file


class SafeCheckpointIO(CheckpointIO):
    """Lightning checkpoint IO that writes atomically and loads safely.

    It makes no copy in memory: the checkpoint of a finetuned model is three times as large as the model.

    Args:
        run: folder of the run, which records checkpoints in other folders; None for no record.
    """

    def __init__(self, run: Path | None = None) -> None:
        self.run = run
        self.folders: Callable[[], set[Path]] = set
        """Returns the folders of the run's checkpoints. Files in others, such as temporary ones, are not recorded."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path, storage_options: Any | None = None) -> None:
        path = Path(path)
        run = self.run if path.parent.absolute() in self.folders() else None
        if (
            run
            and not in_folder(run, path.parent)
            and path.exists()
            and path.resolve() not in checkpoints_elsewhere(run)
        ):
            raise RunError(
                f"{path}: a checkpoint of another run; give each run a ModelCheckpoint.dirpath of its own, such as "
                f"{path.parent}/${{name}}"
            )
        with whole_file(path) as file:
            try:
                torch.save(checkpoint, file)
            except (
                RuntimeError
            ) as error:  # torch ends its archive even if a write failed, which then fails too
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
        if run:
            note_saved(run, path)

    def load_checkpoint(
        self, path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict:
        # Not `read_checkpoint`: Lightning's fork launcher returns weights in a file without the `frozenvl` entry.
        return read_plain(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path) -> None:
        Path(path).unlink(missing_ok=True)
        if self.run:
            note_removed(self.run, Path(path))


def settle(trainer: Trainer, io: SafeCheckpointIO) -> None:
    """Settles the folders of a run's checkpoints: the run's own, unless `ModelCheckpoint.dirpath` names another.

    Lightning would take the folder of the first logger.

    Raises:
        UserError: if a `dirpath` is not a local folder.
    """
    run = Path(trainer.default_root_dir)
    callbacks = model_checkpoints(trainer)
    for callback in callbacks:
        if callback.dirpath is None:
            callback.dirpath = str(run / CHECKPOINTS)
        if "://" in str(callback.dirpath):
            raise UserError(
                f"ModelCheckpoint.dirpath is {callback.dirpath}; checkpoints are written to a local folder: name one"
            )
        if in_folder(run, Path(callback.dirpath)):
            # Otherwise a second fit of the same name would write last-v1.ckpt beside the old last.ckpt.
            callback._enable_version_counter = False
        if callback.save_last == "link":
            # Lightning removes the old link before it makes a new one: a kill between loses it.
            callback.save_last = True
    io.run = run
    io.folders = lambda: {Path(callback.dirpath or "").absolute() for callback in callbacks}


def model_checkpoints(trainer: Trainer) -> list[ModelCheckpoint]:
    """Returns the `ModelCheckpoint` callbacks of a trainer."""
    return [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]


class SaveLast(Callback):
    """Callback that updates `last.ckpt` before each validation and at the end of the fit, after ModelCheckpoint.

    An interrupted validation then costs no training step.

    Args:
        due: returns whether a validation follows this step.
        io: writer of the run's checkpoints.
    """

    def __init__(self, due: Callable[[], bool], io: SafeCheckpointIO) -> None:
        self.due, self.io = due, io

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        settle(
            trainer, self.io
        )  # callbacks that the module itself brings have come since, and are set up after this one

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self.due():
            save_last(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        # StochasticWeightAveraging's average would be lost if the step was saved before.
        averaged = any(getattr(callback, "put_average", False) for callback in callbacks)
        save_last(trainer, weights_changed=averaged)


def save_last(trainer: Trainer, insist: bool = False, weights_changed: bool = False) -> Path | None:
    """Updates `last.ckpt` to the current step if ModelCheckpoint keeps one. Call it on all ranks.

    Args:
        trainer: trainer at the end of an optimiser step.
        insist: whether to write a file to resume from also if ModelCheckpoint has `save_last` off or
            `save_weights_only` on.
        weights_changed: whether the weights have changed since this step was saved.

    Returns:
        Path of the file, or None if none is kept.
    """
    callbacks = model_checkpoints(trainer)
    path = None
    for callback in [c for c in callbacks if c.save_last] or callbacks[:insist]:
        weights_alone = insist and callback.save_weights_only
        saved = callback.last_model_path and callback._last_global_step_saved == trainer.global_step
        if not saved or weights_alone or weights_changed:
            kept = callback.save_last, callback.save_weights_only
            callback.save_last, callback.save_weights_only = True, callback.save_weights_only and not insist
            callback._save_last_checkpoint(trainer, callback._monitor_candidates(trainer))
            callback.save_last, callback.save_weights_only = kept
        path = Path(callback.last_model_path)
    return path


def check_resumable(checkpoint: dict[str, Any], path: Path, averages: bool) -> None:
    """Checks that a run can be resumed from a checkpoint.

    Args:
        checkpoint: content of the file.
        path: path of the file, for messages.
        averages: whether the configuration averages weights.

    Raises:
        UserError: if it holds weights alone, or an average that the configuration would train on.
    """
    start = f"start a new run from its weights with --init_from {path}"
    if "optimizer_states" not in checkpoint:
        raise UserError(
            f"{path}: holds weights alone (ModelCheckpoint.save_weights_only), from which no run is resumed; {start}"
        )
    if "averaging_state" in checkpoint and not averages:
        raise UserError(
            f"{path}: its run averages weights, and this configuration does not; put the averaging callback back, or "
            f"{start}"
        )


def time_used_up(checkpoint: dict[str, Any], trainer: Trainer) -> timedelta | None:
    """Returns the time limit that a run had reached when its checkpoint was written; None if it has time left.

    Lightning counts `max_time` over all jobs of a run.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer) and callback._duration is not None:
            state = checkpoint["callbacks"].get(callback.state_key, {})
            if state.get("time_elapsed", {}).get("train", 0) >= callback._duration:
                return timedelta(seconds=callback._duration)
    return None


def read_checkpoint(path: Path, map_location: Any = "cpu", mmap: bool = False) -> dict[str, Any]:
    """Reads a checkpoint that frozenvl wrote.

    Args:
        mmap: whether to map the file and read tensors only when used; reading the metadata then takes milliseconds.

    Raises:
        UserError: if the file is unreadable or no checkpoint of frozenvl.
    """
    checkpoint = read_plain(path, map_location, mmap)
    if not isinstance(checkpoint, dict) or "frozenvl" not in checkpoint:
        raise UserError(f"{path}: not a checkpoint of frozenvl")
    return checkpoint


def read_plain(path: Path, map_location: Any = "cpu", mmap: bool = False) -> Any:
    """Reads a file saved by `torch.save` that holds only tensors and plain data.

    Raises:
        UserError: if the file is missing, damaged, or could execute code.
    """
    try:
        return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; name a run's folder or a .ckpt file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, not a checkpoint file") from None
    except pickle.UnpicklingError:
        raise UserError(
            f"{path}: refused: not plain tensors and data, so loading it could run code"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), "cut off")
        reason = "another kind of file" if isinstance(error, KeyError) else reason
        raise UserError(f"{path}: not a readable checkpoint ({reason})") from None
