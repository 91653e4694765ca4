"""Weights of an encoder that another run has trained, read from its checkpoint or its export."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from frozenvl.model.fingerprint import size
from frozenvl.util.errors import UserError

PLACES = ("model.safetensors", "checkpoints/last.ckpt")
"""Files in an exported folder, and in the folder of a run."""
PREFIXES = ("vision.model.", "model.vision.model.")
"""Beginnings of the names of an encoder's weights, in an export and in a checkpoint."""


def load_encoder(model: nn.Module, path: Path, settings: str) -> None:
    """Loads weights into the model of an encoder.

    Args:
        model: model of the encoder (`PixelEncoder.model`).
        path: checkpoint, exported folder, or folder of a run.
        settings: names of the arguments that give the weights their shapes, for the error message.

    Raises:
        UserError: if there are none, or they have other names or shapes than the model's.
    """
    weights, own = encoder_weights(path), model.state_dict()
    differing = [key for key in own.keys() | weights.keys() if size(own, key) != size(weights, key)]
    if differing:
        key = min(differing)
        raise UserError(
            f"{path}: {key} of its encoder is {size(weights, key)}, here {size(own, key)}; give the {settings} of that "
            "run"
        )
    model.load_state_dict(weights)


def encoder_weights(path: Path) -> dict[str, Tensor]:
    """Returns the weights of the encoder that a run has trained, by their names in its model.

    Raises:
        UserError: if there is no such file, it cannot be read, or its run has not trained its encoder.
    """
    file = path
    if path.is_dir():
        found = [path / place for place in PLACES if (path / place).is_file()]
        if not found:
            raise UserError(f"{path}: holds neither an export nor a last checkpoint; name a checkpoint")
        file = found[0]
    weights = {
        key.removeprefix(prefix): value
        for key, value in _read(file).items()
        for prefix in PREFIXES
        if key.startswith(prefix)
    }
    if not weights:
        raise UserError(f"{file}: holds no weights of an encoder; its run has to train it (trainable: true)")
    return weights


def _read(file: Path) -> Mapping[str, Tensor]:
    """Returns the tensors of a safetensors file or a checkpoint. No code in it is run."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    except FileNotFoundError:
        raise UserError(
            f"{file}: no such file; name a checkpoint, an export or the folder of a run"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError, pickle.UnpicklingError):
        raise UserError(f"{file}: not a readable checkpoint or export") from None
