"""What a score depends on, kept beside it: without it no number can be reproduced."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from frozenvl.training.module import FrozenModule

LIBRARIES = ("frozenvl", "torch", "transformers", "timm", "pillow")


def of_run(module: FrozenModule, blind: bool, scaled_decoding: bool, batch_size: int) -> dict[str, Any]:
    """The model, how it is run, how images are read, versions."""
    return {
        "blind": blind,
        "scaled_decoding": scaled_decoding,
        "model": module.model.identity(),
        "trained_weights": module.trained_fingerprint(),
        "precision": module.precision,
        "eval_batch_size": batch_size,
        "versions": {name: version(name) for name in LIBRARIES},
    }
