"""What an evaluation needs of the model that it evaluates: one of a run, or an exported one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from frozenvl.model.fingerprint import trained_fingerprint
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.hub import CONFIG
from frozenvl.model.processor import Processor
from frozenvl.util.errors import UserError


class Subject(Protocol):
    """A model that can be evaluated; `frozenvl.training.trained_run.Trained` is one, too."""

    @property
    def model(self) -> FrozenVL:
        """Model in eval mode."""

    @property
    def processor(self) -> Processor:
        """The model's processor."""

    @property
    def precision(self) -> str:
        """Dtype of the arithmetic, `bf16` or `fp32`."""

    @property
    def trained_weights(self) -> str:
        """Fingerprint of the trained weights."""

    @property
    def blind(self) -> bool:
        """True if it was trained on black images."""

    @property
    def step(self) -> int:
        """Number of optimiser steps that the weights were trained for."""


@dataclass(frozen=True)
class Exported:
    """An exported model. Weights in fp32 have the fingerprint of the run that was exported."""

    model: FrozenVL
    processor: Processor
    precision: str
    trained_weights: str
    blind: bool
    step: int


def load_exported(folder: Path) -> Exported:
    """Loads an exported model for evaluation, on CUDA if available.

    Raises:
        UserError: if it cannot be loaded, or does not record the training, as scores do.
    """
    model = FrozenVL.from_pretrained(folder)
    record = model.training_record or {}
    if type(record.get("step")) is not int or type(record.get("blind")) is not bool:
        raise UserError(
            f"{folder / CONFIG}: has no `training` with step (a number) and blind (true or false), which scores "
            "record; export the run again with `frozenvl export`"
        )
    # Names as in a run's checkpoint, so that equal weights have equal fingerprints.
    weights = {f"model.{name}": value for name, value in model.trained_weights().items()}
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    return Exported(
        model=model,
        processor=model.processor(),
        precision="bf16" if model.low_precision else "fp32",
        trained_weights=trained_fingerprint(weights),
        blind=record["blind"],
        step=record["step"],
    )
