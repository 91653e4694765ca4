"""Runs with fusions inside the layers, and checkpoints of them in which an image changes what is said of it."""

from __future__ import annotations

from pathlib import Path

import torch

ONLY_CHECKPOINTS = (
    "--trainer.callbacks",
    '[{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"every_n_train_steps": 2, '
    '"save_last": true, "save_top_k": -1, "filename": "{step}"}}]',
)
"""Options of a run without evaluations."""
OPTIONS = {
    "Add": ("--model.fusion.layers", "[0, 1]", "--model.fusion.width", 8),
    "Multiply": ("--model.fusion.layers", "[0, 1]"),
    "CrossAttention": ("--model.fusion.every", 1, "--model.fusion.heads", 2, "--model.fusion.width", 8),
    "LayerPrefix": ("--model.fusion.width", 8),
}
"""Fusion → options of a tiny instance."""


def fused(name: str) -> tuple[object, ...]:
    """Returns the options of a run with a fusion."""
    return ("--model.fusion", f"frozenvl.model.fusion.{name}", *OPTIONS[name])


def shaken(run: str) -> Path:
    """Saves a run's last checkpoint with open gates and large differences between images; returns its path."""
    last = (Path("runs") / run / "checkpoints" / "last.ckpt").absolute()
    kept = torch.load(last, weights_only=True)
    torch.manual_seed(1)
    for name, weight in kept["state_dict"].items():
        if name.startswith("model.fusion."):
            # Their factor is 30: gates must not be so wide open that they have no gradient.
            weight += torch.randn_like(weight) * (0.01 if name.endswith("gate") else 0.3)
        elif name.startswith("model.mapper.") and name.endswith("weight"):
            weight *= 10
    torch.save(kept, last.with_name("shaken.ckpt"))
    return last.with_name("shaken.ckpt")
