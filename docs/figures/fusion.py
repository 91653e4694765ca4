"""Draws where images enter, for each fusion: how much an image changes the hidden state of each layer and position.

Nothing is drawn by hand. A prompt with two images runs through a frozen language model, whose fusion has gates opened
at random. Then one image's prefix vectors are replaced, and the prompt runs again. A cell's colour is the change of its
hidden state, over the size of that state.

    python docs/figures/fusion.py
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import to_rgb

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Add, Concat, CrossAttention, Fusion, LayerPrefix, Multiply
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import ImageFile

FOLDER = Path(__file__).parent
LANGUAGE, VISION = "SmolLM2-135M-Instruct", "EfficientNet-Lite0"
TEXTS = "A photo of", " a dog.\nAnother one of", " two cats"
COLOURS = "#c2410c", "#1d4ed8"
FUSIONS = {
    "concat": Concat,
    "add": partial(Add, [0]),
    "multiply": partial(Multiply, [0, 15]),
    "cross_attention": partial(CrossAttention, every=10),
    "layer_prefix": LayerPrefix,
}


def main() -> None:
    for name, make in FUSIONS.items():
        draw(name, *influence(make()))


def influence(fusion: Fusion) -> tuple[list[str], list[np.ndarray]]:
    """Returns the label of each position, and the change (layers, positions) that each of the two images causes."""
    torch.manual_seed(0)
    model = FrozenVL(
        FrozenLanguageModel(LANGUAGE),
        TimmEncoder(VISION),
        partial(MLP, hidden=64),
        3,
        bos=True,
        fusion=fusion,
    ).eval()
    with torch.no_grad():
        for name, weight in fusion.named_parameters():
            if name.endswith("gate"):
                weight.add_(torch.rand_like(weight) * 0.5)
    processor = model.processor(reader=NoPixels(model.k, model.language.dim))
    images = [ImageFile(Path(name)) for name in ("one", "two")]
    batch = processor([(TEXTS[0], images[0], TEXTS[1], images[1], TEXTS[2])])
    prefix = model.language.some_embeddings(2 * model.k).view(2, model.k, -1)
    layers = range(model.language.depth + 1)
    with torch.no_grad():
        before = model.hidden(batch, prefix, layers=layers)
        changes = []
        for image in range(2):
            other = prefix.clone()
            other[image] = prefix[image].flip(-1)
            change = (model.hidden(batch, other, layers=layers) - before).norm(dim=-1) / before.norm(dim=-1)
            changes.append(change.T.numpy())
    words = [processor.tokenizer.decode([token]) for token in batch.tokens[0].tolist()]
    slots, start = batch.slots[0].tolist(), len(processor.start)
    labels = ["▣" if slot >= 0 else repr(word)[1:-1].strip() for slot, word in zip(slots, words, strict=True)]
    return ["BOS"] * start + labels[start:], changes


class NoPixels:
    """Image reader for prefix vectors that are given later."""

    stage = "prefixes"

    def __init__(self, k: int, dim: int) -> None:
        self.shape = k, dim

    def __call__(self, images: list) -> torch.Tensor:
        return torch.zeros(len(images), *self.shape)


def draw(name: str, labels: list[str], changes: list[np.ndarray]) -> None:
    """Draws the changes as colours: a hue for each image, which mix where both are seen."""
    white = np.ones((*changes[0].shape, 3))
    for change, colour in zip(changes, COLOURS, strict=True):
        share = np.clip(change / 0.5, 0, 1)[..., None] ** 0.5
        white *= 1 - share * (1 - np.array(to_rgb(colour)))
    figure, axes = plt.subplots(figsize=(6.4, 2.6), constrained_layout=True)
    axes.imshow(white, aspect="auto", origin="lower", interpolation="nearest")
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("layer")
    for image, colour in enumerate(COLOURS):
        axes.plot([], [], "s", color=colour, label=f"image {image + 1}")
    axes.legend(loc="upper left", fontsize=8, framealpha=0.9)
    axes.set_title(name.replace("_", " "), fontsize=10)
    figure.savefig(FOLDER / f"fusion_{name}.png", dpi=110)
    plt.close(figure)
    print(FOLDER / f"fusion_{name}.png")


if __name__ == "__main__":
    main()
