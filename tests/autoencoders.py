"""Tiny autoencoders, and runs that train them, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from frozenvl.cli import main
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.vision import Autoencoder

SHAPE: dict[str, Any] = {"size": 32, "widths": [8, 8], "channels": 2, "patch": 4}
"""Arguments of a tiny autoencoder with 4 × 4 latents."""
CONFIG = Path(__file__).with_name("tiny.yaml")


def autoencoder(**options: Any) -> Autoencoder:
    return Autoencoder(**SHAPE | options)


def autoencoding(language: Path, vision: Autoencoder, **parts: Any) -> FrozenVL:
    """Returns a model with an autoencoder; the same weights each time."""
    torch.manual_seed(5)
    return FrozenVL(FrozenLanguageModel(str(language)), vision, Linear, 1, **parts)


def config_of(language: Path, vision: dict[str, Any], **model: Any) -> dict[str, Any]:
    """Returns the configuration of tests/tiny.yaml for a model with an autoencoder, on captions alone."""
    config = yaml.safe_load(CONFIG.read_text())
    encoder = {"class_path": "frozenvl.model.vision.Autoencoder", "init_args": SHAPE | vision}
    mapper = {"class_path": "frozenvl.model.mappers.Linear"}
    config["model"] |= {"language": str(language), "vision": encoder, "mapper": mapper} | model
    for part in ("train", "val"):
        del config["data"][part]["vqa"]
    config["trainer"]["callbacks"] = config["trainer"]["callbacks"][2:]
    return config


def pixels(**options: Any) -> dict[str, Any]:
    """Returns the description of the objective that trains an autoencoder."""
    return {
        "pixels": {"class_path": "frozenvl.objectives.PixelReconstruction", "init_args": options},
    }


def run(command: str, config: dict[str, Any], *options: object, name: str = "ae") -> int:
    """Runs a command on a configuration in the current folder; returns its exit status."""
    file = Path(f"{name}.yaml")
    file.write_text(yaml.safe_dump(config))
    return main([command, "--config", str(file), "--name", name, *map(str, options)])
