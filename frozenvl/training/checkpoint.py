"""Checkpoint files: written atomically, and read without executing code from them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from frozenvl.util.errors import UserError
from frozenvl.util.files import whole_file


class SafeCheckpointIO(CheckpointIO):
    """Lightning checkpoint IO that writes atomically and loads safely.

    It makes no copy in memory: the checkpoint of a finetuned model is three times as large as the model.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path, storage_options: Any | None = None) -> None:
        with whole_file(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict:
        # Not `read_checkpoint`: Lightning's fork launcher returns weights in a file without the `frozenvl` entry.
        return read_plain(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path) -> None:
        Path(path).unlink(missing_ok=True)


class SaveLast(Callback):
    """Callback that updates `last.ckpt` before each validation and at the end of the fit, after ModelCheckpoint.

    An interrupted validation then costs no training step.

    Args:
        due: returns whether a validation follows this step.
    """

    def __init__(self, due: Callable[[], bool]) -> None:
        self.due = due

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self.due():
            save_last(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        save_last(trainer)


def save_last(trainer: Trainer, insist: bool = False) -> Path | None:
    """Updates `last.ckpt` to the current step if ModelCheckpoint keeps one. Call it on all ranks.

    Args:
        trainer: trainer at the end of an optimiser step.
        insist: whether to write the file also if ModelCheckpoint has `save_last` off.

    Returns:
        Path of the file, or None if none is kept.
    """
    callbacks = [
        callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)
    ]
    path = None
    for callback in [c for c in callbacks if c.save_last] or callbacks[:insist]:
        if not callback.last_model_path or callback._last_global_step_saved != trainer.global_step:
            kept, callback.save_last = callback.save_last, True
            callback._save_last_checkpoint(trainer, callback._monitor_candidates(trainer))
            callback.save_last = kept
        path = Path(callback.last_model_path)
    return path


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
