"""Measures how decoding JPEGs at a reduced size changes pixels and speed: `python benchmarks/decoding.py`.

Photograph-like JPEGs are read at 224 × 224 pixels. Differences from full decoding are the mean and the maximum, on the
scale 0 to 255; for comparison, those of a bilinear resize in place of a bicubic one. The ratio of speeds is the median
over rounds in which the two take turns.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import PIL.Image
import torch
from data_material import jpeg

from frozenvl.model.processor import Pixels
from frozenvl.util.imaging import decode

SIZES = ((640, 480), (1000, 750), (1280, 960), (1600, 1200))
IMAGES, ROUNDS, SIDE = 6, 5, 224


def main() -> None:
    torch.set_num_threads(1)
    pixels = Pixels(SIDE)
    print("| size | reduced: mean, max | bilinear: mean, max | speed, ratio |\n|---|---|---|---|")
    for size in SIZES:
        contents = [jpeg(size, seed) for seed in range(IMAGES)]
        ratios = []
        for _ in range(ROUNDS):
            seconds = []
            for side in (None, SIDE):
                begun = time.perf_counter()
                for content in contents:
                    pixels.one(decode(content, "made", side))
                seconds.append(time.perf_counter() - begun)
            ratios.append(seconds[0] / seconds[1])
        full = [decode(content, "made") for content in contents]
        bicubic = [pixels.one(image) for image in full]
        reduced = [pixels.one(decode(content, "made", SIDE)) for content in contents]
        bilinear = [pixels.one(_bilinear(image)) for image in full]
        cells = [difference(bicubic, others) for others in (reduced, bilinear)]
        print(f"| {size[0]} × {size[1]} | {cells[0]} | {cells[1]} | {median(ratios):.2f} |")


def _bilinear(image):
    longest = max(image.size)
    size = tuple(round(length * SIDE / longest) for length in image.size)
    return image.resize(size, PIL.Image.Resampling.BILINEAR)


def difference(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> str:
    """Returns the mean and the maximum of the absolute differences of pixels."""
    errors = np.concatenate([(a.int() - b.int()).abs().flatten() for a, b in zip(ours, theirs, strict=True)])
    return f"{errors.mean():.2f}, {errors.max()}"


if __name__ == "__main__":
    main()
