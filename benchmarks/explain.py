"""Benchmarks occlusion of 7 × 7 cells against captum's loop, which changes one cell at a time, over the same model.

`python benchmarks/explain.py [IMAGE]` needs captum, and the small models of `frozenvl fetch`. Without IMAGE a rendered
scene is explained. The mapper is random: this measures time, and that the maps are equal. Captum explains one value in
a loop, so each word of a caption is a loop of its own. Both take turns. It prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from captum.attr import Occlusion as Captum
from torch import Tensor
from training_ways import LANGUAGE

from frozenvl.analysis.baselines import baseline_inputs
from frozenvl.analysis.masking import edges, spread_over_pixels
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import PatchLinear
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import ImageFile

CELLS = 7
CAPTION = "a child in a pink dress climbs up the stairs"


def build() -> FrozenVL:
    """Returns a model with a prefix of 7 × 7 vectors."""
    torch.manual_seed(0)
    vision = TimmEncoder("EfficientNet-Lite0", grid=CELLS)
    model = FrozenVL(FrozenLanguageModel(LANGUAGE), vision, PatchLinear, CELLS**2, bos=True)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def ours(function: TargetFunction) -> Tensor:
    """Returns the maps (targets, 7, 7) of this package."""
    return Occlusion(CELLS).maps(function).values


@torch.no_grad()
def captums(function: TargetFunction) -> Tensor:
    """Returns the maps (targets, size, size) of captum, which asks for one changed image and one value at a time."""
    pixels, cell = function.at("pixel"), edges(function.size, CELLS)[1]
    baseline = baseline_inputs(function, "mean", "pixel")
    # Without `encode`, which pads a batch of images to a fixed size.
    forward = lambda images: function(function.model.features(images, "pixels"), "cell")
    window, step = (3, cell, cell), (3, cell, cell)
    return torch.stack(
        [
            Captum(forward).attribute(pixels, window, step, baselines=baseline, target=target)[0, 0]
            for target in range(len(function.names))
        ]
    ).cpu()


def seconds(side: Callable[[TargetFunction], Tensor], function: TargetFunction) -> tuple[float, Tensor]:
    """Returns the seconds that a side takes, and its maps."""
    start = time.perf_counter()
    maps = side(function)
    return time.perf_counter() - start, maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--caption", default=CAPTION)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    model = build()
    image = ImageFile(args.image) if args.image else SceneCaptions("val", 1, resolution=224)[0].image
    print("| explained | captum, s | ours, s | ratio | largest difference, nats |\n|---|--:|--:|--:|--:|")
    for each_word in (False, True):
        function = TargetFunction(model, model.processor(), (image,), Target(args.caption, each_word))
        ours(function)  # first calls prepare kernels
        times: dict[Callable[[TargetFunction], Tensor], list[float]] = {captums: [], ours: []}
        maps = {}
        for _ in range(args.rounds):
            for side, taken in times.items():
                spent, maps[side] = seconds(side, function)
                taken.append(spent)
        theirs, own = (statistics.median(taken) for taken in times.values())
        difference = (maps[captums] - spread_over_pixels(maps[ours], function.size)).abs().max()
        what = f"each of {len(function.names)} words" if each_word else "the caption"
        print(
            f"| {what} | {theirs:.1f} | {own:.2f} | {theirs / own:.1f} | {float(difference):.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
