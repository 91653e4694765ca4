"""Images to encode, decode and compare."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image

RED, BLUE = (200, 30, 40), (30, 40, 200)


def two_halves(size=(64, 48)) -> PIL.Image.Image:
    """Makes an image that is red above, blue below, with a white corner at the top left."""
    width, height = size
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2], pixels[height // 2 :] = RED, BLUE
    pixels[: height // 4, : width // 4] = 255
    return PIL.Image.fromarray(pixels)


def photograph(size, seed=0) -> PIL.Image.Image:
    """Makes an image with structure at all scales, like a photograph."""
    random, total = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for step in (256, 64, 16, 4):
        noise = random.integers(0, 256, (size[1] // step + 2, size[0] // step + 2, 3), dtype=np.uint8)
        total += np.asarray(PIL.Image.fromarray(noise).resize(size, PIL.Image.Resampling.BICUBIC))
    return PIL.Image.fromarray((total / 4).astype(np.uint8))


def saved(image: PIL.Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def distance(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Returns the mean absolute difference of two images, on the scale 0 to 255."""
    assert one.mode == other.mode == "RGB"
    assert one.size == other.size
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())
