"""Tiny instances of every tuning, and samples to train them on."""

import torch
from samples import BLUE, RED

from frozenvl.model.tuning import Adapters, Finetuned, LoRA, PrefixTuning, PromptTuning
from frozenvl.prompt import Sample

SAMPLES = [
    Sample("caption", (RED,), "a large red circle"),
    Sample("question", (BLUE, "Question: what color is the circle? Answer:"), " blue"),
    Sample("two images", (RED, "a\n", BLUE, "This"), " is a dax."),
    Sample("no image", ("How many",), " squares are there? 3"),
]
MAKE = {
    "finetuned": Finetuned,
    "lora": lambda: LoRA(4),
    "adapters": lambda: Adapters(8),
    "prompt": lambda: PromptTuning(3),
    "prefix": lambda: PrefixTuning(3),
}


def perturb(model) -> None:
    """Changes trained weights at random, since adapters and LoRA start without an effect."""
    torch.manual_seed(2)
    with torch.no_grad():
        for name in model.trained_weights():
            value = model.state_dict(keep_vars=True)[name]
            if value.requires_grad and not name.startswith("mapper"):
                value += torch.randn_like(value) * 0.05
